"""`creditlink screen …`: a whole city, its lists, and who qualifies for a product."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from creditlink.cli.output import print_json
from creditlink.cli.screening.invoices import PURPOSE, invoices
from creditlink.cli.serving import model_for, of_a_model
from creditlink.engine.facts.relief_policies import relief_book_from
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.terms import ProductInvalid, ProductTerms
from creditlink.engine.scoring.trees.explain import available_threads
from creditlink.kit.clock import utc_now
from creditlink.kit.files.csvexport import csv_of, write_csv
from creditlink.kit.files.textfile import TextUnreadable, read_file
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.files.templates import SeedInvalid
from creditlink.products.service import matching_settings
from creditlink.screening.city import run
from creditlink.screening.city.counts import CitySummary, ScreeningManifest
from creditlink.screening.city.engines import Cluster, Engine, EngineError, InProcess, Processes
from creditlink.screening.city.inputs import CityUnusable, stated_hashes
from creditlink.screening.city.plan import ScreeningPlan, keep_model
from creditlink.screening.city.results import Results, ResultsUnusable
from creditlink.screening.city.storage import StorageError, open_folder
from creditlink.screening.qualify import move_rule
from creditlink.screening.qualify import qualify as qualified

if TYPE_CHECKING:
    import polars as pl

PRODUCTS = ROOT / "config" / "products.toml"


@click.group()
def screen() -> None:
    """Screen whole populations from Parquet, and ask the results.

    \b
    creditlink sandbox city --firms 100000 --months 36 --out var/city
    creditlink screen city var/city --as-of 2026-11-20 --out var/screening
    creditlink screen list var/screening high_risk --limit 20
    creditlink screen qualify var/screening --product PRODUCT_CODE
    """


class DayParameter(click.ParamType[date]):
    """A day as YYYY-MM-DD."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> date:
        """Return the day, or fail with what was given."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(str(value), "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            self.fail(f"{value!r} is not a day, such as 2026-11-20", param, context)


def make_plan(
    city: str,
    out: str,
    as_of: date,
    products: Path,
    discoverable: frozenset[str] | None = None,
    model: str | None = None,
) -> ScreeningPlan:
    """Return the plan of a screening with the rules of the settings, by the model that is live or that is named.

    Raises
    ------
    SettingError, SeedInvalid, ProductInvalid, CityUnusable, StorageError
        One of its parts is wrong.
    """
    settings = load_settings()
    live = model_for(settings, model, PURPOSE)
    _, terms = load_seed(products)
    plan = ScreeningPlan(
        city=city,
        out=out,
        as_of=as_of,
        model=settings.models_dir / live.model_id,
        model_sha256=live.sha256,
        rules=live.rules,
        products=tuple(terms),
        matching=matching_settings(settings.config_dir),
        stated=stated_hashes(open_folder(city)),
        discoverable=discoverable,
        relief=settings.parsed("relief.toml", relief_book_from).on(as_of),
    )
    keep_model(plan, live)
    return plan


@screen.command()
@click.argument("city", metavar="DIR")
@click.option("--as-of", type=DayParameter(), required=True, help="The day whose knowledge counts, YYYY-MM-DD.")
@click.option(
    "--products",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PRODUCTS,
    help="Products to match, in the form of config/products.toml (the default).",
)
@click.option("--out", required=True, metavar="DIR", help="Where results go; a killed run continues here.")
@click.option("--workers", type=click.IntRange(0), default=None, help="Processes; 0: this one. Default: one a core.")
@click.option("--cluster", metavar="ADDRESS", help="A Dask scheduler (tcp://host:8786), or 'local' to start one.")
@click.option(
    "--discoverable",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="USCCs, one a line, of firms that agreed to be counted for banks. Default: none.",
)
@of_a_model
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def city(
    city: str,
    as_of: date,
    products: Path,
    out: str,
    workers: int | None,
    cluster: str | None,
    discoverable: Path | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Screen a city: indicators, PD, grade, reasons and matches of every firm.

    DIR holds a folder of Parquet partitions per record frame, as `creditlink sandbox city` writes them. DIR and
    --out may be addresses that fsspec opens (s3://bucket/city). Results are a Parquet file per partition in
    firms/, manifest.json and summary.json. A partition that cannot be read is named and set aside, the others
    finish, and the command ends with status 1; after a repair the same command screens what is missing.

    \b
    creditlink screen city var/city --as-of 2026-11-20 --products config/products.toml --out var/screening
    creditlink screen city s3://bucket/city --as-of 2026-11-20 --out s3://bucket/results --cluster tcp://head:8786
    """
    opted_in = _codes(discoverable) if discoverable else None
    engine = _engine(cluster, workers)
    try:
        plan = make_plan(city, out, as_of, products, opted_in, model)
        outcome = _with_progress(plan, engine)
    except (CityUnusable, StorageError, EngineError, run.AnotherRun, SeedInvalid, ProductInvalid) as error:
        raise click.ClickException(str(error)) from error
    finally:
        if isinstance(engine, Processes):
            engine.close()
    summary: CitySummary = json.loads(open_folder(out).read(run.SUMMARY))
    if as_json:
        print_json(summary, indent=None)
    else:
        _print_summary(outcome.manifest, summary)
    for name, reason in outcome.rejected.items():
        click.echo(f"set aside {name}: {reason}", err=True)
    if outcome.rejected:
        raise click.exceptions.Exit(1)


