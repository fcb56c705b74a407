"""The life of a consent: requested, granted, paused, revoked, used up. The session is the caller's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.identity import LenderIdentity
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.agreement.statement import Statement, statement
from creditlink.consents.life import counters, rules
from creditlink.consents.life.announcement import announce, tell_asked
from creditlink.consents.life.locking import keep_changes_out, keep_reads_out
from creditlink.consents.life.rules import ALIVE, ReadRequest
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import Client, Institution
from creditlink.kit import jobs
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, ConsentRefused, InvalidRequest
from creditlink.kit.postgres import db

# A firm that its bank sends here has at most this long to decide; the page itself expires sooner.
ANSWER_WITHIN = timedelta(hours=3)
# A request in the inbox waits for a person who is away, for at least this long.
INBOX_AT_LEAST = timedelta(minutes=30)


class ReadAccess(Protocol):
    """The part of `access.guard.Access` that a consent is checked against."""

    @property
    def institution_id(self) -> UUID:
        """The institution of the token's client."""

    @property
    def consent_id(self) -> UUID | None:
        """The consent that the token was issued for; None: it is the institution's own."""

    @property
    def authorization_details(self) -> Sequence[Mapping[str, object]]:
        """What the token is for: the consent's details or, where it was narrowed, a part of them."""


@dataclass(frozen=True)
class ConsentGrant:
    """What a live consent gives, as tokens carry it."""

    consent_id: UUID
    institution_id: UUID
    enterprise_id: UUID
    expires_at: datetime
    authorization_details: list[dict[str, object]]


def request_consent(
    session: Session,
    *,
    client: Client,
    details: AuthorizationDetails,
    now: datetime,
    amends: Consent | None = None,
    channel: str = "redirect",
    answer_until: datetime | None = None,
    asked_uscc: str | None = None,
    actor: str | None = None,
) -> Consent:
    """Record what a bank asks for. It opens nothing until the firm decides (C8).

    `actor` asks where it is not the client: a person of the firm, who asks for the firm itself.

    `asked_uscc` names the firm where the details do not, because the bank knows it only by its own id.

    Raises
    ------
    InvalidRequest
        The inbox would leave the firm less than half an hour.
    """
    deadline = answer_until or now + (ANSWER_WITHIN if channel == "redirect" else 2 * INBOX_AT_LEAST)
    if channel == "inbox" and deadline < now + INBOX_AT_LEAST:
        raise InvalidRequest(f"answer_until {deadline.isoformat()} leaves the firm less than 30 minutes")
    consent = Consent(
        id=uuid4(),
        institution_id=client.institution_id,
        client_id=client.client_id,
        channel=channel,
        amends=amends.id if amends else None,
        version=amends.version + 1 if amends else 1,
        asked=details.to_dict(),
        asked_uscc=details.uscc or asked_uscc,
        categories_asked=list(details.categories),
        optional_categories=list(details.optional_categories),
        purpose=details.purpose,
        access=details.access,
        actions=list(details.actions),
        history_months=details.history_months,
        data_life_days=details.data_life_days,
        pulls_per_month=details.pulls_per_month,
        pulls_per_day=details.pulls_per_day,
        expires_at=details.valid_until,
        fair_use_version=details.fair_use_version,
        requested_at=now,
        answer_until=min(deadline, details.valid_until),
        categories=[],
        state="REQUESTED",
        changed_at=now,
    )
    session.add(consent)
    session.flush()
    by = actor or f"bank:{client.client_id}"
    session.add(ConsentEvent(consent_id=consent.id, at=now, actor=by, to_state="REQUESTED", reason="asked"))
    session.flush()
    if channel == "inbox":
        tell_asked(session, consent, now)
    return consent


def count_waiting(session: Session, institution_id: UUID, uscc: str, now: datetime) -> int:
    """Return how many requests of an institution wait in the inbox of the firm with this code.

    Nobody else can add one until the transaction ends: simultaneous requests are counted one after the other.
    """
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"inbox {institution_id} {uscc}", 0))))
    waiting = select(func.count()).where(
        Consent.institution_id == institution_id,
        Consent.asked_uscc == uscc,
        Consent.state == "REQUESTED",
        Consent.channel == "inbox",
        Consent.answer_until > now,
    )
    return session.scalar(waiting) or 0


def uscc_of(session: Session, enterprise_id: UUID) -> str | None:
    """Return the code of a firm, None if there is no such firm."""
    return session.scalar(select(Enterprise.uscc).where(Enterprise.id == enterprise_id))


