"""`creditlink financing …`: the funnel, answer times, outcomes from a file, labels to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import select

from creditlink.audit import service as audit
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.output import print_json
from creditlink.financing.funnel import cases, learning
from creditlink.financing.funnel.funnel import DIMENSIONS, FunnelGroup, funnel, league
from creditlink.financing.loans.labels import GAPS, HORIZON_MONTHS, LABELS
from creditlink.financing.loans.outcome_file import OutcomeInvalid, read_lines
from creditlink.financing.loans.reporting import AT_ONCE, OutcomeReport, take_lines
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.files.textfile import read_file
from creditlink.kit.postgres import db
from creditlink.kit.processes.process import start

_FORMS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


@click.group()
def financing() -> None:
    """See what became of financing requests, and take in what lenders report."""


@financing.command("funnel")
@click.option("--by", type=click.Choice(list(DIMENSIONS)), default="institution", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show_funnel(by: str, as_json: bool) -> None:
    """Show applied, approved, drawn and repaid, each apart; groups of under ten firms together as `other`."""
    start("owner")
    with db.transaction() as session:
        rows = funnel(cases.cases_of(session), by)
    _print(rows, as_json, title=f"Funnel by {by}")


@financing.command("answer-times")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def answer_times(as_json: bool) -> None:
    """Show institutions by how soon they answer, the quickest first."""
    start("owner")
    with db.transaction() as session:
        rows = league(cases.cases_of(session))
    _print(rows, as_json, title="Answer times")


def _print(rows: list[FunnelGroup], as_json: bool, *, title: str) -> None:
    if as_json:
        for row in rows:
            print_json(row.to_dict(), indent=None)
        return
    if not rows:
        click.echo("fewer than ten firms: nothing is told")
        return
    table = Table(
        "group", "firms", "applied", "approved", "drawn", "repaid", "90 days late", "median hours", title=title
    )
    for row in rows:
        hours = "" if row.median_answer_hours is None else f"{row.median_answer_hours:.1f}"
        counts = (row.firms, row.applied, row.approved, row.drawn, row.repaid, row.overdue_90)
        table.add_row(row.key, *map(str, counts), hours)
    Console().print(table)


@financing.command()
@click.option("--json", "as_json", is_flag=True, help="The whole model as published.")
@named
def learn(as_json: bool, who: str | None) -> None:
    """Fit approval odds to what lenders answered so far, and order products by them from now on.

    A curve for each kind of product with at least 80 answers, 20 of each sort; its calibration is measured on answers
    that it was not fitted to. Kinds with fewer answers are named and go by the curve of all kinds together; while even
    that has too few, all keep the published rule.
    """
    start("owner")
    with db.transaction() as session:
        now = utc_now()
        actor = name_of(actor_for(session, who, "operator", "risk", "model_owner", now=now))
        model = learning.learn(session, now=now)
        audit.record(
            session, action="approval.learn", result="done", actor=actor, now=now,
            detail={"model": model.sha256, "curves": len(model.curves)},
        )  # fmt: skip
    if as_json:
        print_json(model.to_dict(), indent=None)
        return
    table = Table("kind", "answers", "approved", "AUC", "Brier", "ECE", title=f"Approval odds {model.sha256[:16]}")
    for curve in (*model.curves, *([model.general] if model.general else [])):
        table.add_row(
            curve.kind, str(curve.answers), str(curve.approvals), str(curve.auc), str(curve.brier), str(curve.ece)
        )
    for kind, answers in model.too_few.items():
        stands = "the curve of all kinds" if model.general else "the published rule"
        table.add_row(kind, str(answers), f"too few answers: {stands}", "", "", "")
    Console().print(table)


@financing.command("labels")
@click.option("--as-of", "cut", type=click.DateTime(["%Y-%m-%d"]), help="Day whose knowledge counts; default today.")
@click.option("--horizon", default=12, show_default=True, type=click.IntRange(*HORIZON_MONTHS), help="In months.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .parquet or .csv file.")
@click.option(
    *("--city", "folder"),
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Compute indicators from this city's records; without it, they are those of the sealed decisions.",
)
@click.option("--declined", is_flag=True, help="Declined firms too, without an outcome, and what was decided.")
@named
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def write_labels(
    cut: datetime | None, horizon: int, out: Path, folder: Path | None, declined: bool, who: str | None, as_json: bool
) -> None:
    """Write a table to learn from: a firm's indicators when it asked, and whether its loan went bad.

    Bad is 90 days past due, or written off, within the horizon after the indicators' day. What lenders told after
    --as-of does not count, nor a correction known later. Loans whose horizon is not over, or was not reported to its
    end, are left out and counted. Rows name no firm: `firm` is a number of this file, the same for loans of one firm.
    They hold its numbers all the same: delete the file when the model is trained.

    \b
    creditlink financing labels --as-of 2026-10-31 --horizon 12 --city var/city --out var/labels.parquet
    creditlink train table var/labels.parquet --target is_bad --id firm --time as_of
    creditlink financing labels --as wang --declined --out var/applicants.parquet

    Without --city, records are opened in the name of somebody of the risk team, and each is in its firm's log. Firms
    that withdrew or asked for deletion are left out.
    """
    from creditlink.cli.training.learning import opened
    from creditlink.profiles.serving.in_use import model_in_use
    from creditlink.training import labelled
    from creditlink.training.city import CityError, read_city

    if out.suffix not in labelled.FORMS:
        raise click.BadParameter(f"{out.name}: must end in {', '.join(labelled.FORMS)}", param_hint="--out")
    if declined and folder is not None:
        raise click.UsageError("--declined: a city's records do not say what was decided; leave --city out")
    settings, database = start("owner")
    day = day_of(utc_now()) if cut is None else cut.date()
    counts: Mapping[str, int]
    try:
        with database.transaction("owner", db.Viewer(actor="audit")) as session:
            if folder is None:
                found = opened(session, settings, who, cut=day, horizon_months=horizon, declined=declined)
                counts, rows = found.counts, found.rows
                rows = rows if declined else rows.select(*labelled.SCHEMA, *labelled.INDICATORS)
            else:
                reference = model_in_use(session, settings).reference
                table = labelled.from_city(session, read_city(folder), reference, cut=day, horizon_months=horizon)
                counts, rows = table.counts, table.rows
    except CityError as wrong:
        raise click.ClickException(str(wrong)) from None
    labelled.write(rows, out)
    if as_json:
        print_json({"as_of": day.isoformat(), "horizon_months": horizon, "counts": dict(counts)}, indent=None)
        return
    for name, count in counts.items():
        click.echo(f"{count:7} {name}: {LABELS.get(name) or GAPS[name]}")
    click.echo(f"{out}: {rows.height} rows")


@financing.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--institution", required=True, help="Code of the institution whose loans these are.")
@named
def outcomes(file: Path, institution: str, who: str | None) -> None:
    """Take in a lender's FILE of outcomes (.csv or .ndjson).

    Good lines go in, 500 at a time; each wrong one is named with line, field and value. A run that was cut off
    is simply repeated: nothing is recorded twice. The exit code is 1 when lines were wrong.

    \b
    application_id,kind,on,amount_fen,days_past_due,reference
    app_…,draw,2026-03-05,50000000,,first
    app_…,repayment,2026-04-01,45000000,0,
    """
    form = _FORMS.get(file.suffix.lower())
    if form is None:
        raise click.BadParameter(f"{file.name}: must end in {', '.join(_FORMS)}", param_hint="FILE")
    start("owner")
    with db.transaction() as session:
        actor = name_of(actor_for(session, who, "operator", now=utc_now()))
        known = session.scalar(select(Institution.id).where(Institution.code == institution))
    if known is None:
        raise click.BadParameter(f"{institution!r} is not a registered institution", param_hint="--institution")
    try:
        lines = list(read_lines(read_file(file), form=form))
    except OutcomeInvalid as wrong:
        raise click.ClickException(f"{file.name}: line 1: {wrong}") from None
    total, waiting = OutcomeReport(), iter(lines)
    columns = (TextColumn("outcomes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("outcomes", total=len(lines))
        while part := list(islice(waiting, AT_ONCE)):
            with db.transaction() as session:
                total += take_lines(session, known, part, actor=actor, now=utc_now())
            progress.advance(task, len(part))
    for error in total.errors:
        click.echo(
            f"{file.name}: line {error.line}: field {error.field!r}: value {error.value!r}: {error.problem}", err=True
        )
    click.echo(
        f"{total.lines} lines: {total.recorded} recorded, {total.unchanged} known already, {len(total.errors)} wrong"
    )
    if total.errors:
        raise SystemExit(1)
