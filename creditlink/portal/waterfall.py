"""A waterfall as a table draws it: bars from one total to another, each as long as what it moved. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WIDTH = 100.0


@dataclass(frozen=True)
class WaterfallStep:
    """One bar: `x` and `width` in hundredths of the drawing; a total stands on the ground, a step on the one before."""

    label: str
    points: float
    x: float
    width: float
    kind: str  # total, plus or minus


def waterfall(
    first: tuple[str, float], moved: Sequence[tuple[str, float]], last: tuple[str, float]
) -> Iterator[WaterfallStep]:
    """Yield the bars from one total to another.

    Parameters
    ----------
    first, last : label and points of the two totals
    moved : label and points of each step between them, in order; steps of nothing are left out
    """
    moved = [(label, points) for label, points in moved if points]
    levels = [first[1]]
    for _, points in moved:
        levels.append(levels[-1] + points)
    low, high = min(*levels, last[1]), max(*levels, last[1])
    # A total begins a little below the lowest level, so that a small change can still be seen.
    ground = low - max(1.0, (high - low) * 0.15)
    scale = _WIDTH / max(high - ground, 1.0)
    yield _bar(first, ground, first[1] - ground, "total", ground, scale)
    for (label, points), level in zip(moved, levels, strict=False):
        kind = "plus" if points > 0 else "minus"
        yield _bar((label, points), min(level, level + points), abs(points), kind, ground, scale)
    yield _bar(last, ground, last[1] - ground, "total", ground, scale)


def _bar(named: tuple[str, float], left: float, width: float, kind: str, ground: float, scale: float) -> WaterfallStep:
    label, points = named
    return WaterfallStep(label, points, round((left - ground) * scale, 2), round(max(width * scale, 0.4), 2), kind)
