"""What the register says of a firm, disputed: from the form to the feed that corrects it, and whoever relied on it."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from creditlink.cli.disputes import disputes as commands
from creditlink.disputes import answers, figures, service, tasks, versions
from creditlink.disputes.rules.datum import datum_from
from creditlink.disputes.service import WantedDispute
from creditlink.disputes.tables import Dispute
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.files.documents import file_from
from creditlink.kit.postgres import db
from creditlink.profiles.reliance.contested import tasks as contested
from tests import factories as make
from tests.disputes import conftest as at
from tests.disputes.test_pages import person, send
from tests.enterprises.registry.conftest import load
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.portal.test_operator_desk import ola

__all__ = ["load", "ola", "person"]
pytestmark = pytest.mark.usefixtures("app")
CAPITAL = "registered_capital_fen"


def file(firm, entry, wanted, *, claim="wrong"):
    """Dispute an entry of the register as the firm's page does."""
    asked = WantedDispute(
        datum_from(f"registration::{entry}"), claim, "登记有误", {} if wanted is ... else {entry: wanted},
        [file_from("执照.pdf", at.PDF, most_bytes=10**6)],
    )  # fmt: skip
    with db.transaction("api", viewer=db.Viewer(account_id=firm.account.id)) as session:
        db.enter(session, db.Viewer(enterprise_id=firm.enterprise.id))
        return service.file(
            session, session.get_one(Enterprise, firm.enterprise.id), session.get_one(Account, firm.account.id), asked,
            terms=at.current(), now=utc_now(),
        )  # fmt: skip


def answer(one, verdict, *, now=None):
    """Bring the registrar's answer as the operator does."""
    now = now or utc_now()
    with db.transaction("api", viewer=db.Viewer(actor="operator")) as session:
        found = service.named(session, one.wire_id, lock=True)
        if found.state == "filed":
            answers.told(session, found, actor="staff:olga", now=now)
        answers.refuse_foreign(found)
        answers.answered(session, found, verdict, "已核查", answered_at=now, actor="staff:olga", terms=at.current(),
                         now=now)  # fmt: skip


@pytest.fixture
def feed(load):
    """Let the registry's feed say something of a firm now, and the worker look."""
    numbers = iter(range(1, 1000))

    def run(firm, **said):
        taken = load({"sequence": str(next(numbers)), "uscc": firm.enterprise.uscc, **said}, now=utc_now())
        assert taken["refused"] == []
        tasks.sweep(utc_now())

    return run


def test_from_the_entry_to_everybody_who_relied_on_it(firm, bank, relied, feed):
    authorization, made = relied(bank)
    assert made["contested"] == []
    one = file(firm, CAPITAL, 300_000_000)
    assert (one.category, one.source, one.channel, one.fact_id) == ("registration", "registry", "desk", None)
    assert at.advance(one).state == "filed"  # a person brings it to the registrar
    assert contested.contest_now(one.id, utc_now()) == 1
    shown = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()
    (told,) = shown["contested"]
    assert (told["contested"], told["period"], told["in_profile"]) == (True, None, True)
    assert (told["category"], told["label_en"]) == ("registration", "Registration · Registered capital")
    assert told["without"]["state"] == "scored"
    assert shown["points"] == made["points"]
    again = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert again["contested"][0]["dispute_id"] == one.wire_id

    feed(firm, **{CAPITAL: 200_000_000})  # not what the firm named, and the registrar has said nothing
    left = at.read(one.id)
    assert (left.state, left.trouble) == ("filed", answers.OTHERWISE)
    feed(firm, **{CAPITAL: 300_000_000})
    ended = at.read(one.id)
    assert (ended.state, ended.now_said, ended.trouble) == ("corrected", {CAPITAL: 300_000_000}, None)
    assert contested.tell_now(one.id, utc_now()) == 1
    (row,) = at.corrections()
    assert (row.in_full, {f"prf_{known.hex}" for known in row.profile_ids}) == (True, {made["id"], again["id"]})
    (told,) = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["contested"]
    assert (told["contested"], told["corrected"]["state"]) == (False, "scored")
    assert bank.call("POST", "/v1/profiles", authorization, json={}).json()["contested"] == []


