"""What an office allows is kept by all workers together; its wish to be left alone is a state, not a crash."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from creditlink.kit.clock import day_of, start_of_day, utc_now
from creditlink.kit.postgres import db
from creditlink.records import sources
from creditlink.records.connectors.wire import Failure
from creditlink.records.offices.budget import CallLimits
from creditlink.records.offices.gate import SourceGate
from creditlink.records.pulls import fetching
from creditlink.records.sources import Sources
from creditlink.records.tables import PullPart, SourceBudget
from tests.records.conftest import config_for
from tests.records.offices import Reply


def parts(consent, offices, clock=utc_now):
    fetching.run_pull(consent.id, offices, clock)
    with db.transaction("worker") as session:
        found = session.scalars(select(PullPart).order_by(PullPart.finished_at)).all()
        session.expunge_all()
    return {part.source: part for part in found}


def rest_of(source):
    with db.transaction("worker") as session:
        return session.scalar(select(SourceBudget.rest_until).where(SourceBudget.name == source))


@pytest.fixture
def limited(desk):
    """This process's sources with limits for one office."""
    opened = []

    def limit(source, calls, **more):
        config = config_for(desk.url, **more)
        named = dict(config.sources) | {source: replace(config.sources[source], calls=calls)}
        opened.append(Sources(replace(config, sources=named)))
        sources.configure(opened[-1])
        return opened[-1]

    yield limit
    sources.configure(None)
    for one in opened:
        one.close()


class TestTheGate:
    def test_two_workers_share_one_budget(self, empty_database):
        waited = []
        gates = [SourceGate("x", CallLimits(per_second=4), sleep=waited.append) for _ in range(2)]
        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(gates[i % 2].admit, 60, 2) for i in range(12)]:
                future.result()
        # Four at once, and then a quarter of a second after each other, whoever asks.
        assert len(waited) >= 7
        assert max(waited) == pytest.approx(2.0, abs=0.6)

    def test_the_days_number_is_shared_and_then_refused(self, empty_database):
        gates = [SourceGate("x", CallLimits(per_day=3)) for _ in range(2)]
        for i in range(3):
            gates[i % 2].admit(1, 1)
        with pytest.raises(Failure, match="3 requests a day is used up") as caught:
            gates[0].admit(1, 1)
        assert caught.value.status == "DOWN"
        with db.transaction("worker") as session:
            assert session.get_one(SourceBudget, "x").used == 3

    def test_where_nothing_is_limited_nothing_is_written(self, empty_database):
        SourceGate("x", CallLimits()).admit(1, 1)
        with db.transaction("worker") as session:
            assert session.scalars(select(SourceBudget)).all() == []

    def test_a_rest_holds_for_every_process(self, empty_database):
        SourceGate("x", CallLimits()).rest(100)
        with pytest.raises(Failure, match="asks to be left alone until"):
            SourceGate("x", CallLimits()).admit(1, 1)

    @pytest.mark.parametrize(
        "turns", ["DELETE FROM source_budgets", "INSERT INTO source_budgets (name) VALUES ('tax')"]
    )
    def test_the_api_looks_and_turns_nothing(self, empty_database, turns):
        with db.transaction("api") as session:  # the operator's desk shows the pace of a source: no firm is in it
            assert session.execute(text("SELECT * FROM source_budgets")).all() == []
        with pytest.raises(Exception, match="permission denied"), db.transaction("api") as session:
            session.execute(text(turns))


class TestAPull:
    @pytest.mark.parametrize("status", [429, 503])
    def test_the_office_is_left_alone_for_as_long_as_it_asks(self, consent, offices, desk, city, status):
        busy = Reply(status, headers={"Retry-After": "3600"})
        city.spoil = lambda source, _asked: busy if source == "social_security" else None
        found = parts(consent, offices)
        assert found["social_security"].status == "DOWN"
        assert "asks to be left alone until" in found["social_security"].error
        assert {found["tax"].status, found["electricity"].status} == {"DELIVERED"}
        asked = [one for one in desk.asked if "payroll" in one.path]
        assert len(asked) == 1  # and not again, though the wire tries twice
        assert rest_of("social_security") > utc_now() + timedelta(minutes=59)
        assert not offices.circuits["social_security"].is_open(utc_now())

    def test_nobody_asks_meanwhile_and_then_all_is_well(self, consent, offices, desk, city):
        city.spoil = lambda source, _asked: (
            Reply(503, headers={"Retry-After": "3600"}) if source == "social_security" else None
        )
        parts(consent, offices)
        city.spoil = lambda _source, _asked: None
        desk.asked.clear()
        again = parts(consent, offices, lambda: utc_now() + timedelta(minutes=30))
        assert again["social_security"].status == "DOWN"
        assert desk.asked == []
        with db.transaction("owner") as session:
            session.execute(text("UPDATE source_budgets SET rest_until = now() - interval '1 second'"))
        later = parts(consent, offices, lambda: utc_now() + timedelta(minutes=61))
        assert later["social_security"].status == "DELIVERED"

    def test_the_worker_comes_back_when_the_rest_is_over(self, consent, offices, city):
        city.spoil = lambda source, _asked: (
            Reply(429, headers={"Retry-After": "3600"}) if source == "social_security" else None
        )
        parts(consent, offices)
        with db.transaction("owner") as session:
            [at] = session.scalars(
                text("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'records.retry_pull'")
            ).all()
        assert at > utc_now() + timedelta(minutes=58)  # not after the usual minute

    def test_a_short_rest_is_waited_for_within_the_same_pull(self, consent, desk, city, offices):
        said = []

        def once(source, asked):
            if source == "social_security" and not said:
                said.append(asked)
                return Reply(429, headers={"Retry-After": "0"})
            return None

        city.spoil = once
        assert parts(consent, offices)["social_security"].status == "DELIVERED"
        assert said

    @pytest.mark.parametrize("value", ["soon", "-1", "", "1e3"])
    def test_a_header_that_does_not_read_is_no_wish(self, consent, offices, city, value):
        city.spoil = lambda source, _asked: (
            Reply(429, headers={"Retry-After": value}) if source == "social_security" else None
        )
        part = parts(consent, offices)["social_security"]
        assert (part.status, part.error) == ("DOWN", "payroll: the office answers 429")
        assert rest_of("social_security") is None

    def test_the_pace_is_kept(self, consent, desk, limited):
        opened = limited("tax", CallLimits(per_second=2))
        began = time.monotonic()
        assert parts(consent, opened)["tax"].status == "DELIVERED"
        asked = len([one for one in desk.asked if "swj" in one.path])
        assert asked >= 3
        assert time.monotonic() - began >= (asked - 2) / 2 - 0.1  # two of them at once

    def test_a_days_number_that_is_used_up_is_a_state_of_the_source(self, consent, desk, limited):
        opened = limited("tax", CallLimits(per_day=2))
        found = parts(consent, opened)
        assert found["tax"].status == "PARTIAL"
        assert ": the office is not asked now: its limit of 2 requests a day is used up" in found["tax"].error
        assert found["social_security"].status == "DELIVERED"
        assert not opened.circuits["tax"].is_open(utc_now())
        with db.transaction("owner") as session:
            [at] = session.scalars(
                text("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'records.retry_pull'")
            ).all()
        assert at >= start_of_day(day_of(utc_now()) + timedelta(days=1)) - timedelta(seconds=1)
