"""Individual VAT invoices to monthly facts, vectorised: what `invoice_months` means, in one place.

An invoice frame has the columns of `INVOICE_SCHEMA`. A correction of an invoice is a further row
with the same `record_id` and a higher `version`; an invoice registered late is a further row with
a later `recorded_at`. The month as known on day D follows from what was recorded on or before D,
so each day on which a month changed gives it one further version.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from creditlink.engine.facts.frames import DIRECTIONS

INVOICE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "direction": pl.Enum(DIRECTIONS),  # output: the firm sold; input: it bought
    "issued_on": pl.Date,
    "counterparty": pl.String,
    "amount_fen": pl.Int64,  # without tax; negative: a red-letter (reversing) invoice
    "tax_fen": pl.Int64,
    "is_void": pl.Boolean,
    "record_id": pl.String,
    "version": pl.Int32,
    "recorded_at": pl.Datetime("us", "UTC"),
}
"""Column -> type of an individual invoice. Further columns, such as the firm, are allowed."""

_TOP = 5


def invoice_months(invoices: pl.DataFrame, by: Sequence[str] = ("firm",)) -> pl.DataFrame:
    """Return the monthly facts, one row for each firm, month, direction and day of change.

    Parameters
    ----------
    invoices : frame with the columns of INVOICE_SCHEMA and those of `by`
        One row per version of an invoice, in any order.
    by : column names
        What identifies the firm; empty if the frame is of one firm.

    Returns
    -------
    frame with `by`, `direction`, `period`, the figures of the frame `invoice_months`, `known_on` and
        `known_at` (the last instant of that day at which the month changed), sorted

    Definitions: `invoices` counts valid positive ones; `amount_fen` and `tax_fen` sum valid ones, so
    that red-letter invoices subtract; `void_invoices` counts void ones whatever their sign;
    `red_amount_fen` is positive; counterparties, top 1, top 5 and `hhi` (sum of squared shares) are
    over valid positive amounts. A month without positive amounts has no `hhi`.
    Source: docs/bureaus.md, section 1; Herfindahl (1950) for the index.
    """
    month = [*by, "direction", "period"]
    rows = _with_validity(invoices, by)
    changes = _changes(rows, month)
    valid = _valid_on(rows, changes, month)
    version = [*month, "known_on"]
    figures = valid.group_by(version).agg(
        _valid_positive().sum().cast(pl.Int32).alias("invoices"),
        pl.col("amount_fen").filter(~pl.col("is_void")).sum(),
        pl.col("tax_fen").filter(~pl.col("is_void")).sum(),
        pl.col("is_void").sum().cast(pl.Int32).alias("void_invoices"),
        _valid_negative().sum().cast(pl.Int32).alias("red_invoices"),
        (-pl.col("amount_fen").filter(_valid_negative()).sum()).alias("red_amount_fen"),
    )
    joined = changes.join(figures, on=version, how="left").join(_concentration(valid, version), on=version, how="left")
    counts = ("invoices", "void_invoices", "red_invoices", "counterparties")
    sums = ("amount_fen", "tax_fen", "red_amount_fen", "top1_amount_fen", "top5_amount_fen")
    return (
        joined.with_columns(pl.col(*counts, *sums).fill_null(0))
        .select(
            *month, *counts[:1], *sums[:2], *counts[1:3], sums[2], counts[3], *sums[3:], "hhi", "known_on", "known_at"
        )
        .sort(*month, "known_on")
    )


def _valid_positive() -> pl.Expr:
    return ~pl.col("is_void") & (pl.col("amount_fen") > 0)


def _valid_negative() -> pl.Expr:
    return ~pl.col("is_void") & (pl.col("amount_fen") < 0)


def _with_validity(invoices: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Add the month and the days between which each version of an invoice is the last: [from, to)."""
    rows = invoices.with_columns(
        pl.col("issued_on").dt.truncate("1mo").alias("period"),
        pl.col("recorded_at").dt.convert_time_zone("Asia/Shanghai").dt.date().alias("from_on"),
    )
    record = [*by, "record_id"]
    if not rows.select(pl.struct(record).is_duplicated().any()).item():
        # The ordinary case, in which nothing was corrected, costs nothing.
        return rows.with_columns(
            pl.lit(None, pl.Date).alias("to_on"), pl.lit(None, INVOICE_SCHEMA["recorded_at"]).alias("to_at")
        )
    return (
        rows.sort(*record, "version", "recorded_at")
        .unique(subset=[*record, "version"], keep="last", maintain_order=True)
        .with_columns(
            pl.col("from_on").shift(-1).over(record).alias("to_on"),
            pl.col("recorded_at").shift(-1).over(record).alias("to_at"),
        )
        .filter(pl.col("to_on").is_null() | (pl.col("from_on") < pl.col("to_on")))
    )


def _changes(rows: pl.DataFrame, month: list[str]) -> pl.DataFrame:
    """Return the days on which each month changed, with the last instant of change on that day."""
    came = rows.select(*month, pl.col("from_on").alias("known_on"), "recorded_at")
    # A correction may move an invoice into another month; then the month it left changes too.
    went = rows.filter(pl.col("to_on").is_not_null()).select(
        *month, pl.col("to_on").alias("known_on"), pl.col("to_at").alias("recorded_at")
    )
    return pl.concat([came, went]).group_by(*month, "known_on").agg(pl.col("recorded_at").max().alias("known_at"))


def _valid_on(rows: pl.DataFrame, changes: pl.DataFrame, month: list[str]) -> pl.DataFrame:
    """Return the invoices as of each day of change: one row for each invoice and day."""
    days = changes.select(*month, "known_on")
    alone = days.filter(pl.len().over(month) == 1)
    several = days.filter(pl.len().over(month) > 1)
    once = rows.join(alone, on=month, how="inner")
    if several.is_empty():
        return once
    often = rows.join(several, on=month, how="inner").filter(
        (pl.col("from_on") <= pl.col("known_on")) & (pl.col("to_on").is_null() | (pl.col("known_on") < pl.col("to_on")))
    )
    return pl.concat([once, often])


def _concentration(valid: pl.DataFrame, version: list[str]) -> pl.DataFrame:
    """Return how much of the month's positive amount the largest counterparties have."""
    amount = pl.col("amount_fen")
    return (
        valid.filter(_valid_positive())
        .group_by(*version, "counterparty")
        .agg(amount.sum())
        # The order makes the floating sum below the same whatever order the rows came in.
        .sort(*version, "amount_fen", descending=[*(False for _ in version), True])
        .group_by(version, maintain_order=True)
        .agg(
            pl.len().cast(pl.Int32).alias("counterparties"),
            amount.first().alias("top1_amount_fen"),
            amount.head(_TOP).sum().alias("top5_amount_fen"),
            (amount.cast(pl.Float64) / amount.sum()).pow(2).sum().alias("hhi"),
        )
    )
