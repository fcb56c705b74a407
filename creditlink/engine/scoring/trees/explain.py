"""SHAP values: the one entry.

A model whose trees fit into tables is explained by them, at the speed of memory; any other by
xgboost itself. Both give path-dependent TreeSHAP values in log-odds of bad, and a margin that is
base value plus contributions, so that a PD and its explanation cannot disagree.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.scoring.trees.kernel import BLOCK, explain_rows
from creditlink.engine.scoring.trees.library import xgboost
from creditlink.engine.scoring.trees.tabulation import NotTabulableError, ShapTables, build

PARALLEL_ROWS = 16 * BLOCK  # below this, starting threads costs more than they save
KEPT_MODELS = 8


@dataclass(frozen=True, eq=False)
class Explanation:
    """SHAP values of n rows and k features, in log-odds of bad.

    `base_value + contributions.sum(axis=1)` is `margin`; from tables, without any rounding error
    and in whatever order it is added up, for all three are whole multiples of one power of two.
    """

    base_value: float
    contributions: NDArray[np.float64]  # (n, k), stored by column
    margin: NDArray[np.float64]  # (n,)


@dataclass(frozen=True, eq=False)
class BoosterContributions:
    """A model that is explained by xgboost, and why it has no tables."""

    booster: xgboost.Booster
    because: str


Explainer = ShapTables | BoosterContributions

_prepared: OrderedDict[str, Explainer] = OrderedDict()
_prepared_lock = threading.Lock()


def prepare(booster: xgboost.Booster) -> Explainer:
    """Return what explains `booster`, built once per model (by hash) and process."""
    raw = bytes(booster.save_raw("json"))
    key = hashlib.sha256(raw).hexdigest()
    with _prepared_lock:
        if key in _prepared:
            _prepared.move_to_end(key)
            return _prepared[key]
    explainer: Explainer
    try:
        explainer = build(raw)
    except NotTabulableError as error:
        explainer = BoosterContributions(booster, str(error))
    with _prepared_lock:
        _prepared[key] = explainer
        while len(_prepared) > KEPT_MODELS:
            _prepared.popitem(last=False)
    return explainer


def explain(model: xgboost.Booster | Explainer, x: NDArray[np.float32], *, threads: int | None = None) -> Explanation:
    """Return the exact SHAP values of `x`.

    Parameters
    ----------
    model
        A booster, or what `prepare` returned for it (saves hashing the booster on every call).
    x
        Shape (n, k), missing values NaN, columns in the model's order; stored by column is fastest.
    threads
        Threads to use for many rows; None: one per processor this process may run on. The result
        is the same to the last bit for any number.

    Raises
    ------
    ValueError
        `x` is not float32, or has another number of columns than the model.
    """
    if x.ndim != 2 or x.dtype != np.float32:
        raise ValueError(f"x: a float32 matrix is expected, not {x.dtype} of shape {x.shape}")
    explainer = prepare(model) if isinstance(model, xgboost.Booster) else model
    if isinstance(explainer, BoosterContributions):
        return _by_booster(explainer.booster, x)
    if x.shape[1] != explainer.width:
        raise ValueError(f"x: {x.shape[1]} columns, but the model has {explainer.width} features")
    return _by_tables(explainer, x, threads if threads is not None else available_threads())


def available_threads() -> int:
    """Return the number of processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _by_tables(tables: ShapTables, x: NDArray[np.float32], threads: int) -> Explanation:
    rows = x.shape[0]
    stored_by_column = x.T.flags.c_contiguous
    by_column = x.T if stored_by_column else np.empty((tables.width, rows), np.float32)
    contributions = np.empty((tables.width, rows), np.float64)
    margin = np.empty(rows, np.float64)

    def run(start: int, stop: int) -> None:
        if not stored_by_column:
            for first in range(start, stop, BLOCK):  # turned over while a block is in the cache
                last = min(first + BLOCK, stop)
                by_column[:, first:last] = x[first:last].T
        explain_rows(
            by_column,
            start,
            stop,
            tables.fill_feature,
            tables.fill_value,
            tables.columns,
            tables.thresholds,
            tables.targets,
            tables.tables,
            tables.scale,
            tables.base_units,
            contributions,
            margin,
        )

    if threads <= 1 or rows < PARALLEL_ROWS:
        if rows:
            run(0, rows)
    else:
        # Several spans a thread, so that others take over from a thread that is delayed.
        blocks = -(-rows // BLOCK)
        span = BLOCK * max(1, -(-blocks // (threads * 8)))
        with ThreadPoolExecutor(threads) as pool:
            starts = range(0, rows, span)
            list(pool.map(run, starts, [min(start + span, rows) for start in starts]))
    return Explanation(tables.base_value, contributions.T, margin)


def _by_booster(booster: xgboost.Booster, x: NDArray[np.float32]) -> Explanation:
    rows = x.shape[0]
    if rows == 0:  # xgboost has no answer for no rows, but there is a base value
        x = np.full((1, booster.num_features()), np.nan, np.float32)
    values = booster.predict(xgboost.DMatrix(x), pred_contribs=True, validate_features=False)
    base_value = float(values[0, -1])
    contributions = np.asarray(values[:rows, :-1], dtype=np.float64)
    margin = base_value + contributions.sum(axis=1)
    return Explanation(base_value, contributions, margin)
