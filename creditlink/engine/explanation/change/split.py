"""The change in points between two profiles, split over data, coverage, model and policy: exact, and free of any order.

Three players: the *data*, the *model* (trees, with the indicators that only one of two models reads), the *policy*
(scale, and the calibration where the trees are the same). Their shares are Shapley values over the eight scores in
which each is of one profile or the other. The share of the data is then split by indicator. Pure.
docs/adr/0059-what-changed-between-two-profiles.md has the formula and the proof that the parts add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from creditlink.engine.explanation.change.evaluation import Evaluated, data_parts, evaluate
from creditlink.engine.explanation.change.grid import STEPS, points_of, shapley, whole_steps
from creditlink.engine.explanation.change.states import ScoreBasis, ScoredState
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.supplies import consent_categories
from creditlink.engine.vocabulary import SUPPLIES, UTILITY, evidence_of

PLAYERS = ("data", "model", "policy")
PARTS = ("data", "coverage", "model", "policy", "rounding")
"""What the change in whole points is split into."""


class NotReproduced(ValueError):
    """The score of a stored profile does not follow from its values with the model and the policy at hand."""


class InexactChange(ValueError):
    """The parts of a change do not add up to it: no such answer may leave the process."""


@dataclass(frozen=True)
class Split:
    """The change in points, in parts that add up to it to the last bit, in whatever order they are added.

    Attributes
    ----------
    points
        Whole points of the later profile less those of the earlier.
    parts
        Name of `PARTS` -> points. `rounding` is what rounding either score to whole points adds.
    by_indicator
        Indicator -> points; they add up to the part `data`.
    by_coverage
        Category of evidence -> points; they add up to the part `coverage`.
    grade_by_policy
        The grade that the later profile would have by the earlier policy, without a cap.
    only_before, only_after
        Indicators that only one of the two models reads: told as an effect of the model.
    """

    points: int
    parts: Mapping[str, float]
    by_indicator: Mapping[str, float]
    by_coverage: Mapping[str, float]
    grade_by_policy: str
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def split_change(before: ScoredState, after: ScoredState, bases: tuple[ScoreBasis, ScoreBasis]) -> Split:
    """Return the split of the change from one profile to another of the same firm.

    Parameters
    ----------
    bases : by what the earlier and the later profile were scored

    Raises
    ------
    NotReproduced
        A profile's score does not follow from its values by its basis.
    ValueError
        One of them has no score: there is nothing to split.
    """
    if before.points is None or after.points is None:
        raise ValueError("a profile without a score has no points to split")
    sides, same_trees = (before, after), bases[0].trees == bases[1].trees
    read = tuple(set(basis.model.features) for basis in bases)
    shared = read[0] & read[1]

    @cache
    def score(data: int, model: int, policy: int) -> Evaluated:
        calibrated = bases[policy] if same_trees else bases[model]
        basis = ScoreBasis(bases[model].model, calibrated.calibration, bases[policy].scale)
        # What only one model reads goes with that model: its value is that profile's, whichever data it is.
        values = {name: sides[data if name in shared else model].values.get(name) for name in read[model]}
        return evaluate(values, basis)

    ends = score(0, 0, 0), score(1, 1, 1)
    for name, side, end in zip(("earlier", "later"), sides, ends, strict=True):
        if end.points_exact != side.points_exact:
            raise NotReproduced(
                f"the {name} profile says {side.points_exact!r} points, its values give {end.points_exact!r}"
            )

    def reached(chosen: frozenset[str]) -> Fraction:
        return Fraction(score(*(int(player in chosen) for player in PLAYERS)).steps)

    effects = shapley(PLAYERS, reached)
    leaves: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    leaves["model", ""], leaves["policy", ""] = effects["model"], effects["policy"]
    moved = _moved_categories(before, after)
    for model, policy, weight in ((0, 0, 2), (1, 0, 1), (0, 1, 1), (1, 1, 2)):
        parts = data_parts(score(0, model, policy), score(1, model, policy))
        for name, share in parts.by_indicator.items():
            leaves[_told_as(name, before, after, moved)] += share * Fraction(weight, 6)
        for category, share in parts.by_absence.items():
            leaves["coverage", category] += share * Fraction(weight, 6)
    return _assembled(before, after, ends, whole_steps(leaves), read, score(1, 1, 0).grade)


def _moved_categories(before: ScoredState, after: ScoredState) -> frozenset[str]:
    """Return the categories of consent, and `utility`, of which there were records on one side only."""
    moved = set(before.present ^ after.present)
    if bool(before.present & SUPPLIES.keys()) != bool(after.present & SUPPLIES.keys()):
        moved.add(UTILITY)
    return frozenset(moved)


def _told_as(name: str, before: ScoredState, after: ScoredState, moved: frozenset[str]) -> tuple[str, str]:
    """Return the part, and the name in it, under which an indicator's share is told.

    It is coverage where the indicator came or went with its category, and data in every other case.
    """
    indicator = BY_NAME.get(name)
    if indicator is not None and (before.values.get(name) is None) != (after.values.get(name) is None):
        for category in consent_categories(name, indicator.categories):
            if category in moved:
                return "coverage", evidence_of(category)
    return "data", name


def _assembled(
    before: ScoredState,
    after: ScoredState,
    ends: tuple[Evaluated, Evaluated],
    steps: Mapping[tuple[str, str], int],
    read: tuple[set[str], ...],
    grade_by_policy: str,
) -> Split:
    whole = {part: sum(n for (of, _), n in steps.items() if of == part) for part in PARTS}
    points = int(after.points or 0) - int(before.points or 0)
    whole["rounding"] = points * STEPS - (ends[1].steps - ends[0].steps)
    found = Split(
        points=points,
        parts={part: points_of(n) for part, n in whole.items()},
        by_indicator={name: points_of(n) for (of, name), n in steps.items() if of == "data" and n},
        by_coverage={name: points_of(n) for (of, name), n in steps.items() if of == "coverage"},
        grade_by_policy=grade_by_policy,
        only_before=tuple(sorted(read[0] - read[1])),
        only_after=tuple(sorted(read[1] - read[0])),
    )
    check_split(found)
    return found


def check_split(split: Split) -> None:
    """Check that the parts add up, as floats, to the last bit.

    Raises
    ------
    InexactChange
        One sum is not what it is the sum of.
    """
    for name, summed, stated in (
        ("points", sum(split.parts.values()), float(split.points)),
        ("data", sum(split.by_indicator.values()), split.parts["data"]),
        ("coverage", sum(split.by_coverage.values()), split.parts["coverage"]),
    ):
        if summed != stated:
            raise InexactChange(f"{name}: the parts give {summed!r}, the change is {stated!r}")
