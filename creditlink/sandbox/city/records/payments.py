"""When a due amount is paid, and how the office comes to record it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.sandbox.city.economy import Calendar, Floats, Ints
from creditlink.sandbox.city.latent import NEVER, Bools, Firms


@dataclass(frozen=True)
class Habit:
    """How readily a kind of bill is paid late: the log-odds at health 0, and their rise as health falls."""

    odds: float
    slope: float
    early: float  # mean days before the due day


UTILITY = Habit(-2.70, 2.95, 5.0)
SOCIAL_SECURITY = Habit(-3.45, 3.05, 4.0)
AHEAD = 0.50
"""Rise of the days that a bill is paid before it is due, in logarithms, per unit of health."""

HOUSING_FUND = Habit(-3.15, 3.0, 4.0)
TAX = Habit(-3.90, 3.05, 3.5)
"""Stress shows in utilities first, then in the housing fund and social security, then in tax."""


def late_chance(habit: Habit, health: Floats, sloppy: Floats, defaulted: Bools) -> Floats:
    """Return the chance that a bill is paid late."""
    state = np.where(defaulted, np.minimum(health, 0.0) - 2.0, health)
    return 1 / (1 + np.exp(-(habit.odds - habit.slope * state + sloppy)))


def settle(rng: np.random.Generator, habit: Habit, due: Ints, health: Floats, sloppy: Floats, defaulted: Bools) -> Ints:
    """Return the day on which each bill is paid, days since 1970, `NEVER` where it is not.

    All arguments have one shape or broadcast to it.
    """
    shape = health.shape
    late = rng.random(shape) < late_chance(habit, health, sloppy, defaulted)
    # Who has the money pays well before the day, who is short waits for it.
    ahead = habit.early * np.exp(AHEAD * np.clip(health, -3, 2) - sloppy)
    early = np.minimum(rng.standard_exponential(shape) * ahead, 14).astype(np.int64)
    trouble = np.clip(-health, 0, 3) + 1.2 * defaulted
    days = 1 + np.minimum(np.exp(1.3 + 0.55 * trouble + 0.9 * rng.standard_normal(shape)), 360).astype(np.int64)
    lost = late & defaulted & (rng.random(shape) < 0.45)
    return np.where(lost, NEVER, np.where(late, due + days, due - early))


@dataclass(frozen=True)
class Versions:
    """Rows of a frame as the office recorded them: `of` picks the fact, `correction` marks a second row."""

    of: Ints  # positions of the facts, each once or twice, in order
    correction: Bools
    known: Ints  # days since 1970

    def until_end(self, calendar: Calendar) -> Versions:
        """Return the rows recorded by the end of the city."""
        return self.where(self.known <= calendar.cut)

    def where(self, keep: Bools) -> Versions:
        """Return the rows for which `keep`, of shape (rows,), is true."""
        return Versions(self.of[keep], self.correction[keep], self.known[keep])


def record(
    rng: np.random.Generator, published: Ints, settled: Ints | None, amended_share: float, late_share: float = 0.02
) -> tuple[Versions, Bools]:
    """Return the rows by which an office comes to know facts, and which facts are amended later.

    A fact is published on a day (a few arrive weeks late); what is settled only afterwards brings a
    correction; of the others a small share is amended some weeks later.

    Parameters
    ----------
    published
        Shape (facts,): day of the first row.
    settled
        Shape (facts,): day of payment or filing, `NEVER` if none; None where nothing needs settling.
    """
    n = published.size
    held_up = rng.random(n) < late_share
    first = published + np.where(held_up, rng.integers(12, 60, n), rng.integers(0, 2, n))
    if settled is None:
        open_ = np.zeros(n, dtype=bool)
        closed_on = first
    else:
        open_ = settled >= first
        closed_on = settled + rng.integers(1, 4, n)
    amended = ~open_ & (rng.random(n) < amended_share)
    second = np.where(open_, closed_on, first + rng.integers(15, 100, n))
    twice = (open_ & (second < NEVER // 2)) | amended
    count = 1 + twice.astype(np.int64)
    of = np.repeat(np.arange(n), count)
    correction = np.zeros(of.size, dtype=bool)
    correction[1:] = of[1:] == of[:-1]
    known = np.where(correction, second[of], first[of])
    return Versions(of, correction, known), amended


def days(name: str, values: Ints, known: Bools | None = None) -> pl.Series:
    """Return a date column from days since 1970; null where `known` is false."""
    return nullable(pl.Series(name, values.astype(np.int32)).cast(pl.Date), known)


def nullable(column: pl.Series, known: Bools | None) -> pl.Series:
    """Return the column with nulls where `known` is false."""
    if known is None or bool(known.all()):
        return column
    return column.set(pl.Series(~known), None)


def enum_of(name: str, codes: Ints, categories: pl.Enum) -> pl.Series:
    """Return an Enum column from category numbers."""
    return pl.Series(name, categories.categories, dtype=categories).gather(codes)


def facts(present: Bools) -> tuple[Ints, Ints]:
    """Return firm positions and month indices of the true cells, firm-major."""
    rows, columns = np.nonzero(present)
    return rows, columns


def due_days(calendar: Calendar, day: int) -> Ints:
    """Return the given day of the following month for each month, shape (months,)."""
    return calendar.starts[1 : calendar.months + 1] + day - 1


def sloppiness(firms: Firms) -> Floats:
    """Return the firms' untroubled lateness as a column, shape (n, 1)."""
    return firms.sloppy[:, None]
