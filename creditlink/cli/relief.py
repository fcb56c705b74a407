"""`creditlink relief …`: the policies under which a late payment does not count."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.audit.service import NO_ENTERPRISE
from creditlink.audit.tables import AuditEntry
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import FILE
from creditlink.cli.output import iso, print_json
from creditlink.engine.facts.relief_policies import ReliefBook, relief_book_from
from creditlink.kit.clock import day_from, day_of, utc_now
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.processes.process import start
from creditlink.kit.settings import load_settings

SOON = timedelta(days=30)
"""A policy that expires within so many days is named, while there is time to confirm it."""

ADOPT = "relief.adopt"
"""How evidence calls it that a version of the file is put to use."""


@click.group()
def relief() -> None:
    """See which relief policies are in force, check the file, and record a new version of it."""


def _day(_context: click.Context, parameter: click.Parameter, value: str | None) -> date:
    if value is None:
        return day_of(utc_now())
    try:
        return day_from(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day, such as 2026-11-20", param=parameter) from None


_ON = click.option("--on", "day", callback=_day, metavar="DAY", help="As of this day instead of today.")


@relief.command("list")
@_ON
def list_policies(day: date) -> None:
    """List the policies of the settings, their state on a day, and when this version was recorded."""
    settings, database = start("owner")
    book = settings.parsed("relief.toml", relief_book_from)
    with database.transaction("owner") as session:
        adopted = _adopted(session, book)
    print_json(
        {
            "sha256": book.sha256,
            "adopted_at": None if adopted is None else iso(adopted.at),
            "policies": [{**policy.to_dict(), "state": policy.state_on(day)} for policy in book.policies],
        }
    )


@relief.command()
@click.argument("file", type=FILE, required=False)
@_ON
def check(file: Path | None, day: date) -> None:
    """Check FILE (default: config/relief.toml) without a database; ends with 1 where a policy is wrong.

    It names what has expired or soon will, and what is not known yet.
    """
    path = file or load_settings().config_dir / "relief.toml"
    try:
        book = relief_book_from(read_toml(path))
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{path.name}: {error}") from None
    states = {policy.code: policy.state_on(day) for policy in book.policies}
    print_json(
        {
            "file": path.name,
            "sha256": book.sha256,
            "policies": len(book.policies),
            "in_force": [code for code, state in states.items() if state == "in_force"],
            "not_known": [code for code, state in states.items() if state == "not_known"],
            "expired": [code for code, state in states.items() if state == "expired"],
            "expires_soon": {
                policy.code: policy.expires_on.isoformat() for policy in book.on(day) if policy.expires_on <= day + SOON
            },
        }
    )


@relief.command()
@click.option("--reason", required=True, help="Who decided it, and why.")
@named
def adopt(reason: str, who: str | None) -> None:
    """Record in the evidence that this version of the policies is in use; again it does nothing."""
    settings, database = start("owner")
    book = settings.parsed("relief.toml", relief_book_from)
    if not reason.strip():
        raise click.ClickException("--reason is empty; nothing was recorded")
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", "risk", now=utc_now()))
        earlier = _adopted(session, book)
        if earlier is None:
            audit.record(
                session,
                action=ADOPT,
                result="done",
                actor=actor,
                now=utc_now(),
                detail={
                    "sha256": book.sha256,
                    "reason": reason,
                    "policies": [policy.to_dict() for policy in book.policies],
                },
            )
    print_json({"sha256": book.sha256, "recorded": earlier is None})


def _adopted(session: Session, book: ReliefBook) -> AuditEntry | None:
    """Return the evidence of the version in use, if the version adopted last is this one."""
    last = (
        select(AuditEntry)
        .where(AuditEntry.chain_id == NO_ENTERPRISE, AuditEntry.action == ADOPT)
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    )
    entry = session.scalar(last)
    return entry if entry is not None and entry.detail.get("sha256") == book.sha256 else None
