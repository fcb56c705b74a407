"""A folder of individual VAT invoices, read without a database: dirty rows are reported, not fatal.

The folder holds `nocredit_firms.csv` (firm, name), `nocredit_input_invoices.parquet` (purchases) and
`nocredit_output_invoices.parquet` (sales) with the columns firm, invoice_no, date, counterparty,
amount, tax, total (yuan), status (valid | void).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from creditlink.engine.facts.frames import days_of
from creditlink.engine.facts.invoices import INVOICE_SCHEMA
from creditlink.kit.files.csvfile import CsvRecord, HeaderInvalid, WrongRow, rows
from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of
from creditlink.kit.files.textfile import read_file

FIRMS_FILE = "nocredit_firms.csv"
INVOICE_FILES = {"input": "nocredit_input_invoices.parquet", "output": "nocredit_output_invoices.parquet"}

_TEXT = ("firm", "invoice_no", "counterparty", "status")
_YUAN = ("amount", "tax", "total")
_COLUMNS = ("firm", "invoice_no", "date", "counterparty", "amount", "tax", "total", "status")
_STATES = {"valid": False, "void": True}
# More than any single invoice is worth; beyond it the number is not an amount.
_MOST_YUAN = 1e13
# Electronic VAT invoices are younger than the tax itself in China (1994).
_FIRST_LINE = 2  # of a table with a header
_EARLIEST = pl.date(1994, 1, 1)

REJECT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "file": pl.String,
    "row": pl.Int64,  # counted from 0
    "firm": pl.String,
    "field": pl.String,
    "value": pl.String,
    "reason": pl.String,
}


class InvoiceFolderError(ValueError):
    """The folder cannot be read at all; the message names the file and the column."""


@dataclass(frozen=True, eq=False)
class InvoiceFolder:
    """What a folder holds.

    `firms`: firm (the folder's code), name. `invoices`: `firm` and the columns of INVOICE_SCHEMA.
    `rejects`: file, row, firm, field, value, reason of every row that was left out.
    """

    firms: pl.DataFrame
    invoices: pl.DataFrame
    rejects: pl.DataFrame


def read_invoice_folder(folder: Path) -> InvoiceFolder:
    """Read the firms and invoices of a folder.

    The source does not say when an invoice was recorded: it counts as known at 02:00 (Asia/Shanghai) of
    the first day of the following month. Dates later than today are for the caller to judge by `as_of`.

    Raises
    ------
    InvoiceFolderError
        A file is absent, unreadable, lacks a column or has one of the wrong type.
    """
    firms, strange = _read_firms(folder / FIRMS_FILE)
    good, rejects = [], [strange]
    for direction, name in INVOICE_FILES.items():
        raw = _read_invoices(folder / name)
        judged = _judge(raw, firms)
        bad = judged.filter(pl.col("field").is_not_null())
        if not bad.is_empty():
            named = bad.with_columns(pl.lit(name).alias("file"), pl.col("row").cast(pl.Int64))
            rejects.append(named.select(REJECT_SCHEMA.keys()))
        good.append(_typed(judged.filter(pl.col("field").is_null()), direction))
    return InvoiceFolder(firms, pl.concat(good), pl.concat(rejects))


def _read_firms(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the firms of the list, and its rows that cannot be read."""
    if not path.is_file():
        raise InvoiceFolderError(f"{path.name}: no such file in {path.parent}")
    try:
        found = list(rows(read_file(path), known=None, needed=("firm", "name")))
    except HeaderInvalid as error:
        said = f"column {error.lacks!r} is missing" if error.lacks else str(error)
        raise InvoiceFolderError(f"{path.name}: {said}") from None
    except OSError as error:
        raise InvoiceFolderError(f"{path.name}: {error.strerror}") from None
    strange = [
        (path.name, row.line - _FIRST_LINE, None, row.field, row.value, row.problem)
        for row in found
        if isinstance(row, WrongRow)
    ]
    named = [
        [row.values[column].strip() or None for column in ("firm", "name")]
        for row in found
        if isinstance(row, CsvRecord)
    ]
    firms = pl.DataFrame(named, schema={"firm": pl.String, "name": pl.String}, orient="row")
    for what, test in (("is empty", pl.col("firm").is_null()), ("appears twice", pl.col("firm").is_duplicated())):
        wrong = firms.with_row_index("row").filter(test)
        if not wrong.is_empty():
            raise InvoiceFolderError(f"{path.name}: firm {wrong['firm'][0]!r} in row {wrong['row'][0]} {what}")
    return firms, pl.DataFrame(strange, schema=REJECT_SCHEMA, orient="row")


def _read_invoices(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise InvoiceFolderError(f"{path.name}: no such file in {path.parent}")
    try:
        raw = parquet_of(path.read_bytes())
    except (ParquetUnreadable, OSError) as error:
        raise InvoiceFolderError(f"{path.name}: not readable as Parquet ({error})") from None
    for column in _COLUMNS:
        if column not in raw.columns:
            raise InvoiceFolderError(f"{path.name}: column {column!r} is missing")
        kind = raw.schema[column]
        fits = (
            kind == pl.String
            if column in _TEXT
            else kind.is_numeric()
            if column in _YUAN
            else kind == pl.Date or isinstance(kind, pl.Datetime)
        )
        if not fits:
            raise InvoiceFolderError(f"{path.name}: column {column!r} has type {kind}")
    yuan = [pl.col(column).cast(pl.Float64) for column in _YUAN]
    return raw.select(_COLUMNS).with_columns(days_of(raw["date"]), *yuan).with_row_index("row")


def _judge(raw: pl.DataFrame, firms: pl.DataFrame) -> pl.DataFrame:
    """Add `field`, `value`, `reason` of the first thing that is wrong with a row; null where it is good."""
    checks: list[tuple[str, pl.Expr, str]] = [
        ("firm", pl.col("firm").is_null() | ~pl.col("firm").is_in(firms["firm"].implode()), "not a firm of the list"),
        ("date", pl.col("date").is_null(), "no date"),
        ("date", (pl.col("date") < _EARLIEST) | (pl.col("date") > pl.date(2100, 1, 1)), "not a plausible day"),
        ("counterparty", pl.col("counterparty").is_null() | (pl.col("counterparty") == ""), "no counterparty"),
        *(("amount" if c == "amount" else c, ~_is_amount(c), "not an amount in yuan") for c in _YUAN),
        (
            "total",
            (pl.col("total") - pl.col("amount") - pl.col("tax")).abs() > 0.02 + 1e-9 * pl.col("total").abs(),
            "not the sum of amount and tax",
        ),
        ("status", pl.col("status").is_null() | ~pl.col("status").is_in(list(_STATES)), "not valid or void"),
    ]
    field = pl.coalesce(*(pl.when(wrong).then(pl.lit(name)) for name, wrong, _ in checks))
    reason = pl.coalesce(*(pl.when(wrong).then(pl.lit(why)) for _, wrong, why in checks))
    value = pl.coalesce(*(pl.when(wrong).then(pl.col(name).cast(pl.String).fill_null("")) for name, wrong, _ in checks))
    return raw.with_columns(field.alias("field"), reason.alias("reason"), value.str.slice(0, 60).alias("value"))


def _is_amount(column: str) -> pl.Expr:
    return (pl.col(column).is_finite() & (pl.col(column).abs() < _MOST_YUAN)).fill_null(value=False)


def _typed(rows: pl.DataFrame, direction: str) -> pl.DataFrame:
    next_month = pl.col("date").dt.month_start().dt.offset_by("1mo").cast(pl.Datetime("us"))
    return rows.select(
        "firm",
        pl.lit(direction, INVOICE_SCHEMA["direction"]).alias("direction"),
        pl.col("date").alias("issued_on"),
        "counterparty",
        _fen("amount").alias("amount_fen"),
        _fen("tax").alias("tax_fen"),
        pl.col("status").replace_strict(_STATES, return_dtype=pl.Boolean).alias("is_void"),
        # Printed numbers repeat, so a record is its row.
        (pl.lit(f"{direction}-") + pl.col("row").cast(pl.String)).alias("record_id"),
        pl.lit(0, pl.Int32).alias("version"),
        (next_month + pl.duration(hours=2))
        .dt.replace_time_zone("Asia/Shanghai")
        .dt.convert_time_zone("UTC")
        .alias("recorded_at"),
    )


def _fen(column: str) -> pl.Expr:
    return (pl.col(column) * 100).round(0, mode="half_away_from_zero").cast(pl.Int64)
