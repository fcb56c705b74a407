"""The API's login: whoever could leave row-level security behind is refused at start."""

from dataclasses import replace
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from creditlink.kit.postgres import db, logins
from creditlink.kit.processes import process
from creditlink.kit.settings import SettingError


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


def spellings(url, folder):
    """Return the owner's login as it may be written, each as libpq and SQLAlchemy take it."""
    where = {"host": url.host or url.query.get("host"), "port": str(url.port or url.query.get("port") or 5432)}
    query = urlencode(where)
    service = folder / "services"
    service.write_text("[own]\n" + "".join(f"{k}={v}\n" for k, v in where.items()) + f"user={url.username}\n")
    plain = db.conninfo(url)
    return {
        "as it is": plain,
        "another scheme": plain.replace("postgresql://", "postgres://"),
        "a driver": plain.replace("postgresql://", "postgresql+psycopg2://"),
        "host as a keyword": f"postgresql://{url.username}@/{url.database}?{query}",
        "user as a keyword": f"postgresql:///{url.database}?{query}&user={url.username}",
        "database as a keyword": f"postgresql://{url.username}@/none?{query}&dbname={url.database}",
        "several hosts": f"postgresql://{url.username}@/{url.database}?"
        + urlencode({name: f"{value},{value}" for name, value in where.items()}),
        "a service": f"postgresql:///{url.database}?service=own",
        "in the API's role": f"{plain}&options=-c%20role%3Dcreditlink_api",
        "as the API's session": f"{plain}&options=-c%20session_authorization%3Dcreditlink_api",
    }


def test_the_owners_login_is_refused_in_any_spelling(settings, database, tmp_path, monkeypatch):
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    url = database.url.update_query_dict({"application_name": "x"})
    for spelling, address in spellings(url, tmp_path).items():
        with pytest.raises(SettingError, match="DATABASE_API_URL") as refused:
            started(settings, address)
        assert "is a superuser" in str(refused.value), spelling


def test_an_address_that_is_none_is_named_as_the_apis(settings):
    for url in ("host=/tmp user=postgres", "mysql://x/y"):
        with pytest.raises(SettingError, match="database_api_url"):
            started(settings, url)


def test_the_address_of_another_database_is_refused(settings, login):
    elsewhere = make_url(login()).set(database="postgres")
    with pytest.raises(
        SettingError, match=r"DATABASE_API_URL.* leads to database postgres, which is not database test_"
    ):
        started(settings, db.conninfo(elsewhere))


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
