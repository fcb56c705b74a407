"""Columns that know the outcome: what a careful reader of a table would refuse to train on. Pure.

Each check compares one column with the outcome (or with a column already found), on binned counts,
so a hundred thousand rows cost milliseconds a column. A *stop* is nearly certain; a *warning* is
for a person to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.training.table.columns import numbers_of
from creditlink.training.table.derivations import derived_from
from creditlink.training.table.leak_patterns import Codes, held_out_rates, roundness
from creditlink.training.validation.metrics import auc

Bad = NDArray[np.int8]


@dataclass(frozen=True)
class LeakRules:
    """Bounds beyond which a column is suspect. Source: design choices, tested on real tables without a leak."""

    auc_stop: float = 0.95
    auc_warn: float = 0.90
    proxy_share: float = 0.85  # of the outcome's entropy that the column removes
    sure_share: float = 0.30  # of the bads that values decide which are almost never good
    sure_rate: float = 0.98
    pattern_stop: float = 0.50  # difference of shares between goods and bads, size of the value held fixed
    pattern_warn: float = 0.25
    missing_stop: float = 0.50
    missing_warn: float = 0.30
    significance: float = 6.0  # standard errors that a difference of shares must reach
    late_share: float = 0.01  # of rows whose value is after the row's own day
    least_bads: int = 10


@dataclass(frozen=True)
class Leak:
    """One suspicion: which column, which check, how strong, and what it means."""

    column: str
    check: Literal["target_proxy", "too_good", "outcome_pattern", "missing_tells", "after_as_of", "derived"]
    severity: Literal["stop", "warn"]
    figure: float
    message: str

    def to_dict(self) -> dict[str, object]:
        """Return the members for a report."""
        return asdict(self) | {"figure": round(self.figure, 4)}

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}"


def find_leaks(
    columns: pl.DataFrame,
    is_bad: Bad,
    *,
    as_of: pl.Series | None = None,
    excluded: pl.DataFrame | None = None,
    group: NDArray[np.int64] | None = None,
    rules: LeakRules | None = None,
) -> list[Leak]:
    """Return the suspicions about a table, stops first, then by column.

    Parameters
    ----------
    columns : Float64, Date or String columns of n rows, null (or NaN) where missing
    is_bad : 0 or 1, shape (n,)
    as_of : Date, shape (n,): the day on which a row's values should have been known; None: not known
    excluded : further columns of the same rows, which are neither learned from nor named, but from which others
        may have been computed; None: there are none
    group : rows of one group are one case, shape (n,): none says anything of another; None: each row is a case

    Raises
    ------
    ValueError
        The outcome has another length than the columns.
    """
    chosen = rules or LeakRules()
    if len(is_bad) != columns.height:
        raise ValueError(f"is_bad: {len(is_bad)} values for {columns.height} rows")
    cases = _Cases(is_bad, np.arange(len(is_bad)) if group is None else group)
    if min(cases.bads, cases.goods) < chosen.least_bads:
        return []  # so few cases say nothing
    strength: dict[str, float] = {}
    leaks: list[Leak] = []
    for series in columns.iter_columns():
        leaks += _alone(series, cases, as_of, chosen, strength)
    beside = pl.DataFrame() if excluded is None else excluded
    traps = [leak for series in beside.iter_columns() for leak in _alone(series, cases, as_of, chosen, {})]
    stopped = {leak.column for leak in (*leaks, *traps) if leak.severity == "stop"}
    leaks += _derived(columns, beside, is_bad, stopped, strength)
    return sorted(_strongest(leaks), key=lambda leak: (leak.severity != "stop", columns.columns.index(leak.column)))


@dataclass(frozen=True, eq=False)
class _Cases:
    """The outcomes, and which rows are one case: a case counts once where significance is judged."""

    is_bad: Bad
    group: NDArray[np.int64]

    @property
    def bads(self) -> int:
        """How many cases have a row with the event."""
        return len(np.unique(self.group[self.is_bad == 1]))

    @property
    def goods(self) -> int:
        """How many cases have a row without the event."""
        return len(np.unique(self.group[self.is_bad == 0]))

    @property
    def per_row(self) -> float:
        """How many cases a row is."""
        return len(np.unique(self.group)) / len(self.group)


def _alone(
    series: pl.Series, cases: _Cases, as_of: pl.Series | None, rules: LeakRules, strength: dict[str, float]
) -> Iterator[Leak]:
    """Yield the suspicions about one column by itself, and note how strong it is."""
    column = _numbers(series)
    codes = Codes.of(column)
    rates = held_out_rates(codes, cases.is_bad, cases.group)
    strength[series.name] = auc(cases.is_bad, rates)
    yield from _outcome_known(series.name, strength[series.name], rates, cases.is_bad, rules)
    yield from _missing_tells(series.name, codes, cases, rules)
    if series.dtype == pl.Float64:
        yield from _pattern(series.name, column, cases, rules)
    if series.dtype == pl.Date and as_of is not None:
        yield from _after(series, as_of, cases, rules)


def _numbers(series: pl.Series) -> NDArray[np.float64]:
    """Return a column as numbers: days for dates, a code per text; missing is NaN."""
    return numbers_of(series.cast(pl.Categorical).to_physical() if series.dtype == pl.String else series)


def _outcome_known(
    name: str, strength: float, rates: NDArray[np.float64], is_bad: Bad, rules: LeakRules
) -> Iterator[Leak]:
    """Yield when the column alone tells goods from bads better than anything known beforehand does."""
    base = float(is_bad.mean())
    p = np.clip(rates, 1e-6, 1 - 1e-6)
    loss = float(np.mean(np.where(is_bad == 1, -np.log(p), -np.log(1 - p))))
    removed = 1 - loss / (-base * np.log(base) - (1 - base) * np.log(1 - base))
    sure = rates >= max(0.9, 1 - (1 - base) / 3)  # a loose cut on smoothed rates; precision is judged below
    decided = float(is_bad[sure].sum() / is_bad.sum())
    if removed >= rules.proxy_share:
        yield Leak(
            name, "target_proxy", "stop", strength, f"it is the outcome in another form: AUC {strength:.3f} alone"
        )
    elif strength >= rules.auc_stop:
        yield Leak(name, "too_good", "stop", strength, f"AUC {strength:.3f} alone, too good to be known beforehand")
    elif decided >= rules.sure_share and is_bad[sure].mean() >= rules.sure_rate:
        message = f"some of its values are never of a good row and decide {decided:.0%} of the bads"
        yield Leak(name, "target_proxy", "stop", decided, message)
    elif strength >= rules.auc_warn:
        yield Leak(name, "too_good", "warn", strength, f"AUC {strength:.3f} alone: was it known beforehand?")


def _missing_tells(name: str, codes: Codes, cases: _Cases, rules: LeakRules) -> Iterator[Leak]:
    """Yield when whether the column is filled depends on the outcome, as a date of charge-off does."""
    missing, bad = codes.missing, cases.is_bad == 1
    gap = float(missing[bad].mean() - missing[~bad].mean())
    if abs(gap) < rules.missing_warn or not _significant(missing, cases, gap, rules):
        return
    severity: Literal["stop", "warn"] = "stop" if abs(gap) >= rules.missing_stop else "warn"
    message = (
        f"missing in {missing[bad].mean():.0%} of bad rows and {missing[~bad].mean():.0%} of good ones: "
        "filled after the outcome?"
    )
    yield Leak(name, "missing_tells", severity, abs(gap), message)


def _pattern(name: str, column: NDArray[np.float64], cases: _Cases, rules: LeakRules) -> Iterator[Leak]:
    """Yield when values are rounder for one outcome than for the other at the same size: written afterwards."""
    worst = max(roundness(column, cases.is_bad), key=lambda r: abs(r.difference), default=None)
    if worst is None or abs(worst.difference) < rules.pattern_warn:
        return
    if worst.z * np.sqrt(cases.per_row) < rules.significance:
        return
    severity: Literal["stop", "warn"] = "stop" if abs(worst.difference) >= rules.pattern_stop else "warn"
    message = (
        f"{worst.what} in {worst.share_good:.0%} of good rows and {worst.share_bad:.0%} of bad ones: "
        "written or changed after the outcome?"
    )
    yield Leak(name, "outcome_pattern", severity, abs(worst.difference), message)


def _after(series: pl.Series, as_of: pl.Series, cases: _Cases, rules: LeakRules) -> Iterator[Leak]:
    """Yield when a date is after the day on which the row should have been known."""
    late = (series > as_of).fill_null(value=False).to_numpy()
    share = float(late.mean())
    if share < rules.late_share:
        return
    bad = cases.is_bad == 1
    gap = float(late[bad].mean() - late[~bad].mean())
    lateness = (series - as_of).dt.total_days().cast(pl.Float64).fill_null(np.nan).to_numpy()
    strength = auc(cases.is_bad, held_out_rates(Codes.of(lateness), cases.is_bad, cases.group))
    certain = abs(gap) >= rules.missing_warn or strength >= rules.auc_warn
    first = int(np.argmax(late))
    day: date | None = series[first]
    message = f"later than the row's own day in {share:.0%} of rows (row {first + 1}: {day} after {as_of[first]})"
    yield Leak(series.name, "after_as_of", "stop" if certain else "warn", share, message)


def _derived(
    columns: pl.DataFrame, beside: pl.DataFrame, is_bad: Bad, stopped: set[str], strength: dict[str, float]
) -> Iterator[Leak]:
    """Yield columns that were computed from one that leaks, with or without others that are not learned from."""
    numeric = {s.name: _numbers(s) for f in (columns, beside) for s in f.iter_columns() if s.dtype != pl.String}
    leaking = {name: values for name, values in numeric.items() if name in stopped}
    rest = {name: values for name, values in numeric.items() if name not in stopped}
    for name, how, exact in derived_from(leaking, rest, is_bad):
        if name in strength:
            message = f"computed from a column that leaks: {how}"
            yield Leak(name, "derived", "stop" if exact else "warn", strength[name], message)


def _significant(flag: NDArray[np.bool_], cases: _Cases, gap: float, rules: LeakRules) -> bool:
    share = float(flag.mean())
    error = np.sqrt(share * (1 - share) * (1 / cases.bads + 1 / cases.goods))
    return bool(abs(gap) >= rules.significance * error)


def _strongest(leaks: list[Leak]) -> list[Leak]:
    """Keep one suspicion per column and check."""
    first: dict[tuple[str, str], Leak] = {}
    for leak in leaks:
        first.setdefault((leak.column, leak.check), leak)
    return list(first.values())
