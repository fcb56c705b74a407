"""`creditlink jobs …`: how the lanes of background work are doing, what failed, doing it again."""

from __future__ import annotations

import click

from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.output import iso, print_json
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.jobs import dead_letters, lanes
from creditlink.kit.processes.process import start
from creditlink.operations import service


@click.group()
def jobs() -> None:
    """See how background work is doing and what failed, and do it again."""


@jobs.command("lanes")
def show_lanes() -> None:
    """Show each lane: well, starved or dead, how many jobs wait, and how long the oldest has."""
    _, database = start("owner")
    with database.transaction("owner") as session:
        alive, healths = lanes.health(session)
        letters = dead_letters.count_open(session)
    print_json({"alive": alive, "lanes": {lane.lane: lane.as_json() for lane in healths}, "dead_letters": letters})


@jobs.command("dead")
@click.option("--task", help="Only of this task.")
@click.option("--closed", is_flag=True, help="Those that were closed, instead of those that are open.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
def list_dead(task: str | None, closed: bool, limit: int) -> None:
    """List work that failed: jobs that were given up, and items that their sweep tries again later."""
    _, database = start("owner")
    with database.transaction("owner") as session:
        page, _ = dead_letters.page_of(session, task=task, is_open=not closed, cursor=None, limit=limit)
        print_json([dead_letters.as_json(letter) for letter in page], default=iso)


def _act(wire_ids: tuple[str, ...], task: str | None, act: service.Act, who: str | None) -> None:
    if bool(wire_ids) == (task is not None):
        raise click.UsageError("name dead letters by id, or all open ones of a task with --task")
    _, database = start("owner")
    with database.transaction("owner") as session:
        done, actor = [], name_of(actor_for(session, who, "operator", now=utc_now()))
        for wire_id in wire_ids or [letter.wire_id for letter in dead_letters.of_task(session, task or "")]:
            try:
                letter = dead_letters.letter_of(session, wire_id)
                service.act_on(session, letter, act, actor=actor, now=utc_now())
            except NotFound:
                raise click.ClickException(f"there is no dead letter {wire_id!r}; nothing was done") from None
            except Conflict as conflict:
                raise click.ClickException(f"{wire_id}: {conflict.detail}; nothing was done") from None
            done.append(wire_id)
        print_json({act: done})


@jobs.command()
@click.argument("wire_ids", nargs=-1, metavar="[ID]...")
@click.option("--task", help="All open ones of this task.")
@named
def retry(wire_ids: tuple[str, ...], task: str | None, who: str | None) -> None:
    """Do failed work again: a job is queued once more, an item is taken by the next sweep."""
    _act(wire_ids, task, "retry", who)


@jobs.command()
@click.argument("wire_ids", nargs=-1, metavar="[ID]...")
@click.option("--task", help="All open ones of this task.")
@named
def drop(wire_ids: tuple[str, ...], task: str | None, who: str | None) -> None:
    """Close dead letters without doing their work."""
    _act(wire_ids, task, "drop", who)
