"""The status over HTTP and as a page; the funnel in the metrics."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from creditlink.consents import funnel
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.status import service
from creditlink.status.recorder import EVERY, Recorder
from creditlink.status.tables import StepCount
from tests import factories as make
from tests.retention.conftest import fetched

PROFILE = "/v1/profiles"


def counted(recorder, *, good, failed, seconds=0.03, at=None):
    at = at or utc_now()
    for status, times in ((201, good), (503, failed)):
        for _ in range(times):
            recorder.observe(PROFILE, status, seconds, at)
    recorder.write(at, at_once=True)


def step(body, name):
    return next(row for row in body["steps"] if row["step"] == name)


def test_counts_of_several_processes_add_up(client, empty_database):
    one, two = Recorder(), Recorder()
    counted(one, good=3, failed=1)
    counted(two, good=4, failed=0)
    body = client.get("/v1/status").json
    profile = step(body, "profile")
    assert (profile["state"], profile["last_hour"]["success_rate"]) == ("degraded", 0.875)
    assert 0.02 < profile["last_hour"]["p50_seconds"] <= 0.05
    assert body["last_incident"]["where"] == "profile"
    assert body["state"] == "degraded"


def test_a_refusal_is_a_good_answer(client, empty_database):
    assert client.post("/oauth/token", data={"grant_type": "x"}).status_code in (400, 401)
    token = step(client.get("/v1/status").json, "token")
    assert (token["state"], token["last_failure_at"]) == ("up", None)


def test_after_a_quiet_hour_the_day_speaks(client, empty_database):
    counted(Recorder(), good=1, failed=9, at=utc_now() - timedelta(hours=3))
    profile = step(client.get("/v1/status").json, "profile")
    assert profile["last_hour"] == {"success_rate": None, "p50_seconds": None}
    assert (profile["state"], profile["last_day"]["success_rate"]) == ("down", 0.1)


def test_sources_are_told_from_the_pulls(client, empty_database):
    now = utc_now()
    with db.transaction("owner") as session:
        fetched(session, make.make_consent(session, now=now), categories=("tax", "electricity"), at=now)
        session.execute(text("UPDATE pull_parts SET status = 'TIMEOUT' WHERE source = 'electricity'"))
    body = client.get("/v1/status").json
    states = {row["source"]: row["state"] for row in body["sources"]}
    assert (states["tax"], states["electricity"], states["social_security"]) == ("up", "down", "unknown")
    assert step(body, "pull")["last_hour"]["success_rate"] == 0.5


def test_nothing_is_known_of_an_empty_platform(client, empty_database):
    body = client.get("/v1/status").json
    assert (body["state"], body["last_incident"]) == ("unknown", None)
    assert [row["step"] for row in body["steps"]] == ["consent_page", "token", "pull", "profile"]


def test_writing_waits_a_few_seconds_and_loses_nothing(empty_database):
    recorder, now = Recorder(), utc_now()
    recorder.observe(PROFILE, 200, 0.1, now)
    recorder.write(now)
    recorder.observe(PROFILE, 200, 0.1, now)
    recorder.write(now + EVERY - timedelta(milliseconds=1))

    def stored():
        with db.transaction("owner") as session:
            return sum(session.scalars(select(StepCount.answers)))

    assert stored() == 1
    recorder.write(now + EVERY)
    assert stored() == 2


def test_old_counts_are_forgotten_failures_later(empty_database):
    now = utc_now()
    counted(Recorder(), good=1, failed=1, at=now - timedelta(days=3))
    with db.transaction("worker") as session:
        service.forget(session, now)
        assert session.scalars(select(StepCount.outcome)).all() == ["failed"]
        service.forget(session, now + timedelta(days=90))
        assert session.scalars(select(StepCount.outcome)).all() == []


@pytest.mark.parametrize(("lang", "said"), [("zh", "运行状态"), ("en", "Median time")])
def test_the_page_needs_no_sign_in(client, empty_database, lang, said):
    counted(Recorder(), good=1, failed=0)
    answer = client.get(f"/portal/status?lang={lang}")
    assert answer.status_code == 200
    assert said in answer.text


class TestFunnel:
    @pytest.fixture
    def asked(self, empty_database):
        """Ten firms that agreed (one with less), nine that declined."""
        now = utc_now()
        with db.transaction("owner") as session:
            client = make.make_client(session)
            for i in range(10):
                less = {"categories": ("registration", "tax", "social_security")} if i == 0 else {}
                consent = make.make_consent(session, client=client, now=now, **less)
                funnel.note_stage(session, consent.id, "shown", now)
                funnel.note_stage(session, consent.id, "shown", now)
            for _ in range(9):
                make.make_consent(session, client=client, now=now, state="REJECTED")

    def test_counts_stages_over_all_processes_and_hides_small_groups(self, asked, client):
        with db.transaction() as session:
            assert funnel.counts(session, utc_now()) == {"asked": 19, "shown": 10, "approved": 10}
        shown = client.get("/metrics").text
        assert 'creditlink_consent_funnel{stage="approved"} 10.0' in shown
        assert 'stage="declined"' not in shown
        assert 'stage="narrowed"' not in shown

    def test_one_firm_asked_many_times_is_one_firm(self, empty_database):
        now = utc_now()
        with db.transaction("owner") as session:
            client, firm, account = make.make_client(session), make.make_enterprise(session), make.make_account(session)
            for _ in range(12):
                make.make_consent(session, client=client, enterprise=firm, account=account, now=now)
        with db.transaction() as session:
            assert "approved" not in funnel.counts(session, now)
