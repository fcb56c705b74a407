"""Where the commands that learn from outcomes get their applicants: a file, or the archive of decisions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.orm import Session

from creditlink.cli.acting import named
from creditlink.cli.decisions import archive_of, reader_from
from creditlink.decisions.archive import RecordDamaged
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import InsufficientRole
from creditlink.kit.postgres import db
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings
from creditlink.training.outcomes.applicants import Applicants, read_applicants

Command = TypeVar("Command", bound=Callable[..., object])

HORIZON_MONTHS = 12


def source(command: Command) -> Command:
    """Give a command the options that say where its applicants come from."""
    for option in (
        named,
        click.option("--from-database", is_flag=True, help="The archive of decisions on this platform."),
        click.option(
            *("--applicants", "file"),
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file of `financing labels --declined`: .csv or .parquet.",
        ),
    ):
        command = option(command)
    return command


def applicants_from(file: Path | None, from_database: bool, who: str | None, *, declined: bool) -> Applicants:
    """Return the applicants that the options of `source` name.

    Raises
    ------
    click.UsageError
        Neither or both are named.
    OutcomesUnusable
        The file cannot be used.
    """
    if (file is None) == (not from_database):
        raise click.UsageError("give either --applicants FILE or --from-database")
    if file is not None:
        return read_applicants(file, horizon_months=HORIZON_MONTHS)
    settings, database = start("owner")
    with database.transaction("owner", db.Viewer(actor="audit")) as session:
        return opened(session, settings, who, cut=day_of(utc_now()), horizon_months=HORIZON_MONTHS, declined=declined)


def opened(
    session: Session, settings: Settings, who: str | None, *, cut: date, horizon_months: int, declined: bool
) -> Applicants:
    """Return what the archive holds, in the name of somebody of the risk team; every look is in its firm's log."""
    # What this loads takes a second, which the help should not wait for.
    from creditlink.training.outcomes.archived import PURPOSE, ROLE, from_archive

    reader = reader_from(session, who, ROLE, PURPOSE)
    with progress(Console(stderr=True)) as bar:
        task = bar.add_task("records", total=None)
        try:
            return from_archive(
                session,
                reader,
                kept=archive_of(settings),
                cut=cut,
                horizon_months=horizon_months,
                now=utc_now(),
                declined=declined,
                step=lambda done, every: bar.update(task, completed=done, total=every),
            )
        except (InsufficientRole, RecordDamaged) as error:
            raise click.ClickException(str(error)) from None


def progress(console: Console) -> Progress:
    """Return a progress bar in the form of all training commands."""
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