def test_what_no_score_reads_stands_beside_it_and_nobody_is_told_of_its_correction(firm, bank, relied, feed):
    with db.transaction("owner") as session:  # known before the profile is made
        session.execute(text("UPDATE enterprises SET created_at = now() - interval '9 days'"))
    authorization, made = relied(bank)
    one = file(firm, "address", "佛山市南海区桂城街道1号")
    at.advance(one)
    assert contested.contest_now(one.id, utc_now()) == 0
    (told,) = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["contested"]
    assert (told["in_profile"], told["without"], told["contested"]) == (False, None, True)
    assert "桂城" not in str(told)
    assert bank.call("POST", "/v1/profiles", authorization, json={}).json()["contested"][0]["in_profile"] is False
    feed(firm, address="佛山市南海区桂城街道１号")  # the same, in wide figures
    assert at.read(one.id).state == "corrected"
    assert (contested.tell_now(one.id, utc_now()), at.corrections()) == (0, [])
    with db.transaction("owner") as session:
        assert session.scalar(text("SELECT count(*) FROM review_cases")) == 0


def test_a_status_has_no_score_without_it_and_a_profile_of_another_value_is_not_contested(firm, bank, relied, feed):
    authorization, made = relied(bank)
    feed(firm, industry="C26")
    later = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    one = file(firm, "industry", "C33")
    assert contested.contest_now(one.id, utc_now()) == 1  # the one computed with C26
    first, second = (
        bank.call("GET", f"/v1/profiles/{made_['id']}", authorization).json()["contested"] for made_ in (made, later)
    )
    assert (first, second[0]["without"], second[0]["in_profile"]) == ([], None, True)


@pytest.mark.parametrize("entry", ["established_on", "paid_in_capital_fen"])
def test_what_the_register_may_lack_has_a_score_without_it(firm, bank, relied, entry):
    authorization, made = relied(bank)
    one = file(firm, entry, None)
    assert contested.contest_now(one.id, utc_now()) == 1
    (told,) = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["contested"]
    assert told["without"]["state"] == "scored"


def test_the_registrars_word_is_believed_once_its_feed_bears_it_out(firm, city, feed):
    one = file(firm, "established_on", "2019-05-06")
    answer(one, "corrected")
    promised = at.advance(one)
    assert (promised.state, promised.tries, at.open_pulls()) == ("promised", 1, [])
    doubted = at.advance(one, now=promised.believed_until)
    assert doubted.state == "unkept"
    assert "feed" in doubted.trouble
    feed(firm, established_on="2019-05-07")  # a third day: the registrar has said that it corrected the entry
    assert at.read(one.id).state == "corrected"
    # One that stands by its entry, and changes it all the same to what the firm said.
    two = file(firm, "representative", "陈志强")
    answer(two, "upheld")
    feed(firm, legal_representative="李伟")
    assert at.read(two.id).state == "upheld"
    feed(firm, legal_representative="陈志强")
    assert at.read(two.id).state == "corrected"
    with db.transaction("worker") as session:
        (of,) = figures.figures(session, at.current().calendar, since=one.opened_at, now=utc_now())
    assert (of.source, of.filed, of.answered, of.corrected) == ("registry", 2, 2, 2)


def test_a_list_is_compared_line_by_line_in_any_order(firm, city, feed):
    feed(firm, shareholders=[{"name": "甲", "share_bps": 6000}, {"name": "乙", "share_bps": 4000}])
    with db.transaction("worker") as session:
        said = versions.in_force(session, firm.enterprise.id, datum_from("registration::shareholders"), utc_now())
    assert said.values == {"shareholders": "甲 60%\n乙 40%"}
    with pytest.raises(InvalidRequest):
        file(firm, "shareholders", "乙 40％\n甲  60%")  # what it says already
    one = file(firm, "shareholders", "丙 40%\n甲 60%")
    feed(firm, shareholders=[{"name": "甲", "share_bps": 6000}, {"name": "丙", "share_bps": 4000}])
    assert at.read(one.id).state == "corrected"


def test_a_list_that_is_not_ours_is_sent_as_the_page_began_it(person, firm, feed):
    feed(firm, branches=[{"name": "佛山分公司"}, {"name": "广州分公司"}])
    page = person.get("/portal/disputes/new?record=registration::branches").text
    assert "佛山分公司\n广州分公司</textarea>" in page
    begun = {"claim": "not_ours", "wanted_branches": "佛山分公司\r\n广州分公司"}
    assert send(person, "registration::branches", **begun).status_code == 303
    with db.transaction("owner") as session:
        (one,) = session.scalars(at.select(Dispute)).all()
    assert (one.wanted, one.said) == ({}, {"branches": "佛山分公司\n广州分公司"})


