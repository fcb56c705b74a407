"""`creditlink backup …` and `creditlink restore`: a signed picture of the database, brought back and proven."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from creditlink.audit import service as audit
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import FILE, read_keys
from creditlink.cli.output import iso, print_json
from creditlink.custody.backup import drill as drills
from creditlink.custody.backup import restoring, tools, writing
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.postgres.embedded import database_url
from creditlink.kit.processes import runtime
from creditlink.kit.processes.log import configure_logging
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings, load_settings

_FOLDER = click.Path(file_okay=False, path_type=Path)
_KEYS = click.option("--keys", type=FILE, help="The JWK set that signed it; default this server's own.")


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (writing.BackupRefused, tools.ToolFailed) as refused:
        raise click.ClickException(str(refused)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None


@click.group()
def backup() -> None:
    """Back the database up, and prove that a backup can be brought back.

    \b
    creditlink backup make /backups --sealed
    creditlink backup drill /backups
    creditlink restore /backups/backup-20261201T020000Z
    """


@backup.command()
@click.argument("into", type=_FOLDER)
@click.option("--sealed", is_flag=True, help="Seal the dump with the server's key; without the keys it never opens.")
@named
def make(into: Path, sealed: bool, who: str | None) -> None:
    """Write a backup into a new folder under INTO: a dump by pg_dump, and a signed manifest of the same snapshot."""
    settings, database = start("owner")
    now = utc_now()
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", now=now))
    with _refusals():
        made = writing.make(
            database, into, issuer=settings.issuer, secret=settings.secret_key, now=now, sealed=sealed
        )  # fmt: skip
    with database.transaction("owner") as session:
        detail = {"backup": made.folder.name, "sha256": made.claims["sha256"], "sealed": sealed}
        audit.record(session, action="backup.make", result="done", actor=actor, now=utc_now(), detail=detail)
    print_json({"backup": str(made.folder), "bytes": made.claims["bytes"], "sha256": made.claims["sha256"]})


@backup.command()
@click.argument("folder", type=_FOLDER)
@_KEYS
def drill(folder: Path, keys: Path | None) -> None:
    """Restore the newest backup in FOLDER into a scratch database of the same server, look at all of it, drop it.

    Every count, every chain of evidence and of decisions, every sealed value, row security, rights and roles. Exit
    status 1 when something does not hold.
    """
    settings, database = start("owner")
    began, console, wrong = time.monotonic(), Console(stderr=True), 0
    table = Table("looked at", "found", "well")
    with _refusals():
        manifest = _manifest(settings, folder, keys)
        with console.status("restoring") as status, drills.scratch(database) as into:
            steps = drills.drill(
                manifest, into, environment=settings.environment, secret=settings.secret_key, step=status.update
            )  # fmt: skip
            for one in steps:
                table.add_row(one.name, "\n".join((one.told, *one.wrong)), "no" if one.wrong else "yes")
                wrong += len(one.wrong)
    Console(width=120).print(table)
    click.echo(f"{manifest.folder.name}, made {manifest.claims['made_at']}: {wrong} faults, "
               f"{time.monotonic() - began:.1f} s")  # fmt: skip
    if wrong:
        sys.exit(1)


@click.command()
@click.argument("folder", type=_FOLDER)
@_KEYS
@click.option("--to", "address", metavar="URL", help="The empty database; default DATABASE_URL.")
def restore(folder: Path, keys: Path | None, address: str | None) -> None:
    """Restore the backup in FOLDER into an empty database; a damaged or foreign one is refused before it is touched."""
    settings = load_settings()
    runtime.process().put(settings)
    configure_logging(settings)
    with closing(db.Database(address or database_url(settings))) as database:
        with _refusals():
            manifest = _manifest(settings, folder, keys)
            wrong = restoring.restore(manifest, database, environment=settings.environment, secret=settings.secret_key)
        for one in wrong:
            click.echo(one)
        if wrong:
            sys.exit(1)
        with database.transaction("owner") as session:
            detail = {"backup": manifest.folder.name, "sha256": manifest.claims["sha256"]}
            audit.record(
                session, action="backup.restore", result="done", actor="operator", now=utc_now(), detail=detail
            )
    print_json({"database": database.name, "backup": manifest.folder.name, "made_at": manifest.claims["made_at"]},
               default=iso)  # fmt: skip


def _manifest(settings: Settings, folder: Path, keys: Path | None) -> writing.BackupManifest:
    known = read_keys(keys) if keys is not None else keyring.public_keys(settings.secret_key)
    return writing.read(writing.newest(folder), known, issuer=settings.issuer)
