"""`creditlink train table`: the trainer on a table that it has never seen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import NotRequired, TypedDict

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditlink.cli.output import print_json
from creditlink.training.table.file import RawTable, TableError, TableFinding, names_like, read_table
from creditlink.training.table.leaks import Leak, find_leaks
from creditlink.training.table.run import (
    Fit,
    FoldFigures,
    LaterFigures,
    TableFigures,
    Trainer,
    cross_validate,
    even_cuts,
    later_rows,
    out_of_time,
)
from creditlink.training.table.table import Roles, Table, prepare
from creditlink.training.validation.document import six_digits

LISTS = ("--exclude", "--id", "--allow-leak", "--riskier", "--safer")
FLAGS = ("--json", "--challenger", "--leaf-wise", "--no-header", "--drop-leaks")
STRONGEST = 8
"""Columns that the text report names; JSON has all."""

STOPPED = 3
"""Exit status of a run that a leak stopped."""


class JudgedTable(TypedDict):
    """How good one trainer is on a table; `out_of_time` is None where no column of time was named."""

    cross_validated: FoldFigures
    out_of_time: LaterFigures | None


class TableReport(TypedDict):
    """The report of a run; a leak that stops it leaves out what follows `stopped`."""

    file: str
    target: str
    event: str
    rows: int
    events: int
    event_rate: float
    columns: dict[str, str]
    left_out: dict[str, str]
    warnings: list[dict[str, object]]
    leaks: list[dict[str, object]]
    stopped: bool
    cross_validated: NotRequired[FoldFigures]
    out_of_time: NotRequired[LaterFigures | None]
    challenger: NotRequired[JudgedTable]
    seed: NotRequired[int]
    parameters: NotRequired[dict[str, float]]
    seconds: NotRequired[float]


class ColumnsCommand(click.Command):
    """A command whose options of columns take several: `--exclude A B`, `--exclude A --exclude B`, `--exclude A,B`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat an option of columns before each of its values."""
        spread: list[str] = []
        current: str | None = None
        after_option = False  # an option of another kind takes one value
        files = 0
        for word in args:
            if word.startswith("--"):
                current = word if word in LISTS else None
                after_option = current is None and word not in FLAGS
                after_option = after_option and "=" not in word and word != "--help"
                if current is None:
                    spread.append(word)
            elif current is not None:
                spread += [current, word]
                if not files:
                    current = None  # the file has not been named yet: the next word may be it
            else:
                files += not after_option
                after_option = False
                spread.append(word)
        return super().parse_args(ctx, spread)


@click.command(cls=ColumnsCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--target", required=True, metavar="COL", help="The outcome: a column of two values.")
@click.option("--event", metavar="VALUE", help="Which value of the target is the event; else 1, the larger, or a word.")
@click.option("--folds", type=click.IntRange(2, 50), default=5, show_default=True, help="Folds of the validation.")
@click.option("--weights", metavar="COL", help="A column of positive weights.")
@click.option("--time", "time_column", metavar="COL", help="A date or number; also judge on the newest quarter.")
@click.option("--id", "ids", multiple=True, metavar="COL…", help="Columns that identify; such rows share a fold.")
@click.option("--exclude", multiple=True, metavar="COL…", help="Columns to leave out.")
@click.option("--riskier", multiple=True, metavar="COL…", help="Columns in which more must never be safer.")
@click.option("--safer", multiple=True, metavar="COL…", help="Columns in which more must never be riskier.")
@click.option("--allow-leak", multiple=True, metavar="COL…", help="Train on a column although a leak check names it.")
@click.option("--drop-leaks", is_flag=True, help="Leave out the columns that would stop the run, and go on.")
@click.option("--challenger", is_flag=True, help="Also judge a WOE scorecard on the same folds (training extra).")
@click.option("--leaf-wise", is_flag=True, help="Let half of the boosters be LightGBM's (training extra).")
@click.option("--no-header", is_flag=True, help="The first line is data; columns are column_1, column_2 …")
@click.option("--seed", type=int, default=2026, show_default=True, help="Folds and sampling.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def table(
    file: Path,
    target: str,
    event: str | None,
    folds: int,
    weights: str | None,
    time_column: str | None,
    ids: tuple[str, ...],
    exclude: tuple[str, ...],
    riskier: tuple[str, ...],
    safer: tuple[str, ...],
    allow_leak: tuple[str, ...],
    drop_leaks: bool,
    challenger: bool,
    leaf_wise: bool,
    no_header: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Judge the trainer on a table that it has never seen: Parquet, or text with any separator.

    \b
    creditlink train table loans.csv --target default --folds 10 --exclude status,closed_on --json
    creditlink train table loans.parquet --target bad --time granted_on --riskier debt_ratio --safer age

    Numbers, dates, categories and missing values are taken as they are: -$0.11, (1,250.50), 53.433,00, 4,8857e-05,
    1.5万, 12%, 31-Jan-10, 2010年1月31日. What else stands in a column of numbers or dates is missing, and counted with
    its first row and value. Up to 64 levels of a category are split as they are; of more, their rates are learned.

    Held-out folds give AUC, KS, Brier and ECE of calibrated probabilities, and how far each column moves the log-odds
    of a row, exactly; with --time, a fit on the older rows is judged on the newest quarter as well.

    Rows of one --id share a fold. Without one, copies do: equal rows, up to 1 % of the table, that chance does not
    explain. Other equal rows are different cases. A fold beyond 1.5 times its even share is warned of; one of more
    than half of the rows or events ends the run.

    Before any training the columns are checked for what cannot have been known beforehand (leaks), and for what was
    made of it: its logarithm, a ratio, a date plus a term. Such a run stops with the column's name and status 3, unless
    --allow-leak COL or --drop-leaks says how to go on. What was odd about the table is counted and reported; what makes
    it unusable ends the run with file, column, row and value.
    """
    console = Console(stderr=True)
    began = time.monotonic()
    odd: Sequence[TableFinding] = ()
    try:
        raw = read_table(file, header=not no_header)
        known, odd = raw.frame.columns, raw.findings
        lists = [_column_names(values, known) for values in (ids, exclude, riskier, safer, allow_leak)]
        roles = Roles(target, event, weights, time_column, lists[0], lists[1])
        data = prepare(raw, roles, folds=folds)
        odd = data.findings
        data = replace(data, findings=(*odd, *even_cuts(data, folds, seed)[1]))
        directions = _directions(raw, data, lists[2], lists[3])
        refuse_absent(raw, lists[4])
        if time_column is not None:
            later_rows(data)
        leaks = find_leaks(data.columns, data.is_bad, as_of=data.as_of, excluded=data.excluded, group=data.group)
        stops = {leak.column: f"leak: {leak.message}" for leak in leaks if leak.severity == "stop"}
        stops = {name: why for name, why in stops.items() if name not in lists[4]}
        report = _about(data, leaks)
        if stops and not drop_leaks:
            _stop(report, [leak for leak in leaks if leak.column in stops], as_json=as_json)
        data = data.without(stops)
        if leaf_wise:
            _need("lightgbm", "--leaf-wise")
        trainers: dict[str, Fit] = {"": Trainer(directions=directions, leaf_wise=leaf_wise)}
        if challenger:
            trainers["challenger"] = _challenger(directions)
        with _progress(console, len(trainers) * (folds + (time_column is not None))) as step:
            for name, fit in trainers.items():
                judged: JudgedTable = {
                    "cross_validated": cross_validate(
                        # The scorecard's library is not safe for threads.
                        data,
                        fit,
                        folds=folds,
                        seed=seed,
                        workers=1 if name else os.cpu_count() or 1,
                        step=step,
                    ),
                    "out_of_time": None,
                }
                if time_column is not None:
                    judged["out_of_time"] = out_of_time(data, fit, seed=seed)
                    step()
                if name:
                    report["challenger"] = judged
                else:
                    report["cross_validated"] = judged["cross_validated"]
                    report["out_of_time"] = judged["out_of_time"]
    except (TableError, ValueError) as error:
        for finding in odd:
            click.echo(f"warning: {_finding(finding)}", err=True)
        raise click.ClickException(str(error)) from None
    report["left_out"], report["columns"] = data.left_out, _kinds(data)
    report["seed"], report["parameters"] = seed, Trainer().parameters.to_json()
    report["seconds"] = round(time.monotonic() - began, 1)
    if as_json:
        print_json(six_digits(report), indent=1)
    else:
        click.echo(_text(report, data.findings, leaks))


