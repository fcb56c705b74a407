"""Words of an application: its states, and how long there is to answer. Pure but for the language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext, ngettext

_SOON = 24.0


@dataclass(frozen=True)
class AnswerClock:
    """How long the lender has to answer an application."""

    hours: float
    text: str

    @property
    def kind(self) -> str:
        """Return `late`, `soon` or `fine`."""
        return "late" if self.hours <= 0 else "soon" if self.hours <= _SOON else "fine"


def answer_clock(application: Mapping[str, object], now: datetime) -> AnswerClock | None:
    """Return how long there is to answer; None where nothing is due (any more)."""
    if application.get("state") not in ("requested", "received", "reviewing"):
        return None
    left = datetime.fromisoformat(str(application["answer_due_at"])) - now
    hours = left / timedelta(hours=1)
    if hours <= 0:
        text = gettext("overdue")
    elif hours < 48:
        text = ngettext("%(num)d hour left", "%(num)d hours left", max(1, int(hours)))
    else:
        text = ngettext("%(num)d day left", "%(num)d days left", int(hours // 24))
    return AnswerClock(hours, str(text))


def state_words() -> dict[str, str]:
    """Return state -> its words."""
    return {
        "requested": gettext("Applied"),
        "received": gettext("Received"),
        "reviewing": gettext("Under review"),
        "offered": gettext("Offered"),
        "declined": gettext("Declined"),
        "accepted": gettext("Accepted"),
        "lapsed": gettext("Lapsed"),
        "signed": gettext("Signed"),
        "drawn": gettext("Drawn"),
        "repaying": gettext("Repaying"),
        "closed": gettext("Repaid in full"),
        "written_off": gettext("Written off"),
        "withdrawn": gettext("Withdrawn"),
        "expired": gettext("Expired unanswered"),
    }
