"""A swarm of points, and one indicator against its contribution, as a page draws them. Pure.

A point is a stroke of no length with a round end, and all points of a colour are one path: thousands of them are a few
lines of text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.swarm import UNKNOWN, ModelSwarm, SwarmOfIndicator

ROW, WIDTH = 26.0, 400.0
"""Height of an indicator's strip, and the width of all."""

COLOURS = 5
"""From low to high values; a value that is not known has a colour of its own, `u`."""

_STEP = 1.7
_CELL = 2.6
PLOT_WIDTH, PLOT_HEIGHT = 640.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 12.0, 34.0


@dataclass(frozen=True)
class Dots:
    """All points of one colour."""

    colour: str
    path: str


@dataclass(frozen=True)
class Strip:
    """One indicator's strip of the swarm."""

    name: str
    mean_points: float
    dots: tuple[Dots, ...]
    at_least: float  # the fifth and the ninety-fifth of a hundred contributions, for the table
    at_most: float


@dataclass(frozen=True)
class DrawnSwarm:
    """The swarm of a model."""

    strips: tuple[Strip, ...]
    zero: float  # where nothing is moved
    marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class DrawnDependence:
    """One indicator: rank of its value across, points upwards, coloured by its partner's value."""

    dots: tuple[Dots, ...]
    zero: float
    across: tuple[tuple[float, str], ...]
    upwards: tuple[tuple[float, str], ...]
    rows: tuple[tuple[str, int, float, float | None, float | None], ...]
    """For the table: fifth of the values, firms, mean points; and those of a low and of a high partner."""


def swarm(found: ModelSwarm) -> DrawnSwarm:
    """Return a model's swarm as it is drawn."""
    every = np.concatenate([one.points for one in found.indicators]) if found.indicators else np.zeros(1)
    reach = float(np.abs(np.quantile(every, [0.002, 0.998])).max()) or 1.0
    step = _round(reach / 2)
    marks = [
        (round(_x(value, reach), 1), f"{value:+g}" if value else "0") for value in (-2 * step, -step, 0, step, 2 * step)
    ]
    return DrawnSwarm(
        strips=tuple(_strip(one, reach) for one in found.indicators),
        zero=_x(0.0, reach),
        marks=tuple(mark for mark in marks if 0 <= mark[0] <= WIDTH),
    )


def _x(value: float, reach: float) -> float:
    return WIDTH / 2 + float(np.clip(value / reach, -1, 1)) * (WIDTH / 2 - 6)


def _strip(one: SwarmOfIndicator, reach: float) -> Strip:
    """Return a strip: points that would lie on each other are piled up from its middle."""
    heights: dict[int, int] = defaultdict(int)
    paths: dict[str, list[str]] = defaultdict(list)
    most = int(ROW / 2 / _STEP) - 1
    for points, rank in zip(one.points.tolist(), one.ranks.tolist(), strict=True):
        x = _x(points, reach)
        pile = heights[int(x / _CELL)]
        heights[int(x / _CELL)] += 1
        side = 1 if pile % 2 else -1
        y = ROW / 2 + side * min((pile + 1) // 2, most) * _STEP
        paths[colour_of(rank)].append(f"M{x:.1f} {y:.1f}h0")
    low, high = np.quantile(one.points, [0.05, 0.95])
    return Strip(one.name, one.mean_points, _dots(paths), float(low), float(high))


def colour_of(rank: int) -> str:
    """Return the colour of a rank: `0` … `4` from low to high, `u` where it is not known."""
    return "u" if rank == UNKNOWN else str(min(COLOURS - 1, rank * COLOURS // 100))


def _dots(paths: dict[str, list[str]]) -> tuple[Dots, ...]:
    return tuple(Dots(colour, "".join(parts)) for colour, parts in sorted(paths.items(), reverse=True))


def dependence(one: SwarmOfIndicator, marks: Sequence[str]) -> DrawnDependence:
    """Return one indicator's contribution against its value.

    Parameters
    ----------
    marks : the nine tenths in words, or nothing
    """
    low, high = min(0.0, float(one.points.min())), max(0.0, float(one.points.max()))
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return round(_TOP + (high - value) / span * (PLOT_HEIGHT - _TOP - _BOTTOM), 1)

    def x(rank: float) -> float:
        # Where a value is not known, the point stands left of all others.
        return round(_LEFT + 14 + rank / 100 * (PLOT_WIDTH - _LEFT - _RIGHT - 18), 1) if rank >= 0 else _LEFT + 4

    paths: dict[str, list[str]] = defaultdict(list)
    triples = zip(one.points.tolist(), one.ranks.tolist(), one.partner_ranks.tolist(), strict=True)
    for points, rank, partner in triples:
        paths[colour_of(partner)].append(f"M{x(rank)} {y(points)}h0")
    step = _round(span / 4)
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return DrawnDependence(
        dots=_dots(paths),
        zero=y(0.0),
        across=tuple((x(10.0 * (k + 1)), text) for k, text in enumerate(marks) if k % 2 == 0),
        upwards=tuple((y(float(tick)), f"{tick:+g}" if tick else "0") for tick in ticks),
        rows=tuple(_fifths(one)),
    )


def _fifths(one: SwarmOfIndicator) -> list[tuple[str, int, float, float | None, float | None]]:
    colours = np.array([colour_of(rank) for rank in one.ranks.tolist()])
    has_low = (one.partner_ranks >= 0) & (one.partner_ranks < 50)
    rows = []
    for colour in (*map(str, range(COLOURS)), "u"):
        inside = colours == colour
        if inside.any():
            rows.append(
                (
                    colour, int(inside.sum()), float(one.points[inside].mean()), _mean(one.points[inside & has_low]),
                    _mean(one.points[inside & (one.partner_ranks >= 50)]),
                )
            )  # fmt: skip
    return rows


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def _round(value: float) -> float:
    """Return a round number not far below a value: 1, 2 or 5 times a power of ten."""
    size = 10.0 ** np.floor(np.log10(max(value, 1e-9)))
    return float(max(factor * size for factor in (1, 2, 5) if factor * size <= value * 1.000001))
