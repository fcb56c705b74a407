"""How realistic the city is: the same figures of real and of synthetic firms, and how far apart they are.

Pure: frames in, frames out. Each statistic is one number per firm (or meter), so that two groups of firms are
compared by their distributions; `distance` says how well a reader could tell them apart by that number alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

INVOICE_STATISTICS: dict[str, str] = {
    "amount": "mean monthly amount, log10 yuan",
    "volatility": "standard deviation of log monthly amount",
    "peak": "largest month over mean month",
    "persistence": "lag-1 autocorrelation of log amount",
    "gap_share": "share of months without an invoice",
    "longest_gap": "longest gap, months",
    "invoices": "invoices in an active month",
    "ticket": "mean invoice, log10 yuan",
    "ticket_volatility": "standard deviation of log mean invoice",
    "void_rate": "void invoices over all",
    "red_rate": "red-letter invoices over valid ones",
    "red_amount": "red-letter amount over positive amount",
    "counterparties": "counterparties in an active month",
    "per_counterparty": "invoices per counterparty",
    "top1": "largest counterparty's share",
    "hhi": "Herfindahl index of counterparties",
    "hhi_volatility": "its standard deviation over months",
    "tax_rate": "tax over net amount",
}
"""Statistic by firm and direction -> what it is."""

METER_STATISTICS: dict[str, str] = {
    "volatility": "standard deviation of log monthly use",
    "peak": "largest month over mean month",
    "trough": "smallest month over mean month",
    "persistence": "lag-1 autocorrelation of log use",
    "yearly": "lag-12 autocorrelation of log use",
    "amplitude": "highest less lowest calendar month, log",
    "zero_share": "share of months that read zero",
    "unread_share": "share of months without a reading",
}
"""Statistic by meter -> what it is."""

QUANTILES = (0.10, 0.25, 0.50, 0.75, 0.90)
LEAST_MONTHS = 12
LEAST_ACTIVE = 6


@dataclass(frozen=True)
class Grid:
    """Columns of a long frame as matrices (units, months), NaN where there is no row."""

    units: pl.Series
    cells: Mapping[str, Floats]
    month_of_year: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]  # from a unit's first row to its last


def grid(rows: pl.DataFrame, unit: str, columns: tuple[str, ...], first: date, months: int) -> Grid:
    """Lay the rows of `months` months from `first` on a grid; `rows` has one row per unit and `period`."""
    index = (pl.col("period").dt.year() - first.year) * 12 + pl.col("period").dt.month().cast(pl.Int32) - first.month
    rows = rows.with_columns(index.alias("_t")).filter(pl.col("_t").is_between(0, months - 1))
    units = rows[unit].unique().sort()
    r, t = units.search_sorted(rows[unit]).to_numpy(), rows["_t"].to_numpy()
    cells = {}
    for name in columns:
        cells[name] = np.full((units.len(), months), np.nan)
        cells[name][r, t] = rows[name].cast(pl.Float64).to_numpy()
    present = np.zeros((units.len(), months), dtype=bool)
    present[r, t] = True
    index_of = np.arange(months)
    begin, end = present.argmax(axis=1), months - 1 - present[:, ::-1].argmax(axis=1)
    inside = (index_of >= begin[:, None]) & (index_of <= end[:, None])
    return Grid(units, cells, (first.month - 1 + index_of) % 12, inside)


def _nan_mean(values: Floats, axis: int | None = 1) -> Floats:
    count = np.isfinite(values).sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nansum(values, axis=axis) / count)


def _nan_std(values: Floats) -> Floats:
    return np.sqrt(_nan_mean((values - _nan_mean(values)[:, None]) ** 2))


def _autocorrelation(values: Floats, lag: int) -> Floats:
    centred = values - _nan_mean(values)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(_nan_mean(centred[:, lag:] * centred[:, :-lag]) / _nan_mean(centred**2))


def _log(values: Floats) -> Floats:
    return np.log(np.where(values > 0, values, np.nan))


def _longest_run(cells: npt.NDArray[np.bool_]) -> Floats:
    run = np.zeros(cells.shape[0])
    longest = np.zeros(cells.shape[0])
    for t in range(cells.shape[1]):
        run = np.where(cells[:, t], run + 1, 0)
        longest = np.maximum(longest, run)
    return longest


_INVOICE_COLUMNS = (
    *("invoices", "amount_fen", "tax_fen", "void_invoices", "red_invoices", "red_amount_fen"),
    *("counterparties", "top1_amount_fen", "hhi"),
)


def _invoice_grid(months: pl.DataFrame, direction: str, first: date, count: int) -> Grid:
    spans = months.filter(
        pl.col("period").is_between(first, pl.date(first.year, first.month, 1).dt.offset_by(f"{count - 1}mo"))
    )
    long = spans.group_by("firm").agg(pl.col("period").min().alias("a"), pl.col("period").max().alias("b"))
    known = long.filter(pl.col("b") >= pl.col("a").dt.offset_by(f"{LEAST_MONTHS - 1}mo"))["firm"]
    both = grid(spans.filter(pl.col("firm").is_in(known.implode())), "firm", (), first, count)
    side = spans.filter((pl.col("direction") == direction) & pl.col("firm").is_in(known.implode()))
    one = grid(side, "firm", _INVOICE_COLUMNS, first, count)
    # A firm's time is from its first invoice of either direction to its last.
    return Grid(one.units, one.cells, one.month_of_year, both.inside[both.units.search_sorted(one.units).to_numpy()])


def invoice_statistics(months: pl.DataFrame, direction: str, *, first: date, count: int) -> pl.DataFrame:
    """Return `INVOICE_STATISTICS` of every firm that had invoices over at least a year.

    Parameters
    ----------
    months
        The record frame `invoice_months` as last known: one row per firm, period and direction.
    first, count
        The first month and the number of months to look at.
    """
    matrices = _invoice_grid(months, direction, first, count)
    cells = {name: np.nan_to_num(values) for name, values in matrices.cells.items()}
    span = matrices.inside.sum(axis=1)
    active = matrices.inside & (cells["invoices"] > 0)
    enough = active.sum(axis=1) >= LEAST_ACTIVE
    positive = (cells["amount_fen"] + cells["red_amount_fen"]) / 100
    log_amount = _log(np.where(active, positive, np.nan))
    log_count = _log(np.where(active, cells["invoices"], np.nan))
    number, red = cells["invoices"].sum(axis=1), cells["red_invoices"].sum(axis=1)
    void = cells["void_invoices"].sum(axis=1)
    worked = np.maximum(active.sum(axis=1), 1)
    hhi = np.where(active, matrices.cells["hhi"], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        top1 = np.where(active, cells["top1_amount_fen"] / 100 / positive, np.nan)
        total = positive.sum(axis=1)
        values = {
            "amount": np.log10(total / span),
            "volatility": _nan_std(log_amount),
            "peak": np.where(matrices.inside, positive, 0).max(axis=1) / (total / span),
            "persistence": _autocorrelation(log_amount, 1),
            "gap_share": 1 - active.sum(axis=1) / span,
            "longest_gap": _longest_run(matrices.inside & ~active),
            "invoices": number / worked,
            "ticket": np.log10(total / number),
            "ticket_volatility": _nan_std(log_amount - log_count),
            "void_rate": void / (void + number + red),
            "red_rate": red / (number + red),
            "red_amount": cells["red_amount_fen"].sum(axis=1) / 100 / total,
            "counterparties": np.where(active, cells["counterparties"], 0).sum(axis=1) / worked,
            "per_counterparty": number / cells["counterparties"].sum(axis=1),
            "top1": _nan_mean(top1),
            "hhi": _nan_mean(hhi),
            "hhi_volatility": _nan_std(hhi),
            "tax_rate": cells["tax_fen"].sum(axis=1) / cells["amount_fen"].sum(axis=1),
        }
    return pl.DataFrame({"firm": matrices.units, **values}).filter(pl.Series(enough))


def invoice_season(months: pl.DataFrame, direction: str, *, first: date, count: int) -> pl.DataFrame:
    """Return by calendar month the mean log amount against the firm's own mean, and the share of silent firms."""
    matrices = _invoice_grid(months, direction, first, count)
    positive = np.nan_to_num(matrices.cells["amount_fen"] + matrices.cells["red_amount_fen"])
    active = matrices.inside & (np.nan_to_num(matrices.cells["invoices"]) > 0)
    log = _log(np.where(active, positive, np.nan))
    log = np.where((active.sum(axis=1) >= LEAST_ACTIVE)[:, None], log - _nan_mean(log)[:, None], np.nan)
    rows = []
    for month in range(12):
        at = matrices.month_of_year == month
        silent = (matrices.inside & ~active)[:, at].sum() / max(matrices.inside[:, at].sum(), 1)
        rows.append((month + 1, float(_nan_mean(log[:, at], axis=None)), float(silent)))
    return pl.DataFrame(rows, schema=["month", "log_amount", "silent_share"], orient="row")


