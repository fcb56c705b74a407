"""Columns that were computed from one that leaks: in another shape, with another column, by thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

Floats = NDArray[np.float64]
Bad = NDArray[np.int8]
Columns = Mapping[str, Floats]

LEAST_VALUES = 20
"""A column with fewer distinct values is a scale: that another one gives it is no formula."""

AGREE = 0.98
"""The share of rows, half of them bad, in which a formula must hold."""

SLACK = 0.01
"""How far a formula may miss, as a share of the leaking column's spread: rounding, and months that are not 30 days."""

_SAMPLE = 300  # rows of each outcome
_MOST_COLUMNS = 200
_FLAG_ROWS, _FLAG_DEPTH, _SURE_RECALL = 5_000, 3, 0.99
_SHAPES = {
    "the logarithm": np.log,
    "the square root": np.sqrt,
    "the reciprocal": np.reciprocal,
    "the square": np.square,
}


def derived_from(leaking: Columns, rest: Columns, is_bad: Bad) -> Iterator[tuple[str, str, bool]]:
    """Yield (column, how it was computed, whether exactly) of columns computed from a leaking one.

    The forms: the leaking column in another unit or shape; its sum, product or ratio with another column (of the two
    the one is named that looks computed); a flag that its thresholds give.
    """
    if not leaking or len(leaking) + len(rest) > _MOST_COLUMNS:
        return
    rows = _sample(is_bad)
    made = {name: how for leak in leaking for name, how in _reshaped(leak, leaking, rest, rows)}
    together: dict[str, str] = {}
    for leak in (*leaking, *made):
        apart = {name: values for name, values in rest.items() if name not in made and name not in together}
        known = {**leaking, **{name: rest[name] for name in made}}
        for name, how in _combined(leak, known, apart, rows):
            together.setdefault(name, how)
    for leak in tuple(together):
        apart = {name: values for name, values in rest.items() if name not in made and name not in together}
        made |= dict(_reshaped(leak, rest, apart, rows))
    for name, how in {**made, **together}.items():
        yield name, how, True
    derived = {name: rest[name] for name in (*made, *together)}
    others = {name: values for name, values in rest.items() if name not in derived}
    for name, how in _flags({**leaking, **derived}, others):
        yield name, how, False


def _sample(is_bad: Bad) -> NDArray[np.int64]:
    """Return as many rows of either outcome: what holds of goods alone is no formula."""
    each = [np.flatnonzero(is_bad == kind) for kind in (0, 1)]
    most = min(_SAMPLE, *(len(rows) for rows in each))
    random = np.random.default_rng(0)
    return np.concatenate([random.permutation(rows)[:most] for rows in each])


def _several(values: Floats, least: int) -> bool:
    return len(np.unique(values[~np.isnan(values)])) >= least


def _as_known(column: Floats, by: Floats) -> bool:
    """Return whether a column is missing wherever the one is that it could have been computed from."""
    return bool(np.mean(~np.isnan(by[~np.isnan(column)])) >= AGREE)


def _reshaped(leak: str, leaking: Columns, rest: Columns, rows: NDArray[np.int64]) -> Iterator[tuple[str, str]]:
    """Yield the columns that are a leaking one in another unit or shape."""
    by = leaking[leak][rows]
    if not _several(by, LEAST_VALUES):
        return
    for name, values in rest.items():
        column = values[rows]
        if not _several(column, LEAST_VALUES) or not _as_known(column, by):
            continue
        if _Line.through(column[:, None], by, column).holds[0]:
            yield name, f"it is {leak} in another unit"
        elif rises := _monotone(column, by):
            shape, moves = _shape(column, by), "rises" if rises > 0 else "falls"
            yield name, f"it is {shape} of {leak}" if shape else f"it {moves} with {leak} from row to row"


def _shape(column: Floats, by: Floats) -> str | None:
    with np.errstate(all="ignore"):
        for what, shape in _SHAPES.items():
            shaped = shape(by)
            if _Line.through(column[:, None], np.where(np.isfinite(shaped), shaped, np.nan), column).holds[0]:
                return what
    return None


def _monotone(column: Floats, by: Floats) -> int:
    """Return whether a column rises (1) or falls (−1) with another one wherever that changes, or neither (0)."""
    both = ~np.isnan(column) & ~np.isnan(by)
    order = np.lexsort((column[both], by[both]))
    steps, moves = np.diff(column[both][order]), np.diff(by[both][order])
    changes = steps[steps != 0]
    if len(changes) < LEAST_VALUES or np.mean(moves[steps != 0] > 0) < AGREE:
        return 0
    rising = float(np.mean(changes > 0))
    return 1 if rising >= AGREE else -1 if rising <= 1 - AGREE else 0


