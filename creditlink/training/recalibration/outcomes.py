"""Reading real outcomes for a recalibration: what the model said of each firm, and what became of it.

A row has `is_bad` and one of three: the model's indicators (as `financing labels` writes them), the `margin` of its
trees, or the `pd_12m` that it gave. A wrong row is named, and nothing is fitted to a file that has one: a level that
rests on half a portfolio would look like a good one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.model import CreditModel, FeatureError
from creditlink.kit.files.csvfile import CsvRecord, HeaderInvalid, WrongRow, rows
from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of
from creditlink.kit.files.textfile import TextUnreadable, decode

BAD, FIRM, AS_OF, WEIGHT, MARGIN, PD = "is_bad", "firm", "as_of", "weight", "margin", "pd_12m"
FORMS = (".csv", ".parquet")
SHOWN = 20
"""Wrong rows that are named, at most."""

Floats = NDArray[np.float64]


class OutcomesUnusable(ValueError):
    """Outcomes that nothing can be fitted to; the message names the file, the line, the field and the value."""


@dataclass(frozen=True, eq=False)
class RealOutcomes:
    """n firms on a day each: what the model says of them, and what became of them.

    Attributes
    ----------
    logit : the model's calibrated log-odds of bad, shape (n,)
    is_bad : 0 or 1, shape (n,)
    weight : above 0, with mean 1, shape (n,)
    firm : a number for each firm, shape (n,); None: each row is another firm
    """

    logit: Floats
    is_bad: NDArray[np.int8]
    weight: Floats
    firm: NDArray[np.int64] | None
    since: date | None
    until: date | None
    source: str
    sha256: str

    @property
    def bad_firms(self) -> int:
        """How many firms went bad: rows of one firm are not independent."""
        bad = self.is_bad == 1
        return int(bad.sum()) if self.firm is None else len(np.unique(self.firm[bad]))

    @property
    def good_firms(self) -> int:
        """How many firms never went bad."""
        if self.firm is None:
            return int((self.is_bad == 0).sum())
        return len(np.unique(self.firm)) - self.bad_firms

    def chosen(self, rows_: NDArray[np.bool_]) -> RealOutcomes:
        """Return some of the rows."""
        firm = None if self.firm is None else self.firm[rows_]
        return RealOutcomes(
            *(self.logit[rows_], self.is_bad[rows_], self.weight[rows_], firm),
            *(self.since, self.until, self.source, self.sha256),
        )


def read_outcomes(path: Path, model: CreditModel) -> RealOutcomes:
    """Return the outcomes in a file, CSV or Parquet by its name's end.

    Raises
    ------
    OutcomesUnusable
        It cannot be read, a row is wrong, or nothing in it says what the model made of the firms.
    """
    if path.suffix.lower() not in FORMS:
        raise OutcomesUnusable(f"{path.name}: must end in {', '.join(FORMS)}")
    try:
        content = path.read_bytes()
        table = dated(parquet_of(content)) if path.suffix.lower() == ".parquet" else csv_table(content)
        return outcomes_of(table, model, source=path.name, sha256=hashlib.sha256(content).hexdigest())
    except (OSError, TextUnreadable, HeaderInvalid, ParquetUnreadable, OutcomesUnusable) as error:
        raise OutcomesUnusable(f"{path.name}: {error}") from error


def outcomes_of(table: pl.DataFrame, model: CreditModel, *, source: str, sha256: str) -> RealOutcomes:
    """Return the outcomes of a table with columns as in a file: numbers, `as_of` a date, `firm` anything.

    Raises
    ------
    OutcomesUnusable
        A value cannot be, a firm is there twice on a day, or nothing says what the model made of the firms.
    """
    if table.is_empty():
        raise OutcomesUnusable("holds no row")
    bad = numbers(table, BAD, lambda v: (v == 0) | (v == 1), "0 or 1")
    weight = numbers(table, WEIGHT, lambda v: v > 0, "a number above 0") if WEIGHT in table.columns else None
    weights = np.ones(len(bad)) if weight is None else weight / weight.mean()
    keys = [name for name in (FIRM, AS_OF) if name in table.columns]
    if FIRM in keys:
        refuse_twice(table, keys)
    days = table[AS_OF].drop_nulls() if AS_OF in keys else None
    firms = table[FIRM].rank("dense").fill_null(0).to_numpy().astype(np.int64) if FIRM in keys else None
    return RealOutcomes(
        logit=_logit(table, model),
        is_bad=bad.astype(np.int8),
        weight=weights,
        firm=firms,
        since=None if days is None or days.is_empty() else _day(days.min()),
        until=None if days is None or days.is_empty() else _day(days.max()),
        source=source,
        sha256=sha256,
    )


def _logit(table: pl.DataFrame, model: CreditModel) -> Floats:
    absent = [name for name in model.features if name not in table.columns]
    if not absent:
        try:
            x = model.matrix(table.select(pl.col(model.features).cast(pl.Float64)))
            margin = model.score_matrix(x).margin
        except (FeatureError, pl.exceptions.PolarsError) as error:
            raise OutcomesUnusable(str(error).splitlines()[0]) from error
        return model.calibration.logit_of(margin, model.features, x)
    if MARGIN in table.columns:
        return model.calibration.logit(numbers(table, MARGIN, np.isfinite, "a finite number"))
    if PD in table.columns:
        given = numbers(table, PD, lambda v: (v > 0) & (v < 1), "a probability above 0 and below 1")
        return np.asarray(np.log(given / (1 - given)))
    some = [name for name in model.features if name in table.columns]
    lacks = f"; of its indicators {absent[0]} is not there" if some else ""
    raise OutcomesUnusable(f"needs a column {PD}, {MARGIN}, or every indicator of {model.model_id}{lacks}")


def numbers(table: pl.DataFrame, name: str, fits: Callable[[Floats], NDArray[np.bool_]], wanted: str) -> Floats:
    """Return a column as numbers, NaN where it says nothing, shape (n,).

    Raises
    ------
    OutcomesUnusable
        It is absent or no numbers, or a value does not fit; the message names row, field and value.
    """
    if name not in table.columns:
        raise OutcomesUnusable(f"lacks the column {name}")
    column = table[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise OutcomesUnusable(f"column {name} is {column.dtype}, not numbers")
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero(~fits(values))
    if wrong.size:
        where = f"row {wrong[0]}: field {name!r}: value {column[int(wrong[0])]!r}"
        raise OutcomesUnusable(f"{where}: {wanted} is expected ({wrong.size} such rows)")
    return values


def refuse_twice(table: pl.DataFrame, keys: Sequence[str]) -> None:
    """Refuse a row without a firm, and a firm that is there twice on a day (OutcomesUnusable)."""
    if table[FIRM].null_count():
        raise OutcomesUnusable(f"row {table[FIRM].is_null().arg_max()}: field {FIRM!r}: value None: a firm is expected")
    again = table.select(pl.struct(keys).is_duplicated()).to_series()
    if AS_OF in keys and again.any():
        row = again.arg_max() or 0
        raise OutcomesUnusable(
            f"row {row}: firm {table[FIRM][row]!r} is there twice as of {table[AS_OF][row]}: one outcome is expected"
        )


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None


def dated(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose days are dates; OutcomesUnusable where they are not."""
    if AS_OF in table.columns and table[AS_OF].dtype != pl.Date:
        raise OutcomesUnusable(f"column {AS_OF} is {table[AS_OF].dtype}, not dates")
    return table


