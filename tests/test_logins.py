"""The API's login: whoever could leave row-level security behind is refused at start."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text

from creditlink import db, logins, process
from creditlink.config import SettingError


@pytest.fixture
def login(database):
    """Make a login of some kind; return the address it connects by."""
    made = []

    def make(options="", *statements):
        name = f"login_{uuid4().hex[:10]}"
        made.append(name)
        with database.transaction("owner") as session:
            session.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'x' {options}"))
            for statement in ("GRANT creditlink_api TO {login}", *statements):
                session.execute(text(statement.format(login=name)))
        return db.conninfo(database.url.set(username=name, password="x"))

    yield make
    with database.transaction("owner") as session:
        for name in reversed(made):
            session.execute(text(f"DROP OWNED BY {name}"))
            session.execute(text(f"DROP ROLE {name}"))


def started(settings, url):
    process.open_database(replace(settings, database_api_url=url)).close()


def test_a_login_that_is_only_in_the_apis_role_starts(settings, login):
    started(settings, login())


@pytest.mark.parametrize(
    ("options", "statements", "said"),
    [
        ("SUPERUSER", (), "is a superuser"),
        ("BYPASSRLS", (), "bypasses row-level security"),
        ("CREATEROLE", (), "makes roles"),
        ("NOINHERIT", ("GRANT creditlink_worker TO {login}",), "may become creditlink_worker, which is the worker's"),
        ("", ("GRANT pg_read_all_data TO {login}",), "pg_read_all_data"),
        ("", ("CREATE TABLE its_own_table (id int)", "ALTER TABLE its_own_table OWNER TO {login}"), "owns tables"),
        ("SUPERUSER", ("ALTER ROLE {login} SET role = creditlink_api",), "is a superuser"),
    ],
)
def test_a_login_that_is_more_is_refused_by_name(settings, login, options, statements, said):
    with pytest.raises(SettingError, match="DATABASE_API_URL") as refused:
        started(settings, login(options, *statements))
    assert said in str(refused.value)
    assert "creditlink_api and no more" in str(refused.value)


def test_the_owners_own_address_is_refused(settings):
    with pytest.raises(SettingError, match="DATABASE_API_URL"):
        started(settings, settings.database_url)


def test_a_member_of_the_owner_is_refused(database, settings, login):
    with database.transaction("owner") as session:
        session.execute(text("CREATE ROLE owning_role"))
        session.execute(text("CREATE TABLE owned_by_role (id int)"))
        session.execute(text("ALTER TABLE owned_by_role OWNER TO owning_role"))
    try:
        with pytest.raises(SettingError, match="may become owning_role, which owns tables"):
            started(settings, login("NOINHERIT", "GRANT owning_role TO {login}"))
    finally:
        with database.transaction("owner") as session:
            session.execute(text("DROP OWNED BY owning_role"))
            session.execute(text("DROP ROLE owning_role"))


def test_health_looks_again_when_the_database_came_later(app, client, empty_database, login):
    later = db.Database(db.conninfo(empty_database.url), api_url=login("BYPASSRLS"))
    db.configure(later, role="api")
    try:
        check = client.get("/health/ready").json["checks"]["database"]
        with later.engine("api").connect() as connection:
            assert logins.refusal(connection)
    finally:
        later.close()
        db.configure(empty_database, role="api")
    assert check == {"ok": False, "reason": "login_may_do_too_much"}
