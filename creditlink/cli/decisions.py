"""`creditlink decisions …`: find archived decisions, see who read them, take one out, verify it elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.cli.acting import actor_for, name_of, named, person_for
from creditlink.cli.inputs import FILE, read_keys
from creditlink.cli.output import iso, print_json
from creditlink.decisions import archive, export, service
from creditlink.decisions.archive import Archive, DecisionQuery, RecordDamaged
from creditlink.decisions.kept import classes_of
from creditlink.decisions.looks import found
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.policy.bundle import PolicyDamaged
from creditlink.decisions.policy.source import load_policy
from creditlink.decisions.record import RecordInvalid
from creditlink.decisions.replay import ReplayedDecision
from creditlink.decisions.tables import DecisionRow
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientRole, NotFound
from creditlink.kit.files.textfile import read_file
from creditlink.kit.postgres import db
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings
from creditlink.profiles.reliance.backfill import ModelShelf, seal_profile, unsealed
from creditlink.profiles.serving.live import load_first

_DAY = click.DateTime(["%Y-%m-%d"])
_CODES = select(Institution.id, Institution.code)


def READER_OPTIONS(command: Callable[..., None]) -> Callable[..., None]:  # noqa: N802 (reads like the other options)
    """Add the options that say who looks at a decision, and why."""
    for option in (
        click.option("--purpose", default="replay", show_default=True, help="Why: one of the role's purposes."),
        click.option("--role", default="risk", show_default=True, help="In which role: risk or auditor."),
        named,
    ):
        command = option(command)
    return command


def reader_from(session: Session, who: str | None, role: str, purpose: str) -> Reader:
    """Return who looks: every look at a decision is in the firm's log, so somebody is named even in a sandbox."""
    return Reader(person_for(session, who, role, now=utc_now()).name, role, purpose)


def archive_of(settings: Settings) -> Archive:
    """Return the archive as this command opens it."""
    return Archive(load_policy(settings, load_first(settings)), classes_of(settings), settings.secret_key)


@contextmanager
def refusals(decision: str) -> Iterator[None]:
    """End the command with one line where a decision is not there, may not be looked at, or is damaged."""
    try:
        yield
    except NotFound:
        raise click.ClickException(f"DECISION {decision}: not in the archive, or its time is over") from None
    except (InsufficientRole, RecordDamaged, PolicyDamaged, RecordInvalid, LookupError) as error:
        raise click.ClickException(f"DECISION {decision}: {error}") from None


def write_found(replayed: ReplayedDecision) -> None:
    """Print what a replay found."""
    click.echo(f"{replayed.decision}: stored {replayed.stored_sha256}, replayed {replayed.replayed_sha256}")
    click.echo(f"under bundle {replayed.bundle}")
    if replayed.computed_by:
        click.echo(f"here other than in the bundle: {', '.join(replayed.computed_by)}")
    if replayed.same:
        click.echo("the same, byte by byte")
    for one in replayed.differences:
        click.echo(f"differs in {one.member}: stored {one.stored!r}, replayed {one.replayed!r}")


@click.group()
def decisions() -> None:
    """Decisions that last: find them, see who read them, replay them, take one out, verify it on another machine."""


@decisions.command()
@click.option("--uscc", help="Only of the firm of this code.")
@click.option("--institution", help="Only for this institution, by its code.")
@click.option("--since", type=_DAY, help="Only of this day or later.")
@click.option("--until", type=_DAY, help="Only of this day or earlier.")
@click.option("--grade", help="Only of this grade.")
@click.option("--model", help="Only by this model.")
@click.option("--bundle", help="Only under this policy bundle.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most.")
def find(
    uscc: str | None,
    institution: str | None,
    since: datetime | None,
    until: datetime | None,
    grade: str | None,
    model: str | None,
    bundle: str | None,
    limit: int,
) -> None:
    """List archived decisions, newest first, without what they say."""
    _, database = start("owner")
    with database.transaction("owner") as session:
        rows = archive.find(
            session,
            DecisionQuery(
                enterprise_id=_id_of(session, Enterprise, "uscc", uscc),
                institution_id=_id_of(session, Institution, "code", institution),
                since=since.date() if since else None,
                until=until.date() if until else None,
                grade=grade,
                model_id=model,
                bundle_sha256=bundle,
                limit=limit,
            ),
        )
        names: dict[UUID | None, str] = {row.id: row.code for row in session.execute(_CODES)}
    print_json(
        [
            {
                "decision": row.wire_id, "as_of": row.as_of, "decided_at": row.decided_at,
                "institution": names.get(row.institution_id), "grade": row.grade, "model": row.model_id,
                "bundle": row.bundle_sha256, "keep_until": row.keep_until,
            }
            for row in rows
        ],
        default=iso,
    )  # fmt: skip


def _id_of(session: Session, table: type[Enterprise | Institution], column: str, value: str | None) -> UUID | None:
    if value is None:
        return None
    found: UUID | None = session.scalar(select(table.id).where(getattr(table, column) == value))
    if found is None:
        raise click.ClickException(f"{column} {value!r}: not registered")
    return found


