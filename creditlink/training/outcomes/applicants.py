"""Applicants as they were decided on: indicators of the day, what was decided, and what became of the loan. Pure.

A row is an application whose horizon is over. `is_bad` is null where nobody can know: the firm was declined, took no
loan, or its lender fell silent. Models learn from the labelled rows; what selection did to them is seen in all.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.financing.loans.labels import GAPS, LABELS
from creditlink.kit.files.csvfile import HeaderInvalid
from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of
from creditlink.kit.files.textfile import TextUnreadable
from creditlink.training.dataset import FEATURES
from creditlink.training.recalibration.outcomes import (
    AS_OF,
    BAD,
    FIRM,
    FORMS,
    PD,
    OutcomesUnusable,
    csv_table,
    dated,
    numbers,
    refuse_twice,
)

SYNTHETIC_INDICATORS = ("industry_default_rate",)
"""Indicators whose reference table holds outcomes of the city: a model of real outcomes alone does not read them."""

LEARNED = tuple(name for name in FEATURES if name not in SYNTHETIC_INDICATORS)
"""The columns that a model of outcomes reads, in the order of the catalogue."""

APPROVED, BY_LOT, OUTCOME = "approved", "by_lot", "outcome"
SEGMENTS = ("entity_type", "region", "industry")
SCHEMA: Mapping[str, type[pl.DataType]] = {
    FIRM: pl.Int32,
    AS_OF: pl.Date,
    BAD: pl.Int8,
    APPROVED: pl.Boolean,
    BY_LOT: pl.Boolean,
    OUTCOME: pl.String,
    PD: pl.Float64,
    **dict.fromkeys(SEGMENTS, pl.String),
}
"""Columns beside the indicators. `approved` is the lender's own word; `by_lot`: lent to by lot although declined."""

ROW_SCHEMA: Mapping[str, type[pl.DataType]] = {**SCHEMA, **dict.fromkeys(FEATURES, pl.Float64)}
"""SCHEMA, then every indicator."""

_PLAIN = re.compile(r"[\w .-]{1,40}")

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Applicants:
    """n applications, and how many more came out as what.

    Attributes
    ----------
    rows : SCHEMA, then a column for each indicator, null where missing; `firm` is a number of this table only
    counts : outcome -> applications, also of those that are no rows
    """

    rows: pl.DataFrame
    counts: Mapping[str, int]
    source: str
    sha256: str
    horizon_months: int
    cut: date | None

    @property
    def known(self) -> Mask:
        """Whether the outcome is known, shape (n,)."""
        return self.rows[BAD].is_not_null().to_numpy()

    @property
    def approved(self) -> Mask:
        """Whether the lender approved by its own judgement, shape (n,)."""
        return self.rows[APPROVED].to_numpy()

    @property
    def drawn(self) -> Mask:
        """Whether a declined firm was lent to by lot and its outcome is known, shape (n,)."""
        return self.rows[BY_LOT].to_numpy() & self.known

    @property
    def firm(self) -> NDArray[np.int64]:
        """A number for each firm, shape (n,)."""
        return self.rows[FIRM].to_numpy().astype(np.int64)

    @property
    def is_bad(self) -> NDArray[np.int8]:
        """0 or 1, shape (n,); −1 where nobody can know."""
        return self.rows[BAD].fill_null(-1).to_numpy()

    @property
    def features(self) -> pl.DataFrame:
        """The indicators, one column each, in the order of the catalogue."""
        return self.rows.select(FEATURES)

    def chosen(self, keep: Mask) -> Applicants:
        """Return some of the rows; the counts stay those of all."""
        rows = self.rows.filter(pl.Series(keep))
        return Applicants(rows, self.counts, self.source, self.sha256, self.horizon_months, self.cut)

    def labelled(self) -> Applicants:
        """Return the rows whose outcome is known."""
        return self.chosen(self.known)


def applicants_of(
    table: pl.DataFrame, *, counts: Mapping[str, int] | None, source: str, horizon_months: int, cut: date | None
) -> Applicants:
    """Return applicants from a table that has SCHEMA and every indicator."""
    written = io.BytesIO()
    table.write_ipc(written)
    sha256 = hashlib.sha256(written.getvalue()).hexdigest()
    found = dict(sorted(table[OUTCOME].value_counts().iter_rows())) if counts is None else dict(sorted(counts.items()))
    return Applicants(table, found, source, sha256, horizon_months, cut)


