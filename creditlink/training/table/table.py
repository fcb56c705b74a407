"""A table of unknown origin, made ready to train on: its target, its columns, and what is wrong with it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.training.table.columns import first_without_a_time, is_free_text, numbers_of
from creditlink.training.table.file import RawTable, TableError, TableFinding, names_like
from creditlink.training.table.groups import groups_of

Kind = Literal["number", "category", "date"]

EVENT_WORDS = frozenset(
    (
        *("bad", "default", "defaulted", "yes", "y", "true", "t", "chgoff", "charged off", "late", "bankrupt", "event"),
        *("违约", "坏", "是", "逾期", "破产"),
    )
)  # fmt: skip
"""Which of two words is the event, in any case."""

_ID_NAME = re.compile(r"(^|_|\b)(id|uuid|uscc|key|nr|no|code|number|编号|代码)($|_|\b)|[a-z](ID|Id|Nr|No)($|_)")


@dataclass(frozen=True, eq=False)
class Table:
    """Rows to learn from.

    Attributes
    ----------
    columns
        Float64, Date or String, n rows; null is missing.
    is_bad
        Shape (n,), 1 is the event.
    weight
        Shape (n,), positive; ones where no weights were named.
    time
        Shape (n,), any increasing measure of time, NaN where missing; None where no column was named.
    as_of
        The same as days, if the column had days.
    group
        Shape (n,): rows of one group are never in two folds.
    number
        Shape (n,): which row of the file each is, from 1.
    left_out
        Column -> why nothing is learned from it.
    excluded
        Columns that the caller named as not to be learned from, and the one of time, n rows: others may have been
        computed from them.
    """

    file: str
    target: str
    event: str
    columns: pl.DataFrame
    is_bad: NDArray[np.int8]
    weight: NDArray[np.float64]
    time: NDArray[np.float64] | None
    as_of: pl.Series | None
    group: NDArray[np.int64]
    number: NDArray[np.int64]
    left_out: dict[str, str]
    findings: tuple[TableFinding, ...]
    excluded: pl.DataFrame

    def kind(self, column: str) -> Kind:
        """Return the kind of a column."""
        dtype = self.columns.schema[column]
        return "category" if dtype == pl.String else "date" if dtype == pl.Date else "number"

    def without(self, why: dict[str, str]) -> Table:
        """Return the table without some columns.

        Raises
        ------
        TableError
            No column is left.
        """
        left = [name for name in self.columns.columns if name not in why]
        if not left:
            raise TableError(f"{self.file}: no column is left to learn from")
        return replace(self, columns=self.columns.select(left), left_out=self.left_out | why)


@dataclass(frozen=True)
class Roles:
    """What the columns are for."""

    target: str
    event: str | None = None
    weights: str | None = None
    time: str | None = None
    ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def prepare(raw: RawTable, roles: Roles, *, folds: int) -> Table:
    """Give the columns their roles and refuse what no run should begin with.

    Raises
    ------
    TableError
        A named column is absent; the target is not binary, or has fewer events than folds; a weight
        is not positive; the time column has no time.
    """
    file, frame, findings = raw.name, raw.frame, list(raw.findings)
    named = [roles.target, roles.weights, roles.time, *roles.ids, *roles.exclude]
    for column in (name for name in named if name is not None):
        if column not in frame.columns:
            raise TableError(f"{file}: there is no column {column!r}; there are {names_like(column, frame.columns)}")
    unknown = frame[roles.target].is_null()
    if unknown.any():
        row = int(unknown.arg_max() or 0) + 1
        findings.append(TableFinding(file, roles.target, row, int(unknown.sum()), "target missing, rows left out"))
    numbers = np.flatnonzero(~unknown.to_numpy()) + 1
    frame = frame.filter(~unknown)
    is_bad, event = _outcome(file, frame[roles.target], numbers, roles.event, findings)
    fewest = min(int(is_bad.sum()), int((1 - is_bad).sum()))
    if fewest < folds:
        which = "events" if is_bad.sum() == fewest else "rows without the event"
        raise TableError(f"{file}: column {roles.target} has {fewest} {which}, too few for {folds} folds")
    weight = _weights(file, frame, roles.weights, numbers)
    time, as_of = _time(file, frame, roles.time, numbers, findings)
    named_roles = {roles.target: "target", roles.weights or "": "weights", roles.time or "": "time"}
    left_out = {name: why for name, why in named_roles.items() if name}
    left_out |= dict.fromkeys(roles.ids, "id") | dict.fromkeys(roles.exclude, "excluded")
    for name in (name for name in raw.row_labels if name not in left_out):
        left_out[name] = "numbers or labels the rows"
        findings.append(TableFinding(file, name, None, frame.height, f"left out: {left_out[name]}"))
    columns = frame.drop(list(left_out))
    for series in columns.iter_columns():
        why = _useless(series)
        if why is not None:
            left_out[series.name] = why
            findings.append(TableFinding(file, series.name, None, series.len(), f"left out: {why}"))
    learned = columns.drop([name for name in columns.columns if name in left_out])
    if not learned.width:
        whys = "; ".join(f"{name}: {why}" for name, why in left_out.items() if name not in named_roles)
        raise TableError(f"{file}: no column is left to learn from" + (f" ({whys})" if whys else ""))
    ids = [frame[name] for name in (*roles.ids, *(n for n, why in left_out.items() if why == "nearly an id"))]
    group, twice = groups_of(file, learned, is_bad, ids, numbers, named=bool(roles.ids))
    excluded = frame.select(name for name, why in left_out.items() if why in ("excluded", "time"))
    return Table(
        file, roles.target, event, learned, is_bad, weight, time, as_of, group, numbers, left_out,
        (*findings, *twice), excluded,
    )  # fmt: skip


def _outcome(
    file: str, target: pl.Series, numbers: NDArray[np.int64], event: str | None, findings: list[TableFinding]
) -> tuple[NDArray[np.int8], str]:
    """Return the event as 0 and 1, and which value is the event."""
    values = target.unique().sort().to_list()
    texts = [_text_of(value) for value in values]
    if not values:
        raise TableError(f"{file}: column {target.name}: every value is missing")
    if len(values) == 1:
        raise TableError(f"{file}: column {target.name} is {texts[0]} in every row: there is nothing to learn")
    if len(values) != 2:
        third = target.to_list().index(values[-1])
        listed = ", ".join(texts[:5]) + (" …" if len(texts) > 5 else "")
        raise TableError(
            f"{file}: column {target.name} is not binary: it holds {len(values)} values ({listed}), "
            f"row {numbers[third]} holds {texts[-1]}"
        )
    if event is not None:
        if event not in texts:
            raise TableError(f"{file}: column {target.name} never holds the event {event!r}, but {' and '.join(texts)}")
        chosen = values[texts.index(event)]
    elif target.dtype == pl.Float64:
        chosen = values[1]
    else:
        words = [value for value in values if str(value).strip().lower() in EVENT_WORDS]
        rarer = min(values, key=lambda value: int((target == value).sum()))
        chosen = words[0] if len(words) == 1 else rarer
    if event is None and texts != ["0", "1"]:
        other = texts[1 - values.index(chosen)]
        findings.append(
            TableFinding(
                file, target.name, None, 1, f"{_text_of(chosen)} is taken as the event, {other} as its absence"
            )
        )
    return (target == chosen).cast(pl.Int8).to_numpy(), _text_of(chosen)


def _text_of(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _weights(file: str, frame: pl.DataFrame, name: str | None, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    if name is None:
        return np.ones(frame.height)
    if frame.schema[name] != pl.Float64:
        raise TableError(f"{file}: column {name} holds text or dates, not weights")
    values: NDArray[np.float64] = frame[name].fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero(~(values > 0))
    if len(wrong):
        value = "missing" if np.isnan(values[wrong[0]]) else f"{values[wrong[0]]:g}"
        raise TableError(f"{file}: column {name}: the weight in row {numbers[wrong[0]]} is {value}, not positive")
    return np.asarray(values / values.mean(), dtype=np.float64)


def _time(
    file: str, frame: pl.DataFrame, name: str | None, numbers: NDArray[np.int64], findings: list[TableFinding]
) -> tuple[NDArray[np.float64] | None, pl.Series | None]:
    if name is None:
        return None, None
    series = frame[name]
    if series.dtype == pl.String:
        row = first_without_a_time(series)
        raise TableError(f"{file}: column {name}: {series[row]!r} in row {numbers[row]} is neither a date nor a number")
    missing = series.is_null()
    if missing.any():
        row = int(missing.arg_max() or 0)
        findings.append(
            TableFinding(file, name, int(numbers[row]), int(missing.sum()), "time missing: not judged out of time")
        )
    if series.n_unique() - bool(missing.any()) < 2:
        raise TableError(f"{file}: column {name} holds one point in time only: there is no later part to judge on")
    days = series if series.dtype == pl.Date else None
    return numbers_of(series), days


def _useless(series: pl.Series) -> str | None:
    """Return why a column cannot be learned from, or None."""
    known = series.drop_nulls()
    if not known.len():
        return "every value is missing"
    distinct = known.n_unique()
    if distinct == 1 and not series.null_count():
        return f"constant: {_text_of(known[0])} in every row"
    rows = known.len()
    if rows < 50 or distinct < 0.98 * rows:
        if series.dtype == pl.String and is_free_text(distinct, rows):
            return "free text"
        return None
    if series.dtype == pl.String:
        return "id: another value in every row" if distinct == rows else "nearly an id"
    if series.dtype == pl.Float64 and bool((known == known.round(0)).all()):
        span = float(known.max()) - float(known.min()) + 1  # type: ignore[arg-type]  # numbers, and not empty
        if _ID_NAME.search(series.name) or span <= 1.05 * rows:
            return "id: another whole number in every row" if distinct == rows else "nearly an id"
    return None
