"""The API's own login, which must not be able to become more than the API's role."""

from __future__ import annotations

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from creditlink.kit.postgres.db import ROLE_NAMES, Database
from creditlink.kit.settings import SettingError

# Every role that the login is or may become, and each power of theirs that the API must not have. Not `current_user`: a
# login that starts in a harmless role (ALTER ROLE … SET role) leaves it with RESET ROLE.
_POWERS = text("""
    WITH becomes AS (SELECT r.* FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER'))
    SELECT b.rolname, power FROM becomes b CROSS JOIN LATERAL (VALUES
        (b.rolsuper, 'is a superuser'),
        (b.rolbypassrls, 'bypasses row-level security'),
        (b.rolcreaterole, 'makes roles'),
        (b.rolreplication, 'replicates the database'),
        (b.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_execute_server_program',
                       'pg_read_server_files', 'pg_write_server_files'), 'is one of the server''s own powers'),
        (b.rolname = :worker, 'is the worker''s'),
        (EXISTS (SELECT 1 FROM pg_database d WHERE d.datname = current_database() AND d.datdba = b.oid),
         'owns the database'),
        (EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = to_regnamespace('public') AND c.relowner = b.oid),
         'owns tables'),
        (EXISTS (SELECT 1 FROM pg_namespace n WHERE n.nspname = 'public' AND n.nspowner = b.oid), 'owns the schema')
    ) AS powers(has, power) WHERE has ORDER BY 1, 2""")


def refusal(connection: Connection) -> str | None:
    """Return why the connection's login must not serve the API, or None."""
    powers = connection.execute(_POWERS, {"worker": ROLE_NAMES["worker"]}).all()
    if powers:
        login = connection.scalar(text("SELECT session_user"))
        own = [
            power for role, power in powers if role == login
        ]  # a superuser may become everybody: no need to list them
        whose = own or [f"may become {role}, which {power}" for role, power in powers]
        return f"login {login} {', '.join(whose)}; it must be in role creditlink_api and no more"
    return None


def check_api_login(database: Database) -> None:
    """Refuse a `DATABASE_API_URL` whose login row-level security does not bind.

    Without such a URL (the sandbox) there is nothing to compare; a server that cannot be reached passes, and
    `/health/ready` looks again.

    Raises
    ------
    SettingError
        The login is the owner, a superuser, or may become one.
    """
    if not database.has_api_login:
        return
    try:
        with database.engine("api").connect() as connection:
            why = refusal(connection)
    except OperationalError:
        return
    if why:
        raise SettingError(f"setting database_api_url (DATABASE_API_URL): {why}")
