"""Trouble of the database, one kind after the other: 503 with Retry-After, in the form of whoever asks, and soon."""

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text

from creditlink.kit.postgres import db
from creditlink.kit.processes.process import limits_of
from creditlink.sandbox.banks.bank import BankError
from tests import factories as make
from tests.oauth import flow
from tests.portal.conftest import Person

SOON = 6.0  # seconds; the limits of a request are 5, 2 and 1, and the default of the pool was 30


@pytest.fixture
def firm(empty_database):
    return flow.make_firm(empty_database)


@pytest.fixture
def http(app):
    app.testing = False  # a bug would be raised into the test instead of being answered
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


@pytest.fixture
def bank(empty_database, http):
    return flow.register_bank(empty_database, http)


@pytest.fixture
def authorization(app, firm, bank):
    asked = bank.push(flow.details(), scope=flow.SCOPE)
    callback = flow.decide(app, firm, flow.open_page(bank, asked))
    bank.exchange(bank.code_from(callback, asked), asked)
    return asked


@pytest.fixture
def person(app, empty_database):
    """A person who is signed in."""
    with empty_database.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), account)
    person = Person(app.test_client(), account)
    assert person.sign_in().status_code == 303
    return person


def assert_designed(page, words, number):
    assert page.status_code == 503
    assert page.content_type.startswith("text/html")
    assert words in page.text
    assert number in page.text
    assert page.headers["X-Request-ID"] == number
    assert page.headers["Retry-After"]
    assert "Content-Security-Policy" in page.headers


def pool_of(settings):
    """Return the database of the settings, without the checks of a start."""
    return db.Database(
        settings.database_url,
        api_url=settings.database_api_url,
        pool_size=settings.pool_size,
        limits=limits_of(settings),
    )


@contextmanager
def served_by(app, database):
    """Let the application work on another pool for a while."""
    usual = db.current()
    db.configure(database, role="api")
    try:
        yield
    finally:
        db.configure(usual, role="api")
        database.close()


@contextmanager
def of_database(database, setting):
    """Change a setting of the tests' own database for new connections."""
    name = database.url.database
    with database.engine("owner").connect() as connection:
        execute = connection.execution_options(isolation_level="AUTOCOMMIT").execute
        execute(text(f"ALTER DATABASE {name} SET {setting}"))
        try:
            yield
        finally:
            execute(text("SET default_transaction_read_only = off"))
            execute(text(f"ALTER DATABASE {name} RESET {setting.split()[0]}"))


def assert_unavailable(answer, slug="database-unavailable"):
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == f"/problems/{slug}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_locked_consent_is_busy_and_answered_soon(bank, authorization, empty_database):
    with empty_database.transaction("owner") as session:
        session.execute(text("SELECT FROM consents FOR UPDATE"))
        began = time.monotonic()
        answer = bank.call("GET", "/v1/profiles", authorization)
        assert time.monotonic() - began < SOON
    assert_unavailable(answer, "database-busy")
    assert bank.call("GET", "/v1/profiles", authorization).status_code == 200


def test_an_exhausted_pool_is_busy_and_answered_soon(app, bank, authorization, settings):
    small = pool_of(replace(settings, pool_size=1))
    with served_by(app, small), small.engine("api").connect(), small.engine("api").connect():
        began = time.monotonic()
        answer = bank.call("GET", "/v1/profiles", authorization)
        assert time.monotonic() - began < SOON
    assert_unavailable(answer, "database-busy")


def test_a_stopped_backend_does_not_hold_a_request(app, bank, authorization, settings, monkeypatch):
    monkeypatch.setattr(db, "_SILENCE", 0.5)
    one = pool_of(replace(settings, pool_size=1, api_statement_seconds=1))
    with served_by(app, one):
        with one.transaction("api") as session:
            backend = session.scalar(text("SELECT pg_backend_pid()"))
        try:
            os.kill(backend, signal.SIGSTOP)
        except PermissionError:
            pytest.skip("the database runs as another user")
        try:
            began = time.monotonic()
            answer = bank.call("GET", "/v1/profiles", authorization)
            assert time.monotonic() - began < SOON
        finally:
            os.kill(backend, signal.SIGCONT)
        assert_unavailable(answer)
        assert bank.call("GET", "/v1/profiles", authorization).status_code == 200