def _column_names(values: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of an option; `A,B` are two, unless a column is called so."""
    out: list[str] = []
    for value in values:
        out += [value] if value in columns else [part.strip() for part in value.split(",") if part.strip()]
    return tuple(dict.fromkeys(out))


def refuse_absent(raw: RawTable, names: Sequence[str]) -> None:
    """Raise TableError for the first name that is not a column."""
    for name in names:
        if name not in raw.frame.columns:
            raise TableError(
                f"{raw.name}: there is no column {name!r}; there are {names_like(name, raw.frame.columns)}"
            )


def _directions(raw: RawTable, data: Table, riskier: Sequence[str], safer: Sequence[str]) -> dict[str, int]:
    refuse_absent(raw, [*riskier, *safer])
    both = set(riskier) & set(safer)
    if both:
        raise TableError(f"{raw.name}: column {min(both)} cannot be both riskier and safer")
    for name in (*riskier, *safer):
        if name in data.columns.columns and data.kind(name) == "category":
            raise TableError(f"{raw.name}: column {name} holds categories, which have no more or less")
    return dict.fromkeys(riskier, 1) | dict.fromkeys(safer, -1)


def _need(package: str, option: str) -> None:
    if find_spec(package) is None:
        raise TableError(f"{option} needs the training extra: pip install 'creditlink[training]'")


def _challenger(directions: dict[str, int]) -> Fit:
    _need("optbinning", "--challenger")
    from creditlink.training.fitting.challenger import ScorecardTrainer

    return ScorecardTrainer(directions)


def _about(data: Table, leaks: Sequence[Leak]) -> TableReport:
    return {
        "file": data.file,
        "target": data.target,
        "event": data.event,
        "rows": len(data.is_bad),
        "events": int(data.is_bad.sum()),
        "event_rate": float(data.is_bad.mean()),
        "columns": _kinds(data),
        "left_out": data.left_out,
        "warnings": [finding.to_dict() for finding in data.findings],
        "leaks": [leak.to_dict() for leak in leaks],
        "stopped": False,
    }


def _kinds(data: Table) -> dict[str, str]:
    return {name: data.kind(name) for name in data.columns.columns}


def _stop(report: TableReport, stops: Sequence[Leak], *, as_json: bool) -> None:
    if as_json:
        print_json(six_digits({**report, "stopped": True}), indent=1)
    names = " ".join(dict.fromkeys(leak.column for leak in stops))
    click.echo(f"Error: {report['file']}: columns that know the outcome: {names}", err=True)
    for leak in stops:
        click.echo(f"  {leak}", err=True)
    click.echo("Leave them out with --exclude or --drop-leaks, or keep one with --allow-leak COL.", err=True)
    raise SystemExit(STOPPED)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("folds", total=total)
        yield lambda: progress.advance(task)


def _text(report: TableReport, findings: Sequence[TableFinding], leaks: Sequence[Leak]) -> str:
    lines = [f"{report['file']}: {report['rows']} rows, {report['events']} events ({report['event_rate']:.2%})"]
    lines += [f"warning: {_finding(finding)}" for finding in findings]
    lines += [f"leak ({leak.severity}): column {leak.column}: {leak.message}" for leak in leaks]
    lines += _judgements("", report["cross_validated"], report["out_of_time"])
    if "challenger" in report:
        lines += _judgements("scorecard ", report["challenger"]["cross_validated"], report["challenger"]["out_of_time"])
    return "\n".join(lines)


def _judgements(name: str, folds: FoldFigures, later: LaterFigures | None) -> Iterator[str]:
    yield _quality(f"{name}cross validated", folds, f" ± {folds['auc_sd']:.4f} over {folds['folds']} folds")
    if folds["influence"]:
        strongest = list(folds["influence"].items())[:STRONGEST]
        yield f"{name}moved most by: " + ", ".join(f"{column} {moved:.2f}" for column, moved in strongest)
    if later is not None:
        yield _quality(f"{name}out of time", later, f" from {later['first']} on")


def _quality(case: str, m: TableFigures, spread: str) -> str:
    return f"{case}: AUC {m['auc']:.4f}{spread}  KS {m['ks']:.3f}  Brier {m['brier']:.4f}  ECE {m['ece']:.4f}"


def _finding(finding: TableFinding) -> str:
    where = f"column {finding.column}: " if finding.column else ""
    return f"{where}{finding.message} ({finding.count}" + (f", first in row {finding.row})" if finding.row else ")")
