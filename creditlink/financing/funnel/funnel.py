"""The truthful funnel: applied, approved, drawn, repaid are separate facts, never of fewer than ten firms. Pure.

Smaller groups are published together as `other`. Were `other` itself too small, the smallest groups that could be
published join it: subtracting what is published from the total says nothing of a group of fewer than ten firms either.
Nor does subtracting rows of one dimension from a row of another that holds them, such as products from their
institution.
A median is published where ten firms were answered, an amount where ten firms share in it.

The figures of a period are published once and never again: `during` gives what happened in it, so that the difference
between two publications is a period's own rows, which are guarded like all others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from statistics import median
from uuid import UUID

from creditlink.engine.vocabulary import FEWEST_FIRMS

AMOUNTS = ("asked_fen", "approved_fen", "drawn_fen")
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Case:
    """One application with what became of it; amounts in fen."""

    application: UUID
    firm: UUID
    institution: str
    product: str
    industry: str  # GB/T 4754 section
    region: str  # GB/T 2260, to the city
    month: str  # YYYY-MM in which the firm applied
    asked_fen: int
    approved: bool  # an offer was made
    approved_fen: int
    declined: bool
    drawn_fen: int
    repaid: bool  # closed
    written_off: bool
    overdue_90: bool
    answer_hours: float | None  # from applying to the first answer; None: not answered
    applied: bool = True  # False: in an earlier period than the published one
    first_loan: bool = False  # when it applied, the firm had had no loan here


DIMENSIONS: Mapping[str, Callable[[Case], str]] = {
    "all": lambda case: "all",
    "institution": lambda case: case.institution,
    "product": lambda case: case.product,
    "industry": lambda case: case.industry,
    "region": lambda case: case.region,
    "month": lambda case: case.month,
    "first_loan": lambda case: "first" if case.first_loan else "later",
}


Groups = dict[str, list[Case]]


@dataclass(frozen=True, slots=True)
class FunnelGroup:
    """One group: how many firms, and each fact of the funnel apart."""

    dimension: str
    key: str
    firms: int
    applied: int
    approved: int
    declined: int
    drawn: int
    repaid: int
    written_off: int
    overdue_90: int
    asked_fen: int | None  # None: fewer than ten firms share in it, or the rest could be worked out from it
    approved_fen: int | None
    drawn_fen: int | None
    answered: int
    median_answer_hours: float | None

    def to_dict(self) -> dict[str, object]:
        """Return the row as plain data."""
        return asdict(self)


def funnel(cases: Sequence[Case], dimension: str) -> list[FunnelGroup]:
    """Return the groups of one dimension, largest first, `other` last; their sums are the total.

    Where there are fewer than ten firms in all, nothing is published.
    """
    return funnels(cases)[dimension]


def funnels(cases: Sequence[Case]) -> dict[str, list[FunnelGroup]]:
    """Return the rows of every dimension; no row, and no row less those of another dimension, is of under ten firms.

    The same holds for each amount and the firms that share in it: where it does not, the amount is None.
    """
    groups, published = _settled(cases)
    sharing = {name: _settled([case for case in cases if getattr(case, name)], published) for name in AMOUNTS}
    rows = {name: _rows(name, group, published[name]) for name, group in groups.items()}
    return {
        name: [
            _guarded(row, {amount: _open_to(sharing[amount], name, published[name]) for amount in AMOUNTS})
            for row in group
        ]
        for name, group in rows.items()
    }


def _settled(
    cases: Sequence[Case], among: Mapping[str, Collection[str]] | None = None
) -> tuple[dict[str, Groups], dict[str, set[str]]]:
    """Return the groups of every dimension, and which of them can be published, none beyond `among`."""
    groups = {name: _by(cases, of) for name, of in DIMENSIONS.items()}
    published = {
        name: _publishable(group, None if among is None else [key for key in among[name] if key in group])
        for name, group in groups.items()
    }
    while leaking := _leaking(cases, groups, published):
        # One at a time, the smallest: without it the others may leak nothing.
        name, key = min(leaking, key=lambda one: (_firms(groups[one[0]][one[1]]), one))
        published[name].discard(key)
        published = {name: _publishable(group, published[name]) for name, group in groups.items()}
    return groups, published


def _open_to(
    settled: tuple[dict[str, Groups], dict[str, set[str]]], dimension: str, rows: Collection[str]
) -> Callable[[str], bool]:
    """Return whether an amount of a row may be published, given who shares in it."""
    shared, published = settled[0][dimension], settled[1][dimension]
    hidden = shared.keys() - published
    rest = {case.firm for key in hidden for case in shared[key]}
    # `other` gives away the sum of what is hidden: it may, where no row beside it is hidden, or hides nothing.
    closed = bool(hidden & set(rows)) or 0 < len(rest) < FEWEST_FIRMS

    def is_open(key: str) -> bool:
        return not closed if key == OTHER else key not in hidden

    return is_open


def _guarded(row: FunnelGroup, opens: Mapping[str, Callable[[str], bool]]) -> FunnelGroup:
    return FunnelGroup(**asdict(row) | {amount: None for amount in AMOUNTS if not opens[amount](row.key)})


def during(before: Sequence[Case], after: Sequence[Case]) -> list[Case]:
    """Return what happened to applications between two moments, each once; nothing happened to those left out."""
    earlier = {case.application: case for case in before}
    return [
        case if case.application not in earlier else _since(earlier[case.application], case)
        for case in after
        if earlier.get(case.application) != case
    ]


def _since(former: Case, case: Case) -> Case:
    return replace(
        case,
        applied=False,
        asked_fen=0,
        approved=case.approved and not former.approved,
        approved_fen=case.approved_fen - former.approved_fen,
        declined=case.declined and not former.declined,
        drawn_fen=case.drawn_fen - former.drawn_fen,
        repaid=case.repaid and not former.repaid,
        written_off=case.written_off and not former.written_off,
        overdue_90=case.overdue_90 and not former.overdue_90,
        answer_hours=case.answer_hours if former.answer_hours is None else None,
    )


def _by(cases: Sequence[Case], key_of: Callable[[Case], str]) -> Groups:
    groups: Groups = {}
    for case in cases:
        groups.setdefault(key_of(case), []).append(case)
    return groups


def _publishable(groups: Groups, among: Collection[str] | None = None) -> set[str]:
    """Return the groups that can be published by themselves, none beyond `among`; the rest is ten firms or nobody."""
    allowed = groups.keys() if among is None else among
    published = {key for key in allowed if _firms(groups[key]) >= FEWEST_FIRMS}
    rest = {case.firm for key, group in groups.items() if key not in published for case in group}
    while rest and len(rest) < FEWEST_FIRMS and published:
        smallest = min(published, key=lambda key: (_firms(groups[key]), key))
        published.discard(smallest)
        rest |= {case.firm for case in groups[smallest]}
    return published


def _leaking(
    cases: Sequence[Case], groups: Mapping[str, Groups], published: Mapping[str, set[str]]
) -> list[tuple[str, str]]:
    """Return rows to withdraw, (dimension, key), because what they leave of a row that holds them is of too few."""
    rows = {
        name: [key if key in published[name] else OTHER for key in map(of, cases)] for name, of in DIMENSIONS.items()
    }
    found = []
    for inner, outer in permutations(DIMENSIONS, 2):
        leak = _leak(cases, rows[inner], rows[outer])
        if leak is None:
            continue
        around, within = leak
        if removable := within - {OTHER}:
            found.append((inner, min(removable, key=lambda key: (_firms(groups[inner][key]), key))))
        elif around != OTHER:
            found.append((outer, around))
        else:
            found.append((inner, min(published[inner], key=lambda key: (_firms(groups[inner][key]), key))))
    return found


def _leak(cases: Sequence[Case], inner: Sequence[str], outer: Sequence[str]) -> tuple[str, set[str]] | None:
    """Return the first outer row of which the inner rows within it leave under ten firms, and those inner rows."""
    around: dict[str, set[str]] = {}
    for a, b in zip(inner, outer, strict=True):
        around.setdefault(a, set()).add(b)
    within: dict[str, set[str]] = {}
    for a, group in around.items():
        if len(group) == 1:
            within.setdefault(next(iter(group)), set()).add(a)
    left: dict[str, set[UUID]] = {}
    for case, a, b in zip(cases, inner, outer, strict=True):
        if len(around[a]) > 1:
            left.setdefault(b, set()).add(case.firm)
    return next(((b, within[b]) for b in sorted(within) if 0 < len(left.get(b, ())) < FEWEST_FIRMS), None)


def _rows(dimension: str, groups: Groups, published: Collection[str]) -> list[FunnelGroup]:
    rows = [_row(dimension, key, groups[key]) for key in published]
    rows.sort(key=lambda row: (-row.applied, row.key))
    rest = [case for key, group in groups.items() if key not in published for case in group]
    if _firms(rest) >= FEWEST_FIRMS:
        rows.append(_row(dimension, OTHER, rest))
    return rows


def league(cases: Sequence[Case]) -> list[FunnelGroup]:
    """Return the institutions by how soon they answer, the quickest first; those without an answer last."""
    rows = [row for row in funnel(cases, "institution") if row.key != OTHER]
    slowest = float("inf")
    return sorted(
        rows, key=lambda row: (slowest if row.median_answer_hours is None else row.median_answer_hours, row.key)
    )


def _firms(cases: Sequence[Case]) -> int:
    return len({case.firm for case in cases})


def _row(dimension: str, key: str, cases: Sequence[Case]) -> FunnelGroup:
    answered = [case for case in cases if case.answer_hours is not None]
    hours = [case.answer_hours for case in answered if case.answer_hours is not None]
    return FunnelGroup(
        dimension,
        key,
        _firms(cases),
        sum(case.applied for case in cases),
        sum(case.approved for case in cases),
        sum(case.declined for case in cases),
        sum(case.drawn_fen > 0 for case in cases),
        sum(case.repaid for case in cases),
        sum(case.written_off for case in cases),
        sum(case.overdue_90 for case in cases),
        sum(case.asked_fen for case in cases),
        sum(case.approved_fen for case in cases),
        sum(case.drawn_fen for case in cases),
        len(hours),
        round(median(hours), 1) if _firms(answered) >= FEWEST_FIRMS else None,
    )
