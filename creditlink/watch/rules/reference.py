"""What a model's inputs and scores looked like where it was trained, month by month of the year. Pure.

Records have seasons: a quarter of all firms use half the power in July, and nobody pays a bonus in May. One reference
for the whole year would call each season a drift. So a model's folder keeps the counts at twelve ends of months, and a
day is held against those around it.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.measures import smoothed_shares
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.peers import ALL_PEERS
from creditlink.engine.vocabulary import GRADES

Floats = NDArray[np.float64]

FILE = "drift.json"
POINTS, GRADE = "points", "grade"
"""The series of a model beside those of its indicators."""

TENTHS = tuple(k / 10 for k in range(1, 10))
_DIGITS = 4


class DriftJson(TypedDict):
    """drift.json."""

    edges: dict[str, list[float]]
    months: dict[str, dict[str, list[int]]]  # month of the year -> series -> counts
    days: list[str]  # that were measured


@dataclass(frozen=True)
class DriftReference:
    """The bins of each series, and the counts of the firms a model was trained on.

    Attributes
    ----------
    edges : series -> ascending edges; a value on an edge belongs above it, and missing has the last bin of its own
    months : month of the year -> series -> counts, one more bin than edges for the values and one for the missing
    days : that were measured
    """

    edges: Mapping[str, tuple[float, ...]]
    months: Mapping[int, Mapping[str, tuple[int, ...]]]
    days: tuple[date, ...] = ()

    def count(self, series: str, values: Floats) -> list[int]:
        """Return how many of the values, NaN for missing, fall into each bin of a series."""
        edges = self.edges[series]
        known = values[~np.isnan(values)]
        counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
        return [*counts.tolist(), len(values) - len(known)]

    def expected(self, series: str, day: date) -> tuple[Floats, int] | None:
        """Return the shares expected on a day, and how many firms they rest on; None: nothing was kept.

        Between two ends of months the shares go in a straight line.
        """
        last = calendar.monthrange(day.year, day.month)[1]
        before, here = (day.month - 2) % 12 + 1, day.month
        known = [month for month in (before, here) if series in self.months.get(month, {})]
        if not known:
            return None
        weight = day.day / last
        parts = {before: 1 - weight, here: weight} if len(known) == 2 else {known[0]: 1.0}
        shares = sum(part * smoothed_shares(self.months[month][series]) for month, part in parts.items())
        return np.asarray(shares, dtype=np.float64), min(sum(self.months[month][series]) for month in parts)

    def to_json(self) -> DriftJson:
        """Return the members of drift.json."""
        return {
            "edges": {name: list(edges) for name, edges in sorted(self.edges.items())},
            "months": {
                str(month): {name: list(counts) for name, counts in sorted(row.items())}
                for month, row in sorted(self.months.items())
            },
            "days": [day.isoformat() for day in self.days],
        }


def from_json(members: DriftJson) -> DriftReference:
    """Read drift.json.

    Raises
    ------
    ValueError, KeyError, TypeError
        Counts do not fit the edges, edges do not rise, or it is no such document.
    """
    edges = {name: tuple(map(float, cuts)) for name, cuts in members["edges"].items()}
    months: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, cuts in edges.items():
        if list(cuts) != sorted(set(cuts)):
            raise ValueError(f"{FILE} {name}: edges must rise, got {list(cuts)}")
    for month, row in members["months"].items():
        if int(month) not in range(1, 13):
            raise ValueError(f"{FILE}: {month} is no month of the year")
        months[int(month)] = {name: tuple(map(int, counts)) for name, counts in row.items()}
        for name, counts in months[int(month)].items():
            if len(counts) != len(edges[name]) + 2 or min(counts) < 0:
                raise ValueError(f"{FILE} {name}: {len(counts)} counts for {len(edges[name])} edges")
    return DriftReference(edges, months, tuple(date.fromisoformat(day) for day in members["days"]))


def reference_of(model: CreditModel) -> DriftReference:
    """Return the reference of a model's folder; without one, bins alone: its peers' tenths, and its grades.

    Raises
    ------
    ValueError, KeyError, TypeError
        The folder's reference is not one.
    """
    if FILE in model.contents:
        return from_json(json.loads(model.contents[FILE]))
    peers = model.peers.rows.get(ALL_PEERS, {})
    edges = {name: edges_of(peers[name][1]) if name in peers else () for name in model.features}
    bounds = np.asarray(model.scale.pd_bounds)
    points = model.scale.points_exact(np.log(bounds / (1 - bounds)))
    return DriftReference(edges | {POINTS: edges_of(points), GRADE: GRADE_EDGES}, {})


GRADE_EDGES = tuple(k + 0.5 for k in range(len(GRADES) - 1))
"""A grade is counted by its place: 0 for A+."""


def edges_of(tenths: Iterable[float]) -> tuple[float, ...]:
    """Return rising edges from tenths, rounded so that no firm's own value can be read from them."""
    return tuple(sorted({float(f"{value:.{_DIGITS - 1}e}") for value in tenths}))


def segmented(series: str, by: str, part: str) -> str:
    """Return the name of a series within one part of the firms."""
    return f"{series}@{by}:{part}"


def month_ends(last: date) -> list[date]:
    """Return the twelve ends of months up to `last`, ascending; `last` is one."""
    days = [last]
    while len(days) < 12:
        days.append(days[-1].replace(day=1) - timedelta(days=1))
    return days[::-1]


def measured(
    days: Sequence[tuple[date, Mapping[str, Floats]]], segments: Mapping[date, Mapping[str, NDArray[np.bool_]]]
) -> DriftReference:
    """Return the reference of what was seen on the ends of months.

    Parameters
    ----------
    days : each with series -> values of its firms, NaN for missing; the last day's tenths are the edges
    segments : of a day, part (`region:4406`) -> which of its firms belong to it
    """
    newest = days[-1][1]
    edges = {name: edges_of(_tenths(values)) for name, values in newest.items()} | {GRADE: GRADE_EDGES}
    bins = DriftReference(edges, {})
    months: dict[int, dict[str, tuple[int, ...]]] = {}
    for day, values in days:
        row = {name: tuple(bins.count(name, one)) for name, one in values.items()}
        for part, inside in segments.get(day, {}).items():
            row[f"{POINTS}@{part}"] = tuple(bins.count(POINTS, values[POINTS][inside]))
        months[day.month] = row
    parts = {name: edges[POINTS] for row in months.values() for name in row if name.startswith(f"{POINTS}@")}
    return DriftReference(edges | parts, months, tuple(day for day, _ in days))


def _tenths(values: Floats) -> Floats:
    known = values[~np.isnan(values)]
    return np.quantile(known, TENTHS) if len(known) else np.empty(0)
