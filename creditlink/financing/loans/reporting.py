"""Takes in a file of outcomes: every good line goes in, every wrong one is named, a second time adds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.financing import wire
from creditlink.financing.loans import outcomes
from creditlink.financing.loans.outcome_file import Line, LineError, OutcomeInvalid, read_lines
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound, Problem
from creditlink.kit.files.textfile import TextFile

AT_ONCE = 200
"""Lines in one transaction."""


@dataclass
class OutcomeReport:
    """What became of the lines."""

    lines: int = 0
    recorded: int = 0
    unchanged: int = 0
    errors: list[LineError] = field(default_factory=list)

    def __add__(self, other: OutcomeReport) -> OutcomeReport:
        """Return both together."""
        return OutcomeReport(
            self.lines + other.lines,
            self.recorded + other.recorded,
            self.unchanged + other.unchanged,
            self.errors + other.errors,
        )

    def to_dict(self) -> dict[str, object]:
        """Return it as the lender gets it."""
        return {
            "lines": self.lines,
            "recorded": self.recorded,
            "unchanged": self.unchanged,
            "errors": [error.to_dict() for error in self.errors],
        }


def portions(file: TextFile, *, form: str) -> Iterator[list[Line | LineError]]:
    """Yield the lines of a file in portions, each for a transaction of its own: no lock lasts as long as a file.

    Raises
    ------
    InvalidRequest
        The header is wrong; nothing was read.
    """
    try:
        lines = list(read_lines(file, form=form))
    except OutcomeInvalid as wrong:
        raise InvalidRequest(errors=[{"pointer": "/line/1", "detail": str(wrong)}]) from None
    for first in range(0, len(lines), AT_ONCE):
        yield lines[first : first + AT_ONCE]


def take_lines(
    session: Session, institution_id: UUID, lines: Iterable[Line | LineError], *, actor: str, now: datetime
) -> OutcomeReport:
    """Record lines one by one; each in a savepoint, so that a refused one leaves no trace."""
    taken, drawn = OutcomeReport(), outcomes.Drawn()
    for line in lines:
        taken.lines += 1
        if isinstance(line, LineError):
            taken.errors.append(line)
            continue
        try:
            with session.begin_nested():
                application = wire.own(session, institution_id, line.application, lock=True)
                new = outcomes.record(session, application, line.outcome, actor=actor, now=now, drawn=drawn)
        except NotFound:
            problem = "there is no such application for you"
            taken.errors.append(LineError(line.number, "application_id", line.application, problem))
        except (Conflict, InvalidRequest) as refused:
            taken.errors.append(LineError(line.number, "kind", line.outcome.kind, _message(refused)))
        else:
            taken.recorded += new
            taken.unchanged += not new
    return taken


def _message(refused: Problem) -> str:
    return refused.errors[0]["detail"] if refused.errors else str(refused.detail or refused.title)