def read_applicants(path: Path, *, horizon_months: int = 12) -> Applicants:
    """Return the applicants in a file, CSV or Parquet by its name's end, as `financing labels` writes them.

    Only `is_bad` and the indicators are needed. Without `approved`, all were; without `firm`, each row is another.

    Raises
    ------
    OutcomesUnusable
        It cannot be read, or a value in it cannot be; the message names the file, the row, the field and the value.
    """
    if path.suffix.lower() not in FORMS:
        raise OutcomesUnusable(f"{path.name}: must end in {', '.join(FORMS)}")
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".parquet":
            table = dated(parquet_of(content))
        else:
            table = csv_table(content, texts=(FIRM, OUTCOME, *SEGMENTS))
        return applicants_of(_checked(table), counts=None, source=path.name, horizon_months=horizon_months, cut=None)
    except (OSError, TextUnreadable, HeaderInvalid, ParquetUnreadable, OutcomesUnusable) as error:
        raise OutcomesUnusable(f"{path.name}: {error}") from error


def _checked(table: pl.DataFrame) -> pl.DataFrame:
    if table.is_empty():
        raise OutcomesUnusable("holds no row")
    if absent := [name for name in LEARNED if name not in table.columns]:
        raise OutcomesUnusable(f"lacks the column {absent[0]} ({len(absent)} indicators are missing)")
    wrong = [name for name in LEARNED if not (table[name].dtype.is_numeric() or table[name].dtype == pl.Null)]
    if wrong:
        raise OutcomesUnusable(f"column {wrong[0]} is {table[wrong[0]].dtype}, not numbers")
    values = {
        BAD: numbers(table, BAD, lambda v: np.isnan(v) | (v == 0) | (v == 1), "0, 1 or nothing"),
        APPROVED: _flags(table, APPROVED, missing=1.0),
        BY_LOT: _flags(table, BY_LOT, missing=0.0),
    }
    if (both := np.flatnonzero((values[APPROVED] == 1) & (values[BY_LOT] == 1))).size:
        raise OutcomesUnusable(f"row {both[0]}: field {BY_LOT!r}: value 1: an approved firm needs no lot")
    keys = [name for name in (FIRM, AS_OF) if name in table.columns]
    if FIRM in keys:
        refuse_twice(table, keys)
    _refuse_texts(table)
    firm = table[FIRM].rank("dense") if FIRM in keys else pl.Series(np.arange(table.height))
    bad = pl.Series(values[BAD]).fill_nan(None).cast(pl.Int8)
    columns = {
        FIRM: firm.cast(pl.Int32),
        BAD: bad,
        APPROVED: pl.Series(values[APPROVED] == 1),
        BY_LOT: pl.Series(values[BY_LOT] == 1),
        OUTCOME: pl.Series(_outcomes(bad, values[APPROVED])),
    }
    for name in (AS_OF, OUTCOME, PD, *SEGMENTS, *FEATURES):
        if name in table.columns:
            columns[name] = table[name]
    try:
        return pl.DataFrame(
            [
                columns[name].cast(kind).alias(name)
                if name in columns
                else pl.Series(name, [None] * table.height, kind)
                for name, kind in ROW_SCHEMA.items()
            ]
        )
    except pl.exceptions.PolarsError as error:
        raise OutcomesUnusable(str(error).splitlines()[0]) from error


def _refuse_texts(table: pl.DataFrame) -> None:
    """Refuse words that a card could not print: of outcomes only those that are known, of segments short plain ones."""
    known = {**LABELS, **GAPS}
    for name in (OUTCOME, *SEGMENTS):
        if name not in table.columns:
            continue
        for row, value in enumerate(table[name].to_list()):
            plain = value in known if name == OUTCOME else _PLAIN.fullmatch(str(value)) is not None
            if value is not None and not plain:
                wanted = f"one of {', '.join(known)}" if name == OUTCOME else "40 letters, digits, . _ - at most"
                raise OutcomesUnusable(f"row {row}: field {name!r}: value {str(value)[:60]!r}: {wanted} is expected")


def _outcomes(bad: pl.Series, approved: Floats) -> list[str]:
    named: Sequence[int | None] = bad.to_list()
    return [
        ("declined" if one_approved == 0 else "unreported") if one is None else ("good", "bad")[one]
        for one, one_approved in zip(named, approved.tolist(), strict=True)
    ]


def _flags(table: pl.DataFrame, name: str, *, missing: float) -> Floats:
    if name not in table.columns:
        return np.full(table.height, missing)
    return numbers(table, name, lambda v: (v == 0) | (v == 1), "0 or 1")
