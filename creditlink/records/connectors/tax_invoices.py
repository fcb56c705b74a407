"""The tax bureau's invoices: pages of rows to monthly facts, with gaps and bad rows accounted for.

The rows are read column by column, since a firm may have a hundred thousand of them. What does not
read that way is read again field by field, which gives the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.engine.facts.invoices import INVOICE_SCHEMA, invoice_months
from creditlink.kit.clock import add_months, month_start
from creditlink.kit.files.text import flaw
from creditlink.records.connectors.fields import YEARS, FieldError, SourceRow, row_id, within
from creditlink.records.pulls.delivery import Fact

_TEXTS = ("lsh", "kprq", "fx", "dfdm", "je", "se", "hj", "zt", "lrsj")
_DIRECTIONS = {"X": "output", "J": "input"}
_STATES = {"0": "", "1": "void"}
_YUAN = r"^-?[0-9]{1,13}\.[0-9]{2}$"
_VALUES = [name for name in FRAME_SCHEMAS["invoice_months"] if name not in ("firm", "period", "direction", "known_on")]


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it arrived; not `whole` when the office left rows out."""

    number: int
    rows: list[object]
    whole: bool


def monthly_facts(
    pages: list[Page], since: date, until: date
) -> tuple[list[Fact], list[tuple[str, FieldError]], list[str], dict[str, int]]:
    """Return the facts of each month, the rows kept aside, the months withheld, and the newest version of each record.

    Rows come in the order of their days, so the rows that a page lacks lie between its last row and
    the first row of the next page. The months in between would be too low; they are withheld, and
    a later pull brings them.
    """
    good, bad, rejects = _read_rows(pages, since, until)
    if good.is_empty():
        return [], rejects, month_names(_gaps(pages, good, since, until)), {}
    gaps = _gaps(pages, good, since, until)
    facts = []
    months = invoice_months(good.select(INVOICE_SCHEMA.keys()), by=())
    for row in months.iter_rows(named=True):
        if row["period"] in gaps:
            continue
        facts.append(
            Fact(
                frame="invoice_months",
                period=row["period"],
                subkey=row["direction"],
                values={name: row[name] for name in _VALUES},
                known_at=row["known_at"],
                complete=row["period"] not in bad,
            )
        )
    newest = good.group_by("record_id").agg(pl.col("version").max())
    return facts, rejects, month_names(gaps), dict(newest.iter_rows())


def month_names(months: set[date]) -> list[str]:
    """Return months as a delivery names those that it withholds."""
    return sorted(f"{month:%Y-%m}" for month in months)


def _read_rows(
    pages: list[Page], since: date, until: date
) -> tuple[pl.DataFrame, set[date], list[tuple[str, FieldError]]]:
    """Return the rows that read, the months that lack a row, and the rows that do not read."""
    raw = [row for page in pages for row in page.rows]
    where = [(page.number, index) for page in pages for index in range(len(page.rows))]
    frame = _columns(raw).with_columns(pl.Series("page", [page for page, _ in where], dtype=pl.Int32))
    first, last = month_start(since), month_start(until)
    fits = frame["fits"] & frame["issued_on"].dt.truncate("1mo").is_between(first, last)
    rejects: list[tuple[str, FieldError]] = []
    months: set[date] = set()
    mended: list[dict[str, object]] = []
    for index in (~fits).arg_true().to_list():
        page, position = where[index]
        try:
            mended.append(_invoice(SourceRow.of(raw[index]), since, until) | {"page": page})
        except FieldError as error:
            rejects.append((f"page {page} row {position}", error.of(row_id(raw[index], "lsh", "bbh"))))
            months |= _month_of_bad(frame, index)
    good = frame.filter(fits).select(*INVOICE_SCHEMA, "page")
    if mended:
        good = pl.concat([good, pl.DataFrame(mended, schema=good.schema)])
    return good, months, rejects


def _columns(raw: list[object]) -> pl.DataFrame:
    """Read the rows column by column; `fits` says where every field reads."""
    rows = [row if isinstance(row, dict) else {} for row in raw]
    texts = {name: _texts(name, rows) for name in _TEXTS}
    versions = [v if type(v := row.get("bbh")) is int and 0 <= v < 2**31 else None for row in rows]
    frame = pl.DataFrame({**texts, "version": pl.Series(versions, dtype=pl.Int32)})
    return frame.select(
        pl.col("fx")
        .replace_strict(_DIRECTIONS, default=None, return_dtype=INVOICE_SCHEMA["direction"])
        .alias("direction"),
        _in_years(pl.col("kprq").str.to_date("%Y%m%d", strict=False)).alias("issued_on"),
        pl.col("dfdm").alias("counterparty"),
        _fen("je").alias("amount_fen"),
        _fen("se").alias("tax_fen"),
        pl.col("zt").replace_strict({"0": False, "1": True}, default=None, return_dtype=pl.Boolean).alias("is_void"),
        pl.col("lsh").alias("record_id"),
        "version",
        _in_years(pl.col("lrsj").str.to_datetime("%Y%m%d%H%M%S%z", strict=False, time_unit="us")).alias("recorded_at"),
        _fen("hj").alias("total_fen"),
        _is_plain().alias("plain"),
    ).with_columns(
        (
            pl.col("plain")
            & pl.all_horizontal(pl.col(*INVOICE_SCHEMA).is_not_null())
            & (pl.col("total_fen") == pl.col("amount_fen") + pl.col("tax_fen"))
        )
        .fill_null(value=False)
        .alias("fits")
    )


