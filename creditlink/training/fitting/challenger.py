"""The challenger: a WOE scorecard, what a bank's risk team would build by hand, on the same rows and folds.

Needs the training extra (optbinning).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from creditlink.training.table.columns import numbers_of
from creditlink.training.table.table import Table

if TYPE_CHECKING:
    from optbinning import OptimalBinning

Bad = NDArray[np.int8]
Floats = NDArray[np.float64]

LEAST_IV = 0.02
"""Columns whose information value is smaller say nothing. Source: Siddiqi, Credit Risk Scorecards (2006)."""

MOST_COLUMNS = 40
"""The strongest columns that enter the regression; nobody reads a scorecard of more."""


@dataclass(frozen=True, eq=False)
class Scorecard:
    """A fitted scorecard: per column its bins and their WOE, and a logistic regression on them."""

    binnings: Mapping[str, OptimalBinning]
    regression: LogisticRegression
    information_value: Mapping[str, float]

    def pd(self, columns: pl.DataFrame) -> Floats:
        """Return the probability of the event, shape (n,)."""
        x = np.column_stack([self.woe(name, columns[name]) for name in self.binnings])
        return np.asarray(self.regression.predict_proba(x)[:, 1], dtype=np.float64)

    def woe(self, name: str, values: pl.Series) -> Floats:
        """Return the WOE of the values of one column, shape (n,); missing has its own."""
        return _woe(self.binnings[name], values)


def fit_scorecard(
    columns: pl.DataFrame,
    is_bad: Bad,
    *,
    weight: Floats | None = None,
    directions: Mapping[str, int] | None = None,
    step: Callable[[], None] = lambda: None,
) -> Scorecard:
    """Fit a WOE scorecard: optimal monotone bins, missing a bin of its own, a regularised regression.

    Parameters
    ----------
    columns : Float64, Date or String of n rows
    directions : column -> +1 or −1 where the rate of bads must rise or fall over its bins; others are chosen
    step : called after each column

    Raises
    ------
    ValueError
        No column carries information.

    Source: Navas-Palencia (2020), Optimal binning; Siddiqi, Credit Risk Scorecards (2006).
    """
    from optbinning import OptimalBinning

    informative: dict[str, tuple[float, OptimalBinning]] = {}
    for series in columns.iter_columns():
        trend = {1: "ascending", -1: "descending"}.get((directions or {}).get(series.name, 0), "auto")
        category = series.dtype == pl.String
        binning = OptimalBinning(
            name=series.name,
            dtype="categorical" if category else "numerical",
            # Integer programming: the constraint solver finds the same bins and takes ten times as long.
            solver="mip",
            max_n_prebins=12,
            min_prebin_size=0.03,
            monotonic_trend=None if category else trend,
            cat_cutoff=0.01 if category else None,
            time_limit=5,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                binning.fit(_values(series), is_bad, sample_weight=weight)
                table = binning.binning_table
                table.build()
            except ValueError:
                step()
                continue
        if table.iv >= LEAST_IV:
            informative[series.name] = (float(table.iv), binning)
        step()
    if not informative:
        raise ValueError("scorecard: no column carries information about the outcome")
    strongest = sorted(informative, key=lambda name: -informative[name][0])[:MOST_COLUMNS]
    binnings = {name: informative[name][1] for name in strongest}
    x = np.column_stack([_woe(binnings[name], columns[name]) for name in strongest])
    regression = LogisticRegression(C=1.0, max_iter=1000).fit(x, is_bad, sample_weight=weight)
    return Scorecard(binnings, regression, {name: informative[name][0] for name in strongest})


@dataclass(frozen=True)
class ScorecardTrainer:
    """Fits the scorecard on the same folds of a table as the boosters."""

    directions: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, table: Table, rows: NDArray[np.int64], seed: int) -> Scorecard:
        """Fit on some rows of a table."""
        return fit_scorecard(
            table.columns[rows], table.is_bad[rows], weight=table.weight[rows], directions=self.directions
        )


def _values(series: pl.Series) -> NDArray[np.float64] | NDArray[np.object_]:
    if series.dtype == pl.String:
        return series.to_numpy().astype(object)
    return numbers_of(series)


def _woe(binning: OptimalBinning, series: pl.Series) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(
            binning.transform(_values(series), metric="woe", metric_missing="empirical"), dtype=np.float64
        )