def csv_table(content: bytes, texts: Collection[str] = (FIRM,)) -> pl.DataFrame:
    """Return the table in the bytes of a CSV file: `as_of` a date, `texts` as they are, everything else numbers.

    Raises
    ------
    OutcomesUnusable, TextUnreadable, HeaderInvalid
        It cannot be read, or some rows are wrong; the message names each.
    """
    columns: dict[str, list[float | str | date | None]] = {}
    wrong: list[WrongRow] = []
    for row in rows(decode(content), known=None, needed=(BAD,)):
        values = _values(row, texts) if isinstance(row, CsvRecord) else row
        if isinstance(values, WrongRow):
            wrong.append(values)
            continue
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
    if wrong:
        more = f"\nand {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise OutcomesUnusable("wrong rows:\n" + "\n".join(map(str, wrong[:SHOWN])) + more)
    kinds: dict[str, type[pl.DataType]] = dict.fromkeys(texts, pl.String) | {AS_OF: pl.Date}
    return pl.DataFrame([pl.Series(name, values, kinds.get(name, pl.Float64)) for name, values in columns.items()])


def _values(row: CsvRecord, texts: Collection[str]) -> Mapping[str, float | str | date | None] | WrongRow:
    """Return the fields of a record as what they are; an empty one is missing."""
    found: dict[str, float | str | date | None] = {}
    for name, written in row.values.items():
        text = written.strip()
        try:
            if name in texts:
                found[name] = text or None
            elif name == AS_OF:
                found[name] = date.fromisoformat(text) if text else None
            else:
                found[name] = float(text) if text else None
                if text and not math.isfinite(found[name] or 0.0):  # type: ignore[arg-type]  # a number, just made
                    raise ValueError
        except ValueError:
            wanted = "a day, YYYY-MM-DD, is expected" if name == AS_OF else "a number is expected"
            return WrongRow(row.line, name, text[:60], wanted)
    return found
