"""What decisions are found by: digests that tell nobody anything, given once, and told in each firm's log."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.cli.decisions import decisions as commands
from creditlink.decisions import archive
from creditlink.decisions.looks import found, marks
from creditlink.decisions.tables import DecisionRow
from creditlink.kit import ids
from creditlink.kit.postgres import db
from tests.decisions.conftest import kept
from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = ["authorized", "bank", "city", "created", "delivered", "firm", "http", "kept", "products", "rich_firm"]


def unmark():
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE decision_records SET marks = NULL"))


def row_of(profile):
    with db.transaction("owner") as session:
        return session.get_one(DecisionRow, ids.internal("prf", profile["id"]))


@pytest.fixture
def profile(created):
    return created()[1]


def test_a_record_is_found_by_its_codes_and_what_moved_it_and_says_neither(profile, settings):
    stored = row_of(profile).marks
    codes = [one["code"] for part in ("reasons", "strengths", "human_review") for one in profile[part]]
    assert codes
    for code in codes:
        assert marks.mark_of(marks.CODE, code, settings.secret_key) in stored
        assert code not in "".join(stored)
    assert marks.mark_of(marks.CODE, codes[0], "another-server") not in stored
    assert marks.mark_of(marks.CODE, "R999", settings.secret_key) not in stored
    with db.transaction("owner") as session:
        query = archive.DecisionQuery(marks=(marks.mark_of(marks.CODE, codes[0], settings.secret_key),))
        assert [row.id for row in archive.find(session, query)] == [ids.internal("prf", profile["id"])]


def test_records_from_before_are_marked_once_and_alike(profile, settings, empty_database, monkeypatch):
    monkeypatch.setattr("creditlink.cli.decisions.start", lambda _role: (settings, empty_database))
    before = row_of(profile).marks
    unmark()
    assert "1 records marked" in CliRunner().invoke(commands, ["mark"]).output
    assert row_of(profile).marks == before
    assert "0 records marked" in CliRunner().invoke(commands, ["mark"]).output


@pytest.mark.parametrize("change", ["marks = '{x}'", "marks = '{x}', grade = 'A'", "marks = NULL"])
def test_marks_do_not_change(profile, change):
    with pytest.raises(DBAPIError, match="append-only"), db.transaction("owner") as session:
        session.execute(text(f"UPDATE decision_records SET {change}"))


def test_nothing_else_changes_while_a_record_is_marked(profile):
    unmark()
    with pytest.raises(DBAPIError, match="append-only"), db.transaction("owner") as session:
        session.execute(text("UPDATE decision_records SET marks = '{x}', model_id = 'other'"))


def test_a_forged_mark_is_found_by_the_check(profile, settings):
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE decision_records SET marks = '{x}'"))
    with db.transaction("owner") as session:
        row = session.scalars(select(DecisionRow)).one()
        assert "other reasons or indicators" in "; ".join(
            archive.faults(session, row.chain_id, {row.wire_id: row.payload_sha256}, secret=settings.secret_key)
        )


def test_a_damaged_record_stays_unmarked_and_is_named(profile, settings):
    unmark()
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE decision_records SET payload = '\\x00'"))
    with db.transaction("owner") as session:
        (said,) = found.mark(session, found.unmarked(session), secret=settings.secret_key)
    assert "not sealed with this server's key" in said
    assert row_of(profile).marks is None
