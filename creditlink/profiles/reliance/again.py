"""A stored profile computed again from the facts, registration and products that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from sqlalchemy.orm import Session

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.profile import content
from creditlink.engine.profile.basis import DecisionBasis, decide
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.snapshot import Snapshot, registration_frame
from creditlink.products import approval_store
from creditlink.profiles.tables import Profile
from creditlink.records.store import read_inputs
from creditlink.uploads import use as uploads

_COMPARED = (*content.DECISION, "matches")


def approval_of(session: Session, profile: Profile) -> ApprovalModel | None:
    """Return the approval odds that a profile was ordered by; None: by the published rule.

    Raises
    ------
    LookupError
        They are not stored.
    """
    name = profile.asked.get("approval_model")
    return None if name is None else approval_store.by_hash(session, name)


def from_facts(
    session: Session,
    profile: Profile,
    *,
    live: LiveModel,
    book: ProductBook,
    approval: ApprovalModel | None,
    instead: Mapping[int, int | None] = MappingProxyType({}),
    registered: Mapping[str, object] = MappingProxyType({}),
) -> tuple[Snapshot, DecisionBasis]:
    """Compute a profile again, and what it rests on.

    Parameters
    ----------
    instead : fact -> the one to read in its place; None: it is left out. Nothing else changes.
    registered : column of the registration -> what to read in its place.

    Raises
    ------
    ValueError
        Another model computed it than the one given, or facts it was computed from are gone (purged).
    """
    if not live.scored(profile.model_id, profile.model_sha256):
        raise ValueError(f"the profile was computed by model {profile.model_id}, given is {live.model_id}")
    own = profile.asked["uploads"]["fact_ids"] if "uploads" in profile.asked else []
    uploaded = uploads.again(session, own)
    wanted = [one for one in (instead.get(known, known) for known in profile.fact_ids) if one is not None]
    facts = read_inputs(
        session,
        [profile.enterprise_id],
        categories=profile.asked["categories"],
        since=profile.as_of,
        as_of=profile.as_of,
        only=wanted,
        uploaded=uploaded,
    )
    gone = len(set(wanted) - set(facts.fact_ids)) + len(own) - len(uploaded)
    if gone:
        raise ValueError(f"{gone} of {len(profile.fact_ids) + len(own)} facts are gone: their data life is over")
    frames = {name: facts.records.frame(name) for name in FRAME_SCHEMAS}
    frames["registration"] = registration_frame({**profile.registration, **registered})
    inputs = replace(facts, records=RecordSet(**frames))
    return decide(inputs.records, profile.as_of, profile.asked, live=live, book=book, approval=approval)


def differences(profile: Profile, again: Snapshot) -> tuple[str, ...]:
    """Return the columns of a profile that came out otherwise."""
    return tuple(name for name in _COMPARED if _plain(getattr(again, name)) != _plain(getattr(profile, name)))


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else json.dumps(value, sort_keys=True, ensure_ascii=False)
