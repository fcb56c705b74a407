"""`creditlink sources …`: rows of a source that did not read, and what a firm's own file would give in its place."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import FILE, refusing
from creditlink.cli.output import iso, print_json
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.csvexport import write_csv
from creditlink.kit.processes.process import start
from creditlink.records.rejections import desk, handed
from creditlink.records.rejections.desk import ListedRejection
from creditlink.records.rejections.identity import STATES
from creditlink.uploads import configuration
from creditlink.uploads.reading.reading import read_upload
from creditlink.uploads.reading.refusal import FileRefused

_PAGE = 500


@click.group()
def sources() -> None:
    """See what the sources sent that did not read, and hand it back; check a file that a firm would upload."""


@sources.group()
def rejections() -> None:
    """List rows that did not read, export them for their office, or dismiss them."""


@rejections.command("list")
@click.argument("source")
@click.option("--state", type=click.Choice(STATES), help="Only entries in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@named
def list_rejections(source: str, state: str | None, limit: int, who: str | None) -> None:
    """List the entries of SOURCE, the newest first."""
    _, database = start("owner")
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", "auditor", now=utc_now()))
        page, _ = desk.page_of(session, source, state=state, limit=limit)
        desk.note_reading(session, source, len(page), act="read", actor=actor, now=utc_now())
        print_json([entry.as_json() for entry in page], default=iso)


@rejections.command()
@click.argument("source")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The CSV file to write.")
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
@click.option("--mark-sent", is_flag=True, help="Note of the open ones that the office was told.")
@named
def export(source: str, out: Path, state: str, mark_sent: bool, who: str | None) -> None:
    """Write the entries of SOURCE as CSV for its office; no text in it is a formula.

    An existing file is not overwritten. With --mark-sent nothing is noted unless the file was written.
    """
    if out.exists():
        raise click.ClickException(f"{out}: is there already")
    _, database = start("owner")
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", now=utc_now()))
        found: list[ListedRejection] = []
        cursor: str | None = None
        while True:
            page, cursor = desk.page_of(session, source, state=state, cursor=cursor, limit=_PAGE)
            found += page
            if cursor is None:
                break
        now = utc_now()
        sent = desk.mark_sent(session, found, actor=actor, now=now) if mark_sent else 0
        desk.note_reading(session, source, len(found), act="export", actor=actor, now=now)
        try:
            write_csv(handed.frame_of(found), out, mark=True)
        except OSError as error:
            raise click.ClickException(f"{out}: {error.strerror}") from None
    print_json({"source": source, "file": str(out), "entries": len(found), "sent": sent})


@rejections.command()
@click.argument("wire_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, help="Why they need no correction.")
@named
def dismiss(wire_ids: tuple[str, ...], reason: str, who: str | None) -> None:
    """Close entries that need no correction; all of those named, or none."""
    _, database = start("owner")
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", now=utc_now()))
        for wire_id in wire_ids:
            try:
                desk.move(session, None, wire_id, "dismissed", note=reason, actor=actor, now=utc_now())
            except NotFound:
                raise click.ClickException(f"there is no entry {wire_id!r}; nothing was done") from None
            except InvalidRequest:
                raise click.ClickException("--reason is empty; nothing was done") from None
            except Conflict as conflict:
                raise click.ClickException(f"{wire_id}: {conflict.detail}; nothing was done") from None
    print_json({"dismissed": list(wire_ids)})


@sources.command("check-upload")
@click.argument("file", type=FILE)
@click.option("--uscc", required=True, help="The code of the firm whose file it is.")
def check_upload(file: Path, uscc: str) -> None:
    """Read FILE as an upload of a firm and say what would be taken of it; nothing is stored, no database is needed.

    Rows that would not be taken are named by line, field and value; the exit status is then 1.
    """
    with refusing(FileRefused), refusing(OSError):
        found = read_upload(file.read_bytes(), firm=uscc.upper(), now=utc_now(), rules=configuration.current())
    print_json(
        {
            "layout": found.layout, "format": found.format, "sha256": found.sha256, "rows": found.rows,
            "taken": found.taken, "repeated": found.repeated, "left_out": found.left_out,
            "serial_gaps": found.serial_gaps, "wrong": len(found.wrong),
            "facts": [
                {"frame": fact.frame, "period": fact.period, "subkey": fact.subkey, "complete": fact.complete}
                | fact.values
                for fact in found.facts
            ],
        },
    )  # fmt: skip
    for row in found.wrong:
        click.echo(str(row), err=True)
    if found.wrong:
        sys.exit(1)
