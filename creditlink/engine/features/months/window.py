"""Statistics of an item over a window of months: their names in expressions.

An indicator's expression names what it needs: `total("sales", 12)` is the polars column that the
grid fills with the sum of item `sales` over months 1 to 12 before the month of `as_of`. What the
statistics compute is in `statistics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Window:
    """One statistic of one item over months `first` to `last` before the month of `as_of`."""

    item: str
    statistic: str
    first: int
    last: int

    @property
    def column(self) -> str:
        """Return the name of its column in the frame that expressions see."""
        return f"{self.item}@{self.statistic}:{self.first:02d}-{self.last:02d}"

    @classmethod
    def parse(cls, column: str) -> Window | None:
        """Read a column name back; None when it is not a window's."""
        item, at, rest = column.partition("@")
        if not at:
            return None
        statistic, _, months = rest.partition(":")
        first, _, last = months.partition("-")
        return cls(item, statistic, int(first), int(last))


def _column(statistic: str, item: str, first: int, last: int | None) -> pl.Expr:
    begin, end = (1, first) if last is None else (first, last)
    return pl.col(Window(item, statistic, begin, end).column)


def total(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Sum of the known months; `total(item, 12)` means months 1 to 12."""
    return _column("total", item, first, last)


def mean(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Mean of the known months."""
    return _column("mean", item, first, last)


def faded(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Sum of the known months, each month weighing half as much as the one `statistics.HALF_LIFE_MONTHS` later."""
    return _column("faded", item, first, last)


def faded_mean(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Mean of the known months with the weights of `faded`."""
    return _column("faded_mean", item, first, last)


def known(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Count the known months; missing, not zero, when there is none."""
    return _column("known", item, first, last)


def positive(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Count the known months with a value above zero."""
    return _column("positive", item, first, last)


def peak(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Largest known month."""
    return _column("peak", item, first, last)


def trough(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Smallest known month."""
    return _column("trough", item, first, last)


def latest(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Value of the newest known month."""
    return _column("latest", item, first, last)


def volatility(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Coefficient of variation around a straight line: residual deviation over the mean."""
    return _column("volatility", item, first, last)


def newest_positive(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Months back to the newest month above zero; the window's length plus one when there is none."""
    return _column("newest_positive", item, first, last)


def longest_gap(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Longest run of months without a value above zero, since the oldest known month."""
    return _column("longest_gap", item, first, last)


def idle(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Count the known months below `statistics.IDLE_SHARE_OF_PEAK` of the window's peak."""
    return _column("idle", item, first, last)


def season(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Correlation of the window's months with the same months a year earlier."""
    return _column("season", item, first, last)


def trend(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Slope a year of a straight line through the logarithms of the months above zero."""
    return _column("trend", item, first, last)


def noise(item: str, first: int, last: int | None = None) -> pl.Expr:
    """Compute the standard deviation of those logarithms around that line."""
    return _column("noise", item, first, last)
