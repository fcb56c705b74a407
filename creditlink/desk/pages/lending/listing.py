"""Applications as the desk lists them: the columns of the table, and what narrows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask_babel import gettext

from creditlink.desk.pages.lending.words import AnswerClock, state_words
from creditlink.desk.wire.software import Answer
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter


@dataclass(frozen=True)
class ApplicationLine:
    """An application as the API tells it, and how long there is to answer."""

    one: Answer
    clock: AnswerClock | None

    @property
    def state(self) -> str:
        """Return its state."""
        return str(self.one["state"])

    @property
    def due_at(self) -> datetime | None:
        """Return when an answer is due; None: none is."""
        return None if self.clock is None else datetime.fromisoformat(str(self.one["answer_due_at"]))


def columns() -> Sequence[SheetColumn[ApplicationLine]]:
    """Return the table's columns."""
    words = state_words()
    return (
        SheetColumn(
            "product", gettext("Product"), lambda line: str(line.one["product"]["code"]),
            link=lambda line: flask.url_for("portal.bank.application", application_id=line.one["id"]),
        ),
        SheetColumn(
            "amount", gettext("Amount"), lambda line: int(line.one["request"]["amount_fen"]), "money", unit="¥"
        ),
        SheetColumn("term", gettext("Term, in months"), lambda line: int(line.one["request"]["term_months"]), "number"),
        SheetColumn("state", gettext("State"), lambda line: line.state, "own", text=lambda line: words[line.state]),
        SheetColumn("due", gettext("To answer"), lambda line: line.due_at, "own"),
        SheetColumn(
            "made", gettext("Requested on"), lambda line: datetime.fromisoformat(str(line.one["made_at"])), "instant"
        ),
    )  # fmt: skip


def filters() -> Sequence[SheetFilter[ApplicationLine]]:
    """Return what narrows it."""
    return (
        SheetFilter(
            "state", gettext("State"), "choice", list(state_words().items()),
            meets=lambda line, state: line.state == state,
        ),
        SheetFilter(
            "product", gettext("Product"),
            meets=lambda line, words: str(words).casefold() in str(line.one["product"]["code"]).casefold(),
        ),
    )  # fmt: skip
