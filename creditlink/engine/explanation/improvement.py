"""What would raise a firm's grade: the smallest changes it can make, each verified by scoring it again.

Source: Wachter, Mittelstadt & Russell (2018), Counterfactual explanations; Ustun, Spangher & Liu (2019),
Actionable recourse: only what the firm can act on is changed, only in the direction that is safer, and only as
far as a tenth of its peers already are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.explanation.levers import Lever, Levers, coherent, settle, targets
from creditlink.engine.explanation.ranking import IndicatorLike
from creditlink.engine.explanation.sentences import value_text
from creditlink.engine.features.withhold import repooled
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.peers import percentile_of
from creditlink.engine.vocabulary import GRADES

Values = NDArray[np.floating]

STEPS = 16
"""A lever is tried in sixteenths of the way."""

MOST_LEVERS = 4
"""A plan that asks for more is no plan."""

PLANS = 3

_PAIRED = 8  # levers tried in pairs: the strongest


@dataclass(frozen=True)
class IndicatorChange:
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
class ImprovementPlan:
    """Changes that together raise the grade; the figures are those of scoring the changed firm."""

    changes: tuple[IndicatorChange, ...]
    pd_12m: float
    points: int
    grade: str
    effort: float

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self)) | {"changes": [dict(vars(change)) for change in self.changes]}


@dataclass(frozen=True)
class Improvements:
    """Plans, the least effort first; none where the firm has the best grade or nothing in reach raises it."""

    grade: str
    points: int
    target: str | None
    plans: tuple[ImprovementPlan, ...]
    best_points: int

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self)) | {"plans": [plan.to_dict() for plan in self.plans]}


def improvements(
    model: CreditModel,
    levers: Levers,
    row: NDArray[np.float32],
    *,
    industry: str | None,
    size: str | None,
) -> Improvements:
    """Return the smallest changes that raise the grade of one firm.

    Parameters
    ----------
    row
        What the model read of the firm, shape (k,), missing as NaN: a missing value is never changed.
    industry, size
        The peers whose best tenth is in reach.
    """
    now = model.score_matrix(_column(row[None, :], model.features))
    grade = str(now.grade[0])
    place = GRADES.index(grade)
    reach = targets(levers, model, row, industry, size)
    moving = [lever for lever in levers.levers if any(_moves(row[m], reach[m]) for m in lever.members)]
    everything = _move(row, reach, moving, 1.0)
    best = model.score_matrix(_column(everything[None, :], model.features))
    plans: tuple[ImprovementPlan, ...] = ()
    if place > 0:

        def raised(rows: Values) -> NDArray[np.bool_]:
            scored = model.score_matrix(_column(rows, model.features))
            better: NDArray[np.bool_] = model.scale.grade_number(scored.pd_12m) < place
            return better

        plans = _Search(model, levers, row, reach, industry, size, raised).plans(moving)
    target = GRADES[place - 1] if place > 0 else None
    return Improvements(grade, int(now.points[0]), target, plans, int(best.points[0]))


Goal = Callable[[Values], NDArray[np.bool_]]
"""Which rows of indicators, shape (n, k), reach what is wanted, shape (n,)."""


def plans_to(
    model: CreditModel,
    levers: Levers,
    row: NDArray[np.float64],
    goal: Goal,
    *,
    industry: str | None,
    size: str | None,
) -> tuple[ImprovementPlan, ...]:
    """Return the smallest changes found that reach a goal other than a better grade, the least effort first.

    Levers are tried alone, in pairs, then the strongest three and four together; what a plan does not need is
    undone. Parameters are those of `improvements`; `row` may keep more digits than the model reads.
    """
    reach = targets(levers, model, row.astype(np.float32), industry, size)
    moving = [lever for lever in levers.levers if any(_moves(row[m], reach[m]) for m in lever.members)]
    return _Search(model, levers, row, reach, industry, size, goal).plans(moving)


@dataclass(frozen=True, eq=False)
class _Search:
    model: CreditModel
    levers: Levers
    row: Values
    reach: NDArray[np.float64]
    industry: str | None
    size: str | None
    goal: Goal

    def plans(self, moving: Sequence[Lever]) -> tuple[ImprovementPlan, ...]:
        sets: list[tuple[Lever, ...]] = [(lever,) for lever in moving]
        reaching = self._reaching(sets)
        alone = {id(chosen[0]) for chosen, _ in reaching}
        if len(reaching) < PLANS and moving:
            rest = self._strongest([lever for lever in moving if id(lever) not in alone])
            reaching += self._reaching(list(combinations(rest[:_PAIRED], 2)))
            if not reaching:
                reaching = self._reaching([tuple(rest[:count]) for count in range(3, MOST_LEVERS + 1)])[:1]
        plans = (self._plan(chosen, share) for chosen, share in reaching)
        different = {tuple((c.indicator, c.after) for c in plan.changes): plan for plan in plans if plan is not None}
        return tuple(sorted(different.values(), key=lambda plan: (plan.effort, len(plan.changes)))[:PLANS])

    def _reaching(self, sets: Sequence[tuple[Lever, ...]]) -> list[tuple[tuple[Lever, ...], float]]:
        """Return the sets that reach the goal, each with the least share of the way that does."""
        shares = np.arange(1, STEPS + 1) / STEPS
        if not sets:
            return []
        rows = np.array([_move(self.row, self.reach, chosen, share) for chosen in sets for share in shares])
        reached = self.goal(rows).reshape(len(sets), STEPS)
        return [
            (chosen, float(shares[int(np.argmax(hits))]))
            for chosen, hits in zip(sets, reached, strict=True)
            if hits.any()
        ]

    def _strongest(self, levers: Sequence[Lever]) -> list[Lever]:
        if not levers:
            return []
        rows = np.array([_move(self.row, self.reach, (lever,), 1.0) for lever in levers])
        margin = self.model.score_matrix(_column(rows, self.model.features)).margin
        return [levers[i] for i in np.argsort(margin, kind="stable")]

    def _plan(self, chosen: tuple[Lever, ...], share: float) -> ImprovementPlan | None:
        """Settle every value, undo what is not needed, and score the rest."""
        after = _move(self.row, self.reach, chosen, share).astype(np.float64)
        before = self.row.astype(np.float64)
        members = [m for lever in chosen for m in lever.members if _moves(before[m], after[m])]
        for m in members:
            after[m] = settle(self.levers, m, float(before[m]), float(after[m]))
        if not self._reaches(after):
            return None  # a rounded value fell short; the next larger share is another plan
        order = sorted(members, key=lambda m: self._effort(m, float(before[m]), float(after[m])), reverse=True)
        undone = True
        while undone:  # again: a count of fewer months can be undone once that of more has been
            undone = False
            for m in (m for m in order if after[m] != before[m]):
                changed_value, after[m] = after[m], before[m]
                if self._reaches(after) and coherent(self.levers, after):
                    undone = True
                else:
                    after[m] = changed_value
        changed = [m for m in members if after[m] != before[m]]
        scored = self.model.score_matrix(_column(after[None, :].astype(np.float32), self.model.features))
        return ImprovementPlan(
            changes=tuple(self._change(m, float(before[m]), float(after[m])) for m in changed),
            pd_12m=float(scored.pd_12m[0]),
            points=int(scored.points[0]),
            grade=str(scored.grade[0]),
            effort=round(sum(self._effort(m, float(before[m]), float(after[m])) for m in changed), 1),
        )

    def _reaches(self, row: NDArray[np.float64]) -> bool:
        return bool(self.goal(row[None, :])[0])

    def _effort(self, feature: int, before: float, after: float) -> float:
        name = self.levers.indicators[feature].name
        return effort_of(self.model, name, before, after, industry=self.industry, size=self.size)

    def _change(self, feature: int, before: float, after: float) -> IndicatorChange:
        return change_of(self.levers.indicators[feature], before, after)


def effort_of(
    model: CreditModel, indicator: str, before: float, after: float, *, industry: str | None, size: str | None
) -> float:
    """Return how many per cent of its peers a firm passes by a change of one indicator; 0 where none are known."""
    tenths = model.peers.tenths(industry, size, indicator)
    return 0.0 if tenths is None else float(abs(percentile_of(tenths, after) - percentile_of(tenths, before)))


def change_of(indicator: IndicatorLike, before: float, after: float) -> IndicatorChange:
    """Return a change of one indicator, in words."""
    i = indicator
    was, then = value_text(i.name, before, i.unit), value_text(i.name, after, i.unit)
    return IndicatorChange(
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
    """Return whether a value changes; a missing one never does."""
    return not np.isnan(before) and before != after


def _move(row: Values, reach: NDArray[np.float64], levers: Sequence[Lever], share: float) -> Values:
    moved = row.copy()
    for lever in levers:
        for m in lever.members:
            moved[m] = row[m] + share * (reach[m] - row[m])
    return moved


def _column(rows: Values, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the matrix stored by column, as the explainer reads it fastest, its pools made of the moved parts."""
    return repooled(np.array(rows, dtype=np.float32, order="F"), names)
