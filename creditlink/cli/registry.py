"""`creditlink registry …`: the operator loads what the registry says, and clears its codes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

import click
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import FILE, refusing
from creditlink.cli.output import print_json
from creditlink.enterprises.registry import clearing, loads
from creditlink.enterprises.registry.clearing import ClearingQuery
from creditlink.enterprises.registry.feed_file import FeedRow, FormUnknown, read_feed
from creditlink.enterprises.registry.loads import Opening
from creditlink.enterprises.registry.tables import RegistryLoad
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import Problem
from creditlink.kit.files.csvexport import write_csv
from creditlink.kit.files.csvfile import HeaderInvalid
from creditlink.kit.files.textfile import decode
from creditlink.kit.keyring import Secret
from creditlink.kit.processes.process import start

_STAGED = 1_000
_SHOWN = 1_000
Transactions = Callable[[], AbstractContextManager[Session]]


@contextmanager
def _transaction() -> Iterator[Session]:
    """Open the operator's transaction; a refusal ends the command with one line and undoes everything."""
    _, database = start("owner")
    with refusing(Problem), database.transaction("owner") as session:
        yield session


@click.group()
def registry() -> None:
    """Load the registry of firms, and clear codes that cannot be right."""


@registry.command("load")
@click.argument("file", type=FILE)
@click.option("--full", "kind", flag_value="full", help="FILE lists every firm: who is not in it is marked.")
@click.option("--incremental", "kind", flag_value="incremental", help="FILE has what changed, each row numbered.")
@click.option("--source", default="registrar", show_default=True, help="Whose numbers the rows have.")
@click.option("--region", default="", help="Of a full list: first digits of GB/T 2260 that it is complete for.")
@click.option(
    *("--most-unlisted", "most_unlisted"),
    type=click.FloatRange(0, 100),
    default=loads.MOST_UNLISTED_BPS / 100,
    show_default=True,
    help="Percent of the known firms that a full list may lack; beyond that none is marked.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would do, and do nothing.")
@named
def load(
    file: Path, kind: str | None, source: str, region: str, most_unlisted: float, dry_run: bool, who: str | None
) -> None:
    """Take FILE (CSV or JSON lines) into the registry; wrong rows are named and kept aside, the rest go in.

    The same file again changes nothing, and an interrupted load goes on where it stopped. Ends with status 1 when rows
    were refused.

    \b
    creditlink registry load changes.ndjson --incremental
    creditlink registry load foshan.csv --full --region 4406 --dry-run
    """
    if kind is None:
        raise click.UsageError("say --full or --incremental")
    content = file.read_bytes()
    wanted = Opening(source, kind, region, hashlib.sha256(content).hexdigest(), round(most_unlisted * 100))
    try:
        rows = list(read_feed(decode(content), file.name))
    except (HeaderInvalid, FormUnknown) as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    settings, database = start("owner")
    with refusing(Problem):
        if dry_run:
            with database.transaction("owner") as session:
                answer = _load(lambda: _joined(session), rows, wanted, settings.secret_key, who)
                session.rollback()
        else:
            answer = _load(lambda: database.transaction("owner"), rows, wanted, settings.secret_key, who)
    print_json({"dry_run": dry_run, **answer})
    if answer["refused"]:
        raise click.exceptions.Exit(1)


@contextmanager
def _joined(session: Session) -> Iterator[Session]:
    yield session


def _load(
    transactions: Transactions, rows: list[FeedRow], wanted: Opening, secret: Secret, who: str | None
) -> dict[str, object]:
    """Stage the rows, take them batch by batch, end the load; each step in a transaction of its own."""
    with transactions() as session:
        opened = loads.open_load(session, wanted, actor=_name(session, who), now=utc_now())
    with _progress(len(rows)) as advance:
        left = iter(rows) if opened.state == "open" else iter(())
        while part := list(islice(left, _STAGED)):
            with transactions() as session:
                loads.stage(session, opened, part)
        with transactions() as session:
            loads.mark_ready(session.get_one(RegistryLoad, opened.id), utc_now())
        taken = 1
        while taken:
            with transactions() as session:
                load_now = session.get_one(RegistryLoad, opened.id)
                taken = loads.take_batch(session, load_now, secret=secret, now=utc_now())
            advance(taken)
    with transactions() as session:
        ended = session.get_one(RegistryLoad, opened.id)
        loads.finish(session, ended, now=utc_now())
        return {**loads.as_json(session, ended), "refused": loads.refused_rows(session, ended, limit=_SHOWN)}


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show on standard error how many rows are taken; the answer alone is on standard output."""
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=total)
        yield lambda taken: bar.advance(task, taken)


@registry.command("show")
@click.argument("load_id")
@click.option("--after", type=click.IntRange(0), default=0, help="Only refused rows after this one.")
def show(load_id: str, after: int) -> None:
    """Say how a load went, and which rows were kept aside and why."""
    with _transaction() as session:
        found = loads.load_of(session, load_id)
        print_json({**loads.as_json(session, found), "refused": loads.refused_rows(session, found, after=after)})


@registry.group("clearing")
def clearing_list() -> None:
    """Codes that are wrong, shared by two firms, or a slip of the pen away from another's."""


