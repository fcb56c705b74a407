"""What a model's inputs and scores looked like where it was trained, phase by phase of the year. Pure.

Records have seasons: a firm's machines run least in February, and sales of three months stand out in June. They also
have phases of the month: before the day on which declarations are due, everybody lacks the newest one. One reference
for the whole year would call each of them a drift. So a model's folder keeps the counts of 24 days, the tenth and the
last of each month, and a day is held against the mixture of its two neighbours that is nearest to what was seen: how
far the firms of a month have come with their declarations is no drift.
"""

from __future__ import annotations

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

TENTH = 10
PHASES = 24
"""Of the year: the tenth of a month comes before anything is declared in it, its end after."""


class DriftJson(TypedDict):
    """drift.json."""

    edges: dict[str, list[float]]
    phases: dict[str, dict[str, list[int]]]  # 0 for the tenth of January, 1 for its end … 23 -> series -> counts
    days: list[str]  # that were measured


@dataclass(frozen=True)
class ExpectedShares:
    """What may be expected of a series: shares between those `before` and those `after`, of so many firms."""

    before: Floats
    after: Floats
    firms: int


@dataclass(frozen=True)
class DriftReference:
    """The bins of each series, and the counts of the firms a model was trained on.

    Attributes
    ----------
    edges : series -> ascending edges; a value on an edge belongs above it, and missing has the last bin of its own
    phases : 0 for the tenth of January, 1 for its end … 23 -> series -> counts: one more bin than edges, and the
        missing
    days : that were measured
    """

    edges: Mapping[str, tuple[float, ...]]
    phases: Mapping[int, Mapping[str, tuple[int, ...]]]
    days: tuple[date, ...] = ()

    def count(self, series: str, values: Floats) -> list[int]:
        """Return how many of the values, NaN for missing, fall into each bin of a series."""
        edges = self.edges[series]
        known = values[~np.isnan(values)]
        counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
        return [*counts.tolist(), len(values) - len(known)]

    def expected(self, series: str, day: date) -> ExpectedShares | None:
        """Return the shares before and after a day, and how many firms they rest on; None: nothing was kept."""
        known = [phase for phase in phases_around(day) if series in self.phases.get(phase, {})]
        if not known:
            return None
        counts = [self.phases[phase][series] for phase in known]
        return ExpectedShares(smoothed_shares(counts[0]), smoothed_shares(counts[-1]), min(map(sum, counts)))

    def to_json(self) -> DriftJson:
        """Return the members of drift.json."""
        return {
            "edges": {name: list(edges) for name, edges in sorted(self.edges.items())},
            "phases": {
                str(phase): {name: list(counts) for name, counts in sorted(row.items())}
                for phase, row in sorted(self.phases.items())
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
    phases: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, cuts in edges.items():
        if list(cuts) != sorted(set(cuts)):
            raise ValueError(f"{FILE} {name}: edges must rise, got {list(cuts)}")
    for phase, row in members["phases"].items():
        if int(phase) not in range(PHASES):
            raise ValueError(f"{FILE}: {phase} is no phase of the year")
        phases[int(phase)] = {name: tuple(map(int, counts)) for name, counts in row.items()}
        for name, counts in phases[int(phase)].items():
            if len(counts) != len(edges[name]) + 2 or min(counts) < 0:
                raise ValueError(f"{FILE} {name}: {len(counts)} counts for {len(edges[name])} edges")
    return DriftReference(edges, phases, tuple(date.fromisoformat(day) for day in members["days"]))


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


def phases_around(day: date) -> tuple[int, int]:
    """Return the phases of the year that a day lies between: the tenth of its month and an end of a month."""
    tenth = 2 * (day.month - 1)
    return ((tenth - 1) % PHASES, tenth) if day.day <= TENTH else (tenth, tenth + 1)


def days_measured(last: date) -> list[date]:
    """Return the tenths and the ends of the twelve months up to `last`, ascending; `last` is an end of a month."""
    ends = [last]
    while len(ends) < 12:
        ends.append(ends[-1].replace(day=1) - timedelta(days=1))
    return [day for end in reversed(ends) for day in (end.replace(day=TENTH), end)]


def measured(
    days: Sequence[tuple[date, Mapping[str, Floats]]], segments: Mapping[date, Mapping[str, NDArray[np.bool_]]]
) -> DriftReference:
    """Return the reference of what was seen on the days of a year.

    Parameters
    ----------
    days : of `days_measured`, each with series -> values of its firms, NaN for missing; the edges are the last day's
    segments : of a day, part (`region:4406`) -> which of its firms belong to it
    """
    newest = days[-1][1]
    edges = {name: edges_of(_tenths(values)) for name, values in newest.items()} | {GRADE: GRADE_EDGES}
    bins = DriftReference(edges, {})
    phases: dict[int, dict[str, tuple[int, ...]]] = {}
    for day, values in days:
        row = {name: tuple(bins.count(name, one)) for name, one in values.items()}
        for part, inside in segments.get(day, {}).items():
            row[f"{POINTS}@{part}"] = tuple(bins.count(POINTS, values[POINTS][inside]))
        phases[2 * (day.month - 1) + int(day.day != TENTH)] = row
    parts = {name: edges[POINTS] for row in phases.values() for name in row if name.startswith(f"{POINTS}@")}
    return DriftReference(edges | parts, phases, tuple(day for day, _ in days))


def _tenths(values: Floats) -> Floats:
    known = values[~np.isnan(values)]
    return np.quantile(known, TENTHS) if len(known) else np.empty(0)