def test_of_two_filings_at_once_on_one_entry_one_is_open(firm, city):
    def run(_):
        try:
            return file(firm, "name", "佛山市新名有限公司").wire_id
        except Conflict as conflict:
            return conflict.extra["reason"]

    with ThreadPoolExecutor(4) as pool:
        came_to = list(pool.map(run, range(4)))
    assert sorted(one.partition("_")[0] for one in came_to) == ["disputed", "disputed", "disputed", "dsp"]
    assert file(firm, "address", "佛山").state == "filed"  # another entry is another datum


def count():
    with db.transaction("owner") as session:
        return session.scalar(text("SELECT count(*) FROM disputes"))


def test_what_the_form_refuses_is_refused_in_words_and_nothing_is_kept(person, firm):
    name = firm.enterprise.name
    cases = [
        ("name", {}, "register should say"),
        ("name", {"wanted_name": f" {name} "}, "register should say"),
        ("name", {"wanted_name": "-"}, "does not read"),
        ("name", {"wanted_name": "长" * 301}, "does not read"),
        ("address", {"wanted_address": "a\u202eb"}, "does not read"),
        ("address", {"wanted_name": "另一家"}, "register should say"),
        ("status", {"wanted_status": "liquidated"}, "does not read"),
        ("industry", {"wanted_industry": "Z99"}, "does not read"),
        ("region", {"wanted_region": "４４０６００"}, "does not read"),
        ("established_on", {"wanted_established_on": "2199-01-01"}, "does not read"),
        (CAPITAL, {f"wanted_{CAPITAL}": "-1"}, "does not read"),
        (CAPITAL, {f"wanted_{CAPITAL}": "1e999999"}, "does not read"),
        (CAPITAL, {f"wanted_{CAPITAL}": "NaN"}, "does not read"),
        ("shareholders", {"wanted_shareholders": "甲\n" * 5000}, "does not read"),
        ("name", {"wanted_name": "新名", "claim": "repair"}, "Say what is wrong"),
        ("name", {"wanted_name": "a\x00b"}, ""),
    ]
    for entry, fields, words in cases:
        answered = send(person, f"registration::{entry}", **fields)
        assert (answered.status_code, words in answered.text) == (422, True), (entry, fields, answered.text[-900:])
    unknown = ("registration::uscc", "registration::", "registration:2026-01-01:name", "registration::name\x00",
               "registration::" + "x" * 500, "\ufeffregistration::name", "registration::linked_struck_off")  # fmt: skip
    for wrong in unknown:
        assert person.get("/portal/disputes/new", query_string={"record": wrong}).status_code in (404, 422), wrong
    assert count() == 0


@pytest.mark.parametrize("wanted", ["a\x00b", "a\ud800b", "", " ", "\ufeff\ud83d"])
def test_half_characters_are_no_value(wanted):
    from creditlink.disputes.rules.registration import EntryInvalid, wanted_entry

    with pytest.raises(EntryInvalid):
        wanted_entry("address", wanted, today=utc_now().date())


def test_another_firms_entry_cannot_be_disputed_nor_its_dispute_seen(app, person, firm):
    with db.transaction("owner") as session:
        stranger = make.make_account(session, password=make.PASSWORD)
        theirs = make.make_enterprise(session)
        make.make_representation(session, theirs, stranger)
        agent = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, firm.enterprise, agent, "agent", reason="x", limits={"categories": ["tax"]})
    one = file(firm, "name", "佛山市新名有限公司")
    other = Person(app.test_client(), stranger)
    other.sign_in()
    for path in (
        f"/portal/disputes/{one.wire_id}",
        f"/portal/disputes/new?record=registration::name&enterprise={firm.enterprise.id}",
    ):
        assert other.get(path).status_code == 404
    assert firm.enterprise.name not in other.get("/portal/disputes/new?kind=registration").text
    other.get("/portal/security")
    said = {"record": "registration::name", "claim": "wrong", "statement": "x", "wanted_name": "y"}
    assert other.post("/portal/disputes/new", enterprise=str(firm.enterprise.id), **said).status_code == 404
    # An agent for some kinds of data does not speak of the firm's registration.
    bound = Person(app.test_client(), agent)
    bound.sign_in()
    assert "did not appoint you" in bound.get("/portal/disputes/new?record=registration::address").text
    bound.get("/portal/security")
    said = {"record": "registration::address", "claim": "wrong", "statement": "x", "wanted_address": "y"}
    assert bound.post("/portal/disputes/new", enterprise=str(firm.enterprise.id), **said).status_code == 403
    assert count() == 1


