"""What would raise a firm's grade: the smallest changes it can make, each verified by scoring it again.

Source: Wachter, Mittelstadt & Russell (2018), Counterfactual explanations; Ustun, Spangher & Liu (2019),
Actionable recourse: only what the firm can act on is changed, only in the direction that is safer, and only as
far as a tenth of its peers already are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditlink.scoring.levers import Lever, Levers, coherent, settle, targets
from creditlink.scoring.model import CreditModel
from creditlink.scoring.peers import percentile_of
from creditlink.scoring.scale import GRADES
from creditlink.scoring.sentences import value_text

STEPS = 16
"""A lever is tried in sixteenths of the way."""

MOST_LEVERS = 4
"""A plan that asks for more is no plan."""

PLANS = 3

_PAIRED = 8  # levers tried in pairs: the strongest


@dataclass(frozen=True)
class Change:
    """One indicator's value and what it would have to become; `months` until a whole window shows it."""

    indicator: str
    code: str
    category: str
    label_zh: str
    label_en: str
    unit: str
    before: float
    after: float
    months: int
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class Plan:
    """Changes that together raise the grade; the figures are those of scoring the changed firm."""

    changes: tuple[Change, ...]
    pd_12m: float
    points: int
    grade: str
    effort: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self)) | {"changes": [dict(vars(change)) for change in self.changes]}


@dataclass(frozen=True)
class Improvements:
    """Plans, the least effort first; none where the best grade is reached or nothing in reach raises it."""

    grade: str
    points: int
    target: str | None
    plans: tuple[Plan, ...]
    best_points: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self)) | {"plans": [plan.to_dict() for plan in self.plans]}


def improvements(
    model: CreditModel,
    levers: Levers,
    row: NDArray[np.float32],
    *,
    industry: str | None,
    size: str | None,
    refused: Collection[str] = (),
) -> Improvements:
    """Return the smallest changes that raise the grade of one firm.

    Parameters
    ----------
    row
        What the model read of the firm, shape (k,), missing as NaN: a missing value is never changed.
    industry, size
        Whose best tenth is in reach.
    refused
        Categories that the firm did not grant, as when it was scored.
    """
    now = model.score_matrix(_column(row[None, :]), refused=refused)
    grade = str(now.grade[0])
    place = GRADES.index(grade)
    reach = targets(levers, model, row, industry, size)
    moving = [lever for lever in levers.levers if any(_moves(row[m], reach[m]) for m in lever.members)]
    everything = _moved(row, reach, moving, 1.0)
    best = model.score_matrix(_column(everything[None, :]), refused=refused)
    seek = _Search(model, levers, row, reach, frozenset(refused), industry, size, place)
    plans = seek.plans(moving) if place > 0 else ()
    target = GRADES[place - 1] if place > 0 else None
    return Improvements(grade, int(now.points[0]), target, plans, int(best.points[0]))


