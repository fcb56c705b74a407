"""Answers that are lost, late or lies; two disputes on one datum; a consent that ends meanwhile; appeals."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx
import polars as pl
import pytest
from sqlalchemy import select, text

from creditlink.disputes import configuration, figures, service, tasks, wire
from creditlink.disputes.tables import DisputeEvent
from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.profiles.reliance.contested import tasks as contested
from creditlink.profiles.tables import Profile
from creditlink.records import sources
from creditlink.records.pulls import pull as pulls
from creditlink.records.tables import FactRow
from creditlink.sandbox.bureaus.holdings import Holdings
from creditlink.sandbox.offices.public_credit import PublicCreditPlatform
from tests import factories as make
from tests.disputes import conftest as at
from tests.oauth import flow
from tests.records.offices import Reply, office

SECOND = timedelta(seconds=1)


@pytest.fixture
def disputed(firm, bank, relied):
    """A profile that a bank relied on, and a dispute on a row of it that says what it should be."""
    authorization, made = relied(bank)
    fact = at.payroll(firm)
    one = at.dispute(firm, fact, wanted={"headcount": int(fact.values["headcount"]) + 40})
    return authorization, made, one


def order(url, what, uscc="*"):
    """Tell the office's clerk what to do."""
    assert httpx.post(f"{url}/_cases", json={"order": what, "uscc": uscc}).status_code == 200


def steps(one):
    with db.transaction("owner") as session:
        return [row.step for row in session.scalars(
            select(DisputeEvent).where(DisputeEvent.dispute_id == one.id).order_by(DisputeEvent.id)
        )]  # fmt: skip


def pull_what_is_open():
    for consent_id in at.open_pulls():
        at.pull(consent_id)


def act(firm, one, work):
    """Do something as the firm's person."""
    with db.transaction("api", viewer=db.Viewer(account_id=firm.account.id)) as session:
        db.enter(session, db.Viewer(enterprise_id=firm.enterprise.id))
        found = service.named(session, one.wire_id, firm_id=firm.enterprise.id, lock=True)
        work(session, found, session.get_one(Account, firm.account.id))


def test_a_source_that_loses_the_case_is_told_again(offices, disputed):
    *_, one = disputed
    order(offices, "lose")
    assert at.advance(one).state == "sent"
    assert at.advance(one).state == "sent"  # it knows no such case, and is told anew
    assert steps(one) == ["file", "send", "send"]
    order(offices, None)
    at.advance(one)
    assert at.advance(one).state == "promised"


def test_a_source_that_is_late_is_told_of_once_and_no_date_of_its_own_helps(offices, disputed):
    *_, one = disputed
    order(offices, "wait")
    at.advance(one)
    assert at.advance(one).state == "sent"
    assert one.due_at > utc_now()
    tasks.sweep(one.due_at - SECOND)
    assert at.read(one.id).overdue_told_at is None
    late = one.due_at + timedelta(days=1)
    for _ in range(2):
        tasks.sweep(late)
    assert steps(one) == ["file", "send", "overdue"]
    assert at.advance(one, now=late).state == "sent"  # asked once more, after its time
    order(offices, "uphold")
    answered = at.advance(one, now=late + SECOND)  # it dates its answer today, long before
    assert (answered.state, answered.answered_at >= answered.due_at) == ("upheld", True)
    terms = configuration.current()
    with db.transaction("worker") as session:
        (of,) = figures.figures(session, terms.calendar, since=one.opened_at, now=late)
    assert (of.filed, of.answered, of.in_time, of.upheld, of.open) == (1, 1, 0, 1, 0)


def test_a_source_that_says_corrected_and_sends_the_row_as_before_is_not_believed(offices, disputed, bank):
    authorization, made, one = disputed
    order(offices, "lie")
    at.advance(one)
    contested.contest_now(one.id, utc_now())
    promised = at.advance(one)
    assert (promised.state, promised.verdict) == ("promised", "corrected")
    at.advance(one)
    pull_what_is_open()
    assert at.advance(one).state == "promised"
    pull_what_is_open()
    doubted = at.advance(one, now=promised.believed_until)
    assert (doubted.state, at.corrections()) == ("unkept", [])
    (told,) = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["contested"]
    assert (told["contested"], told["state"], told["corrected"]) == (True, "unkept", None)


