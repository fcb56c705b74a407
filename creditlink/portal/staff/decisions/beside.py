"""What stands beside a sealed decision: what people decided later and what became of it, notes, the consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.decisions.looks.notes import WrittenNote, notes_of
from creditlink.enterprises.tables import Account
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.overrides import KINDS, REASONS
from creditlink.reviews.rules.states import DECISIONS, STATES
from creditlink.reviews.tables import OverrideOutcome, ReviewCase, ReviewOverride


@dataclass(frozen=True)
class ShownOverride:
    """An override beside the score: how, why, by whom, until when, and what became of the loan."""

    row: ReviewOverride
    kind: tuple[str, str]  # in zh and en, as all pairs here
    reason: tuple[str, str]
    people: tuple[str, ...]
    in_force: bool
    outcome: OverrideOutcome | None


@dataclass(frozen=True)
class ShownCase:
    """A case of the review queue about the decision."""

    row: ReviewCase
    causes: tuple[tuple[str, str], ...]
    state: tuple[str, str]
    decision: tuple[str, str] | None
    reviewer: str | None
    override: ShownOverride | None


@dataclass(frozen=True)
class Beside:
    """All of it."""

    cases: Sequence[ShownCase]
    notes: Sequence[WrittenNote]
    consent: Consent | None

    @property
    def override(self) -> ShownOverride | None:
        """Return the latest override, expired or not."""
        found = [case.override for case in self.cases if case.override is not None]
        return max(found, key=lambda one: one.row.decided_at) if found else None


def beside(session: Session, decision_id: UUID, consent_id: UUID, now: datetime) -> Beside:
    """Return what stands beside a decision; the transaction is of somebody who looks at it."""
    return Beside(cases_of(session, decision_id, now), notes_of(session, decision_id), session.get(Consent, consent_id))


def cases_of(session: Session, decision_id: UUID, now: datetime) -> list[ShownCase]:
    """Return the cases about a decision, the latest first."""
    query = (
        select(ReviewCase, ReviewOverride, OverrideOutcome)
        .outerjoin(ReviewOverride, ReviewOverride.case_id == ReviewCase.id)
        .outerjoin(OverrideOutcome, OverrideOutcome.override_id == ReviewOverride.id)
        .where(ReviewCase.profile_id == decision_id)
        .order_by(ReviewCase.opened_at.desc(), ReviewCase.id)
    )
    rows = session.execute(query).all()
    people = {person for _, one, _ in rows if one is not None for person in (one.first_id, one.second_id) if person}
    people |= {case.claimed_by for case, _, _ in rows if case.claimed_by}
    found = session.execute(select(Account.id, Account.display_name).where(Account.id.in_(people)))
    names = {row.id: row.display_name for row in found}
    return [_case(case, override, outcome, names, now) for case, override, outcome in rows]


def _case(
    case: ReviewCase,
    override: ReviewOverride | None,
    outcome: OverrideOutcome | None,
    names: dict[UUID, str],
    now: datetime,
) -> ShownCase:
    return ShownCase(
        row=case,
        causes=tuple(CAUSES.get(cause, (cause, cause)) for cause in case.causes),
        state=STATES[case.state],
        decision=None if case.decision is None else DECISIONS[case.decision],
        reviewer=None if case.claimed_by is None else names.get(case.claimed_by),
        override=None if override is None else _override(override, outcome, names, now),
    )


def _override(
    row: ReviewOverride, outcome: OverrideOutcome | None, names: dict[UUID, str], now: datetime
) -> ShownOverride:
    people = [row.first_id, *([row.second_id] if row.second_id else [])]
    return ShownOverride(
        row=row,
        kind=KINDS[row.kind],
        reason=REASONS[row.reason_code],
        people=tuple(names.get(person, "?") for person in people),
        in_force=now < row.expires_at,
        outcome=outcome,
    )
