"""Many decisions as one: counts, means and shares, from records that were each looked at. Pure.

Of fewer than ten firms nothing is summed up, and a part of fewer than five goes with the others: sums say something of
a set, and not of somebody in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from creditlink.decisions.record import DecisionRecord
from creditlink.engine.vocabulary import GRADES

FEWEST_FIRMS = 10
FEWEST_IN_PART = 5
UNSCORED = "–"
OTHERS = "*"

QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class CohortMember:
    """What is taken of one decision; it names the firm only to count it once."""

    firm: str
    grade: str | None
    points: float | None
    pd_12m: float | None
    dimensions: Mapping[str, float]  # points
    indicators: Mapping[str, float]  # points
    missing: frozenset[str]  # categories that were asked for and not delivered
    asked: frozenset[str]
    segments: Mapping[str, str]  # by -> which


@dataclass(frozen=True)
class CohortSummary:
    """A set of decisions in numbers; empty members where there is no score among them."""

    decisions: int
    firms: int
    grades: Mapping[str, int]
    points: tuple[float, ...]  # at `QUANTILES`
    pd_12m: tuple[float, ...]
    mean_pd: float | None
    histogram: tuple[int, ...]
    dimensions: Mapping[str, float]  # mean points, over scored decisions
    indicators: Mapping[str, float]
    missing: Mapping[str, float]  # category -> share of those in which it was asked for
    segments: Mapping[str, Mapping[str, int]]


def member_of(record: DecisionRecord) -> CohortMember:
    """Return what is taken of a record."""
    profile = record.profile
    summary = cast("Mapping[str, Any]", profile["summary"])
    explanation = cast("Mapping[str, Any]", profile["explanation"])
    registration = cast("Mapping[str, Any]", profile["registration"])
    coverage = cast("Mapping[str, Mapping[str, object]]", profile["coverage"])
    is_scored = profile["state"] == "scored"
    industry = str(registration.get("industry") or "")
    return CohortMember(
        firm=str(profile["enterprise_id"]),
        grade=cast("str | None", profile["grade"]),
        points=cast("float | None", profile["points"]),
        pd_12m=cast("float | None", profile["pd_12m"]),
        dimensions={one["name"]: float(one["points_contribution"]) for one in summary["dimensions"]},
        indicators={name: float(one[2]) for name, one in explanation["indicators"].items()} if is_scored else {},
        missing=frozenset(name for name, one in coverage.items() if one["status"] in _NOT_DELIVERED),
        asked=frozenset(name for name, one in coverage.items() if one["status"] not in _NOT_ASKED),
        segments={
            "region": str(registration.get("region") or OTHERS),
            "industry": industry[:1] or OTHERS,
            "entity_type": str(registration.get("entity_type") or OTHERS),
        },
    )


_NOT_ASKED = ("not_granted", "not_requested", "not_connected")
_NOT_DELIVERED = ("pending", "denied", "timeout", "source_down")
"""States of a category: no record is an answer."""


def edges_for(members: Iterable[CohortMember], *, bins: int = 10) -> NDArray[np.float64]:
    """Return the edges of the bins in which points are counted, the same for all cohorts of a comparison."""
    points = [one.points for one in members if one.points is not None]
    low, high = (min(points), max(points)) if points else (0.0, 1.0)
    low, high = np.floor(low / 10) * 10, np.ceil((high + 1) / 10) * 10
    edges: NDArray[np.float64] = np.linspace(low, high, bins + 1)
    return edges


def summary_of(members: Sequence[CohortMember], edges: NDArray[np.float64]) -> CohortSummary | None:
    """Return a set of decisions in numbers; None: it is of too few firms."""
    firms = len({one.firm for one in members})
    if firms < FEWEST_FIRMS:
        return None
    scored = [one for one in members if one.points is not None]
    points = np.array([one.points for one in scored], dtype=np.float64)
    pds = np.array([one.pd_12m for one in scored], dtype=np.float64)
    grades = Counter(one.grade or UNSCORED for one in members)
    asked = Counter(category for one in members for category in one.asked)
    missing = Counter(category for one in members for category in one.missing)
    return CohortSummary(
        decisions=len(members),
        firms=firms,
        grades={grade: grades.get(grade, 0) for grade in (*GRADES, UNSCORED)},
        points=_quantiles(points),
        pd_12m=_quantiles(pds),
        mean_pd=float(pds.mean()) if len(pds) else None,
        histogram=tuple(int(count) for count in np.histogram(points, edges)[0]),
        dimensions=_means(scored, lambda one: one.dimensions),
        indicators=_means(scored, lambda one: one.indicators),
        missing={category: missing[category] / count for category, count in sorted(asked.items())},
        segments=_segments(members),
    )


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(values, QUANTILES)) if len(values) else ()


def _means(scored: Sequence[CohortMember], part: Callable[[CohortMember], Mapping[str, float]]) -> dict[str, float]:
    """Return the mean points of each name over all scored decisions; one whose model does not read it moved nothing."""
    sums: dict[str, float] = defaultdict(float)
    for one in scored:
        for name, points in part(one).items():
            sums[name] += points
    return {name: total / len(scored) for name, total in sums.items()}


def _segments(members: Sequence[CohortMember]) -> dict[str, dict[str, int]]:
    """Return by what -> part -> firms; parts of too few firms go together, with the smallest other where they must."""
    found: dict[str, dict[str, int]] = {}
    for by in ("region", "industry", "entity_type"):
        firms: dict[str, set[str]] = defaultdict(set)
        for one in members:
            firms[one.segments[by]].add(one.firm)
        counts = {name: len(inside) for name, inside in firms.items() if name != OTHERS}
        small = {name for name, count in counts.items() if count < FEWEST_IN_PART}
        others = firms.get(OTHERS, set()).union(*(firms[name] for name in small))
        kept = sorted((name for name in counts if name not in small), key=lambda name: (-counts[name], name))
        while kept and 0 < len(others) < FEWEST_IN_PART:
            others = others | firms[kept.pop()]
        found[by] = {name: counts[name] for name in kept} | ({OTHERS: len(others)} if others else {})
    return found