def test_a_source_that_stands_by_its_record_and_corrects_it_all_the_same_has_corrected_it(offices, disputed, firm):
    authorization, _, one = disputed
    order(offices, "uphold")
    at.advance(one)
    assert at.advance(one).state == "upheld"
    order(offices, "correct")
    with db.transaction("owner") as session:  # another firm's word makes the clerk look again
        consent = session.get_one(at.Consent, flow.consent_of(authorization))
        case = {"case": "dsp_" + "0" * 32, "level": 0, "uscc": firm.enterprise.uscc, "frame": one.frame,
                "period": f"{one.period:%Y-%m}", "key": "", "wanted": one.wanted, "files": [{}]}  # fmt: skip
        source = sources.current().config.sources["social_security"]
        wire.tell(source, case)
        wire.ask(source, case["case"], 0, sent_at=utc_now(), now=utc_now())
        pulls.start(session, consent, ["social_security"], trigger="dispute", now=utc_now())
    pull_what_is_open()
    tasks.sweep(utc_now())
    assert at.read(one.id).state == "corrected"


GOOD = {"state": "answered", "verdict": "upheld", "reason": "属实"}


@pytest.mark.parametrize(
    "lie",
    [
        {"case": "dsp_" + "f" * 32},
        {"level": 1},
        {"verdict": "deleted"},
        {"verdict": ["corrected"]},
        {"reason": ""},
        {"reason": "\x00"},
        {"reason": "x" * 1001},
        {"answered_at": "2020-01-01T00:00:00+08:00"},
        {"answered_at": "2199-01-01T00:00:00+08:00"},
        {"answered_at": "2026-11-30T10:00:00"},
        {"answered_at": "tomorrow"},
        {"state": "done"},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_what_cannot_be_an_answer_is_none(city, lie):
    sent = utc_now()
    case = "dsp_" + "a" * 32
    whole = {"case": case, "level": 0, "answered_at": utc_now().isoformat(), **GOOD}

    def answer(_asked):
        return Reply(body=json.dumps({**whole, **lie}).encode())

    with office(answer) as desk:
        source = replace(
            at.SourceConfig("tax", ("tax",), desk.url, timedelta(hours=1), {"app_id": "a", "secret": "s"}), name="tax"
        )
        sources.configure(at.Sources(at.config_for(desk.url)))
        try:
            with pytest.raises(wire.SourceSilent):
                wire.ask(source, case, 0, sent_at=sent, now=utc_now())
            for body in (b"", b"\xef\xbb\xbf{}", b"[]", b'{"case":1,"case":2}', b"[" * 100_000, "是".encode("gbk")):
                desk.answer = lambda _asked, body=body: Reply(body=body)
                with pytest.raises(wire.SourceSilent):
                    wire.ask(source, case, 0, sent_at=sent, now=utc_now())
        finally:
            sources.current().close()
            sources.configure(None)


def test_of_two_disputes_at_once_on_one_datum_one_is_open(firm, bank, relied):
    relied(bank)
    fact = at.payroll(firm)

    def file(_):
        try:
            return at.dispute(firm, fact).wire_id
        except Conflict as conflict:
            return conflict.extra["reason"]

    with ThreadPoolExecutor(4) as pool:
        came_to = list(pool.map(file, range(4)))
    assert sorted(one.partition("_")[0] for one in came_to) == ["disputed", "disputed", "disputed", "dsp"]
    # Another month is another datum; and what is withdrawn may be disputed anew.
    assert at.dispute(firm, at.payroll(firm, 4)).state == "filed"
    with db.transaction("owner") as session:
        (first,) = session.scalars(select(at.Dispute).where(at.Dispute.period == fact.period)).all()
    act(firm, first, lambda session, found, account: service.withdraw(session, found, account, now=utc_now()))
    assert at.dispute(firm, fact).state == "filed"


def test_a_consent_withdrawn_meanwhile_leaves_its_bank_with_no_new_data(offices, disputed, bank, http, empty_database):
    authorization, made, one = disputed
    with db.transaction("owner") as session:
        session.execute(text("UPDATE clients SET webhook_url = 'https://bank.example/hooks'"))
    at.advance(one)
    flow.change_consent(authorization, "revoke")
    at.advance(one)
    ended = at.advance(one)
    assert (ended.state, ended.corrected_fact_id, at.open_pulls()) == ("corrected", None, [])
    assert contested.tell_now(one.id, utc_now()) == 1
    assert contested.tell_now(one.id, utc_now()) == 0  # once
    (row,) = at.corrections()
    assert row.in_full is False
    with db.transaction("owner") as session:
        assert session.scalar(text("SELECT count(*) FROM contested_scores WHERE which = 'corrected'")) == 0
        bodies = session.scalars(text("SELECT body FROM notifications WHERE type = 'profile.corrected'")).all()
    (told,) = [json.loads(body)["data"] for body in bodies]
    names = {"correction_id", "consent_id", "enterprise_id", "profile_ids", "rely_on", "score_at"}
    assert told.keys() == names  # that it must not rely on its profile, and nothing of the datum
    assert (told["profile_ids"], told["rely_on"], told["score_at"]) == ([made["id"]], False, None)
    assert bank.call("GET", f"/v1/profiles/{made['id']}", authorization).status_code in (401, 403)


def test_whoever_was_given_a_profile_that_is_gone_is_told_all_the_same(offices, disputed, firm):
    _, made, one = disputed
    with db.transaction("owner") as session:
        session.execute(text("DELETE FROM profile_endings"))
        session.execute(text("SET LOCAL session_replication_role = replica"))
        assert session.execute(text("DELETE FROM profiles")).rowcount == 1
    assert at.through(one).state == "corrected"
    (row,) = at.corrections()
    assert [f"prf_{known.hex}" for known in row.profile_ids] == [made["id"]]
    with db.transaction("owner") as session:
        assert session.scalars(select(Profile)).all() == []


def test_an_appeal_is_a_second_look_within_its_time_and_no_third(offices, disputed, firm):
    *_, one = disputed
    order(offices, "uphold")
    at.advance(one)
    upheld = at.advance(one)
    terms = configuration.current()

    def appeal(now):
        act(firm, one, lambda session, found, account: service.appeal(
            session, found, account, "请再次核查所附凭证", terms=terms, now=now
        ))  # fmt: skip

    with pytest.raises(Conflict) as late:
        appeal(upheld.appeal_until)
    assert late.value.extra["reason"] == "too_late"
    appeal(utc_now())
    asked = at.read(one.id)
    assert (asked.state, asked.level, asked.verdict, asked.ended_at) == ("filed", 1, None, None)
    order(offices, "wait")
    at.advance(one)
    assert at.advance(one).state == "sent"  # what it said at the first level is no answer now
    order(offices, "uphold")
    assert at.advance(one).state == "upheld"
    with pytest.raises(Conflict) as twice:
        appeal(utc_now())
    assert twice.value.extra["reason"] == "appealed"


def test_a_penalty_is_repaired_over_the_wire_and_is_in_force_no_more(firm, city, settings):
    """The public credit platform ends the record; the row comes in as any correction, dated, and counts no more."""
    occurred = (utc_now() - timedelta(days=200)).date()
    uscc = firm.enterprise.uscc
    holdings = Holdings(city, ("credit_events",))
    row = {
        "firm": holdings.firm(uscc), "period": occurred.replace(day=1), "kind": "penalty", "occurred_on": occurred,
        "severity": 2, "amount_fen": 300_000, "ended_on": None, "known_on": occurred + timedelta(days=9),
    }  # fmt: skip
    holdings._frames["credit_events"] = pl.concat(
        [holdings._frames["credit_events"], pl.DataFrame([row], schema=FRAME_SCHEMAS["credit_events"])]
    ).sort("firm")
    holdings._starts["credit_events"] = holdings._frames["credit_events"]["firm"].to_numpy()
    with db.transaction("owner") as session:
        consent = make.make_consent(
            session, enterprise=session.merge(firm.enterprise), now=utc_now(),
            account=session.merge(firm.account), wanted=("public_credit",),
        )  # fmt: skip
    platform = PublicCreditPlatform(holdings, "sandbox-public-credit-token").application()
    with at.serving(platform) as url:
        held = {"token": "sandbox-public-credit-token"}
        one = at.SourceConfig("public_credit", ("public_credit",), url, timedelta(hours=24), held)
        sources.configure(at.Sources(at.config_for(url, sources={"public_credit": one})))
        try:
            at.pull(consent.id)
            with db.transaction("owner") as session:
                (fact,) = [
                    fact for fact in session.scalars(select(FactRow).where(FactRow.frame == "credit_events"))
                    if fact.values.get("occurred_on") == occurred.isoformat() and fact.subkey.startswith("penalty/")
                ]  # fmt: skip
            asked = at.dispute(firm, fact, claim="repair", statement="罚款已缴清，申请修复")
            ended = at.through(asked)
        finally:
            sources.current().close()
            sources.configure(None)
    assert (ended.state, ended.said["ended_on"]) == ("corrected", None)
    assert ended.now_said["ended_on"] == ended.wanted["ended_on"]