def input_over_output(months: pl.DataFrame, *, first: date, count: int) -> pl.DataFrame:
    """Return each firm's purchases over sales with an invoice, and the correlation of their logs by month."""
    sides = [_invoice_grid(months, direction, first, count) for direction in ("output", "input")]
    common = sides[0].units.filter(sides[0].units.is_in(sides[1].units.implode()))
    sales, bought = (
        _log((side.cells["amount_fen"] + side.cells["red_amount_fen"])[side.units.search_sorted(common).to_numpy()])
        for side in sides
    )
    paired = np.isfinite(sales) & np.isfinite(bought)
    x, y = np.where(paired, sales, np.nan), np.where(paired, bought, np.nan)
    x, y = x - _nan_mean(x)[:, None], y - _nan_mean(y)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = _nan_mean(x * y) / np.sqrt(_nan_mean(x**2) * _nan_mean(y**2))
        ratio = np.nansum(np.exp(bought), axis=1) / np.nansum(np.exp(sales), axis=1)
    frame = pl.DataFrame({"firm": common, "input_over_output": ratio, "correlation": correlation})
    return frame.filter(pl.Series(paired.sum(axis=1) >= LEAST_MONTHS))


def meter_statistics(readings: pl.DataFrame, *, first: date, count: int) -> pl.DataFrame:
    """Return `METER_STATISTICS` of every meter read in at least two years of months.

    `readings` has `unit`, `period` and `usage` (null: no reading), one row per unit and month.
    """
    matrices = grid(readings, "unit", ("usage",), first, count)
    use, inside = matrices.cells["usage"], matrices.inside
    log = _log(use)
    enough = np.isfinite(log).sum(axis=1) >= 2 * LEAST_MONTHS
    use, log, inside = use[enough], log[enough], inside[enough]
    centred = log - _nan_mean(log)[:, None]
    by_month = np.stack([_nan_mean(centred[:, matrices.month_of_year == month]) for month in range(12)], axis=1)
    read = np.isfinite(use)
    mean = _nan_mean(use)
    return pl.DataFrame(
        {
            "unit": matrices.units.filter(pl.Series(enough)),
            "volatility": _nan_std(log),
            "peak": np.where(read, use, -np.inf).max(axis=1) / mean,
            "trough": np.where(read, use, np.inf).min(axis=1) / mean,
            "persistence": _autocorrelation(log, 1),
            "yearly": _autocorrelation(log, 12),
            "amplitude": by_month.max(axis=1) - by_month.min(axis=1),
            "zero_share": ((use == 0) & read).sum(axis=1) / read.sum(axis=1),
            "unread_share": (inside & ~read).sum(axis=1) / inside.sum(axis=1),
        }
    )