def _texts(name: str, rows: list[dict[str, object]]) -> pl.Series:
    found = [v if type(v := row.get(name)) is str else None for row in rows]
    try:
        return pl.Series(name, found, dtype=pl.String)
    except UnicodeEncodeError:  # a surrogate somewhere: that row is read again by itself
        return pl.Series(name, [None if v is None or flaw(v) else v for v in found], dtype=pl.String)


def _in_years(when: pl.Expr) -> pl.Expr:
    """Return days or instants, null outside the years of the manual: Python's calendar does not hold all of polars'."""
    return pl.when(when.dt.year().is_between(*YEARS)).then(when)


def _fen(name: str) -> pl.Expr:
    # A double holds any amount of 13 digits and two decimals exactly enough to round back.
    yuan = pl.when(pl.col(name).str.contains(_YUAN)).then(pl.col(name)).cast(pl.Float64)
    return (yuan * 100).round(0).cast(pl.Int64)


def _is_plain() -> pl.Expr:
    """Whether the texts have the shapes of the manual, which the readers of days do not check."""
    return (
        pl.col("lsh").str.contains(r"^[\x21-\x7e]{1,40}$")
        & pl.col("kprq").str.contains(r"^[0-9]{8}$")
        & pl.col("lrsj").str.contains(r"^[0-9]{14}[+-][0-9]{4}$")
        & (pl.col("dfdm").str.len_chars() > 0)
        & ~pl.col("dfdm").str.contains("\0", literal=True)
    )


def _invoice(row: SourceRow, since: date, until: date) -> dict[str, object]:
    """Read one row field by field: the definition that the columns above follow."""
    issued_on = row.day("kprq", compact=True)
    within("kprq", month_start(issued_on), since, until)
    amount_fen, tax_fen = row.fen("je"), row.fen("se")
    if row.fen("hj") != amount_fen + tax_fen:
        raise FieldError("hj", row.raw("hj"), "not the sum of je and se")
    counterparty = row.text("dfdm")
    if not counterparty:
        raise FieldError("dfdm", "", "empty counterparty")
    return {
        "direction": row.choice("fx", _DIRECTIONS),
        "issued_on": issued_on,
        "counterparty": counterparty,
        "amount_fen": amount_fen,
        "tax_fen": tax_fen,
        "is_void": bool(row.choice("zt", _STATES)),
        "record_id": row.record_id("lsh"),
        "version": row.whole("bbh"),
        "recorded_at": row.instant("lrsj", compact=True),
    }


def _month_of_bad(frame: pl.DataFrame, index: int) -> set[date]:
    """Return the month that lacks the bad row: its own, or that of its neighbours in the order of days."""
    days = frame["issued_on"]
    if days[index] is not None:
        near = days.slice(index, 1)
    else:
        near = pl.concat([days.slice(0, index).drop_nulls().tail(1), days.slice(index + 1).drop_nulls().head(1)])
    return set(near.dt.truncate("1mo"))


def _gaps(pages: list[Page], good: pl.DataFrame, since: date, until: date) -> set[date]:
    spans = {
        page: (first, last)
        for page, first, last in good.group_by("page")
        .agg(pl.col("issued_on").min().alias("first"), pl.col("issued_on").max().alias("last"))
        .iter_rows()
    }
    return missing_months(pages, spans, since, until)


def missing_months(pages: list[Page], spans: Mapping[int, tuple[date, date]], since: date, until: date) -> set[date]:
    """Return the months into which rows missing from the pages may fall.

    Parameters
    ----------
    spans : number of a page -> its first and its last day; rows come in the order of their days.
    """
    months: set[date] = set()
    for page in pages:
        if page.whole:
            continue
        before = [last for number, (_, last) in spans.items() if number <= page.number]
        after = [first for number, (first, _) in spans.items() if number > page.number]
        month = month_start(max(before, default=since))
        end = month_start(min(after, default=until))
        while month <= end:
            months.add(month)
            month = add_months(month, 1)
    return months
