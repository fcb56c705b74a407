"""The arithmetic of the leak checks: rates by value, and roundness at a given size. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bad = NDArray[np.int8]

MAX_CODES = 512
"""Columns with more values are cut into as many bins of equal size."""

FOLDS = 5
PRIOR_ROWS = 5.0
"""Rows' worth of the overall rate mixed into a value's rate. Source: Micci-Barreca (2001)."""

MULTIPLES = ((1000.0, "thousands"), (100.0, "hundreds"), (12.0, "multiples of 12"), (10.0, "multiples of 10"),
             (5.0, "multiples of 5"), (1.0, "whole numbers"), (0.01, "at most two decimals"))  # fmt: skip
LEAST_VALUES = 20
"""A column with fewer distinct values has no roundness: its values are a scale."""

_STRATA = 10


@dataclass(frozen=True, eq=False)
class Codes:
    """A column as small whole numbers: one per value, or per bin; the last one is *missing*."""

    code: NDArray[np.int64]
    size: int
    missing: NDArray[np.bool_]

    @classmethod
    def of(cls, column: Floats) -> Codes:
        """Return the codes of a column of numbers, NaN where missing."""
        missing = np.isnan(column)
        known = column[~missing]
        values, inverse = np.unique(known, return_inverse=True)
        if len(values) > MAX_CODES:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, MAX_CODES + 1)[1:-1]))
            inverse, size = np.searchsorted(edges, known, side="right"), len(edges) + 1
        else:
            size = len(values)
        code = np.full(len(column), size, np.int64)
        code[~missing] = inverse
        return cls(code, size + 1, missing)


def held_out_rates(codes: Codes, is_bad: Bad, group: NDArray[np.int64]) -> Floats:
    """Return, per row, the smoothed bad rate of its value among the other folds, shape (n,).

    A column of as many values as groups gets the base rate everywhere: it says nothing.
    """
    n = len(is_bad)
    _, member = np.unique(group, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(int(member.max(initial=0)) + 1) % FOLDS)[member]
    y = is_bad.astype(np.float64)
    rates = np.empty(n)
    for k in range(FOLDS):
        rest, held_out = fold != k, fold == k
        rows = np.bincount(codes.code[rest], minlength=codes.size).astype(np.float64)
        bads = np.bincount(codes.code[rest], weights=y[rest], minlength=codes.size)
        smoothed = (bads + PRIOR_ROWS * y[rest].mean()) / (rows + PRIOR_ROWS)
        rates[held_out] = smoothed[codes.code[held_out]]
    return rates


@dataclass(frozen=True)
class Roundness:
    """How much rounder values are for goods than for bads: difference of shares at the same size."""

    what: str
    difference: float
    z: float
    share_good: float
    share_bad: float


def roundness(column: Floats, is_bad: Bad) -> Iterator[Roundness]:
    """Yield the differences of the share of round values, per kind of roundness, with size held fixed.

    Rows are cut into strata of like size first: that large values are good, and round because large,
    is no pattern. Zero and missing have no roundness.

    Source: Mantel & Haenszel (1959), stratified risk difference.
    """
    used = ~np.isnan(column) & (column != 0)
    values, bad = np.abs(column[used]), is_bad[used] == 1
    if not len(values) or bad.all() or not bad.any() or len(np.unique(values)) < LEAST_VALUES:
        return
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _STRATA + 1)[1:-1]))
    stratum = np.searchsorted(edges, values, side="right")
    for unit, what in MULTIPLES:
        scaled = values / unit
        round_ = np.abs(scaled - np.round(scaled)) <= 1e-6 * np.maximum(scaled, 1)
        overall = float(round_.mean())
        if not 0.02 < overall < 0.98:
            continue
        top = weight = variance = 0.0
        for k in range(len(edges) + 1):
            goods, bads = round_[(stratum == k) & ~bad], round_[(stratum == k) & bad]
            if len(goods) < 5 or len(bads) < 5:
                continue
            w = len(goods) * len(bads) / (len(goods) + len(bads))
            share = float(np.concatenate([goods, bads]).mean())
            top += w * (float(goods.mean()) - float(bads.mean()))
            weight += w
            variance += w * share * (1 - share)
        if weight:
            z = abs(top) / max(np.sqrt(variance), 1e-9)
            yield Roundness(what, top / weight, float(z), float(round_[~bad].mean()), float(round_[bad].mean()))
