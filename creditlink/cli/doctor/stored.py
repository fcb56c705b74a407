"""What the database says: schema, roles, row security, clock, models, keys, workers, connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from creditlink.cli.doctor.findings import DoctorFinding, error, warning
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.jobs import dead_letters, lanes
from creditlink.kit.postgres import db, embedded, logins, probes, purpose, schema
from creditlink.kit.processes.log import message_of
from creditlink.kit.processes.process import limits_of
from creditlink.kit.settings import SettingError, Settings
from creditlink.lifecycle.history import live_models
from creditlink.profiles.serving.in_use import model_in_use
from creditlink.staff.tables import StaffMember

_NOT_FORCED = text("""
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relrowsecurity
      AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid) ORDER BY 1""")
_STRONG_ROLES = text("""
    SELECT rolname FROM pg_roles WHERE rolname = ANY(:ours) AND (rolsuper OR rolbypassrls) ORDER BY 1""")
_THERE = text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:ours)")
_SERVER = text("""
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0) AS free,
           current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS durable,
           current_setting('archive_mode') <> 'off' AS archived,
           (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS super,
           (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS ssl,
           inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1' AS here""")


def look_at_database(settings: Settings, *, api_processes: int, workers: int) -> Iterator[DoctorFinding]:
    """Yield what is wrong with the database and with what it holds; a part that cannot be asked says so.

    Parameters
    ----------
    api_processes, workers : how many processes of each kind are to run, over all machines.
    """
    if not embedded.has_database(settings):
        if not settings.is_production:  # there it is a setting that is absent, which was said
            yield error("database", "there is no database yet", "set DATABASE_URL, or start it all: creditlink up")
        return
    try:
        database = db.Database(
            embedded.database_url(settings),
            api_url=settings.database_api_url,
            pool_size=settings.pool_size,
            limits=limits_of(settings),
        )
    except SettingError as fault:
        yield error("database", str(fault), "set DATABASE_URL and DATABASE_API_URL")
        return
    with closing(database):
        try:
            with database.engine("owner").connect() as connection:
                yield from _schema(settings, database, connection)
                if not probes.fits(connection):
                    return  # what follows asks tables that may not be there
                yield from _roles(connection)
                yield from _server(settings, database, connection, api_processes=api_processes, workers=workers)
                yield from _content(settings, Session(connection))
            yield from _login(database)
            with database.probing() as session:
                yield from _probed(session)
        except SQLAlchemyError as fault:
            yield error("database", f"database {database.name}: {message_of(fault)}",
                        "start the server, or set DATABASE_URL and DATABASE_API_URL")  # fmt: skip


def _schema(settings: Settings, database: db.Database, connection: Connection) -> Iterator[DoctorFinding]:
    if why := purpose.refusal(connection, settings.environment):
        yield error(
            "purpose", f"database {database.name} {why}", "set DATABASE_URL to the database of this environment"
        )
    at, head = schema.current_revision(connection), schema.head()
    if not probes.fits(connection):
        mend = "creditlink db upgrade" if at < head else "install the release that made it, or a newer one"
        yield error("migrations", f"the schema is at {at}, this release needs {head}", mend)
    elif at < head:
        yield warning("migrations", f"the schema is at {at}, this release brings {head}", "creditlink db upgrade")


def _roles(connection: Connection) -> Iterator[DoctorFinding]:
    ours = [name for name in db.ROLE_NAMES.values() if name]
    for name in sorted(set(ours) - set(connection.scalars(_THERE, {"ours": ours}))):
        yield error("roles", f"role {name} is not there", "creditlink db upgrade")
    for name in connection.scalars(_STRONG_ROLES, {"ours": ours}):
        yield error("roles", f"role {name} is a superuser or passes row-level security",
                    f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS")  # fmt: skip
    for table in connection.scalars(_NOT_FORCED):
        yield error("row_security", f"table {table} has policies, and row-level security is off: everybody's rows are "
                    "open", f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")  # fmt: skip


def _server(
    settings: Settings, database: db.Database, connection: Connection, *, api_processes: int, workers: int
) -> Iterator[DoctorFinding]:
    server = connection.execute(_SERVER).one()
    each = database.most_connections
    queue = lanes.queue_connections(lanes.lanes_of(settings.worker_concurrency))
    # Beside its pool an API process listens for news, and probes the database when it is asked whether it is ready.
    needed = api_processes * (each + 2) + workers * (each + queue)
    if needed > server.free:
        yield error("connections", f"{api_processes} API processes and {workers} workers open up to {needed} "
                    f"connections, the server takes {server.free}", "raise max_connections in postgresql.conf, or "
                    "lower CREDITLINK_POOL_SIZE")  # fmt: skip
    if not settings.is_production:
        return
    if not server.durable:
        yield error("durability", "fsync or full_page_writes is off: a power failure loses what was promised",
                    "set fsync = on and full_page_writes = on in postgresql.conf, then reload it")  # fmt: skip
    if not server.archived:
        yield warning("archiving", "archive_mode is off: nothing can be restored to a point in time",
                      "set archive_mode and archive_command in postgresql.conf, then restart the server")  # fmt: skip
    if server.super:
        yield warning("owner_superuser", "the login of DATABASE_URL is a superuser: commands and workers need only "
                      "the owner of the database", "ALTER ROLE … NOSUPERUSER, after the migrations")  # fmt: skip
    if not server.ssl and not server.here:
        yield error("transport", "the database is on another machine and is spoken to without TLS",
                    "add ?sslmode=verify-full&sslrootcert=… to DATABASE_URL and DATABASE_API_URL")  # fmt: skip


def _login(database: db.Database) -> Iterator[DoctorFinding]:
    for check in (logins.check_api_login, purpose.check_one_database):
        try:
            check(database)
        except SettingError as fault:
            yield error("api_login", str(fault), "CREATE ROLE … LOGIN IN ROLE creditlink_api, and set DATABASE_API_URL")


def _content(settings: Settings, session: Session) -> Iterator[DoctorFinding]:
    live = live_models(session)
    if settings.is_production and not live:
        yield error("model", "no model is live for any purpose: every profile is refused",
                    "creditlink models register, then propose and approve, each by another person")  # fmt: skip
    for purpose_name in live:
        try:
            model_in_use(session, settings, purpose_name)
        except SettingError as fault:
            yield error("model", f"{purpose_name}: {fault}", "bring the registered folder back, or creditlink models "
                        "rollback")  # fmt: skip
    sealed = session.scalar(select(Account).where(Account.totp_secret.is_not(None)).limit(1))
    if sealed is not None and accounts.totp_secret(sealed, key=settings.secret_key) is None:
        yield error("sealed", "secret_key does not open what is sealed in this database: it was sealed with another",
                    "set CREDITLINK_SECRET_KEY to the key of this database")  # fmt: skip
    working = session.scalars(select(StaffMember.roles).where(StaffMember.status == "active")).all()
    operators = sum("operator" in roles for roles in working)
    if settings.is_production and operators < 2:
        yield warning("staff", f"{operators} operators are at work: what binds needs two", "creditlink staff invite")
    alive, states = lanes.health(session)
    if not alive:
        yield error("worker", "no worker is alive: no records are fetched, nothing expires, no webhook goes out",
                    "creditlink worker")  # fmt: skip
    for lane in states:
        if lane.state == "starved":
            yield warning("lane", f"lane {lane.lane} is starved: its oldest job waits {lane.oldest_seconds:.0f} s",
                          "start another worker: creditlink worker")  # fmt: skip
    if letters := sum(dead_letters.count_open(session).values()):
        yield warning("dead_letters", f"{letters} jobs failed for good and wait for somebody", "creditlink jobs dead")


def _probed(session: Session) -> Iterator[DoctorFinding]:
    offset = probes.clock_offset(session)
    if abs(offset) > db.CLOCKS_APART.total_seconds():
        yield error("clock", f"this machine's clock is {offset:+.1f} s from the database's", "set both by NTP: "
                    "timedatectl set-ntp true")  # fmt: skip
    try:
        probes.try_to_write(session)
    except SQLAlchemyError as fault:
        yield error("read_only", f"the database takes no writes: {message_of(fault)}",
                    "point DATABASE_URL to the primary, or make room on its disk")  # fmt: skip
