"""`creditlink screen invoices`: every firm of a folder of VAT invoices, with no database."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click
import polars as pl
from rich.console import Console

from creditlink.cli.serving import model_for, of_a_model
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.products.terms import ProductInvalid
from creditlink.kit.files.csvexport import write_csv
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.files.templates import SeedInvalid
from creditlink.products.service import matching_settings
from creditlink.records.files.invoice_folder import InvoiceFolderError, read_invoice_folder
from creditlink.screening.invoices import SUFFIXES, screen_invoices, write_rows

PURPOSE = "prequalification"
"""What a population is screened for: to find whom it is worth asking."""


@click.command("invoices")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--as-of", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="The day whose knowledge counts."
)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Result: .parquet, .csv or .json."
)
@click.option(
    "--indicators",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the table of indicators, one row per firm: .parquet, .csv or .json.",
)
@click.option(
    "--products",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=ROOT / "config" / "products.toml",
    show_default="config/products.toml",
    help="Products to match.",
)
@click.option(
    "--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Also write the rows left out, as CSV."
)
@of_a_model
def invoices(
    folder: Path,
    as_of: object,
    out: Path,
    indicators: Path | None,
    products: Path,
    rejects: Path | None,
    model: str | None,
) -> None:
    """Profile every firm in a folder of VAT invoices: indicators, PD, grade, reasons, coverage.

    \b
    creditlink screen invoices var/invoices --as-of 2020-01-15 --out var/firms.parquet --indicators var/table.parquet

    DIR holds nocredit_firms.csv (firm, name) and nocredit_input_invoices.parquet, nocredit_output_invoices.parquet
    (firm, invoice_no, date, counterparty, amount, tax, total, status). Rows that cannot be true are left out, counted
    and named; a file that is missing or of the wrong form ends the run before any work, and no result is written.

    An invoice counts as known on the first day of the month after it was issued.
    """
    day: date = as_of.date()  # type: ignore[attr-defined]  # click gives a datetime
    console = Console(stderr=True)
    for option, path in (("--out", out), ("--indicators", indicators)):
        if path is not None and path.suffix not in SUFFIXES:
            raise click.BadParameter(f"the suffix must be one of {', '.join(SUFFIXES)}", param_hint=option)
        if path is not None and not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}", param_hint=option)
    settings = load_settings()
    try:
        with console.status(f"reading {folder}") as status:
            read = read_invoice_folder(folder)
            _, terms = load_seed(products)
            live = model_for(settings, model, PURPOSE)
            book = compile_book(tuple(terms), BY_NAME, matching_settings(settings.config_dir), on=day)
            status.update(f"profiling {read.firms.height} firms")
            screening = screen_invoices(read, day, live=live, book=book)
            write_rows(screening.frame, out)
            if indicators is not None:
                write_rows(screening.indicators(), indicators)
            if rejects is not None:
                write_csv(read.rejects, rejects)
    except (InvoiceFolderError, SeedInvalid, ProductInvalid, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for line in _odd(read.rejects, screening.later, day):
        click.echo(f"warning: {line}", err=True)
    grades = screening.frame.group_by("grade").len().sort("grade", nulls_last=True)
    counts = ", ".join(f"{grade or 'not scorable'} {count}" for grade, count in grades.rows())
    click.echo(f"{out}: {screening.frame.height} firms as of {day}: {counts}")


def _odd(rejects: pl.DataFrame, later: int, day: date) -> list[str]:
    """Return a line per file, field and reason of rows left out, with the first row of each."""
    rows = rejects.group_by("file", "field", "reason", maintain_order=True).agg(
        pl.len(), pl.col("row", "value").first()
    )
    lines = [
        f"{r['file']}: column {r['field']}: {r['len']} rows left out, {r['reason']} "
        f"(first in row {r['row']}: {r['value']!r})"
        for r in rows.to_dicts()
    ]
    if later:
        lines.append(f"{later} invoices are dated after {day} and were not read")
    return lines
