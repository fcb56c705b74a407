"""Deciding a case: the result stands, or a person departs from it, with a second person where that loosens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.decisions import archive
from creditlink.decisions.kept import classes_of
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.reviews import queue
from creditlink.reviews.rules import overrides as rules
from creditlink.reviews.rules.overrides import CheckedOverride, OverrideRefused, WantedOverride
from creditlink.reviews.tables import ReviewCase, ReviewOverride
from creditlink.staff import acts
from creditlink.staff.actor import StaffActor
from creditlink.staff.acts import KINDS, ActKind
from creditlink.staff.tables import StaffAct

LOOSEN = "review.override"
ENTRY_FORMAT = 1


@dataclass(frozen=True)
class ReviewDecided:
    """What came of a decision: the case, and what waits for a second person, if anything does."""

    case: ReviewCase
    override: ReviewOverride | None = None
    waits: StaffAct | None = None


def confirm(session: Session, case: ReviewCase, *, by: StaffActor, reason: str, now: datetime) -> ReviewDecided:
    """Decide that the result stands.

    Raises
    ------
    RoleMissing, Conflict
        The person does not review, or has not claimed the case; it is over.
    InvalidRequest
        No reason is given.
    """
    _must_hold(case, by)
    if not reason.strip():
        raise InvalidRequest(errors=[{"pointer": "/reason", "detail": "must say why, got an empty text"}])
    _end(case, "confirmed", reason, now)
    queue.tell_bank(session, case, "review.decided", now, decision="confirmed")
    queue.note(session, case, "decide", by.name, now, {"decision": "confirmed", "proof": by.proof})
    return ReviewDecided(case)


def override(
    session: Session, case: ReviewCase, wanted: WantedOverride, *, by: StaffActor, now: datetime
) -> ReviewDecided:
    """Depart from the result: at once where that tightens; where it loosens, once a second person approves the same.

    Raises
    ------
    RoleMissing, Conflict
        As for `confirm`, or the same waits already.
    InvalidRequest
        The limits forbid it; the pointer names the member.
    """
    _must_hold(case, by)
    found = _checked(wanted, case, now)
    if not found.loosens:
        return ReviewDecided(case, _apply(session, case, found, first=by, second=None, now=now))
    subject = {"case": case.wire_id, "profile": ids.external("prf", case.profile_id), **wanted.to_dict()}
    return ReviewDecided(case, waits=acts.propose(session, LOOSEN, subject, by=by, reason=wanted.reason, now=now))


def _do(session: Session, act: StaffAct, first: StaffActor, second: StaffActor, now: datetime) -> None:
    db.enter(session, db.Viewer(actor="operator"))  # the desk sees its own person's rows only
    plain = dict(act.subject)
    case = queue.case_of(session, str(plain.pop("case")), lock=True)
    plain.pop("profile")
    _must_hold(case, first)
    _apply(session, case, _checked(rules.override_from(plain), case, now), first=first, second=second, now=now)


KINDS.add(LOOSEN, ActKind("人工调整信用结论", "Override of a credit result", queue.REVIEWERS, queue.REVIEWERS, _do))


def _must_hold(case: ReviewCase, by: StaffActor) -> None:
    by.acting_as(*queue.REVIEWERS)
    if case.state != "claimed":
        raise Conflict(f"it is {case.state}; claim it first", reason=case.state)
    if case.claimed_by != by.account_id:
        raise Conflict("another person has claimed it", reason="claimed")


def _checked(wanted: WantedOverride, case: ReviewCase, now: datetime) -> CheckedOverride:
    try:
        return rules.checked(wanted, case.result, queue.settings_in_use().limits, now=now)
    except OverrideRefused as refused:
        raise InvalidRequest(errors=[{"pointer": f"/override/{refused.field}", "detail": str(refused)}]) from None


def _end(case: ReviewCase, decision: str, reason: str, now: datetime) -> None:
    queue.step(case, "decide", now=now)
    case.decision, case.reason = decision, reason


def _apply(
    session: Session,
    case: ReviewCase,
    found: CheckedOverride,
    *,
    first: StaffActor,
    second: StaffActor | None,
    now: datetime,
) -> ReviewOverride:
    wanted, override_id = found.wanted, uuid4()
    _end(case, "overridden", wanted.reason, now)
    settings = runtime.part(Settings)
    classes = classes_of(settings)
    people = {"first": first.name, "second": None if second is None else second.name}
    entry: dict[str, object] = {
        "format": ENTRY_FORMAT, "kind": "override", "about": ids.external("dec", case.profile_id),
        "override": ids.external("ovr", override_id), "case": case.wire_id, "causes": case.causes,
        "result": case.result, "wanted": wanted.to_dict(), "grade": found.grade, "loosens": found.loosens,
        "decided_at": now.isoformat(), **people,
    }  # fmt: skip
    record = archive.keep_later(
        session, case.profile_id, canonical_json(entry).encode() + b"\n", entry_id=override_id, classes=classes,
        secret=settings.secret_key, now=now,
    )  # fmt: skip
    made = ReviewOverride(
        id=override_id,
        case_id=case.id,
        profile_id=case.profile_id,
        enterprise_id=case.enterprise_id,
        institution_id=case.institution_id,
        consent_id=case.consent_id,
        kind=wanted.kind,
        notches=wanted.notches,
        grade=found.grade,
        knock_out=wanted.knock_out,
        loosens=found.loosens,
        reason_code=wanted.reason_code,
        reason=wanted.reason,
        evidence=wanted.evidence,
        first_id=first.account_id,
        second_id=None if second is None else second.account_id,
        decided_at=now,
        expires_at=wanted.expires_at,
        record_sha256=record,
        keep_until=queue.kept_until(now, classes),
    )
    session.add(made)
    session.flush()
    queue.tell_bank(session, case, "review.decided", now, decision="overridden", kind=made.kind)
    told: dict[str, object] = {"kind": made.kind, "reason_code": made.reason_code, "loosens": made.loosens, **people}
    if record is not None:
        told |= {"later_entry": ids.external("dec", override_id), "record": record}
    queue.note(session, case, "override", (second or first).name, now, told)
    return made


def overrides_of(session: Session, profile_ids: Collection[UUID]) -> dict[UUID, ReviewOverride]:
    """Return profile -> its latest override, as far as the viewer sees it, expired ones too."""
    query = select(ReviewOverride).where(ReviewOverride.profile_id.in_(profile_ids)).order_by(ReviewOverride.decided_at)
    return {row.profile_id: row for row in session.scalars(query)}


def overrides_of_cases(session: Session, case_ids: Collection[UUID]) -> dict[UUID, ReviewOverride]:
    """Return case -> the override that it ended with."""
    query = select(ReviewOverride).where(ReviewOverride.case_id.in_(case_ids))
    return {row.case_id: row for row in session.scalars(query)}


def override_json(row: ReviewOverride, now: datetime) -> dict[str, object]:
    """Return an override as bank and firm read it: what was decided and why, not who decided it."""
    zh, en = rules.KINDS[row.kind]
    reason_zh, reason_en = rules.REASONS[row.reason_code]
    return {
        "id": row.wire_id,
        "kind": row.kind,
        "label_zh": zh,
        "label_en": en,
        "notches": row.notches,
        "grade": row.grade,
        "knock_out": row.knock_out,
        "reason_code": row.reason_code,
        "reason_zh": reason_zh,
        "reason_en": reason_en,
        "reason": row.reason,
        "people": 1 if row.second_id is None else 2,
        "decided_at": row.decided_at,
        "expires_at": row.expires_at,
        "in_force": now < row.expires_at,
    }


def review_json(
    cases: Mapping[UUID, list[ReviewCase]], overrides: Mapping[UUID, ReviewOverride], profile_id: UUID, now: datetime
) -> dict[str, object] | None:
    """Return what people did about a profile, as its bank and its firm read it beside the score; None: nothing."""
    own = cases.get(profile_id)
    if not own:
        return None
    made = overrides.get(profile_id)
    return {
        "cases": [
            {
                "id": case.wire_id,
                "state": case.state,
                "causes": case.causes,
                "asked_for": case.asked_by is not None,
                "opened_at": case.opened_at,
                "due_at": case.due_at,
                "decision": case.decision,
                "ended_at": case.ended_at,
            }
            for case in own
        ],
        "automated_decision_refused": any(case.refuses_automation for case in own),
        "override": None if made is None else override_json(made, now),
    }