def test_every_entry_that_is_shown_leads_to_its_form_and_to_its_state(person, firm, ola):
    for path in ("/portal/own/records", "/portal/profile", "/portal/disputes/new?kind=registration"):
        shown = person.get(path).text
        for entry in ("name", "status", CAPITAL, "representative", "address", "industry", "established_on",
                      "shareholders", "branches"):  # fmt: skip
            assert re.search(rf"record=registration(::|%3A%3A){entry}&", shown), (path, entry)
    page = person.get("/portal/disputes/new?record=registration::status").text
    assert '<option value="deregistered"' in page
    assert 'value="repair"' not in page
    filed = send(person, "registration::status", ("证明.pdf", at.PDF), wanted_status="suspended")
    assert filed.status_code == 303
    with db.transaction("owner") as session:
        (one,) = session.scalars(at.select(Dispute)).all()
    assert [row.kind for row in at.files_of(one)] == ["pdf"]
    assert one.wire_id in person.get("/portal/own/records").text
    assert "Registration status" in person.get("/portal/disputes").text
    queue = ola.get("/portal/staff/disputes?source=registry&lang=en").text
    assert "Registrar of firms" in queue
    given = ola.post("/portal/staff/disputes", source="registry", sent="yes").text
    assert "登记状态：停业" in given
    assert "登记状态：存续" in given
    assert at.read(one.id).state == "sent"
    ola.get(f"/portal/staff/disputes/{one.wire_id}")
    brought = {"doing": "answer", "verdict": "upheld", "reason": "档案核对无误"}
    assert ola.post(f"/portal/staff/disputes/{one.wire_id}", **brought).status_code == 303
    assert "档案核对无误" in person.get(f"/portal/disputes/{one.wire_id}").text


def test_the_firms_profile_says_what_is_contested_and_what_is_no_part_of_the_score(person, firm):
    with db.transaction("owner") as session:
        session.execute(text("UPDATE enterprises SET created_at = now() - interval '9 days'"))
    for entry, wanted in ((CAPITAL, 300_000_000), ("name", "佛山市新名有限公司"), ("industry", "C26")):
        one = file(firm, entry, wanted)
        contested.contest_now(one.id, utc_now())
        shown = person.get(f"/portal/disputes/{one.wire_id}").text
        assert ("with and without it" in shown) == (entry == CAPITAL)
        assert ("no score is computed with it" in shown) == (entry == "name")
    shown = person.get("/portal/profile").text
    assert "Registration · Registered capital" in shown
    assert (shown.count("Without it:"), shown.count("No part of the score.")) == (1, 1)
    assert "佛山市新名" not in shown


def test_the_registrars_answer_is_brought_by_the_command_too(firm, city, empty_database, monkeypatch, tmp_path):
    monkeypatch.setattr("creditlink.cli.acting.start", lambda role: (None, empty_database))
    one = file(firm, CAPITAL, 300_000_000)

    def run(*arguments):
        done = CliRunner().invoke(commands, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    (listed,) = json.loads(run("list", "--source", "registry"))
    assert (listed["dispute"], listed["period"], listed["key"]) == (one.wire_id, None, CAPITAL)
    written = tmp_path / "registrar.csv"
    run("export", "--source", "registry", "--out", str(written), "--sent")
    assert "注册资本：1000000.00元,注册资本：3000000.00元" in written.read_text("utf-8-sig")
    given = run("answer", one.wire_id, "--verdict", "corrected", "--reason", "已更正登记")
    assert json.loads(given)["state"] == "promised"
    assert json.loads(run("show", one.wire_id))["said"] == {CAPITAL: 100_000_000}


def test_a_bank_sees_no_dispute_of_a_firm_without_a_living_consent(firm, bank, relied):
    authorization, _ = relied(bank)
    one = file(firm, CAPITAL, 300_000_000)
    consent = at.consent(authorization)
    seen = {}
    for name, viewer in {
        "of": db.Viewer(consent_id=consent.id, institution_id=consent.institution_id),
        "without": db.Viewer(institution_id=consent.institution_id),
    }.items():
        with db.transaction("api", viewer=viewer) as session:
            seen[name] = session.scalar(text("SELECT count(*) FROM disputes"))
    assert seen == {"of": 1, "without": 0}
    flow.change_consent(authorization, "revoke")
    assert bank.call("GET", "/v1/profiles", authorization).status_code in (401, 403)
    assert at.read(one.id).opened_at <= utc_now() + timedelta(seconds=1)