def _codes(file: Path) -> frozenset[str]:
    try:
        return frozenset(read_file(file).whole().split())
    except TextUnreadable as error:
        raise click.ClickException(f"{file.name}: {error}") from None


def _engine(cluster: str | None, workers: int | None) -> Engine:
    count = available_threads() if workers is None else workers
    if cluster:
        return Cluster(cluster, max(count, 1))
    return Processes(count).start() if count else InProcess()


def _with_progress(plan: ScreeningPlan, engine: Engine) -> run.ScreeningOutcome:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("partitions"),
        TextColumn("{task.fields[firms]:,} firms"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("screening", total=None, firms=0)
        return run.screen(
            plan,
            engine,
            now=utc_now(),
            progress=lambda done, total, firms: bar.update(task, completed=done, total=total, firms=firms),
        )


def _print_summary(manifest: ScreeningManifest, summary: CitySummary) -> None:
    seconds = manifest["seconds"]["this_run"]
    click.echo(f"{summary['firms']:,} firms, {summary['rows']:,} rows in {seconds:.1f} s, model {manifest['model']}")
    click.echo(f"grades  {_counts(summary['grades'])}")
    click.echo(f"lists   {_counts(summary['lists'])}")


def _counts(counts: Mapping[str, int | None]) -> str:
    return "  ".join(f"{name} {'<10' if count is None else f'{count:,}'}" for name, count in counts.items())


screen.add_command(invoices)


@screen.command("list")
@click.argument("results", metavar="DIR")
@click.argument("name", type=click.Choice(["high_risk", "whitelist", "cultivation"]))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Firms to print.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole list as CSV instead.")
def list_firms(results: str, name: str, limit: int, to: Path | None) -> None:
    """Print or write a list of a screening: the riskiest firms, the whitelist, the cultivation pool.

    \b
    creditlink screen list var/screening whitelist --to var/whitelist.csv
    """
    opened = _open(results)
    _print(opened.firms_on(name).with_columns(reason_1=_reason_names(opened)), limit, to)


@screen.command()
@click.argument("results", metavar="DIR")
@click.option("--product", required=True, metavar="CODE", help="A product of the screening.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Firms to print.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole list as CSV instead.")
def push(results: str, product: str, limit: int, to: Path | None) -> None:
    """Print or write the push list of a product: firms that have it among their best five.

    A list of fewer than 10 firms is not given out.

    \b
    creditlink screen push var/screening --product PRODUCT_CODE --to var/push.csv
    """
    try:
        firms = _open(results).push_list(product)
    except KeyError:
        raise click.ClickException(f"product {product!r}: not part of this screening") from None
    if firms.height < 10:
        raise click.ClickException(f"product {product!r}: fewer than 10 firms, not given out")
    _print(firms, limit, to)


@screen.command()
@click.argument("results", metavar="DIR")
@click.option("--product", required=True, metavar="CODE", help="A product of --products.")
@click.option(
    "--products",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PRODUCTS,
    help="The file of the product; one that was never screened works too.",
)
@click.option("--move", nargs=2, metavar="SUBJECT LIMIT", type=(str, float), help="Move one number rule first.")
@click.option("--bank", is_flag=True, help="As a bank is answered: opted-in firms, counts in tens, none below 10.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def qualify(
    results: str, product: str, products: Path, move: tuple[str, float] | None, bank: bool, as_json: bool
) -> None:
    """Show how many firms qualify for a product, and how many more would if one rule moved.

    \b
    creditlink screen qualify var/screening --product PRODUCT_CODE
    creditlink screen qualify var/screening --product PRODUCT_CODE --move indicator.headcount 5
    """
    opened = _open(results)
    try:
        terms = _product(products, product)
        tried = move_rule(terms, *move) if move else terms
        answer = qualified(opened, tried, BY_NAME, discoverable_only=bank).to_dict(least=10 if bank else 1)
    except (ValueError, SeedInvalid) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(answer, indent=None)
        return
    click.echo(f"{product}: {_count(answer['qualify'])} of {_count(answer['population'])} firms qualify, "
               f"{_count(answer['undetermined'])} more could if their records were known")  # fmt: skip
    for rule in answer["rules"]:
        click.echo(f"  {rule['subject']} {rule['operator']} {rule['limit']}: {_count(rule['fails'])} fail, "
                   f"{_count(rule['alone'])} fail nothing else")  # fmt: skip
        for step in rule["steps"]:
            click.echo(f"    at {step['limit']:g} ({step['step']:.0%}): {_count(step['gained'])} more")


def _count(count: int | None) -> str:
    return "fewer than 10" if count is None else f"{count:,}"


def _product(products: Path, code: str) -> ProductTerms:
    _, terms = load_seed(products)
    for one in terms:
        if one.code == code:
            return one
    raise ValueError(f"product {code!r}: not in {products.name}")


def _open(address: str) -> Results:
    try:
        return Results(address)
    except (ResultsUnusable, StorageError) as error:
        raise click.ClickException(str(error)) from error


def _reason_names(opened: Results) -> pl.Expr:
    import polars as pl

    names = opened.manifest["reasons"]
    return pl.col("reason_1").replace_strict(list(range(len(names))), names, default=None, return_dtype=pl.String)


def _print(frame: pl.DataFrame, limit: int, to: Path | None) -> None:
    if to is not None:
        write_csv(frame, to)
        click.echo(f"{frame.height:,} firms written to {to}")
        return
    click.echo(csv_of(frame.head(limit)), nl=False)
    if frame.height > limit:
        click.echo(f"… {frame.height:,} firms in all", err=True)
