"""Cases as the desk lists them: whose, why, what the model said, who has them, how long they still have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.states import DECISIONS, OPEN, STATES
from creditlink.reviews.tables import ReviewCase

Named = TypeVar("Named", Enterprise, Institution)
_SOON = timedelta(days=2)


@dataclass(frozen=True)
class QueuedCase:
    """One case with its names; texts are pairs in zh and en."""

    row: ReviewCase
    firm: str
    uscc: str
    bank: tuple[str, str]
    reviewer: str | None
    now: datetime

    @property
    def state(self) -> tuple[str, str]:
        """Return its state, or that its time is over before the sweep has found it."""
        return STATES["expired" if self.is_late else self.row.state]

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Return why it is here."""
        return [CAUSES.get(cause, (cause, cause)) for cause in self.row.causes]

    @property
    def decision(self) -> tuple[str, str] | None:
        """Return what was decided."""
        return None if self.row.decision is None else DECISIONS[self.row.decision]

    @property
    def is_open(self) -> bool:
        """Return whether it still wants a decision."""
        return self.row.state in OPEN and not self.is_late

    @property
    def is_late(self) -> bool:
        """Return whether its time is over and nobody has decided."""
        return self.row.state in OPEN and self.row.due_at <= self.now

    @property
    def is_urgent(self) -> bool:
        """Return whether its clock is about to run out."""
        return self.is_open and self.row.due_at - self.now < _SOON

    @property
    def days_left(self) -> int:
        """Return whole days until it is due."""
        return max(0, (self.row.due_at - self.now).days)

    @property
    def decision_id(self) -> str:
        """Return the decision that it is about, as the archive names it."""
        return ids.external("dec", self.row.profile_id)


def queued(session: Session, cases: Sequence[ReviewCase], now: datetime) -> list[QueuedCase]:
    """Return cases with their names, in their order."""
    firms = _by_id(session, Enterprise, {case.enterprise_id for case in cases})
    banks = _by_id(session, Institution, {case.institution_id for case in cases})
    people = logins(session, {case.claimed_by for case in cases if case.claimed_by is not None})
    return [
        QueuedCase(
            row=case,
            firm=firms[case.enterprise_id].name,
            uscc=firms[case.enterprise_id].uscc,
            bank=(banks[case.institution_id].name_zh, banks[case.institution_id].name_en),
            reviewer=None if case.claimed_by is None else people.get(case.claimed_by),
            now=now,
        )
        for case in cases
    ]


def logins(session: Session, accounts: set[UUID]) -> dict[UUID, str]:
    """Return account -> what the person is called."""
    rows = session.execute(select(Account.id, Account.display_name).where(Account.id.in_(accounts)))
    return {row.id: row.display_name for row in rows}


def _by_id(session: Session, table: type[Named], wanted: set[UUID]) -> dict[UUID, Named]:
    return {row.id: row for row in session.scalars(select(table).where(table.id.in_(wanted)))}
