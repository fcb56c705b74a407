"""Each role may do with each table what `tests/privileges.py` says, and nothing else: raw SQL tries it all."""

import importlib
import pkgutil

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import creditlink
from creditlink.kit.postgres import db
from tests.privileges import API, WORKER

LISTED = {"creditlink_api": API, "creditlink_worker": WORKER}


def _tables(session):
    importlib.import_module("creditlink.kit.http.idempotency")
    for module in pkgutil.walk_packages(creditlink.__path__, "creditlink."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
    there = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    assert set(db.Base.metadata.tables) <= set(there)
    return sorted(there)  # with the queue's, and alembic's


def _allowed(session, statement):
    """Whether a statement that touches no row gets past the check of privileges."""
    try:
        with session.begin_nested():
            session.execute(text(statement))
    except DBAPIError as error:
        if error.orig.sqlstate == "42501":  # insufficient_privilege
            return False
        # Past it, and stopped by something else: a generated column, a trigger that lets nobody.
        if error.orig.sqlstate not in ("428C9", "P0001"):
            raise
    return True


def _found(session, table):
    quoted = f'"{table}"'
    columns = session.scalars(
        text("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:t) AND attnum > 0 AND NOT attisdropped"),
        {"t": f"public.{quoted}"},
    ).all()
    tried = {
        "select": "SELECT {column} FROM {table} WHERE false",
        "insert": "INSERT INTO {table} ({column}) OVERRIDING SYSTEM VALUE SELECT NULL WHERE false",
        "update": "UPDATE {table} SET {column} = DEFAULT WHERE false",
    }
    found = {}
    for verb, pattern in tried.items():
        may = {c for c in columns if _allowed(session, pattern.format(table=quoted, column=f'"{c}"'))}
        if may:
            found[verb] = "all" if may == set(columns) else " ".join(sorted(may))
    if _allowed(session, f"DELETE FROM {quoted} WHERE false"):
        found["delete"] = "all"
    if _allowed(session, f"TRUNCATE {quoted}"):
        found["truncate"] = "all"
    return found


@pytest.mark.parametrize("role", LISTED)
def test_a_role_may_do_what_is_listed_and_nothing_else(database, role):
    with database.engine("owner").connect() as connection:
        session = db.Session(connection)
        tables = _tables(session)
        session.execute(text(f"SET LOCAL ROLE {role}"))
        found = {table: may for table in tables if (may := _found(session, table))}
        session.rollback()
    assert found == LISTED[role]


@pytest.mark.parametrize("role", LISTED)
def test_a_role_makes_and_owns_nothing(database, role):
    for statement in ("CREATE TABLE mine (id int)", "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"):
        with database.engine("owner").connect() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            with pytest.raises(DBAPIError, match="permission denied"):
                connection.execute(text(statement))
            connection.rollback()
    with database.engine("owner").connect() as connection:
        owned = "SELECT relname FROM pg_class WHERE relowner = to_regrole(:role)"
        assert connection.scalars(text(owned), {"role": role}).all() == []
        flags = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = :role"
        assert connection.scalar(text(flags), {"role": role}) is False


def test_evidence_is_added_by_its_function_alone(database):
    """No role has the tables, both have the function, and nobody else has it."""
    with database.engine("owner").connect() as connection:
        may = connection.execute(
            text("""SELECT r.rolname FROM pg_proc p, pg_roles r WHERE p.proname = 'creditlink_record'
                    AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
                    AND NOT r.rolsuper AND r.oid <> p.proowner AND r.rolname NOT LIKE 'login_%'""")
        ).scalars()
        assert sorted(may) == ["creditlink_api", "creditlink_worker"]
    for table in ("audit_entries", "audit_heads"):
        for listed in LISTED.values():
            assert set(listed.get(table, {})) <= {"select"}
