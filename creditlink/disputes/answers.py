"""What a source answers to a dispute, and whether its data bears that out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from creditlink.consents.service import live_for_work
from creditlink.consents.tables import Consent
from creditlink.disputes import service, versions
from creditlink.disputes.configuration import DisputeTerms
from creditlink.disputes.rules import states
from creditlink.disputes.tables import Dispute
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit import jobs
from creditlink.kit.errors import Conflict, ConsentRefused, InvalidRequest
from creditlink.records.pulls import pull
from creditlink.records.tables import FactRow

TELL = "profiles.tell_corrected"
"""The task that computes again and tells whoever relied on the datum: `profiles.reliance.contested`."""

MOST_ANSWER = 1_000
OTHERWISE = "the register has changed this entry, to another value than the firm names"


def answered(
    session: Session,
    dispute: Dispute,
    verdict: str,
    reason: str,
    *,
    answered_at: datetime,
    actor: str,
    terms: DisputeTerms,
    now: datetime,
) -> None:
    """Take a source's answer in, of a dispute that the caller has locked.

    That it corrected a row is believed once the row is there: it is asked for under a living consent that opens it.
    Where none lives, nothing of the datum is held for anybody any more, and its word stands.

    Raises
    ------
    InvalidRequest
        There is no such verdict, or no reason.
    Conflict
        The dispute waits for no answer.
    """
    if verdict not in states.VERDICTS:
        raise InvalidRequest(errors=[{"pointer": "/verdict", "detail": "is none"}])
    if not reason.strip() or len(reason) > MOST_ANSWER:
        raise InvalidRequest(errors=[{"pointer": "/reason", "detail": f"1 … {MOST_ANSWER} characters"}])
    in_time = answered_at < dispute.due_at
    dispute.trouble = None
    told: dict[str, object] = {"verdict": verdict, "in_time": in_time, "level": dispute.level}
    step = "promise" if verdict == "corrected" else "uphold"
    service.step(session, dispute, step, actor=actor, now=now, note=reason.strip(), detail=told)
    dispute.verdict, dispute.answer, dispute.answered_at = verdict, reason.strip(), answered_at
    if verdict == "upheld":
        within = terms.settings.appeal_within_days
        dispute.appeal_until = terms.calendar.due_at(now, within) if dispute.level == states.FIRST else None
        return
    dispute.believed_until = terms.calendar.due_at(now, terms.settings.believed_days)
    service.queue_work(session, dispute.id)


def see(session: Session, dispute: Dispute, now: datetime) -> bool:
    """End a dispute whose datum the source has changed since, whatever it answered; return whether it was so."""
    if dispute.state not in states.WATCHED:
        return False
    version = versions.in_force(session, dispute.enterprise_id, dispute.datum, now)
    if version is None or not versions.is_corrected(dispute, version):
        moved = version is not None and version.content_hash != dispute.said_hash
        if moved and dispute.is_open and dispute.datum.is_registered:
            dispute.trouble = OTHERWISE  # nobody but a person can say whether the firm is content with that
        return False
    service.step(
        session, dispute, "see", actor="system", now=now,
        detail={"fact": version.fact_id, "version": version.version, "known_at": version.known_at.isoformat()},
    )  # fmt: skip
    dispute.trouble = None if dispute.datum.is_registered else dispute.trouble
    dispute.corrected_fact_id, dispute.now_said = version.fact_id, dict(version.values)
    _queue_telling(session, dispute)
    return True


def await_row(session: Session, dispute: Dispute, terms: DisputeTerms, now: datetime) -> None:
    """Look whether a promised row is there; ask for it, or doubt the promise once its time is over."""
    if dispute.state != "promised" or see(session, dispute, now):
        return
    if dispute.datum.is_registered:
        _await_entry(dispute, session, now)
        return
    consent = living_consent(session, dispute, now)
    if consent is None:
        service.step(session, dispute, "trust", actor="system", now=now)
        _queue_telling(session, dispute)
    elif dispute.believed_until is not None and now >= dispute.believed_until:
        service.step(session, dispute, "doubt", actor="system", now=now)
        dispute.trouble = "it says that it corrected the row, and sends it as before"
    else:
        pull.start(session, consent, [dispute.source], trigger="dispute", now=now)
        dispute.tried_at, dispute.tries = now, dispute.tries + 1


def _await_entry(dispute: Dispute, session: Session, now: datetime) -> None:
    """Wait for the registry's feed, which nobody can ask for a row; doubt the promise once its time is over."""
    if dispute.believed_until is not None and now >= dispute.believed_until:
        service.step(session, dispute, "doubt", actor="system", now=now)
        dispute.trouble = "it says that it corrected the entry, and its feed has not brought it"
    else:
        dispute.tried_at, dispute.tries = now, dispute.tries + 1


