"""Threats that play with time: a clock that steps back, seconds at the edge, zones with daylight saving."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from creditlink.consents.life import rules
from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.oauth import tasks
from creditlink.sandbox.banks.bank import BankError
from tests.oauth import flow

PATH = "/v1/resource"


class TestClockSteppingBack:
    """A used assertion, proof or code does not become good again when the clock, or another process's, is behind."""

    @pytest.mark.parametrize("back", [1, 9, 120], ids=lambda s: f"{s} s")
    def test_assertion(self, bank, clock, back):
        form = bank.client_parameters() | {"token": "x"}
        assert bank.http.post("/oauth/introspect", data=form).status_code == 200
        clock(utc_now() - timedelta(seconds=back))
        assert bank.http.post("/oauth/introspect", data=form).status_code == 401

    def test_proof(self, bank, authorized, clock):
        held = authorized(bank)
        proof = bank.proof("GET", PATH, held.access_token)
        headers = {"Authorization": f"DPoP {held.access_token}", "DPoP": proof}
        assert bank.http.get(PATH, headers=headers).status_code == 200
        clock(utc_now() - timedelta(seconds=5))
        assert bank.http.get(PATH, headers=headers).status_code == 401

    def test_after_the_sweep_too(self, bank, empty_database, clock):
        """Used ones are forgotten only when no clock that is a little behind would take them again."""
        form = bank.client_parameters() | {"token": "x"}
        assert bank.http.post("/oauth/introspect", data=form).status_code == 200
        now = utc_now()
        with empty_database.transaction("worker") as session:
            tasks.sweep(session, now=now + timedelta(minutes=8))
        clock(now)
        assert bank.http.post("/oauth/introspect", data=form).status_code == 401

    def test_code(self, bank, approve, clock):
        asked = bank.push(flow.details(), scope=flow.SCOPE)
        code = bank.code_from(approve(bank, asked), asked)
        bank.exchange(code, asked)
        clock(utc_now() - timedelta(seconds=30))
        with pytest.raises(BankError) as refused:
            bank.exchange(code, asked)
        assert refused.value.code == "invalid_grant"

    def test_revocation(self, bank, authorized, clock):
        held = authorized(bank)
        flow.change_consent(held, "revoke")
        clock(utc_now() - timedelta(minutes=2))
        assert bank.introspect(held.access_token) == {"active": False}
        with pytest.raises(BankError) as refused:
            bank.refresh(held)
        assert refused.value.code == "invalid_grant"


def test_consent_expiry_at_the_second(bank, authorized, clock, empty_database):
    """Refresh, introspection and resources hold until the last microsecond of the consent and no longer."""
    held = authorized(bank)
    with empty_database.transaction("owner") as session:
        over = session.get_one(Consent, flow.consent_of(held)).expires_at
    clock(over - timedelta(microseconds=1))
    bank.refresh(held)
    assert bank.introspect(held.access_token)["active"]
    assert bank.call("GET", PATH, held).status_code == 200
    clock(over)
    assert bank.introspect(held.access_token) == {"active": False}
    assert bank.introspect(held.refresh_token) == {"active": False}
    assert bank.call("GET", PATH, held).status_code == 401
    with pytest.raises(BankError) as refused:
        bank.refresh(held)
    assert refused.value.code == "invalid_grant"


@pytest.fixture
def zone(monkeypatch):
    """Set the zone of this process."""

    def at(name):
        monkeypatch.setitem(os.environ, "TZ", name)
        time.tzset()

    yield at
    monkeypatch.undo()
    time.tzset()


# The hours in which New York and London change to and from daylight saving, and midnight in Shanghai.
INSTANTS = [
    datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 0, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    datetime(2026, 7, 31, 15, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 7, 31, 16, 0, tzinfo=UTC),
]


@pytest.mark.parametrize("name", ["America/New_York", "Europe/London", "Pacific/Kiritimati", "UTC"])
def test_dst_and_midnight_in_utc_plus_8_depend_on_no_machines_zone(zone, name):
    zone("Asia/Shanghai")
    expected = [(rules.window_key("day", at), rules.window_key("month", at)) for at in INSTANTS]
    zone(name)
    assert [(rules.window_key("day", at), rules.window_key("month", at)) for at in INSTANTS] == expected
    assert expected[-2:] == [("2026-07-31", "2026-07"), ("2026-08-01", "2026-08")]


def test_the_database_keeps_utc_whatever_its_zone(empty_database):
    """The policies of row-level security compare with the database's own clock: an instant, in no zone."""
    with empty_database.transaction("api") as session:
        assert session.scalar(text("SHOW timezone")).lower() == "utc"
        seen = session.scalar(text("SELECT clock_timestamp()"))
    assert abs((seen - utc_now()).total_seconds()) < 60
