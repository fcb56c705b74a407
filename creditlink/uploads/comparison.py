"""An office's answer against a firm's own file: which periods the office has settled, what differs, what counts. Pure.

An office always wins: nothing that it said, or said by its silence, is replaced by what the firm says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from creditlink.kit.clock import add_months, month_start
from creditlink.records.pulls.delivery import FactValue
from creditlink.uploads.rules import UploadRules

Outcome = Literal["same", "differs", "absent"]

FRAMES = ("vat_declarations", "invoice_months")
"""The record frames that a firm may upload."""

_AMOUNTS = {
    "vat_declarations": ("taxable_sales_fen", "exempt_sales_fen", "payable_fen", "paid_fen"),
    "invoice_months": ("amount_fen", "tax_fen", "red_amount_fen"),
}
_COUNTS: Mapping[str, tuple[str, ...]] = {"invoice_months": ("invoices", "void_invoices")}
_FILED = "filed_on"


@dataclass(frozen=True)
class PeriodFact:
    """A fact by the months that it is about; `id` says which it is on its own side."""

    id: int
    frame: str
    subkey: str
    period: date
    months: int
    values: Mapping[str, FactValue]

    @property
    def row(self) -> tuple[str, str]:
        """Return what it is compared within: declarations together, invoices by direction."""
        return self.frame, self.subkey if self.frame == "invoice_months" else ""

    @property
    def covered(self) -> frozenset[date]:
        """Return its months."""
        return frozenset(add_months(self.period, k) for k in range(self.months))


@dataclass(frozen=True)
class OfficeSaid:
    """That an office answered in full on a day, for the months from `since` on but those that it withheld."""

    since: date
    answered_on: date
    withheld: frozenset[date] = frozenset()

    def settles(self, month: date, day: int) -> bool:
        """Return whether it had said all about a month: what it does not have was not filed."""
        known_on = add_months(month, 1).replace(day=day)
        return month_start(self.since) <= month and known_on <= self.answered_on and month not in self.withheld


@dataclass(frozen=True)
class PeriodCheck:
    """How some months of an upload compare; `differences` is column -> what the firm and the office say."""

    frame: str
    subkey: str
    period: date
    months: int
    outcome: Outcome
    differences: Mapping[str, tuple[FactValue, FactValue]]
    asks_review: bool


def settled(fact: PeriodFact, answers: Iterable[OfficeSaid], rules: UploadRules) -> bool:
    """Return whether an office has said all about a fact's period."""
    last = add_months(fact.period, fact.months - 1)
    return any(answer.settles(last, rules.settled_day) for answer in answers)


def usable(
    uploaded: Sequence[PeriodFact], office: Iterable[PeriodFact], answers: Collection[OfficeSaid], rules: UploadRules
) -> list[PeriodFact]:
    """Return the uploaded facts that fill a gap, in their order.

    Parameters
    ----------
    uploaded : of all uploads, those of the newest first: of two that speak of one month the newer counts
    office : all that the office said
    """
    taken: dict[tuple[str, str], set[date]] = {}
    for fact in office:
        taken.setdefault(fact.row, set()).update(fact.covered)
    found = []
    for fact in uploaded:
        months = taken.setdefault(fact.row, set())
        if not months & fact.covered and not settled(fact, answers, rules):
            months |= fact.covered
            found.append(fact)
    return found


def compare(
    uploaded: Sequence[PeriodFact], office: Sequence[PeriodFact], answers: Collection[OfficeSaid], rules: UploadRules
) -> list[PeriodCheck]:
    """Return how the facts of one upload compare with an office's, as far as the office has spoken of their months.

    Where the two cut the calendar differently, the sums over the same months are compared; months that only one of them
    covers are left until the other does.
    """
    checks = []
    done: set[int] = set()
    for fact in sorted(uploaded, key=lambda one: (one.row, one.period)):
        if fact.id in done:
            continue
        ours, theirs = _together(fact, uploaded, office)
        done |= {one.id for one in ours}
        if not theirs:
            if settled(fact, answers, rules):
                checks.append(_absent(fact, rules))
        elif _months(ours) == _months(theirs):
            checks.append(_compared(ours, theirs, rules))
    return checks


def _together(
    fact: PeriodFact, uploaded: Sequence[PeriodFact], office: Sequence[PeriodFact]
) -> tuple[list[PeriodFact], list[PeriodFact]]:
    """Return the facts of both sides whose months hang together with those of one."""
    ours, theirs = {fact.id: fact}, dict[int, PeriodFact]()
    while True:
        months = _months([*ours.values(), *theirs.values()])
        more = {one.id: one for one in uploaded if one.row == fact.row and one.covered & months}
        others = {one.id: one for one in office if one.row == fact.row and one.covered & months}
        if len(more) == len(ours) and len(others) == len(theirs):
            return list(ours.values()), list(theirs.values())
        ours, theirs = more, others


def _months(facts: Iterable[PeriodFact]) -> set[date]:
    return {month for fact in facts for month in fact.covered}


def _absent(fact: PeriodFact, rules: UploadRules) -> PeriodCheck:
    said = {name: (fact.values.get(name), None) for name in _AMOUNTS[fact.frame] if fact.values.get(name)}
    largest = max((abs(_number(value)) for value, _ in said.values()), default=0)
    return PeriodCheck(
        fact.frame, fact.subkey, fact.period, fact.months, "absent", said, largest >= rules.review_from_fen
    )


def _compared(ours: list[PeriodFact], theirs: list[PeriodFact], rules: UploadRules) -> PeriodCheck:
    first = min(ours, key=lambda one: one.period)
    differences: dict[str, tuple[FactValue, FactValue]] = {}
    review = False
    for name in (*_AMOUNTS[first.frame], *_COUNTS.get(first.frame, ())):
        mine, office = _sum(ours, name), _sum(theirs, name)
        gap, largest = abs(mine - office), max(abs(mine), abs(office))
        is_amount = name in _AMOUNTS[first.frame]
        if gap * 10_000 <= largest * rules.same_within_bps or (is_amount and gap <= rules.same_within_fen):
            continue
        differences[name] = (mine, office)
        # A list of invoices may lack some, which harms nobody; it cannot have more than there are.
        weighs = is_amount and (first.frame == "vat_declarations" or mine > office)
        review |= weighs and gap >= rules.review_from_fen and gap * 10_000 >= largest * rules.review_from_bps
    if first.frame == "vat_declarations":
        mine_on, office_on = _latest(ours), _latest(theirs)
        if mine_on != office_on:
            differences[_FILED] = (mine_on, office_on)
            # A declaration that the office never got, or got later than the firm says.
            review |= office_on is None or (mine_on is not None and mine_on < office_on)
    outcome: Outcome = "differs" if differences else "same"
    return PeriodCheck(first.frame, first.subkey, first.period, len(_months(ours)), outcome, differences, review)


def _latest(facts: list[PeriodFact]) -> str | None:
    """Return the last day on which one of the declarations was filed; None where one was not."""
    days = [fact.values.get(_FILED) for fact in facts]
    return max((str(day) for day in days), default=None) if all(days) else None


def _sum(facts: list[PeriodFact], name: str) -> int:
    return sum(_number(fact.values.get(name)) for fact in facts)


def _number(value: FactValue) -> int:
    return int(value) if isinstance(value, int | float) else 0
