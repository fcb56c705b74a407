"""Lines over days as a page draws them: places in a box, with limits across and marks on both sides. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

WIDTH, HEIGHT = 640.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 12.0, 26.0
_MARKS = 4


@dataclass(frozen=True)
class DayLine:
    """One line: its values day by day, the oldest first; None: not known on that day."""

    name: str
    kind: str  # the class that colours it
    values: Sequence[float | None]


@dataclass(frozen=True)
class DrawnLine:
    """A line in the box: stretches without a gap, and a dot where a day stands alone or is the last."""

    name: str
    kind: str
    paths: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Mark:
    """A mark on a side or a limit across: where, and what it says."""

    at: float
    text: str
    kind: str = ""


@dataclass(frozen=True)
class DrawnLines:
    """A drawing of lines over days."""

    lines: tuple[DrawnLine, ...]
    limits: tuple[Mark, ...]
    across: tuple[Mark, ...]  # marks of values
    days: tuple[Mark, ...]


def drawn(
    days: Sequence[date],
    lines: Sequence[DayLine],
    limits: Sequence[tuple[float, str]] = (),
    *,
    unit: str = "%.2f",
    days_as: str = "%m-%d",
    floor: float = 0.0,
) -> DrawnLines:
    """Return lines as they are drawn; the box holds every value and every limit.

    Parameters
    ----------
    days : the oldest first, as many as each line has values
    limits : value and the class that colours it
    unit : how a value is written beside its mark
    days_as : how a day is written below the box
    floor : the box reaches at least this far down

    Raises
    ------
    ValueError
        A line has not as many values as there are days.
    """
    if any(len(line.values) != len(days) for line in lines):
        raise ValueError("a line has a value for each day")
    known = [value for line in lines for value in line.values if value is not None] + [value for value, _ in limits]
    low, high = _bounds(known, floor)
    x = _scale(days[0].toordinal() if days else 0, days[-1].toordinal() if days else 0, LEFT, WIDTH - RIGHT)
    y = _scale(low, high, HEIGHT - BOTTOM, TOP)
    return DrawnLines(
        lines=tuple(_drawn(days, line, x, y) for line in lines),
        limits=tuple(Mark(y(value), unit % value, kind) for value, kind in limits),
        across=tuple(Mark(y(value), unit % value) for value in np.linspace(low, high, _MARKS)),
        days=tuple(Mark(x(day.toordinal()), day.strftime(days_as)) for day in _some(days)),
    )


class _scale:  # noqa: N801 (it is a function that remembers its bounds)
    """Places of values between two ends of the box."""

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        self.low, self.first = low, first
        self.step = (last - first) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return round(self.first + (value - self.low) * self.step, 1)


def _bounds(known: Sequence[float], floor: float) -> tuple[float, float]:
    if not known:
        return 0.0, 1.0
    low, high = min(floor, *known), max(known)
    return low, high + (high - low) * 0.05 if high > low else low + 1.0


def _some(days: Sequence[date]) -> list[date]:
    if len(days) < 2:
        return list(days)
    places = np.unique(np.linspace(0, len(days) - 1, min(len(days), 6)).round().astype(int))
    return [days[place] for place in places]


def _drawn(days: Sequence[date], line: DayLine, x: _scale, y: _scale) -> DrawnLine:
    stretches: list[list[tuple[float, float]]] = [[]]
    for day, value in zip(days, line.values, strict=True):
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append((x(day.toordinal()), y(value)))
    kept = [stretch for stretch in stretches if stretch]
    alone = [stretch[0] for stretch in kept if len(stretch) == 1]
    last = [kept[-1][-1]] if kept and len(kept[-1]) > 1 else []
    paths = tuple("M" + "L".join(f"{a} {b}" for a, b in stretch) for stretch in kept if len(stretch) > 1)
    return DrawnLine(line.name, line.kind, paths, tuple(alone + last))
