"""Nothing of a row reaches the log, whichever way an error of the database takes there."""

import contextlib
import io
import json
import logging
import sys

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from creditlink.kit.processes.log import configure_logging, message_of
from creditlink.kit.settings import ROOT

SECRET = "张三的手机 13800000000"

FAULTS = {
    "a key": "INSERT INTO accounts (id, login, display_name, password_hash, role, status, created_at) SELECT"
    " gen_random_uuid(), :secret, 'x', 'x', 'person', 'active', now() FROM generate_series(1, 2)",
    "a row": "INSERT INTO accounts (id, login) VALUES (gen_random_uuid(), :secret)",
    "an input": "SELECT CAST(:secret AS uuid)",
    "an input with a quote": "SELECT CAST(:secret || chr(34) || 'tail of it' AS uuid)",
    "a number": "SELECT CAST(:secret AS bigint)",
    "json": "SELECT CAST(:secret AS jsonb)",
}


@pytest.fixture
def logged(settings, monkeypatch):
    sink = io.StringIO()
    monkeypatch.setattr(sys, "stderr", sink)
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook
    configure_logging(settings)

    yield sink.getvalue
    root.handlers[:], root.level, sys.excepthook = before
    structlog.reset_defaults()


@pytest.mark.parametrize("statement", FAULTS.values(), ids=FAULTS)
class TestAnErrorOfTheDatabase:
    def failed(self, database, statement):
        try:
            with database.transaction("owner") as session:
                session.execute(text(statement), {"secret": SECRET})
        except SQLAlchemyError as error:
            return error
        raise AssertionError("it must fail")

    def test_says_what_and_where_and_no_value(self, empty_database, statement, logged):
        error = self.failed(empty_database, statement)
        structlog.get_logger().error("first", exc_info=error)
        try:
            try:
                raise error
            except DBAPIError as inner:
                raise RuntimeError("a job failed") from inner
        except RuntimeError as outer:
            logging.getLogger("procrastinate").error("second", exc_info=outer)
        structlog.get_logger().error("third", reason=str(error))
        group = ExceptionGroup("several", [error, ValueError("x")])
        structlog.get_logger().error("fourth", exc_info=group)
        told = logged()
        entries = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        assert [entry["event"] for entry in entries] == ["first", "second", "third", "fourth"]
        for secret in ("13800000000", "张三", "tail of it"):
            assert secret not in told
        assert error.orig.sqlstate in entries[0]["exception"]
        assert error.orig.sqlstate in entries[3]["exception"]
        assert "test_log.py" in entries[1]["exception"]

    def test_is_as_quiet_when_it_ends_the_process(self, empty_database, statement, logged):
        error = self.failed(empty_database, statement)
        with contextlib.redirect_stderr(io.StringIO()) as sink:
            sys.excepthook(type(error), error, error.__traceback__)
        told = sink.getvalue()
        assert "13800000000" not in told
        assert error.orig.sqlstate in told


def test_other_errors_keep_their_words():
    assert message_of(ValueError("the words")) == "the words"


def test_every_engine_hides_its_parameters(database):
    for role in ("owner", "api", "worker"):
        assert database.engine(role).hide_parameters
    made = [path for path in ROOT.glob("creditlink/**/*.py") if "create_engine(" in path.read_text()]
    assert [path.name for path in made] == ["db.py"]
