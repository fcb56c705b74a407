"""The gate before an office: its limits and its rests are in PostgreSQL, so that all workers together keep them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.records.connectors.wire import Failure, heard_now
from creditlink.records.offices import budget as rules
from creditlink.records.offices.budget import Budget, CallLimits, Turn
from creditlink.records.tables import SourceBudget


class SourceGate:
    """One office's gate; each turn is a short transaction, and nothing is held while it is waited for."""

    def __init__(
        self, source: str, limits: CallLimits, *, clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.source = source
        self.limits = limits
        self._clock = clock
        self._sleep = sleep

    def admit(self, patience: float, rest_patience: float) -> None:
        """Wait for the turn of one request; see `wire.Gate`."""
        now = self._clock()
        with db.transaction("worker") as session:
            held = _locked(session, self.source, self.limits, now)
            turn = rules.take(
                held, self.limits, now, patience=timedelta(seconds=patience),
                rest_patience=timedelta(seconds=rest_patience),
            )  # fmt: skip
            if turn.refused_until is None and self.limits.bound:
                _save(session, self.source, turn.budget)
        if turn.refused_until is not None:
            heard = heard_now()
            if heard is not None:
                heard.held_until = turn.refused_until
            raise Failure("DOWN", turn.sentence)
        if turn.wait:
            self._sleep(turn.wait.total_seconds())

    def rest(self, seconds: float) -> None:
        """Leave the office alone for so long, in every process."""
        now = self._clock()
        with db.transaction("worker") as session:
            held = _locked(session, self.source, self.limits, now, always=True)
            _save(session, self.source, rules.rested(held, now, seconds))


def refusal(session: Session, source: str, limits: CallLimits, now: datetime) -> Turn | None:
    """Return why an office may not be asked now, and until when; None if it may."""
    row = session.get(SourceBudget, source)
    return None if row is None else rules.refusal(_budget(row), limits, now)


def _locked(session: Session, source: str, limits: CallLimits, now: datetime, *, always: bool = False) -> Budget:
    """Return an office's budget, locked where it is going to be written."""
    if limits.bound or always:
        full = Budget.full(limits, now)
        session.execute(insert(SourceBudget).values(name=source, **_columns(full)).on_conflict_do_nothing())
        row = session.execute(select(SourceBudget).where(SourceBudget.name == source).with_for_update()).scalar_one()
        return _budget(row)
    found = session.get(SourceBudget, source)
    return Budget.full(limits, now) if found is None else _budget(found)


def _save(session: Session, source: str, budget: Budget) -> None:
    row = session.get_one(SourceBudget, source)
    for column, value in _columns(budget).items():
        setattr(row, column, value)


def _columns(budget: Budget) -> dict[str, object]:
    return {
        "tokens": budget.tokens, "filled_at": budget.filled_at, "counted_on": budget.day, "used": budget.used,
        "rest_until": budget.rest_until,
    }  # fmt: skip


def _budget(row: SourceBudget) -> Budget:
    return Budget(row.tokens, row.filled_at, row.counted_on, row.used, row.rest_until)