@dataclass(frozen=True, eq=False)
class _Search:
    model: CreditModel
    levers: Levers
    row: NDArray[np.float32]
    reach: NDArray[np.float64]
    refused: frozenset[str]
    industry: str | None
    size: str | None
    place: int

    def plans(self, moving: Sequence[Lever]) -> tuple[Plan, ...]:
        sets: list[tuple[Lever, ...]] = [(lever,) for lever in moving]
        found = self._reached(sets)
        alone = {id(chosen[0]) for chosen, _ in found}
        if len(found) < PLANS and moving:
            rest = self._strongest([lever for lever in moving if id(lever) not in alone])
            found += self._reached(list(combinations(rest[:_PAIRED], 2)))
            if not found:
                found = self._reached([tuple(rest[:count]) for count in range(3, MOST_LEVERS + 1)])[:1]
        made = [self._plan(chosen, share) for chosen, share in found]
        different = {tuple((c.indicator, c.after) for c in plan.changes): plan for plan in made if plan is not None}
        return tuple(sorted(different.values(), key=lambda plan: (plan.effort, len(plan.changes)))[:PLANS])

    def _reached(self, sets: Sequence[tuple[Lever, ...]]) -> list[tuple[tuple[Lever, ...], float]]:
        """Return those sets that raise the grade, with the least sixteenths that do."""
        shares = np.arange(1, STEPS + 1) / STEPS
        if not sets:
            return []
        rows = np.array([_moved(self.row, self.reach, chosen, share) for chosen in sets for share in shares])
        grades = self._grades(rows).reshape(len(sets), STEPS)
        better = grades < self.place
        return [
            (chosen, float(shares[int(np.argmax(hits))])) for chosen, hits in zip(sets, better, strict=True) if hits[-1]
        ]

    def _strongest(self, levers: Sequence[Lever]) -> list[Lever]:
        if not levers:
            return []
        rows = np.array([_moved(self.row, self.reach, (lever,), 1.0) for lever in levers])
        margin = self.model.score_matrix(_column(rows), refused=self.refused).margin
        return [levers[i] for i in np.argsort(margin, kind="stable")]

    def _plan(self, chosen: tuple[Lever, ...], share: float) -> Plan | None:
        """Settle every value, take back what is not needed, and score what is left."""
        after = _moved(self.row, self.reach, chosen, share).astype(np.float64)
        before = self.row.astype(np.float64)
        members = [m for lever in chosen for m in lever.members if _moves(before[m], after[m])]
        for m in members:
            after[m] = settle(self.levers, m, float(before[m]), float(after[m]))
        if self._place(after) >= self.place:
            return None  # a rounded value fell short; the next larger share is another plan
        for m in sorted(members, key=lambda m: self._effort(m, float(before[m]), float(after[m])), reverse=True):
            kept, after[m] = after[m], before[m]
            if self._place(after) >= self.place or not coherent(self.levers, after):
                after[m] = kept
        changed = [m for m in members if after[m] != before[m]]
        scored = self.model.score_matrix(_column(after[None, :].astype(np.float32)), refused=self.refused)
        return Plan(
            changes=tuple(self._change(m, float(before[m]), float(after[m])) for m in changed),
            pd_12m=float(scored.pd_12m[0]),
            points=int(scored.points[0]),
            grade=str(scored.grade[0]),
            effort=round(sum(self._effort(m, float(before[m]), float(after[m])) for m in changed), 1),
        )

    def _place(self, row: NDArray[np.float64]) -> int:
        return int(self._grades(row[None, :])[0])

    def _grades(self, rows: NDArray[Any]) -> NDArray[np.int8]:
        scored = self.model.score_matrix(_column(rows.astype(np.float32)), refused=self.refused)
        return self.model.scale.grade_number(scored.pd_12m)

    def _effort(self, feature: int, before: float, after: float) -> float:
        """Return how many per cent of its peers the firm passes by this change."""
        tenths = self.model.peers.tenths(self.industry, self.size, self.levers.indicators[feature].name)
        return 0.0 if tenths is None else float(abs(percentile_of(tenths, after) - percentile_of(tenths, before)))

    def _change(self, feature: int, before: float, after: float) -> Change:
        i = self.levers.indicators[feature]
        was, then = value_text(i.name, before, i.unit), value_text(i.name, after, i.unit)
        return Change(
            indicator=i.name,
            code=i.reason_code,
            category=i.category,
            label_zh=i.label_zh,
            label_en=i.label_en,
            unit=i.unit,
            before=before,
            after=after,
            months=i.window,
            text_zh=f"{i.label_zh}由{was[0]}改为{then[0]}",
            text_en=f"{i.label_en}: from {was[1]} to {then[1]}",
        )


def _moves(before: float, after: float) -> bool:
    """Say whether a value changes; one that is missing never does."""
    return not np.isnan(before) and before != after


def _moved(
    row: NDArray[np.float32], reach: NDArray[np.float64], levers: Sequence[Lever], share: float
) -> NDArray[np.float32]:
    moved = row.copy()
    for lever in levers:
        for m in lever.members:
            moved[m] = row[m] + share * (reach[m] - row[m])
    return moved


def _column(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix stored by column, as the explainer reads it fastest."""
    return np.asfortranarray(rows, dtype=np.float32)