def living_consent(session: Session, dispute: Dispute, now: datetime) -> Consent | None:
    """Return a consent under which a disputed datum may be fetched again, locked in share mode; None: there is none."""
    is_public = dispute.category in PUBLIC_CATEGORIES
    query = select(Consent.id).where(
        Consent.enterprise_id == dispute.enterprise_id,
        Consent.state == "ACTIVE",
        Consent.expires_at > now,
    )
    if not is_public:
        query = query.where(Consent.categories.contains([dispute.category]))
    for consent_id in session.scalars(query.order_by(Consent.expires_at.desc(), Consent.id)).all():
        try:
            consent = live_for_work(session, consent_id, now=now, spent_too=True)
        except ConsentRefused:
            continue
        # A consent looks back so far and no further.
        if is_public or pull.look_back(consent, now)[0] <= dispute.period:
            return consent
    return None


def _queue_telling(session: Session, dispute: Dispute) -> None:
    jobs.defer(session, TELL, queueing_lock=f"{TELL}:{dispute.id}", dispute_id=str(dispute.id))


def tell_overdue(session: Session, dispute: Dispute, now: datetime) -> bool:
    """Note that a source's time is over and it has not answered; once."""
    if dispute.state not in ("filed", "sent", "unkept") or dispute.due_at > now or dispute.overdue_told_at is not None:
        return False
    dispute.overdue_told_at = now
    service.note(session, dispute, "overdue", actor="system", now=now)
    return True


def overdue(session: Session, now: datetime) -> Sequence[Dispute]:
    """Return open disputes whose time is over and of which nobody was told."""
    query = select(Dispute).where(
        Dispute.state.in_(("filed", "sent", "unkept")), Dispute.due_at <= now, Dispute.overdue_told_at.is_(None)
    )
    return session.scalars(query.order_by(Dispute.due_at)).all()


def changed_since(session: Session) -> Sequence[Dispute]:
    """Return watched disputes of whose datum a later version has come, from a source or from the registry's feed."""
    newer = aliased(FactRow)
    query = select(Dispute).where(
        Dispute.state.in_(states.WATCHED),
        select(newer.id)
        .where(
            newer.enterprise_id == Dispute.enterprise_id, newer.frame == Dispute.frame,
            newer.period == Dispute.period, newer.subkey == Dispute.subkey, newer.id != Dispute.fact_id,
            newer.recorded_at >= Dispute.opened_at, newer.content_hash != Dispute.said_hash,
        )
        .exists(),
    )  # fmt: skip
    return [*session.scalars(query.order_by(Dispute.opened_at)), *versions.moved_in_register(session)]


PAUSES = (timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""How long after each talk with a source the next one comes; the last of them again and again."""


def next_talk(dispute: Dispute, now: datetime) -> datetime:
    """Return when a source is talked to again."""
    return now + PAUSES[min(max(dispute.tries - 1, 0), len(PAUSES) - 1)]


def told(session: Session, dispute: Dispute, *, actor: str, now: datetime) -> None:
    """Note that a person told the source, of a dispute that the caller has locked.

    Raises
    ------
    Conflict
        Its state forbids it.
    """
    service.step(session, dispute, "send", actor=actor, now=now)
    dispute.sent_at, dispute.trouble = now, None
    if dispute.channel == "wire":
        service.queue_work(session, dispute.id)


def refuse_foreign(dispute: Dispute) -> None:
    """Refuse an answer by hand for a source that answers by its wire and is still expected to.

    Raises
    ------
    Conflict
    """
    if dispute.channel == "wire" and dispute.state == "sent" and dispute.overdue_told_at is None:
        raise Conflict("this source answers by itself", reason="wired")