def test_a_connection_that_died_in_its_first_second_is_replaced(app, bank, authorization, settings, database):
    one = pool_of(replace(settings, pool_size=1))
    with served_by(app, one):
        assert bank.call("GET", "/v1/profiles", authorization).status_code == 200
        with database.transaction("owner") as session:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        assert bank.call("GET", "/v1/profiles", authorization).status_code == 200


def test_a_connection_that_dies_within_a_request_is_unavailable(bank, authorization, database, monkeypatch):
    def die(*_args, **_more):
        with db.transaction() as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            with database.transaction("owner") as operator:
                operator.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            session.execute(text("SELECT 1"))

    monkeypatch.setattr("creditlink.profiles.disclosures.disclosure.list_profiles", die)
    assert_unavailable(bank.call("GET", "/v1/profiles", authorization))


class TestReadOnly:
    @pytest.fixture(autouse=True)
    def read_only(self, app, authorization, person, settings, empty_database):
        person.get("/portal/representatives")  # for a form's token
        with (
            of_database(empty_database, "default_transaction_read_only = on"),
            served_by(app, pool_of(settings)),
        ):
            yield

    def test_the_api_answers_a_problem(self, bank, authorization):
        assert_unavailable(bank.call("POST", "/v1/profiles", authorization, json={}))

    def test_the_authorization_server_answers_in_its_own_form(self, bank):
        with pytest.raises(BankError) as refused:
            bank.push(flow.details(), scope=flow.SCOPE)
        assert (refused.value.status, refused.value.code) == (503, "temporarily_unavailable")

    @pytest.mark.parametrize(("lang", "words"), [("en", "cannot answer right now"), ("zh", "服务暂时无法响应")])
    def test_pages_are_designed(self, person, lang, words):
        sent = {"X-Request-ID": "quote-me-1"}
        page = person.post(f"/portal/sign-in?lang={lang}", login="nobody", password="wrong", headers=sent)
        assert_designed(page, words, "quote-me-1")


class TestNoConnectionLeft:
    @pytest.fixture(autouse=True)
    def none_left(self, app, authorization, person, settings, empty_database):
        login = "creditlink_full"
        with empty_database.transaction("owner") as session:
            session.execute(text(f"CREATE ROLE {login} LOGIN CONNECTION LIMIT 0 IN ROLE creditlink_api"))
        url = db.conninfo(empty_database.url.set(username=login))
        try:
            with served_by(app, pool_of(replace(settings, database_api_url=url))):
                yield
        finally:
            with empty_database.transaction("owner") as session:
                session.execute(text(f"DROP ROLE {login}"))

    def test_the_api_answers_a_problem(self, bank, authorization):
        assert_unavailable(bank.call("GET", "/v1/profiles", authorization))

    def test_a_session_that_cannot_be_read_shows_a_page(self, person):
        page = person.get("/portal/?lang=en", headers={"X-Request-ID": "quote-me-2"})
        assert_designed(page, "cannot answer right now", "quote-me-2")
        assert "Set-Cookie" not in {name for name, value in page.headers if "creditlink_session" in value}

    def test_alive_all_the_same_and_not_ready(self, app):
        client = app.test_client()
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        with client.get("/portal/static/portal.css", headers={"Cookie": "creditlink_session=" + "x" * 43}) as sheet:
            assert sheet.status_code == 200


def test_a_full_disk_is_unavailable(bank, authorization, empty_database):
    with empty_database.transaction("owner") as session:
        session.execute(
            text(
                "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$"
                " BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
            )
        )
        session.execute(
            text("CREATE TRIGGER full_disk BEFORE INSERT ON used_jtis FOR EACH ROW EXECUTE FUNCTION disk_full()")
        )
    try:
        assert_unavailable(bank.call("GET", "/v1/profiles", authorization))
        with pytest.raises(BankError) as refused:
            bank.push(flow.details(), scope=flow.SCOPE)
        assert (refused.value.status, refused.value.code) == (503, "temporarily_unavailable")
    finally:
        with empty_database.transaction("owner") as session:
            session.execute(text("DROP FUNCTION disk_full CASCADE"))


def test_a_bug_is_still_a_500_with_its_number(app, person, monkeypatch):
    monkeypatch.setattr("creditlink.portal.person.signin.safe_next", lambda _address: 1 / 0)
    page = person.get("/portal/sign-in?lang=en", headers={"X-Request-ID": "quote-me-3"})
    assert page.status_code == 500
    assert "Something failed on our side" in page.text
    assert "quote-me-3" in page.text