@dataclass(frozen=True, eq=False)
class _Line:
    """Least-squares lines of k columns on one: the slopes, and where a line holds."""

    slope: Floats
    holds: NDArray[np.bool_]

    @classmethod
    def through(cls, columns: Floats, by: Floats, of: Floats) -> _Line:
        """Fit `columns` (m, k) on `by` (m,), NaN where missing; what is left must be little beside `of` (m,) too."""
        known = ~np.isnan(columns) & ~np.isnan(by)[:, None]
        count = known.sum(axis=0)
        x, y = np.where(known, by[:, None], 0.0), np.where(known, columns, 0.0)
        with np.errstate(all="ignore"):
            dx = np.where(known, x - x.sum(axis=0) / count, 0.0)
            dy = np.where(known, y - y.sum(axis=0) / count, 0.0)
            slope = (dx * dy).sum(axis=0) / (dx**2).sum(axis=0)
            bound = SLACK * np.minimum(np.abs(slope) * _spread(by), _spread(of))
            bound = np.maximum(bound, 1e-6 * np.abs(dy).max(axis=0) + 1e-9)
            close = (known & (np.abs(dy - slope * dx) <= bound)).sum(axis=0) >= AGREE * count
            moves = (np.abs(slope) * _spread(by) > 0) & (np.abs(dy).max(axis=0) > 0)
        return cls(slope, close & moves & (count >= LEAST_VALUES))


def _spread(by: Floats) -> float:
    """Return a spread that a few huge values do not make."""
    low, high = np.quantile(by[~np.isnan(by)], [0.1, 0.9]) if (~np.isnan(by)).any() else (0.0, 0.0)
    return float(high - low) / 2.56


def _combined(leak: str, leaking: Columns, rest: Columns, rows: NDArray[np.int64]) -> Iterator[tuple[str, str]]:
    """Yield the columns that a leaking one and another give together."""
    by = leaking[leak][rows]
    if not _several(by, LEAST_VALUES):
        return
    names = [name for name, values in {**rest, **leaking}.items() if name != leak and _several(values[rows], 3)]
    if not names:
        return
    plain = np.column_stack([rest.get(name, leaking.get(name, by))[rows] for name in names])
    with np.errstate(all="ignore"):
        log, log_by = (np.where(v != 0, np.log(np.abs(v)), np.nan) for v in (plain, by))
    for i, name in enumerate(names):
        if name in leaking or not _several(plain[:, i], LEAST_VALUES) or not _as_known(plain[:, i], by):
            continue
        forms = (
            (plain[:, [i]] - plain, by, None, "{other} and {leak} add up to it"),
            (plain[:, [i]] + plain, by, None, "{leak} less {other} gives it"),
            (log[:, [i]] - log, log_by, 1.0, "it is {other} times {leak}"),
            (log[:, [i]] - log, log_by, -1.0, "it is {other} by {leak}"),
            (log[:, [i]] + log, log_by, 1.0, "it is {leak} by {other}"),
        )
        for left, on, slope, how in forms:
            line = _Line.through(left, on, plain[:, i] if slope is None else log[:, i])
            holds = line.holds & (slope is None or np.abs(line.slope - (slope or 0.0)) <= 0.02)
            for j in np.flatnonzero(holds):
                other = names[j]
                if j != i and _looks_made(plain[:, i], plain[:, j], by, sure=other not in leaking):
                    yield name, how.format(other=other, leak=leak)


def _looks_made(column: Floats, other: Floats, by: Floats, *, sure: bool) -> bool:
    """Return whether of columns that a formula ties together this one was computed: less whole, or nearer to `by`.

    `sure` says that the other column was known beforehand: else it may have been made of this one and `by`.
    """
    whole = [float(np.mean(v[~np.isnan(v)] == np.round(v[~np.isnan(v)]))) for v in (column, other, by)]
    if not sure:
        return whole[0] < min(whole[1:]) - 0.5
    if abs(whole[0] - whole[1]) > 0.5:
        return whole[0] < whole[1]
    known = ~np.isnan(column) & ~np.isnan(other) & ~np.isnan(by)
    near = [abs(float(np.corrcoef(_ranks(v[known]), _ranks(by[known]))[0, 1])) for v in (column, other)]
    return near[0] >= near[1]


def _ranks(values: Floats) -> Floats:
    return np.unique(values, return_inverse=True)[1].astype(np.float64)


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
