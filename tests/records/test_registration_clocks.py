"""Registration has two clocks: a back-dated profile reads what was known of the registry on that day."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from creditlink.enterprises import service
from creditlink.enterprises.tables import Enterprise, RegisteredEntry
from creditlink.kit.clock import day_of
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.postgres import db
from creditlink.records import store
from tests import factories as make
from tests.factories import NOW

TODAY = day_of(NOW)


@pytest.fixture
def firm(empty_database):
    with db.transaction("owner") as session:
        began = NOW - timedelta(days=400)
        return make.make_enterprise(session, created_at=began, updated_at=began).id


def amend(firm, changes, *, valid_from=None, now=NOW):
    with db.transaction("owner") as session:
        service.amend(session, session.get_one(Enterprise, firm), changes, valid_from=valid_from, now=now)


def read(firm, as_of, role="worker"):
    with db.transaction(role) as session:
        inputs = store.read_inputs(session, [firm], categories=(), since=date(2023, 8, 1), as_of=as_of)
        return inputs.records.registration.row(0, named=True)


def test_a_day_before_a_change_reads_what_was_known_then(firm):
    amend(firm, {"status": "revoked", "industry": "G54"}, now=NOW)
    assert (read(firm, TODAY)["status"], read(firm, TODAY)["industry"]) == ("revoked", "G54")
    before = read(firm, TODAY - timedelta(days=1))
    assert (before["status"], before["industry"]) == ("active", "C33")


def test_what_was_learned_late_is_not_known_before_it_was_learned(firm):
    held_from = TODAY - timedelta(days=90)
    amend(firm, {"status": "suspended"}, valid_from=held_from, now=NOW)
    assert read(firm, TODAY)["status"] == "suspended"
    assert read(firm, held_from + timedelta(days=10))["status"] == "active"
    with db.transaction("owner") as session:
        rows = session.scalars(select(RegisteredEntry).order_by(RegisteredEntry.id)).all()
        assert [(row.status, row.valid_from) for row in rows][1:] == [("suspended", held_from)]


def test_a_late_correction_of_an_older_entry_does_not_undo_a_newer_one(firm):
    amend(firm, {"paid_in_capital_fen": 9_000}, valid_from=TODAY - timedelta(days=5), now=NOW - timedelta(days=4))
    amend(firm, {"paid_in_capital_fen": 7_000}, valid_from=TODAY - timedelta(days=60), now=NOW - timedelta(days=1))
    assert read(firm, TODAY)["paid_in_capital_fen"] == 9_000
    assert read(firm, TODAY - timedelta(days=4))["paid_in_capital_fen"] == 9_000


def test_a_day_before_the_first_entry_reads_the_first(firm):
    amend(firm, {"status": "revoked"}, now=NOW)
    assert read(firm, TODAY - timedelta(days=800))["status"] == "active"


def test_whoever_changes_the_registry_appends_to_its_history(firm):
    with db.transaction("owner") as session:
        session.execute(text("UPDATE enterprises SET linked_struck_off = true"))
        session.execute(text("UPDATE enterprises SET discoverable = true"))  # no entry of the registry
    with db.transaction("owner") as session:
        assert [row.linked_struck_off for row in session.scalars(select(RegisteredEntry).order_by("id"))] == [
            False,
            True,
        ]
    assert read(firm, TODAY, role="api")["linked_struck_off"] is False


@pytest.mark.parametrize(
    ("changes", "valid_from", "named"),
    [
        ({"uscc": "x"}, None, "/uscc"),
        ({"status": "asleep"}, None, "/status"),
        ({"industry": "33"}, None, "/industry"),
        ({"status": "revoked"}, TODAY + timedelta(days=1), "/valid_from"),
    ],
)
def test_a_wrong_change_names_its_entry(firm, changes, valid_from, named):
    with pytest.raises(InvalidRequest) as refused:
        amend(firm, changes, valid_from=valid_from)
    assert refused.value.extra["errors"][0]["pointer"] == named
    assert read(firm, TODAY)["status"] == "active"


def held(firm, *names):
    with db.transaction("owner") as session:
        row = session.get_one(Enterprise, firm)
        return tuple(getattr(row, name) for name in names)


def test_a_late_change_of_one_entry_reaches_the_days_after_a_newer_change_of_another(firm):
    """Else a firm of which it is learned late that it was revoked stays an active one."""
    amend(firm, {"paid_in_capital_fen": 9_000}, valid_from=TODAY - timedelta(days=5), now=NOW - timedelta(days=4))
    amend(firm, {"status": "revoked"}, valid_from=TODAY - timedelta(days=60), now=NOW - timedelta(days=1))
    now = read(firm, TODAY)
    assert (now["status"], now["paid_in_capital_fen"]) == ("revoked", 9_000)
    assert held(firm, "status", "paid_in_capital_fen") == ("revoked", 9_000)
    assert read(firm, TODAY - timedelta(days=2))["status"] == "active"  # not known yet


def test_what_the_registry_says_now_is_what_a_profile_of_today_reads(firm):
    amend(firm, {"paid_in_capital_fen": 9_000}, valid_from=TODAY - timedelta(days=5), now=NOW - timedelta(days=4))
    # Corrects the older capital only; the industry was never another since.
    late = {"paid_in_capital_fen": 7_000, "industry": "G54"}
    amend(firm, late, valid_from=TODAY - timedelta(days=60), now=NOW - timedelta(days=2))
    amend(firm, {"status": "suspended"}, now=NOW - timedelta(days=1))
    names = ("industry", "status", "paid_in_capital_fen")
    assert held(firm, *names) == ("G54", "suspended", 9_000)
    assert tuple(read(firm, TODAY)[name] for name in names) == held(firm, *names)


def test_news_from_before_a_firms_first_entry_reaches_that_entry_too(empty_database):
    """A firm that is registered late, of which it is said at once that it was revoked years ago, is a revoked one."""
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session, established_on=None, created_at=NOW, updated_at=NOW).id
    amend(firm, {"status": "revoked"}, valid_from=TODAY - timedelta(days=600), now=NOW + timedelta(seconds=1))
    assert read(firm, TODAY)["status"] == "revoked"
    assert held(firm, "status") == ("revoked",)
