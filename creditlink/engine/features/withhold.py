"""The indicators without a category that a firm refused: the same to the last bit as without its records.

`without` serves frames of many firms and `blanked` the matrix of one; each is several times as fast at its work as the
other would be, and a test keeps their values equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.indicator import Pool

_REMAINING: dict[str, tuple[tuple[str, int], ...]] = {
    "unsupported_sales_z": (("sales_per_kwh_z", 1), ("sales_per_head_z", 1), ("payroll_to_sales_z", -1))
}
"""Indicators that are known if only some of their categories are: the largest of these, with signs, and 0."""

_POOLS: dict[str, Pool] = {i.name: i.pool for i in CATALOGUE if i.pool is not None}
"""Indicators that are made of the known ones of others."""

TAKEN: dict[str, tuple[str, ...]] = {
    category: tuple(
        i.name
        for i in CATALOGUE
        if category in i.categories and i.pool is None and (i.name not in _REMAINING or category == i.category)
    )
    for category in dict.fromkeys(c for i in CATALOGUE for c in i.categories)
}
"""Category -> the indicators that need it."""


def without(features: pl.DataFrame, refused: Sequence[str] | dict[str, pl.Series]) -> pl.DataFrame:
    """Return the indicators as they would be without the categories `refused`.

    A test proves that it equals what `compute` returns when the categories' records are absent, at a
    hundredth of the cost.

    Parameters
    ----------
    features : a column per indicator, further columns stay as they are
    refused : categories that every firm refuses; or category -> Boolean of shape (n,), True where a firm does

    Raises
    ------
    KeyError
        There is no such category.
    """
    masks = dict.fromkeys(refused) if not isinstance(refused, dict) else refused
    gone: dict[str, pl.Expr] = {}
    for category, mask in masks.items():
        here = pl.lit(value=True) if mask is None else pl.lit(mask)
        for name in TAKEN[category]:
            gone[name] = gone[name] | here if name in gone else here
    changed = features.with_columns(pl.when(~mask).then(pl.col(name)).alias(name) for name, mask in gone.items())
    return changed.with_columns(
        *(pool.of([pl.col(part) for part in pool.parts]).alias(name) for name, pool in _POOLS.items()),
        *(
            pl.when(pl.col(name).is_not_null())
            .then(pl.max_horizontal(pl.col(other) * sign for other, sign in parts).clip(lower_bound=0))
            .alias(name)
            for name, parts in _REMAINING.items()
        ),
    )


def blanked(x: NDArray[np.float32], names: Sequence[str], category: str) -> NDArray[np.float32]:
    """Return what a model would have read without `category`: `without`, on the matrix of one or more firms.

    Parameters
    ----------
    x : shape (n, k), missing as NaN; it is not changed
    names : the indicator of each column
    """
    place = {name: column for column, name in enumerate(names)}
    out = x.copy(order="K")
    for name in TAKEN[category]:
        if name in place:
            out[:, place[name]] = np.nan
    for name, parts in _REMAINING.items():
        if name in place and all(other in place for other, _ in parts):
            rest = np.zeros(len(out), np.float32)
            known = np.zeros(len(out), bool)
            for other, sign in parts:
                value = out[:, place[other]] * np.float32(sign)
                known |= ~np.isnan(value)
                rest = np.fmax(rest, value)
            out[:, place[name]] = np.where(known & ~np.isnan(out[:, place[name]]), rest, np.nan)
    return repooled(out, names)


def repooled(x: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
    """Return `x` with its pools made again of their parts: who improves a part improves the pool.

    Parameters
    ----------
    x : shape (n, k), missing as NaN; it is changed in place
    names : the indicator of each column
    """
    place = {name: column for column, name in enumerate(names)}
    for name, pool in _POOLS.items():
        if name in place and all(part in place for part in pool.parts):
            total, count = np.zeros(len(x), np.float32), np.zeros(len(x), np.float32)
            for part, (weight, usual) in zip(pool.parts, pool.shares(), strict=True):
                value = x[:, place[part]]
                total += np.nan_to_num(value, nan=0.0) * weight
                count += ~np.isnan(value) * usual
            known = count > 0
            x[:, place[name]] = np.where(known, total / np.where(known, count, np.float32(1)), np.float32(np.nan))
    return x
