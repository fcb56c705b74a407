"""A firm says yes: one person for it, or two where it wants two signatures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents import service
from creditlink.consents.agreement.statement import Statement
from creditlink.consents.agreement.versions import newest
from creditlink.consents.life import rules
from creditlink.consents.tables import Consent, ConsentEvent, ConsentSignature
from creditlink.engine.vocabulary import supplies_apart
from creditlink.enterprises.registry.codes import codes_of
from creditlink.enterprises.service import may_act, outside_limits
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit import jobs
from creditlink.kit.errors import Conflict, ConsentRefused, InvalidRequest


def approve(
    session: Session,
    consent: Consent,
    *,
    account: Account,
    enterprise: Enterprise,
    categories: Collection[str],
    statement: Statement,
    now: datetime,
) -> Consent:
    """Sign what was requested, or less of it: optional categories may be left out.

    With the last signature that the firm requires, the consent becomes ACTIVE over what all signers agreed
    to, and the pull of the granted sources is queued in the same transaction. Before that it stays REQUESTED.

    Raises
    ------
    Conflict
        The request was decided already, its time is over, or this person has signed and another must.
    ConsentRefused
        `account` may not act for `enterprise`, or not to this extent (`beyond` says in what); or the request
        names another firm.
    InvalidRequest
        `categories` leaves out a required one or names one that was not asked for.
    """
    current = service.lock_consent(session, consent.id)
    right = _right_to_sign(session, current, account, enterprise, now)
    granted = _narrowed(current, categories)
    beyond = outside_limits(right, purpose=current.purpose, categories=granted, runs_days=current.runs_days(now))
    if beyond is not None:
        raise ConsentRefused(f"beyond what the agent may decide: {beyond}", reason="beyond_agent_limits", beyond=beyond)
    others = valid_signatures(session, current, enterprise, now, but=account.id) if enterprise.two_signatures else []
    waits = enterprise.two_signatures and not others
    if waits and _has_signed(session, current, account, enterprise):
        raise Conflict("you have signed; a second person must sign too", reason="signed_already")
    actor = f"account:{account.id}"
    _sign(session, current, account, enterprise, right, granted, statement, now)
    for other in others:
        granted = [category for category in granted if category in supplies_apart(other.categories)]
    if waits:
        reason = "first_signature"
        session.add(
            ConsentEvent(
                consent_id=current.id,
                at=now,
                actor=actor,
                from_state=current.state,
                to_state=current.state,
                reason=reason,
            )
        )
        service.record(
            session,
            current,
            "consent.sign",
            actor=actor,
            now=now,
            detail={"categories": granted},
            enterprise_id=enterprise.id,
        )
        return current
    if current.amends is not None:
        _supersede(session, current, current.amends, enterprise, actor=actor, now=now)
    current.enterprise_id = enterprise.id
    current.categories = granted
    current.starts_at = now
    current.granted_by = account.id
    current.granted_role = right.role
    current.text_version, current.text_lang, current.text_sha256 = statement.version, statement.lang, statement.sha256
    current.text_shown = statement.as_json()
    service.move(session, current, "ACTIVE", actor=actor, reason="second_signature" if others else "approved", now=now)
    jobs.defer(session, "records.pull_consent", queue="pulls", lock=f"consent:{current.id}", consent_id=str(current.id))
    service.record(
        session,
        current,
        "consent.approve",
        actor=actor,
        now=now,
        detail={"categories": granted, "signatures": 1 + len(others)},
    )
    return current


def signatures_of(session: Session, consent_id: UUID) -> Sequence[ConsentSignature]:
    """Return every signature under a consent or request, the first one first."""
    query = select(ConsentSignature).where(ConsentSignature.consent_id == consent_id)
    return session.scalars(query.order_by(ConsentSignature.signed_at, ConsentSignature.id)).all()


def valid_signatures(
    session: Session, consent: Consent, enterprise: Enterprise, now: datetime, *, but: UUID | None = None
) -> list[ConsentSignature]:
    """Return the signatures given for `enterprise` that still count, without those of account `but`.

    A signature lapses with its signer's right: somebody dismissed or limited since then has not signed. One under an
    amendment lapses when the firm revokes the consent that it amends.
    """
    valid = []
    former = newest(session, consent.amends) if consent.amends else None
    withdrawn_at = former.changed_at if former is not None and former.state == "REVOKED" else None
    for signature in signatures_of(session, consent.id):
        if signature.enterprise_id != enterprise.id or signature.account_id == but:
            continue
        if withdrawn_at is not None and signature.signed_at <= withdrawn_at:
            continue
        right = may_act(session, session.get_one(Account, signature.account_id), enterprise, now)
        # A right given again brings no signature back.
        if right is None or right.valid_from > signature.signed_at:
            continue
        categories, runs_days = supplies_apart(signature.categories), consent.runs_days(now)
        if not outside_limits(right, purpose=consent.purpose, categories=categories, runs_days=runs_days):
            valid.append(signature)
    return valid


def _right_to_sign(
    session: Session, request: Consent, account: Account, enterprise: Enterprise, now: datetime
) -> Representation:
    if request.state != "REQUESTED":
        raise Conflict("the request was decided already", reason="decided")
    if now >= request.answer_until or now >= request.expires_at:
        raise Conflict("the time to answer is over", reason="too_late")
    if request.asked_uscc is not None and request.asked_uscc not in codes_of(session, [enterprise.id]):
        raise ConsentRefused("the request is for another firm", reason="other_firm")
    right = may_act(session, account, enterprise, now)
    if right is None:
        raise ConsentRefused("this account does not act for the firm", reason="not_representative")
    return right


def _has_signed(session: Session, request: Consent, account: Account, enterprise: Enterprise) -> bool:
    return any(
        s.account_id == account.id and s.enterprise_id == enterprise.id for s in signatures_of(session, request.id)
    )


def _sign(
    session: Session,
    request: Consent,
    account: Account,
    enterprise: Enterprise,
    right: Representation,
    categories: list[str],
    statement: Statement,
    now: datetime,
) -> None:
    session.add(
        ConsentSignature(
            consent_id=request.id,
            enterprise_id=enterprise.id,
            account_id=account.id,
            role=right.role,
            categories=categories,
            text_version=statement.version,
            text_lang=statement.lang,
            text_sha256=statement.sha256,
            signed_at=now,
        )
    )


def _narrowed(consent: Consent, categories: Collection[str]) -> list[str]:
    chosen = set(categories)
    strange = chosen - set(consent.categories_asked)
    if strange:
        raise InvalidRequest(f"category {min(strange)!r} was not asked for")
    missing = set(consent.categories_asked) - set(consent.optional_categories) - chosen
    if missing:
        raise InvalidRequest(f"category {min(missing)!r} is required: decline if it should not be granted")
    return [c for c in consent.categories_asked if c in chosen]


def _supersede(
    session: Session, consent: Consent, former_id: UUID, enterprise: Enterprise, *, actor: str, now: datetime
) -> None:
    """End the version that an amendment replaces: of all those ever agreed to, the one in force."""
    former = service.lock_consent(session, newest(session, former_id).id)
    while (successor := newest(session, former.id)).id != former.id:  # agreed to while this one waited for the lock
        former = service.lock_consent(session, successor.id)
    if former.institution_id != consent.institution_id or former.enterprise_id != enterprise.id:
        raise ConsentRefused("the amendment is for another firm's consent", reason="other_firm")
    if rules.may_change(former.state, "REVOKED"):
        service.move(session, former, "REVOKED", actor=actor, reason="amended", now=now, successor=consent)
