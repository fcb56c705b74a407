"""What moves a model's scores over many firms: for a page that draws them, and of no firm in particular. Pure.

Each indicator's points are mixed by themselves, so that no two numbers of a firm stand together but a value with its
partner's; and a value is told as its rank among the others, in whole per cent. No firm's books can be read from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

SHOWN = 16
"""Indicators of a swarm: those that move the points most."""

LEAST_FIRMS = 100
UNKNOWN = -1
"""In place of a rank: the firm has no value."""

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SwarmOfIndicator:
    """One indicator over the sample; one place of each array is one firm, in an order of this indicator's own.

    Attributes
    ----------
    mean_points : mean of the absolute points contribution
    points : points contribution, rounded to tenths
    ranks : rank of the value in whole per cent, or `UNKNOWN`
    tenths : the nine tenths of the known values, for the marks of the axis
    partner : the indicator whose value changes most what this one does; None: none does
    partner_ranks : rank of the partner's value, as `ranks`
    """

    name: str
    mean_points: float
    points: Floats
    ranks: Ranks
    tenths: tuple[float, ...]
    partner: str | None
    partner_ranks: Ranks


class SwarmIndicatorJson(TypedDict):
    """One indicator in the file."""

    name: str
    mean_points: float
    points: list[float]
    ranks: list[int]
    tenths: list[float]
    partner: str | None
    partner_ranks: list[int]


class SwarmJson(TypedDict):
    """The file."""

    manifest_sha256: str
    sample: dict[str, object]
    firms: int
    indicators: list[SwarmIndicatorJson]


@dataclass(frozen=True, eq=False)
class ModelSwarm:
    """What moves one model's scores, over a sample of firms."""

    manifest_sha256: str
    sample: Mapping[str, object]  # what the firms were, in words of who measured
    firms: int
    indicators: tuple[SwarmOfIndicator, ...]

    def of(self, name: str) -> SwarmOfIndicator | None:
        """Return an indicator by its name."""
        return next((one for one in self.indicators if one.name == name), None)

    def to_json(self) -> SwarmJson:
        """Return the members of the file."""
        return {
            "manifest_sha256": self.manifest_sha256,
            "sample": dict(self.sample),
            "firms": self.firms,
            "indicators": [
                {
                    "name": one.name,
                    "mean_points": round(one.mean_points, 3),
                    "points": [round(float(value), 1) for value in one.points],
                    "ranks": one.ranks.tolist(),
                    "tenths": list(one.tenths),
                    "partner": one.partner,
                    "partner_ranks": one.partner_ranks.tolist(),
                }
                for one in self.indicators
            ],
        }

    @classmethod
    def from_json(cls, members: SwarmJson) -> ModelSwarm:
        """Read the file.

        Raises
        ------
        ValueError
            It is from too few firms, or an indicator has not a number for each.
        """
        firms = int(members["firms"])
        if firms < LEAST_FIRMS:
            raise ValueError(f"a swarm of {firms} firms: at least {LEAST_FIRMS} are needed")
        found = []
        for one in members["indicators"]:
            points: Floats = np.asarray(one["points"], dtype=np.float64)
            ranks, partner_ranks = (np.asarray(each, dtype=np.int64) for each in (one["ranks"], one["partner_ranks"]))
            if any(array.shape != (firms,) for array in (points, ranks, partner_ranks)):
                raise ValueError(f"swarm of {one['name']}: a number for each of {firms} firms is expected")
            if len(one["tenths"]) not in (0, 9) or not np.all(np.isfinite(points)):
                raise ValueError(f"swarm of {one['name']}: nine tenths and finite points are expected")
            if any(array.min() < UNKNOWN or array.max() > 100 for array in (ranks, partner_ranks)):
                raise ValueError(f"swarm of {one['name']}: a rank is a whole per cent")
            found.append(
                SwarmOfIndicator(
                    str(one["name"]), float(one["mean_points"]), points, ranks, tuple(map(float, one["tenths"])),
                    one["partner"], partner_ranks,
                )
            )  # fmt: skip
        return cls(str(members["manifest_sha256"]), dict(members["sample"]), firms, tuple(found))


def swarm_of(
    names: Sequence[str],
    x: NDArray[np.float32],
    points: Floats,
    interactions: Floats,
    *,
    manifest_sha256: str,
    sample: Mapping[str, object],
    seed: int,
) -> ModelSwarm:
    """Return what moves a model's scores over firms.

    Parameters
    ----------
    x : what the model read, shape (n, k), missing is NaN
    points : points contributions, shape (n, k)
    interactions : mean absolute SHAP interaction of each pair, shape (k, k); the diagonal is not read
    seed : of the mixing

    Raises
    ------
    ValueError
        There are fewer than `LEAST_FIRMS` firms.
    """
    firms = len(x)
    if firms < LEAST_FIRMS:
        raise ValueError(f"a swarm of {firms} firms: at least {LEAST_FIRMS} are needed")
    mixing = np.random.default_rng(seed)
    means = np.abs(points).mean(axis=0)
    order = [int(column) for column in np.argsort(-means, kind="stable")[:SHOWN] if means[column] > 0]
    together = interactions - np.diag(np.diag(interactions))
    found = []
    for column in order:
        mixed = mixing.permutation(firms)
        partner = int(np.argmax(together[column]))
        has_partner = bool(together[column, partner] > 0)
        values = x[:, column].astype(np.float64)
        found.append(
            SwarmOfIndicator(
                name=names[column],
                mean_points=float(means[column]),
                points=points[mixed, column].round(1),
                ranks=ranks_of(values)[mixed],
                tenths=_tenths(values[np.isfinite(values)]),
                partner=names[partner] if has_partner else None,
                partner_ranks=(ranks_of(x[:, partner]) if has_partner else np.full(firms, UNKNOWN))[mixed],
            )
        )
    return ModelSwarm(manifest_sha256, sample, firms, tuple(found))


def _tenths(known: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.3g}") for value in np.quantile(known, np.arange(1, 10) / 10)) if known.size else ()


def ranks_of(values: NDArray[np.floating]) -> Ranks:
    """Return the rank of each value among the known ones in whole per cent, of equal ones the middle; `UNKNOWN`."""
    ranks = np.full(len(values), UNKNOWN, dtype=np.int64)
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    if ordered.size:
        first = np.searchsorted(ordered, values[known], side="left")
        last = np.searchsorted(ordered, values[known], side="right")
        ranks[known] = np.round((first + last) / 2 / ordered.size * 100).astype(np.int64)
    return ranks
