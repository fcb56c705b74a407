"""Which event ended a profile early, from what came after it. Pure.

Only facts that the profile's own consent opens may be given: an event of another category would betray it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple, NotRequired, TypedDict

DAYS_TO_ARREARS = 15
"""A payment this many days late is arrears: before, the office may still be booking it.

A choice of design: half a month is on the safe side of the days that booking takes.
"""

_NEWS: Mapping[str, frozenset[str]] = {
    "credit_events": frozenset({"penalty", "court_enforcement", "dishonest_debtor"}),
    "tax_events": frozenset({"penalty"}),
}
"""Frame -> the kinds of its events that end a profile."""

_SETTLED = ("paid_on", "paid_fen", "ended_on")
"""What an office fills in when somebody pays or a listing ends: that is no correction."""

Values = Mapping[str, object]
DueDay = Callable[[str, date], date | None]
"""The day on which a payment of a category, due on a day, counts as due; None: it never counts as late."""


class EndingEvidence(TypedDict):
    """What an event is about: enough to look it up, and nothing that the consent does not open."""

    category: NotRequired[str]
    frame: NotRequired[str]
    period: NotRequired[str]
    kind: NotRequired[str]
    was: NotRequired[str]
    now: NotRequired[str]
    model: NotRequired[str]
    facts: NotRequired[list[int]]


class LaterFact(NamedTuple):
    """A version of a fact, as the store has it."""

    id: int
    source: str
    category: str
    frame: str
    period: date
    subkey: str
    values: Values
    version: int
    complete: bool
    known_at: datetime
    recorded_at: datetime

    @property
    def key(self) -> tuple[str, date, str]:
        """What it is a version of."""
        return self.frame, self.period, self.subkey

    @property
    def order(self) -> tuple[int, datetime, bool, int]:
        """Of the versions of one key the greatest counts, as the store reads them."""
        return self.version, self.known_at, self.complete, self.id

    def evidence(self, *earlier: int, **more: str) -> EndingEvidence:
        """Return what the event of this fact is about."""
        about: EndingEvidence = {
            "category": self.category,
            "frame": self.frame,
            "period": f"{self.period:%Y-%m}",
            "facts": [*earlier, self.id],
        }
        return about | more  # type: ignore[return-value]  # of members of the dictionary


class WholeAnswer(NamedTuple):
    """That a source answered in full under the profile's consent: for months from `since`, at an instant."""

    source: str
    since: date
    answered_at: datetime


@dataclass(frozen=True)
class EarlyEnd:
    """An event that ended a profile, when we learned of it, and what shows it."""

    event: str
    ended_at: datetime
    evidence: EndingEvidence


def first_of(found: Sequence[EarlyEnd]) -> EarlyEnd | None:
    """Return the event that we learned of first."""
    return min(found, key=lambda one: one.ended_at, default=None)


def of_facts(read: Sequence[LaterFact], later: Sequence[LaterFact]) -> Iterator[EarlyEnd]:
    """Yield corrections of what a profile read, and penalties and listings that it did not know.

    Parameters
    ----------
    read : the facts that the profile was computed from.
    later : those that were recorded after it, of what its consent opens.
    """
    before = {fact.key: fact for fact in read}
    for fact in later:
        known = before.get(fact.key)
        kind = fact.subkey.partition("/")[0]
        if known is None:
            if kind in _NEWS.get(fact.frame, ()):
                yield EarlyEnd("new_penalty_or_enforcement", fact.recorded_at, fact.evidence(kind=kind))
        elif fact.order > known.order and is_correction(known.values, fact.values):
            yield EarlyEnd("fact_corrected", fact.recorded_at, fact.evidence(known.id))


def is_correction(before: Values, after: Values) -> bool:
    """Return whether a later version takes back what was said, rather than add what was not known yet."""
    if before.get("filed_on", "") is None:
        return False  # nothing was declared yet
    return any(
        before.get(name) is not None and before.get(name) != after.get(name)
        for name in {*before, *after}
        if not (name in _SETTLED and _is_open(before))
    )


def _is_open(values: Values) -> bool:
    """Return whether something of a row was still to come: it was not paid, or not ended."""
    return any(values[name] is None for name in ("paid_on", "ended_on") if name in values)


def of_arrears(
    newest: Sequence[LaterFact],
    read: Sequence[LaterFact],
    answers: Sequence[WholeAnswer],
    *,
    as_of: date,
    day_of: Callable[[datetime], date],
    due_day: DueDay,
) -> Iterator[EarlyEnd]:
    """Yield payments that fell into arrears after a profile's day.

    A payment is in arrears where its office answered in full so long after the due day that it would have told of the
    payment, and did not; or where the tax office itself reports more arrears than before.

    Parameters
    ----------
    newest : of each fact its newest version, the profile's own or later.
    answers : whole answers after the profile was made.
    """
    known = max((_arrears(fact) for fact in _standings(read)[-1:]), default=0)
    for fact in newest:
        if fact.frame == "tax_standing":
            continue
        fell_due = due_day(fact.category, _day(fact.values["due_on"])) if _is_unpaid(fact) else None
        if fell_due is None or (late := fell_due + timedelta(days=DAYS_TO_ARREARS)) <= as_of:
            continue
        told = [
            one.answered_at
            for one in answers
            if one.source == fact.source and one.since <= fact.period and day_of(one.answered_at) >= late
        ]
        if told:
            yield EarlyEnd("new_arrears", min(told), fact.evidence())
    of_profile = {fact.id for fact in read}
    for fact in _standings([one for one in newest if one.id not in of_profile]):
        if _arrears(fact) > known:
            yield EarlyEnd("new_arrears", fact.recorded_at, fact.evidence())


def _standings(facts: Sequence[LaterFact]) -> list[LaterFact]:
    return sorted((fact for fact in facts if fact.frame == "tax_standing"), key=lambda one: (one.period, one.order))


def _arrears(fact: LaterFact) -> int:
    amount = fact.values.get("arrears_fen")
    return amount if isinstance(amount, int) else 0


def _day(value: object) -> date:
    return date.fromisoformat(str(value))


def _is_unpaid(fact: LaterFact) -> bool:
    """Return whether a fact is a payment that fell due and was not made."""
    values = fact.values
    if values.get("due_on") is None:
        return False
    if "payable_fen" in values:
        return _fen(values, "paid_fen") < _fen(values, "payable_fen")
    if "paid_on" in values:
        owed = "due_fen" if "due_fen" in values else "amount_fen"
        return values["paid_on"] is None and _fen(values, owed) > 0
    return False


def _fen(values: Values, name: str) -> int:
    amount = values.get(name)
    return amount if isinstance(amount, int) else 0
