"""`creditlink watch …`: how the models in use are doing, and settling what the watch raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import click
from rich.console import Console
from sqlalchemy.orm import Session

from creditlink.cli.acting import named, person_for
from creditlink.cli.output import iso, print_json
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.processes.process import start
from creditlink.kit.settings import SettingError
from creditlink.lifecycle import restraint
from creditlink.lifecycle.steps import ModelStepRefused
from creditlink.staff.actor import RoleMissing
from creditlink.watch import acting, reading
from creditlink.watch.counting import WatchedModel
from creditlink.watch.rules.reference import POINTS

_day = click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Asia/Shanghai; default: as each command says.")


@click.group()
def watch() -> None:
    """Watch models in operation: drift of inputs and scores, missing data, outcomes, and what was done.

    \b
    creditlink watch run --day 2026-11-29
    creditlink watch show --purpose underwriting
    creditlink watch series sales_12_fen --purpose underwriting --model city-2026g
    creditlink watch alarms
    creditlink watch close alm_… --resolution "the tax office changed its form" --as ben
    creditlink watch lift underwriting --reason "inputs are back" --as ben

    The worker does `run` three times a day. At 0.25 of the score the fall-back model of config/watch.toml serves; the
    way back is creditlink models rollback.
    """


@contextmanager
def _transaction() -> Iterator[Session]:
    _, database = start("owner")
    try:
        with database.transaction("owner") as session:
            yield session
    except NotFound as missing:
        raise click.ClickException(missing.detail or "there is no such alarm, freeze or series") from None
    except (ModelStepRefused, RoleMissing) as refused:
        raise click.ClickException(str(refused)) from None


@watch.command()
@_day
def run(day: datetime | None) -> None:
    """Count and judge the profiles of one day, default yesterday, and act on what is found; again changes nothing."""
    from creditlink.watch.tasks import watch_day

    start("worker")
    now = utc_now()
    watched = _date(day) or day_of(now) - timedelta(days=1)
    if watched > day_of(now):
        raise click.ClickException(f"--day {watched.isoformat()}: it has not come yet")
    console = Console(stderr=True)
    try:
        with console.status("outcomes") as status:
            done = watch_day(watched, now=now, step=status.update)
    except SettingError as error:
        raise click.ClickException(str(error)) from None
    print_json(
        {"day": done.day, "models": done.models, "done": done.tally.done, "failed": done.tally.failed}, default=iso
    )
    if done.tally.failed:
        raise click.ClickException("some models could not be judged: creditlink jobs dead says why")


@watch.command()
@_day
@click.option("--purpose", help="Only of this purpose.")
def show(day: datetime | None, purpose: str | None) -> None:
    """Show each live model on a day; default: the last one watched."""
    with _transaction() as session:
        print_json(reading.overview(session, _date(day), purpose), default=iso)


@watch.command()
@click.argument("series", default=POINTS)
@click.option("--purpose", required=True, help="The purpose.")
@click.option("--model", "model_id", required=True, help="The model.")
@_day
def series(series: str, purpose: str, model_id: str, day: datetime | None) -> None:
    """Show one series day by day: points, grade, an indicator, points@region:4406, coverage.tax, override."""
    with _transaction() as session:
        print_json(reading.course(session, WatchedModel(purpose, model_id), series, _date(day)), default=iso)


@watch.command()
@click.option("--closed", is_flag=True, help="Those that are closed.")
def alarms(closed: bool) -> None:
    """List alarms, the newest first."""
    with _transaction() as session:
        print_json(reading.alarms(session, is_open=not closed), default=iso)


@watch.command()
@click.argument("alarm_id")
@click.option("--resolution", required=True, help="What was found and done.")
@named
def close(alarm_id: str, resolution: str, who: str | None) -> None:
    """Close an alarm; a freeze is lifted and a fall-back rolled back by acts of their own."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "risk", "operator", now=now)
        print_json(
            reading.alarm_json(acting.close(session, alarm_id, by=by, resolution=resolution, now=now)), default=iso
        )


@watch.command()
@click.argument("purpose")
@click.option("--reason", required=True, help="Why the model may decide alone again.")
@named
def lift(purpose: str, reason: str, who: str | None) -> None:
    """End a freeze: the live model of the purpose decides alone again."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "risk", "operator", now=now)
        print_json({"purpose": purpose, "model": restraint.lift(session, purpose, by=by, reason=reason, now=now)})


def _date(day: datetime | None) -> date | None:
    return None if day is None else day.date()
