"""What a proof of being the legal representative does: a firm's first account, or the way back after a lost phone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.enterprises import representation
from creditlink.enterprises.identity.providers import ProvenIdentity
from creditlink.enterprises.identity.tables import IdentityBinding
from creditlink.enterprises.registry import versions
from creditlink.enterprises.service import by_uscc, current_rights, may_act
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict
from creditlink.kit.keyring import Secret, fingerprint
from creditlink.kit.postgres import db


def digest(proven: ProvenIdentity, *, key: Secret) -> str:
    """Return by what a provider's subject is known again; nobody else can make it or try it."""
    return fingerprint(key, "creditlink identities", f"{proven.provider}\0{proven.subject}")


def bound_to(session: Session, proven: ProvenIdentity, *, key: Secret) -> UUID | None:
    """Return the account that a provider's subject is bound to."""
    return session.scalar(
        select(IdentityBinding.account_id).where(
            IdentityBinding.provider == proven.provider, IdentityBinding.subject_digest == digest(proven, key=key)
        )
    )


def firm_of(session: Session, proven: ProvenIdentity) -> Enterprise:
    """Return the firm that a person proved to represent.

    Raises
    ------
    Conflict
        They are not its legal representative, or there is no such firm (any more): `reason` says which.
    """
    if not proven.is_legal:
        raise Conflict("only the legal representative registers a firm", reason="not_legal_representative")
    firm = by_uscc(session, proven.uscc)
    if firm is None or firm.status == "deregistered":
        raise Conflict("the register has no such firm", reason="unknown_firm")
    return firm


def register(
    session: Session, proven: ProvenIdentity, account: Account, *, key: Secret, now: datetime
) -> tuple[Enterprise, list[UUID]]:
    """Bind a proof to an account and let it lead the firm; return the firm, and who led it before.

    Raises
    ------
    Conflict
        The subject is bound to another account, the person does not lead the firm, or the register says that somebody
        else does.
    """
    firm = firm_of(session, proven)
    _bind(session, proven, account, key=key, now=now)
    session.refresh(firm, with_for_update={"key_share": True})
    right = may_act(session, account, firm, now)
    if right is not None and right.role == "legal_representative":
        return firm, []
    former = [
        one.account_id
        for one in current_rights(session, now, Representation.enterprise_id == firm.id)
        if one.role == "legal_representative"
    ]
    representation.appoint(
        session, enterprise=firm, account=account, role="legal_representative", actor=f"identity:{proven.provider}",
        reason=f"proved by {proven.provider}", now=now,
    )  # fmt: skip
    # Only whoever acts for a firm sees what the register says of it: so it is asked now, and undoes what was done.
    db.enter(session, db.Viewer(account_id=account.id, enterprise_id=firm.id))
    said = versions.held(session, [firm.id], day=day_of(now), known_at=now, kinds=("representative",)).get(firm.id, {})
    names = {item.name for version in said.values() for item in version.items}
    if names and proven.name not in names:
        raise Conflict("the register names another legal representative", reason="another_representative")
    return firm, former


def proves_for(session: Session, proven: ProvenIdentity, account: Account, *, key: Secret, now: datetime) -> bool:
    """Return whether a proof speaks for an account: it leads the firm, and no other is bound to the proof."""
    bound = bound_to(session, proven, key=key)
    firm = by_uscc(session, proven.uscc)
    if bound not in (None, account.id) or not proven.is_legal or firm is None:
        return False
    right = may_act(session, account, firm, now)
    leads = right is not None and right.role == "legal_representative"
    return leads and (bound is not None or _is_same(proven, account))


def _is_same(proven: ProvenIdentity, account: Account) -> bool:
    """Return whether a proof that is not bound yet names the person of the account."""
    return "".join(proven.name.split()) == "".join(account.display_name.split())


def _bind(session: Session, proven: ProvenIdentity, account: Account, *, key: Secret, now: datetime) -> None:
    session.execute(
        insert(IdentityBinding)
        .values(
            provider=proven.provider, subject_digest=digest(proven, key=key), account_id=account.id, bound_at=now
        )
        .on_conflict_do_nothing()
    )  # fmt: skip
    if bound_to(session, proven, key=key) != account.id:
        raise Conflict("this identity has a sign-in already", reason="bound")
