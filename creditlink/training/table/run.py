"""Judging the trainer on a table: cross-validated, and out of time where the table has one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from creditlink.training.table.file import TableError, TableFinding
from creditlink.training.table.folds import Bad, Cut, folds_of
from creditlink.training.table.model import TableModel, TableParameters, fit_table
from creditlink.training.table.table import Table
from creditlink.training.validation import metrics

Floats = NDArray[np.float64]

LATER_SHARE = 0.25
"""The newest share of rows that judges out of time."""

EXPLAINED_ROWS = 200
"""So many rows of each fold tell how far a column moves a row."""

UNEVEN = 1.5
"""Beyond so many times the even share of rows or events, a fold is told of."""

MOST_OF_A_TABLE = 0.5
"""Beyond this share of rows or events in one fold, what the others teach says nothing of it."""


class Classifier(Protocol):
    """What can be judged: anything that returns a probability of the event."""

    def pd(self, columns: pl.DataFrame) -> Floats:
        """Return the probability of the event, shape (n,)."""


Fit = Callable[[Table, NDArray[np.int64], int], Classifier]
"""Fits on some rows of a table, with a seed."""


@dataclass(frozen=True)
class Trainer:
    """How the boosters are fitted: the same on every fold."""

    parameters: TableParameters = field(default_factory=TableParameters)
    directions: Mapping[str, int] = field(default_factory=dict)
    leaf_wise: bool = False

    def __call__(self, table: Table, rows: NDArray[np.int64], seed: int) -> TableModel:
        """Fit on some rows of a table."""
        return fit_table(
            table.columns[rows],
            table.is_bad[rows],
            weight=table.weight[rows],
            group=table.group[rows],
            directions=self.directions,
            parameters=self.parameters,
            seed=seed,
            leaf_wise=self.leaf_wise,
        )


class TableFigures(TypedDict):
    """How good probabilities are on rows that nothing was fitted on."""

    rows: int
    events: int
    auc: float
    gini: float
    ks: float
    brier: float
    ece: float
    mean_pd: float
    event_rate: float


class FoldFigures(TableFigures):
    """The same over held-out folds.

    `influence` is how far a column moves the log-odds of a held-out row in the mean, either way, by its exact SHAP
    values, the strongest first; empty for a trainer that does not explain.
    """

    auc_sd: float
    auc_pooled: float
    auc_of_folds: list[float]
    folds: int
    influence: dict[str, float]


class LaterFigures(TableFigures):
    """The same on the newest rows; `first` is their first day, or moment."""

    first: str | float
    rows_before: int


def figures(is_bad: Bad, pd_12m: Floats, weight: Floats) -> TableFigures:
    """Return how good probabilities are on rows that nothing was fitted on; rows count by their weight."""
    if np.ptp(weight) == 0:
        auc, ks = metrics.auc(is_bad, pd_12m), metrics.ks(is_bad, pd_12m)
        brier, ece = metrics.brier(is_bad, pd_12m), metrics.ece(is_bad, pd_12m)
    else:
        auc = float(roc_auc_score(is_bad, pd_12m, sample_weight=weight))
        false, true, _ = roc_curve(is_bad, pd_12m, sample_weight=weight)
        ks = float(np.abs(true - false).max())
        brier = float(np.average((pd_12m - is_bad) ** 2, weights=weight))
        ece = _weighted_ece(is_bad, pd_12m, weight)
    return {
        "rows": len(is_bad),
        "events": int(is_bad.sum()),
        "auc": auc,
        "gini": 2 * auc - 1,
        "ks": ks,
        "brier": brier,
        "ece": ece,
        "mean_pd": float(np.average(pd_12m, weights=weight)),
        "event_rate": float(np.average(is_bad, weights=weight)),
    }


def even_cuts(table: Table, folds: int, seed: int) -> tuple[Sequence[Cut], list[TableFinding]]:
    """Return the folds that `cross_validate` uses, with a warning where they are far from even.

    Raises
    ------
    TableError
        The table has too few different rows for the folds, or one would be more than half of it.
    """
    try:
        cuts = folds_of(table.is_bad, table.group, folds, seed)
    except ValueError as error:
        raise TableError(f"{table.file}: {error}") from None
    held = np.array([[len(fold), int(table.is_bad[fold].sum())] for _, fold in cuts])
    share = held / held.sum(axis=0)
    fold, kind = np.unravel_index(int(share.argmax()), share.shape)
    _, first, member = np.unique(table.group, return_index=True, return_inverse=True)
    size = np.bincount(member, weights=np.where(kind, table.is_bad, 1)).astype(np.int64)
    largest = int(size.argmax())
    message = (
        f"folds are uneven: one of {folds} holds {held[fold, kind]} of {held[:, kind].sum()} "
        f"{('rows', 'events')[kind]}, for {size[largest]} of these belong together"
    )
    row = int(table.number[first[largest]])
    if share[fold, kind] > max(MOST_OF_A_TABLE, UNEVEN / folds):
        raise TableError(
            f"{table.file}: {message} (the first is row {row}): figures of such folds say nothing; "
            "name fewer --folds, or another --id"
        )
    if not (held[:, 1].all() and (held[:, 0] > held[:, 1]).all()):
        raise TableError(f"{table.file}: {message} (the first is row {row}), and one has only rows of one outcome")
    if share[fold, kind] * folds > UNEVEN and size[largest] > 1:
        return cuts, [TableFinding(table.file, None, row, int(held[fold, kind]), message)]
    return cuts, []


def cross_validate(
    table: Table, fit: Fit, *, folds: int, seed: int, workers: int = 1, step: Callable[[], None] = lambda: None
) -> FoldFigures:
    """Return the figures over held-out folds.

    `auc` is the mean over the folds, as published results state it, with its standard deviation
    `auc_sd`; `auc_pooled` and everything else are of all held-out probabilities together. With
    `workers` folds are fitted at once; the figures do not depend on it.

    Raises
    ------
    TableError
        The table has too few different rows for the folds, or one would be more than half of it.
    """
    held_pd = np.empty(len(table.is_bad))
    per_fold = []
    cuts, _ = even_cuts(table, folds, seed)

    moved = np.zeros((folds, table.columns.width))

    def judge(k: int) -> Floats:
        rest, held_out = cuts[k]
        fitted = fit(table, rest, seed + 100 * (k + 1))
        if isinstance(fitted, TableModel):
            some = held_out[:: -(-len(held_out) // EXPLAINED_ROWS)]
            explained = fitted.explain(table.columns[some])
            moved[k] = np.abs(explained.contributions).mean(axis=0)
        return fitted.pd(table.columns[held_out])

    with ThreadPoolExecutor(workers) as pool:
        for (_, held_out), pd_12m in zip(cuts, pool.map(judge, range(folds)), strict=True):
            held_pd[held_out] = pd_12m
            per_fold.append(_auc_of(table, held_out, pd_12m))
            step()
    pooled = figures(table.is_bad, held_pd, table.weight)
    mean = float(np.mean(per_fold))
    return {
        **pooled,
        "auc": mean,
        "gini": 2 * mean - 1,
        "auc_sd": float(np.std(per_fold)),
        "auc_pooled": pooled["auc"],
        "auc_of_folds": per_fold,
        "folds": folds,
        "influence": _strongest_first(table.columns.columns, moved.mean(axis=0)),
    }


def _strongest_first(names: Sequence[str], moved: Floats) -> dict[str, float]:
    return {names[k]: float(moved[k]) for k in np.argsort(-moved, kind="stable") if moved[k] > 0}


def _auc_of(table: Table, rows: NDArray[np.int64], pd_12m: Floats) -> float:
    return float(figures(table.is_bad[rows], pd_12m, table.weight[rows])["auc"])


def later_rows(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Return the earlier rows, the newest quarter of rows, and the first moment of the latter.

    Raises
    ------
    TableError
        Either part lacks rows with or without the event.
    """
    if table.time is None:
        raise TableError(f"{table.file}: no time column was named")
    known = np.sort(table.time[~np.isnan(table.time)])
    moments = np.unique(known)
    # The moment that leaves nearest to the wanted share behind it: moments are often years, not instants.
    behind = 1 - np.searchsorted(known, moments, side="left") / len(known)
    first = float(moments[1:][np.argmin(np.abs(behind[1:] - LATER_SHARE))])
    earlier, later = np.flatnonzero(table.time < first), np.flatnonzero(table.time >= first)
    for rows, which in ((earlier, "before"), (later, "from")):
        events = int(table.is_bad[rows].sum())
        if min(events, len(rows) - events) < 2:
            raise TableError(
                f"{table.file}: {which} time {first:g} there are {events} events in {len(rows)} rows: "
                "too few to judge out of time"
            )
    return earlier, later, first


def out_of_time(table: Table, fit: Fit, *, seed: int) -> LaterFigures:
    """Return the figures on the newest rows, by a fit on the earlier ones."""
    earlier, later, first = later_rows(table)
    pd_12m = fit(table, earlier, seed).pd(table.columns[later])
    day = None
    if table.as_of is not None:
        day = str(
            table.as_of.filter(table.as_of.is_not_null()).filter(table.as_of.drop_nulls().cast(pl.Int32) >= first).min()
        )
    return {
        **figures(table.is_bad[later], pd_12m, table.weight[later]),
        "first": day if day is not None else first,
        "rows_before": len(earlier),
    }


def _weighted_ece(is_bad: Bad, pd_12m: Floats, weight: Floats, bins: int = 10) -> float:
    order = np.argsort(pd_12m, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    which = np.minimum((share * bins).astype(np.int64), bins - 1)
    off = np.bincount(which, weights=(weight * (pd_12m - is_bad))[order], minlength=bins)
    return float(np.abs(off).sum() / weight.sum())
