"""The queue: cases are opened by rule or on request, claimed by one person, released, and expire by their clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.decisions.classes import RetentionClasses
from creditlink.decisions.kept import classes_of
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.http import paging
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.notifications.service import notify
from creditlink.reviews import ending
from creditlink.reviews.rules import causes as rules
from creditlink.reviews.rules import settings as review_settings
from creditlink.reviews.rules import states
from creditlink.reviews.rules.causes import ReviewSubject
from creditlink.reviews.rules.settings import ReviewSettings
from creditlink.reviews.rules.states import CaseStepRefused
from creditlink.reviews.tables import ReviewCase
from creditlink.staff.actor import StaffActor

REVIEWERS = ("risk",)
"""Roles whose members review."""

MOST_NOTE = 2_000


class ReviewedProfile(Protocol):
    """What is asked of a stored profile here."""

    @property
    def id(self) -> UUID: ...  # noqa: D102

    @property
    def enterprise_id(self) -> UUID: ...  # noqa: D102

    @property
    def institution_id(self) -> UUID: ...  # noqa: D102

    @property
    def consent_id(self) -> UUID: ...  # noqa: D102


@dataclass(frozen=True)
class ReviewRequest:
    """What somebody asks for on behalf of a sole trader."""

    by: str  # account:… or bank:…
    refuses_automation: bool
    note: str = ""


@dataclass(frozen=True)
class CaseQuery:
    """Which cases to list; None: any."""

    state: str | None = None
    cause: str | None = None
    limit: int = 100
    cursor: str | None = None


def settings_in_use() -> ReviewSettings:
    """Return the settings of the application or the process."""
    try:
        return runtime.part(ReviewSettings)
    except LookupError:
        settings = runtime.part(Settings)
        read = lambda: settings.parsed(review_settings.FILE, review_settings.parse)  # noqa: E731
        return runtime.process().get_or_make(ReviewSettings, read)


def kept_until(now: datetime, classes: RetentionClasses | None = None) -> datetime:
    """Return until when a row of reviews that is made `now` is kept."""
    return (classes or classes_of(runtime.part(Settings))).of(ending.CLASS).until(now)


def open_case(
    session: Session,
    profile: ReviewedProfile,
    subject: ReviewSubject,
    causes: Collection[str],
    *,
    settings: ReviewSettings,
    classes: RetentionClasses | None = None,
    now: datetime,
    asked: ReviewRequest | None = None,
) -> ReviewCase | None:
    """Open a case on a profile, with its evidence, in the caller's transaction; None: one of its kind is open already.

    Of each profile one case is open that the platform's rules asked for, and one that a person asked for.
    """
    case = ReviewCase(
        profile_id=profile.id,
        enterprise_id=profile.enterprise_id,
        institution_id=profile.institution_id,
        consent_id=profile.consent_id,
        causes=list(rules.in_order(causes)),
        asked_by=None if asked is None else asked.by,
        refuses_automation=asked is not None and asked.refuses_automation,
        note="" if asked is None else asked.note,
        result=subject.result,
        opened_at=now,
        due_at=rules.due_at(causes, settings.days, now=now),
        state="open",
        reason="",
        keep_until=kept_until(now, classes),
    )
    try:
        with session.begin_nested():
            session.add(case)
    except IntegrityError:
        return None
    note(session, case, "open", "system" if asked is None else asked.by, now, {"causes": case.causes})
    return case


def request(
    session: Session,
    profile: ReviewedProfile,
    subject: ReviewSubject,
    asked: ReviewRequest,
    *,
    settings: ReviewSettings,
    now: datetime,
) -> ReviewCase:
    """Open the case that a sole trader asks for; asking again while it is open gives the same one.

    Raises
    ------
    Conflict
        The firm is no sole trader, or a person has decided on this profile already.
    InvalidRequest
        The note is too long.
    """
    if not subject.is_sole_trader:
        raise Conflict(
            "the right to refuse an automated decision is a sole trader's; others object to data",
            reason="no_sole_trader",
        )
    if len(asked.note) > MOST_NOTE:
        raise InvalidRequest(
            errors=[{"pointer": "/note", "detail": f"must have at most {MOST_NOTE} characters, got {len(asked.note)}"}]
        )
    earlier = _asked_for(session, profile.id)
    if earlier is not None and earlier.state == "decided":
        raise Conflict(f"a person has decided on it: {earlier.wire_id}", reason="decided", case=earlier.wire_id)
    if earlier is not None and earlier.state in states.OPEN:
        return earlier
    case = open_case(session, profile, subject, (rules.ASKED,), settings=settings, now=now, asked=asked)
    if case is None:  # somebody was quicker
        case = _asked_for(session, profile.id)
    if case is None:
        raise NotFound
    return case


def _asked_for(session: Session, profile_id: UUID) -> ReviewCase | None:
    query = select(ReviewCase).where(ReviewCase.profile_id == profile_id, ReviewCase.asked_by.is_not(None))
    return session.scalars(query.order_by(ReviewCase.opened_at.desc()).limit(1)).first()


def refusal_stands(session: Session, consent_id: UUID) -> bool:
    """Return whether the sole trader refused automated decisions under a consent; as far as the viewer sees."""
    query = select(ReviewCase.id).where(ReviewCase.consent_id == consent_id, ReviewCase.refuses_automation)
    return session.scalar(query.limit(1)) is not None


def add_cause(
    session: Session,
    profile: ReviewedProfile,
    subject: ReviewSubject,
    cause: str,
    *,
    settings: ReviewSettings,
    classes: RetentionClasses | None = None,
    now: datetime,
) -> ReviewCase:
    """Bring a profile to a person for a cause that was found later, by the worker: a new case, or one more cause."""
    case = open_case(session, profile, subject, (cause,), settings=settings, classes=classes, now=now)
    if case is not None:
        return case
    query = select(ReviewCase).where(
        ReviewCase.profile_id == profile.id, ReviewCase.asked_by.is_(None), ReviewCase.state.in_(states.OPEN)
    )
    found = session.scalars(query.with_for_update()).one()
    if cause not in found.causes:
        found.causes = list(rules.in_order([*found.causes, cause]))
        found.due_at = min(found.due_at, rules.due_at((cause,), settings.days, now=now))
        note(session, found, "open", "system", now, {"causes": found.causes})
    return found


def listed(session: Session, query: CaseQuery) -> tuple[Sequence[ReviewCase], str | None]:
    """Return one page of cases, what is due first first, and the cursor of the next."""
    wanted = select(ReviewCase)
    if query.state is not None:
        wanted = wanted.where(ReviewCase.state == query.state)
    if query.cause is not None:
        wanted = wanted.where(ReviewCase.causes.contains([query.cause]))
    after = paging.row_of(session, ReviewCase, "rev", query.cursor)
    page, more = paging.first_due_first(
        session, wanted, ReviewCase.due_at, ReviewCase.id, after=after, limit=query.limit
    )
    return page, page[-1].wire_id if more else None


def case_of(session: Session, wire_id: str, *, lock: bool = False) -> ReviewCase:
    """Return a case by its id on the wire.

    Raises
    ------
    NotFound
    """
    query = select(ReviewCase).where(ReviewCase.id == ids.internal("rev", wire_id))
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise NotFound
    return found


def cases_of(session: Session, profile_ids: Collection[UUID]) -> dict[UUID, list[ReviewCase]]:
    """Return profile -> its cases, the latest first, as far as the viewer sees them."""
    query = select(ReviewCase).where(ReviewCase.profile_id.in_(profile_ids)).order_by(ReviewCase.opened_at.desc())
    found: dict[UUID, list[ReviewCase]] = {}
    for case in session.scalars(query):
        found.setdefault(case.profile_id, []).append(case)
    return found


def claim(session: Session, case: ReviewCase, *, by: StaffActor, now: datetime) -> None:
    """Take a case that the caller has locked; of two who take it at once, one is refused.

    Raises
    ------
    RoleMissing
        The person does not review.
    Conflict
        It is somebody else's, or over.
    """
    by.acting_as(*REVIEWERS)
    if case.state == "claimed" and case.claimed_by == by.account_id:
        return
    step(case, "claim", now=now)
    case.claimed_by, case.claimed_at = by.account_id, now
    note(session, case, "claim", by.name, now, {"proof": by.proof})


def release(session: Session, case: ReviewCase, *, by: StaffActor, now: datetime) -> None:
    """Give a case back to the queue; its own reviewer or an operator may, when somebody falls ill; errors as above."""
    if case.claimed_by != by.account_id:
        by.acting_as("operator")
    step(case, "release", now=now)
    case.claimed_by = case.claimed_at = None
    note(session, case, "release", by.name, now, {"proof": by.proof})


def step(case: ReviewCase, name: str, *, now: datetime) -> None:
    """Take a step of a case's life.

    Raises
    ------
    Conflict
        Its state forbids it, or its time is over, whether or not the sweep has found that yet.
    """
    try:
        state = states.after(case.state, name)
    except CaseStepRefused as refused:
        raise Conflict(str(refused), reason=case.state) from None
    if name != "expire" and case.due_at <= now:
        raise Conflict(f"it was due {case.due_at.isoformat(timespec='minutes')} and has expired", reason="expired")
    case.state = state
    if state not in states.OPEN:
        case.ended_at = now


def expire(session: Session, case_id: UUID, *, now: datetime) -> bool:
    """End a case whose time is over undecided, and tell its bank; return whether it was so."""
    case = session.scalars(select(ReviewCase).where(ReviewCase.id == case_id).with_for_update()).one_or_none()
    if case is None or case.state not in states.OPEN or case.due_at > now:
        return False
    step(case, "expire", now=now)
    tell_bank(session, case, "review.expired", now)
    note(session, case, "expire", "system", now, {})
    return True


def overdue(session: Session, now: datetime) -> Sequence[UUID]:
    """Return the cases whose time is over."""
    query = select(ReviewCase.id).where(ReviewCase.state.in_(states.OPEN), ReviewCase.due_at <= now)
    return session.scalars(query.order_by(ReviewCase.due_at)).all()


def tell_bank(session: Session, case: ReviewCase, type_: str, now: datetime, **further: object) -> None:
    """Queue a webhook about a case to its bank."""
    salt = session.get_one(Institution, case.institution_id).pairwise_salt
    data = {
        "case_id": case.wire_id,
        "profile_id": ids.external("prf", case.profile_id),
        "consent_id": ids.external("cns", case.consent_id),
        "enterprise_id": ids.pairwise(salt, case.enterprise_id),
        "state": case.state,
        **further,
    }
    notify(session, case.institution_id, type_, data, now)


def note(session: Session, case: ReviewCase, action: str, actor: str, now: datetime, detail: dict[str, object]) -> None:
    """Write what happened to a case into its firm's evidence; the words of people stay out of it."""
    audit.record(
        session,
        action=f"review.{action}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=case.enterprise_id,
        institution_id=case.institution_id,
        consent_id=case.consent_id,
        detail={
            "case": case.wire_id, "profile": ids.external("prf", case.profile_id), "state": case.state, **detail,
        },
    )  # fmt: skip
