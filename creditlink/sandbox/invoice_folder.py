"""A city's invoices as a folder in the layout of real ones, for those who have none at hand."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.kit.files.csvexport import write_csv
from creditlink.kit.files.parquetfile import ParquetUnreadable, parts_of, table_of
from creditlink.records.files.invoice_folder import FIRMS_FILE, INVOICE_FILES
from creditlink.sandbox.bureaus.invoices import expand
from creditlink.sandbox.city.folder import MANIFEST, FolderRefused, replaced_at_once


def write_invoice_folder(city: Path, out: Path, *, firms: int) -> int:
    """Write the single invoices of a city's first firms that the tax office knows; return how many invoices.

    Names are masked as the publisher of the real ones masked them: nothing but a number is left.

    Raises
    ------
    FolderRefused
        `city` holds no city, or `out` is not empty or cannot be written.
    ValueError
        `firms` is below 1.
    """
    if firms < 1:
        raise ValueError(f"firms: must be at least 1, got {firms}")
    if not (city / MANIFEST).is_file():
        raise FolderRefused(f"{city}: holds no city ({MANIFEST} is missing)")
    seed = int(json.loads((city / MANIFEST).read_text(encoding="utf-8"))["seed"])
    try:
        known = table_of(city / "invoice_months", {"firm": pl.Int32}, needed=("firm",))["firm"].unique().sort()[:firms]
        parts = parts_of(city / "invoice_months", FRAME_SCHEMAS["invoice_months"])
        months = pl.concat([rows.filter(pl.col("firm") <= known.max()) for rows in parts])
    except ParquetUnreadable as error:
        raise FolderRefused(str(error)) from None
    frames = [
        pl.DataFrame(invoices).with_columns(firm=pl.lit(f"S{firm}"))
        for (firm,), rows in months.group_by("firm", maintain_order=True)
        if (invoices := expand(rows, seed))
    ]
    amount, tax = pl.col("amount_fen") / 100, pl.col("tax_fen") / 100
    rows = pl.concat(frames).select(
        "firm",
        "direction",
        pl.col("number").alias("invoice_no"),
        pl.col("issued_on").cast(pl.Datetime("us")).alias("date"),
        "counterparty",
        amount.alias("amount"),
        tax.alias("tax"),
        ((pl.col("amount_fen") + pl.col("tax_fen")) / 100).alias("total"),
        pl.when("is_void").then(pl.lit("void")).otherwise(pl.lit("valid")).alias("status"),
    )
    with replaced_at_once(out, overwrite=False, needed_bytes=40 * rows.height) as folder:
        names = pl.DataFrame({"firm": [f"S{firm}" for firm in known]})
        write_csv(names.with_columns(name=pl.lit("***有限公司") + pl.col("firm")), folder / FIRMS_FILE)
        for direction, name in INVOICE_FILES.items():
            rows.filter(direction=direction).drop("direction").sort("firm", "date").write_parquet(folder / name)
    return rows.height