def _name(session: Session, who: str | None) -> str:
    return name_of(actor_for(session, who, "operator", now=utc_now()))


_STATE = click.option("--state", type=click.Choice([*clearing.STATES, "all"]), default="open", show_default=True)
_KIND = click.option("--kind", type=click.Choice(clearing.KINDS))


@clearing_list.command("scan")
def scan() -> None:
    """Look through the whole registry now; every load does it at its end."""
    with _transaction() as session:
        print_json(clearing.scan(session, now=utc_now()))


@clearing_list.command("list")
@_STATE
@_KIND
@click.option("--owner")
@click.option("--cursor", help="Where the list before ended: its next_cursor.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
def list_clearings(state: str, kind: str | None, owner: str | None, cursor: str | None, limit: int) -> None:
    """List the codes to be cleared, the newest first; an exception that has run out is open again."""
    query = ClearingQuery(limit, None if state == "all" else state, kind, owner, cursor)
    with _transaction() as session:
        today = day_of(utc_now())
        page, following = clearing.page_of(session, query, today=today)
        print_json({"items": [clearing.as_json(one, today=today) for one in page], "next_cursor": following})


@clearing_list.command("assign")
@click.argument("clearing_id")
@click.option("--owner", required=True, help="Who clears it.")
@named
def assign(clearing_id: str, owner: str, who: str | None) -> None:
    """Say who clears an entry."""
    with _transaction() as session:
        item = clearing.clearing_of(session, clearing_id)
        clearing.assign(session, item, owner, actor=_name(session, who), now=utc_now())
        print_json(clearing.as_json(item, today=day_of(utc_now())))


@clearing_list.command("except")
@click.argument("clearing_id")
@click.option("--evidence", required=True, help="Why the code is real, such as a licence that was seen.")
@click.option(
    "--until",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day on which it is open again.",
)
@named
def confirm_exception(clearing_id: str, evidence: str, until: datetime, who: str | None) -> None:
    """Confirm that a code is real although it looks wrong, for a time."""
    with _transaction() as session:
        item = clearing.clearing_of(session, clearing_id)
        clearing.confirm_exception(
            session, item, evidence, ends_on=until.date(), actor=_name(session, who), now=utc_now()
        )
        print_json(clearing.as_json(item, today=day_of(utc_now())))


@clearing_list.command("expire")
@click.argument("clearing_id")
@click.option("--reason", required=True, help="Why the exception no longer holds.")
def expire(clearing_id: str, reason: str) -> None:
    """End an exception before its day: the entry is open again."""
    with _transaction() as session:
        item = clearing.clearing_of(session, clearing_id)
        clearing.expire(session, item, reason, now=utc_now())
        print_json(clearing.as_json(item, today=day_of(utc_now())))


@clearing_list.command("close")
@click.argument("clearing_id")
@click.option("--resolution", required=True, help="How it was corrected at the source.")
@named
def close(clearing_id: str, resolution: str, who: str | None) -> None:
    """Close an entry that was corrected at the source."""
    with _transaction() as session:
        item = clearing.clearing_of(session, clearing_id)
        clearing.close(session, item, resolution, actor=_name(session, who), now=utc_now())
        print_json(clearing.as_json(item, today=day_of(utc_now())))


@clearing_list.command("export")
@click.argument("to", type=click.Path(dir_okay=False, path_type=Path))
@_STATE
@_KIND
def export(to: Path, state: str, kind: str | None) -> None:
    """Write the list as CSV to TO, for the registrar."""
    query = ClearingQuery(_SHOWN, None if state == "all" else state, kind)
    with _transaction() as session:
        found = clearing.rows_of(session, query, today=day_of(utc_now()))
    write_csv(pl.DataFrame(found, schema=dict.fromkeys(clearing.COLUMNS, pl.String)), to, mark=True)
    click.echo(f"{len(found):,} codes written to {to}", err=True)
