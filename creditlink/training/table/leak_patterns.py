"""The arithmetic of the leak checks: rates by value, roundness at a given size, columns computed from others. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

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
_MOST_PAIRS_OF = 200
_SAMPLE = 400
_FLAG_ROWS, _FLAG_DEPTH, _SURE_RECALL = 5_000, 3, 0.99


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


def held_out_rates(codes: Codes, is_bad: Bad) -> Floats:
    """Return, per row, the smoothed bad rate of its value among the other folds, shape (n,).

    A column of as many values as rows gets the base rate everywhere: it says nothing.
    """
    n = len(is_bad)
    fold = np.random.default_rng(0).permutation(n) % FOLDS
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


def derived_from(leaking: Mapping[str, Floats], rest: Mapping[str, Floats]) -> Iterator[tuple[str, str, bool]]:
    """Yield (column, how it was computed, whether exactly) of columns computed from a leaking one.

    Three forms: the leaking column in another unit; a multiple of it added to another column (of the
    two the one is named that goes with the leaking column more); a flag that its thresholds give.
    """
    if not leaking or len(leaking) + len(rest) > _MOST_PAIRS_OF:
        return
    named: set[str] = set()
    for name, how in _sums(leaking, rest):
        if name not in named:
            named.add(name)
            yield name, how, True
    derived = {name: rest[name] for name in named}
    others = {name: values for name, values in rest.items() if name not in named}
    for name, how in _flags({**leaking, **derived}, others):
        yield name, how, False


def _sums(leaking: Mapping[str, Floats], rest: Mapping[str, Floats]) -> Iterator[tuple[str, str]]:
    names = [name for name, values in rest.items() if len(np.unique(values[~np.isnan(values)])) >= LEAST_VALUES]
    for leak, by in leaking.items():
        if len(np.unique(by[~np.isnan(by)])) < LEAST_VALUES:
            continue
        for name in names:
            both = np.flatnonzero(~np.isnan(rest[name]) & ~np.isnan(by))[:_SAMPLE]
            if len(both) >= LEAST_VALUES and _is_multiple(rest[name][both], by[both]):
                yield name, f"it is {leak} in another unit"
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                both = np.flatnonzero(~np.isnan(rest[a]) & ~np.isnan(rest[b]) & ~np.isnan(by))[:_SAMPLE]
                if len(both) < LEAST_VALUES:
                    continue
                if _is_multiple(rest[a][both] - rest[b][both], by[both]):
                    near = [abs(float(np.corrcoef(rest[c][both], by[both])[0, 1])) for c in (a, b)]
                    name, other = (a, b) if near[0] >= near[1] else (b, a)
                    yield name, f"{other} and {leak} add up to it"


def _is_multiple(difference: Floats, by: Floats) -> bool:
    """Return whether `difference` is a constant times `by`, plus a constant."""
    spread = float(by.std())
    if spread == 0 or float(difference.std()) == 0:
        return False
    slope = float(np.mean((by - by.mean()) * (difference - difference.mean()))) / spread**2
    left = difference - difference.mean() - slope * (by - by.mean())
    return bool(np.mean(np.abs(left) <= 1e-6 * np.abs(difference).max() + 1e-9) >= 0.98)


def _flags(leaking: Mapping[str, Floats], rest: Mapping[str, Floats]) -> Iterator[tuple[str, str]]:
    """Yield the columns of two values that thresholds of a leaking column give, with others or alone."""
    scales = {name: v for name, v in rest.items() if len(np.unique(v[~np.isnan(v)][:_FLAG_ROWS])) > 2}
    names = [*leaking, *scales]
    inputs = np.column_stack([*leaking.values(), *scales.values()])
    for name, values in rest.items():
        rows = np.flatnonzero(~np.isnan(values))[:_FLAG_ROWS]
        levels, flag = np.unique(values[rows], return_inverse=True)
        if len(levels) != 2 or np.bincount(flag).min() < LEAST_VALUES:
            continue
        with_leak, used = _tree_recall(inputs[rows], flag)
        if with_leak < _SURE_RECALL or not (by := [names[k] for k in used if names[k] in leaking]):
            continue
        if scales and _tree_recall(inputs[rows][:, len(leaking) :], flag)[0] >= _SURE_RECALL:
            continue  # others give it as well: nothing of the leak is needed
        yield name, f"thresholds of {' and '.join(names[k] for k in used)} give it, of which {by[0]} leaks"


def _tree_recall(inputs: Floats, flag: NDArray[np.int64]) -> tuple[float, list[int]]:
    """Return the worse of both levels' recall by a shallow tree, and the columns that the tree reads."""
    recall, used = 0.0, []
    for depth in range(1, _FLAG_DEPTH + 1):  # the simplest that gives it: fewer columns are named by chance
        tree = DecisionTreeClassifier(max_depth=depth, class_weight="balanced", min_samples_leaf=3, random_state=0)
        given = tree.fit(inputs, flag).predict(inputs)
        recall = min(float((given[flag == level] == level).mean()) for level in (0, 1))
        used = sorted({int(k) for k in tree.tree_.feature if k >= 0})
        if recall >= _SURE_RECALL:
            break
    return recall, used