def statement_for(session: Session, consent: Consent, *, fair_use: FairUse, lang: str) -> Statement:
    """Return the text that the page shows for a request, and whose hash the consent keeps."""
    institution = session.get_one(Institution, consent.institution_id)
    return text_for(consent.details(), institution, fair_use=fair_use, lang=lang, asked_on=day_of(consent.requested_at))


def text_for(
    details: AuthorizationDetails, institution: Institution, *, fair_use: FairUse, lang: str, asked_on: date
) -> Statement:
    """Return the text for a request of an institution, also for one that is not made yet."""
    return statement(
        details,
        institution_zh=institution.name_zh,
        institution_en=institution.name_en,
        template=fair_use.templates.get(details.purpose),
        lang=lang,
        identity=identity_of(institution),
        asked_on=asked_on,
    )


def identity_of(institution: Institution) -> LenderIdentity | None:
    """Return what a firm can check of an institution; None where the firm asks for itself."""
    if is_own(institution.id):
        return None
    return LenderIdentity(
        institution.code, institution.kind, institution.uscc, institution.licence_no, day_of(institution.created_at)
    )


def reject(
    session: Session, consent: Consent, *, actor: str, reason: str, now: datetime, enterprise: Enterprise | None = None
) -> Consent:
    """Decline a request; a known firm keeps it in its own list."""
    return _change(
        session, consent, "REJECTED", "consent.reject", actor=actor, reason=reason, now=now, enterprise=enterprise
    )


def pause(session: Session, consent: Consent, *, actor: str, reason: str, now: datetime) -> Consent:
    """Stop all reads until `resume`; the consent's time runs on."""
    return _change(session, consent, "PAUSED", "consent.pause", actor=actor, reason=reason, now=now)


def resume(session: Session, consent: Consent, *, actor: str, reason: str, now: datetime) -> Consent:
    """Allow reads again, and fetch what was missed."""
    current = _change(session, consent, "ACTIVE", "consent.resume", actor=actor, reason=reason, now=now)
    jobs.defer(session, "records.pull_consent", queue="pulls", lock=f"consent:{current.id}", consent_id=str(current.id))
    return current


def revoke(session: Session, consent: Consent, *, actor: str, reason: str, now: datetime) -> Consent:
    """Revoke a consent, for good; the next read in any process is refused."""
    return _change(session, consent, "REVOKED", "consent.revoke", actor=actor, reason=reason, now=now)


def _change(
    session: Session,
    consent: Consent,
    to: str,
    action: str,
    *,
    actor: str,
    reason: str,
    now: datetime,
    enterprise: Enterprise | None = None,
) -> Consent:
    current = lock_consent(session, consent.id)
    if current.state in ALIVE and now >= current.expires_at and to != "EXPIRED":
        raise Conflict("the consent has expired", reason="expired")
    if not rules.may_change(current.state, to) or (action == "consent.resume" and current.state != "PAUSED"):
        raise Conflict(f"the consent is {current.state}: it cannot become {to}", reason=current.state.lower())
    if enterprise is not None:
        current.enterprise_id = enterprise.id
    move(session, current, to, actor=actor, reason=reason, now=now)
    record(session, current, action, actor=actor, now=now, detail={"reason": reason})
    return current


def end(session: Session, consent: Consent, to: str, *, actor: str, reason: str, now: datetime) -> None:
    """Move a consent that the caller has locked to a state that time or use has brought about."""
    move(session, consent, to, actor=actor, reason=reason, now=now)
    record(session, consent, f"consent.{to.lower()}", actor=actor, now=now, detail={"reason": reason})