@decisions.command()
@click.argument("decision")
@READER_OPTIONS
def show(decision: str, who: str | None, role: str, purpose: str) -> None:
    """Print the record of DECISION, and who read it: banks that were given the profile, staff who looked."""
    settings, database = start("owner")
    with refusals(decision), database.transaction("owner", db.Viewer(actor="audit")) as session:
        reader = reader_from(session, who, role, purpose)
        kept = archive_of(settings)
        record = service.opened(session, _decision(decision), reader, doing="read", kept=kept, now=utc_now())
        print_json({**record.body, "readers": service.readers_of(session, record)})


@decisions.command("export")
@click.argument("decision")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@READER_OPTIONS
def take_out(decision: str, out: Path, who: str | None, role: str, purpose: str) -> None:
    """Write DECISION with its whole policy and the proof of both chains to a signed file."""
    settings, database = start("owner")
    with refusals(decision), database.transaction("owner", db.Viewer(actor="audit")) as session:
        reader = reader_from(session, who, role, purpose)
        kept = archive_of(settings)
        document = service.exported(session, _decision(decision), reader, kept=kept, now=utc_now())
    out.write_text(document, encoding="utf-8")
    click.echo(f"{out}: {len(document)} characters; `creditlink decisions verify` and `creditlink replay` take it")


@decisions.command()
@click.argument("file", type=FILE)
@click.option("--keys", type=FILE, required=True, help="The JWK set from /v1/receipt-keys, kept from then.")
def verify(file: Path, keys: Path) -> None:
    """Verify an exported decision; no database is needed. Ends with 1 if anything in it does not hold.

    It prints where the evidence in the file ends: compare that entry with the firm's own copy, or with an anchor.
    """
    try:
        opened = export.read(read_file(file).whole(), read_keys(keys))
    except ValueError as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    print_json(
        {
            "valid": True,
            "kid": opened.kid,
            "decision": opened.decision,
            "bundle": opened.policy.sha256,
            "artefacts": len(opened.policy.artefacts),
            "evidence": {"seq": opened.evidence.seq, "digest": opened.evidence.digest},
        }
    )


@decisions.command()
def check() -> None:
    """Check the whole archive: chains, seals, and that the evidence names each record. Ends with 1 if not."""
    settings, database = start("owner")
    wrong = firms = 0
    with database.transaction("owner") as session:
        for chain_id in session.scalars(select(DecisionRow.chain_id).distinct().order_by(DecisionRow.chain_id)).all():
            firms += 1
            named = service.evidence_of(session, chain_id)
            for fault in archive.faults(session, chain_id, named, secret=settings.secret_key):
                wrong += 1
                click.echo(fault)
    click.echo(f"{firms} firms' archives: {'nothing wrong' if not wrong else f'{wrong} faults'}")
    if wrong:
        sys.exit(1)


@decisions.command()
def mark() -> None:
    """Give records from before there were marks theirs, so that the desk finds them by reason and indicator.

    A mark is a digest that only this server can make. Started again, it marks what is left. Ends with 1 where a record
    is damaged and stays unmarked.
    """
    settings, database = start("owner")
    with database.transaction("owner") as session:
        due = found.unmarked(session)
        wrong = list(found.mark(session, due, secret=settings.secret_key))
    for line in wrong:
        click.echo(line)
    click.echo(f"{len(due) - len(wrong)} records marked")
    if wrong:
        sys.exit(1)


@decisions.command()
@named
def backfill(who: str | None) -> None:
    """Seal a record for every stored profile that has none: those made before there was an archive.

    Each is computed again from its facts, under its own model and products and the rules of today. The record says
    that it was sealed afterwards, and whether the same came out, byte by byte; where facts or model are gone, it keeps
    the profile as it was given and says why it cannot be made again. It is kept from the day of the profile, not from
    today. The firm's log tells of each. Started again, or twice at once, it seals what is left.

    \b
    creditlink decisions backfill --as dan
    creditlink decisions check
    """
    settings, database = start("owner")
    now = utc_now()
    kept = archive_of(settings)
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", now=now))
        due = unsealed(session)
    shelf = ModelShelf(kept.policy.live, settings)
    counts: Counter[str] = Counter()
    columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for profile_id in progress.track(due):
            with database.transaction("owner") as session:
                outcome = seal_profile(session, profile_id, shelf, kept=kept, actor=actor, now=now)
            counts[outcome or "sealed_before"] += 1
    same, other, bare = (counts[name] for name in ("reproduced", "differs", "not_computed"))
    told = f"{same} made again byte by byte, {other} came out otherwise, {bare} cannot be made again"
    click.echo(f"{same + other + bare} records sealed: {told}")
    if left := counts["over"]:
        click.echo(f"{left} profiles not sealed: the time of their records is over")


def _decision(text: str) -> UUID:
    return ids.internal("prf" if text.startswith("prf_") else "dec", text)
