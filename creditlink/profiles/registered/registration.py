"""A profile's firm as it was registered on the profile's day: what the registry publishes, as it was known then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.enterprises.registry import versions
from creditlink.enterprises.registry.versions import NamedFirm, RegisteredItem
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids
from creditlink.kit.clock import day_from, last_known_at
from creditlink.profiles.tables import Profile


def known_at(profile: Profile) -> datetime:
    """Return the last instant whose knowledge counts for a profile: it was made then, or is of an earlier day."""
    return last_known_at(profile.as_of, profile.created_at)


def registration_of(session: Session, profile: Profile) -> dict[str, object]:
    """Return the firm as registered on the profile's day.

    Of persons a bank is told the representative's name, as published, and how much natural shareholders hold together;
    never who they are.
    """
    enterprise = session.get_one(Enterprise, profile.enterprise_id)
    named = versions.named_on(session, enterprise, day=profile.as_of, known_at=known_at(profile))
    registered = {name: value for name, value in profile.registration.items() if name not in ("firm", "known_on")}
    if founded := registered["established_on"]:
        registered["established_on"] = day_from(founded)
    return {
        "profile_id": ids.external("prf", profile.id),
        "as_of": profile.as_of,
        "uscc": named.uscc,
        "name": named.name,
        "former_usccs": named.former_usccs,
        "former_names": named.former_names,
        "is_listed": named.is_listed,
        **registered,
        "legal_representative": _only(named, "representative"),
        "address": _only(named, "address"),
        "shareholders": _shareholders(named),
        "branches": [_firm(one) for one in _items(named, "branch")] if "branch" in named.kinds else None,
    }


def _only(named: NamedFirm, kind: str) -> str | None:
    items = _items(named, kind)
    return items[0].name if items else None


def _items(named: NamedFirm, kind: str) -> tuple[RegisteredItem, ...]:
    return named.kinds[kind].items if kind in named.kinds else ()


def _firm(item: RegisteredItem) -> dict[str, object]:
    return {"name": item.name, "uscc": item.uscc}


def _shareholders(named: NamedFirm) -> Mapping[str, object] | None:
    if "shareholder" not in named.kinds:
        return None
    items = _items(named, "shareholder")
    persons = [one for one in items if one.uscc is None]
    shares = [one.share_bps for one in persons]
    return {
        "firms": [{**_firm(one), "share_bps": one.share_bps} for one in items if one.uscc is not None],
        "persons": len(persons),
        "persons_share_bps": None if None in shares else sum(share or 0 for share in shares),
    }