def lock_consent(session: Session, consent_id: UUID) -> Consent:
    """Return the consent as it is now, locked against reads and other changes until the transaction ends."""
    keep_reads_out(session, consent_id)
    query = select(Consent).where(Consent.id == consent_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def move(
    session: Session,
    consent: Consent,
    to: str,
    *,
    actor: str,
    reason: str,
    now: datetime,
    successor: Consent | None = None,
) -> None:
    """Change the state of a locked consent, and record who did it, why and when: the one place where states change."""
    event = ConsentEvent(
        consent_id=consent.id, at=now, actor=actor, from_state=consent.state, to_state=to, reason=reason
    )
    consent.state, consent.changed_at = to, now
    session.add(event)
    session.flush()  # the trigger checks the change here, before anything else depends on it
    announce(session, consent, from_state=str(event.from_state), reason=reason, now=now, successor=successor)


def record(
    session: Session,
    consent: Consent,
    action: str,
    *,
    actor: str,
    now: datetime,
    detail: dict[str, object],
    enterprise_id: UUID | None = None,
) -> None:
    """Write what happened to a consent into the firm's evidence; `enterprise_id` is needed until the consent has it."""
    audit.record(
        session,
        action=action,
        result="done",
        actor=actor,
        now=now,
        enterprise_id=consent.enterprise_id or enterprise_id,
        institution_id=consent.institution_id,
        client_id=consent.client_id,
        consent_id=consent.id,
        purpose=consent.purpose,
        detail=detail,
    )


def _with_institution(consent_id: UUID) -> Select[Consent, str, str]:
    return (
        select(Consent, Institution.status, Institution.pairwise_salt)
        .join(Institution, Institution.id == Consent.institution_id)
        .where(Consent.id == consent_id)
        .execution_options(populate_existing=True)
    )


def live_consent(
    session: Session,
    consent_id: UUID | None,
    *,
    access: ReadAccess,
    action: str,
    now: datetime,
    categories: Collection[str] = (),
) -> Consent:
    """Return the consent that allows this read, as it is now, and open the rows that it covers.

    The row is locked in share mode: a revocation that commits before this read starts is seen, one
    that comes later waits until the read is committed, and reads that come after it wait for it.

    Raises
    ------
    ConsentRefused
        No such consent for this token, or it is not alive, or does not cover the read; `reason` says.
    """
    if consent_id is None:
        raise ConsentRefused("the token is the institution's own, no firm's consent is behind it", reason="no_consent")
    keep_changes_out(session, consent_id, db.Viewer(institution_id=access.institution_id))
    row = session.execute(_with_institution(consent_id).with_for_update(read=True, of=Consent)).one_or_none()
    # An unknown consent, another institution's, and one that the token was not issued for look the same.
    if row is None or consent_id != access.consent_id:
        raise ConsentRefused(reason="wrong_institution")
    consent, status, _ = row
    ask = ReadRequest(access.institution_id, action, frozenset(categories))
    terms = consent.terms(institution_active=status == "active")
    refused = rules.refusal(terms.narrowed(access.authorization_details), ask, now)
    if refused:
        raise ConsentRefused(reason=refused.reason)
    db.enter(session, db.Viewer(consent_id=consent.id))
    return consent


def live_for_work(session: Session, consent_id: UUID, *, now: datetime, spent_too: bool = False) -> Consent:
    """Return the consent under which queued work may go on, locked in share mode.

    With `spent_too` also one whose uses are spent: what was computed under it can still be read, and is put right.

    Raises
    ------
    ConsentRefused
        It is not alive (any more), or all its uses are spent: no source is asked for what nobody may compute.
    """
    keep_changes_out(session, consent_id)
    row = session.execute(_with_institution(consent_id).with_for_update(read=True, of=Consent)).one_or_none()
    if row is None:
        raise ConsentRefused(reason="not_active")
    dead = rules.dead_reason(row[0].terms(institution_active=row[1] == "active"), now)
    if dead or (not spent_too and counters.is_spent(session, row[0])):
        raise ConsentRefused(reason=dead or "exhausted")
    db.enter(session, db.Viewer(consent_id=row[0].id, institution_id=row[0].institution_id))
    return row[0]


def grant_for_token(session: Session, consent_id: UUID, *, now: datetime) -> ConsentGrant | None:
    """Return what a new token may carry: `grant_of`, with the consent locked until the transaction ends.

    A change under way comes first; a later one waits for the token, so that no token is issued after an answer that
    said its consent is over.
    """
    keep_changes_out(session, consent_id)
    return _grant(_with_institution(consent_id).with_for_update(read=True, of=Consent), session, now)


def grant_of(session: Session, consent_id: UUID, *, now: datetime) -> ConsentGrant | None:
    """Return what the consent gives now, None unless it is alive: for introspection, which promises nothing."""
    return _grant(_with_institution(consent_id), session, now)


def _grant(query: Select[Consent, str, str], session: Session, now: datetime) -> ConsentGrant | None:
    row = session.execute(query).one_or_none()
    if row is None or rules.dead_reason(row[0].terms(institution_active=row[1] == "active"), now):
        return None
    consent: Consent = row[0]
    assert consent.enterprise_id is not None  # noqa: S101 (a constraint of the table, for the type checker)
    return ConsentGrant(
        consent.id,
        consent.institution_id,
        consent.enterprise_id,
        consent.expires_at,
        [consent.granted_details(row[2])],
    )