def distance(one: pl.Series, other: pl.Series) -> float:
    """Return the largest gap between two distributions, 0 (the same) to 1 (apart); NaNs and nulls are left out.

    Source: the two-sample statistic of Kolmogorov and Smirnov.
    """
    a, b = (np.sort(x.drop_nulls().to_numpy()[~np.isnan(x.drop_nulls().to_numpy())]) for x in (one, other))
    if a.size == 0 or b.size == 0:
        return float("nan")
    every = np.concatenate([a, b])
    below_a = np.searchsorted(a, every, side="right") / a.size
    below_b = np.searchsorted(b, every, side="right") / b.size
    return float(np.abs(below_a - below_b).max())


def side_by_side(real: pl.DataFrame, city: pl.DataFrame, meaning: Mapping[str, str]) -> pl.DataFrame:
    """Return the quantiles of both groups and their distance, a row per statistic of `meaning`."""
    rows = []
    for name, text in meaning.items():
        quantiles = [x[name].fill_nan(None).quantile(q, "linear") for q in QUANTILES for x in (real, city)]
        rows.append((name, text, *quantiles, distance(real[name], city[name])))
    labels = [f"{who}_p{round(q * 100)}" for q in QUANTILES for who in ("real", "city")]
    return pl.DataFrame(rows, schema=["statistic", "meaning", *labels, "distance"], orient="row")
