"""The risk desk: decisions found, opened for a purpose, replayed, compared and taken out; by whom, the firm sees."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.audit.tables import AuditEntry
from creditlink.decisions import archive, export
from creditlink.decisions.kept import shipped_classes
from creditlink.decisions.looks import notes
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.tables import DecisionRow
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit import ids, keyring
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from creditlink.reviews import decide, queue
from creditlink.reviews.rules.causes import ReviewSubject
from creditlink.reviews.rules.overrides import override_from
from creditlink.staff import acts
from tests import factories as make
from tests.decisions.test_lasting import purge_all
from tests.portal.conftest import Person
from tests.portal.test_profile import escaped
from tests.portal.test_staff import TOTP, sign_in
from tests.profiles.conftest import (
    authorized,
    bank,
    city,
    created,
    delivered,
    firm,
    http,
    matched,
    products,
    rich_firm,
)

__all__ = ["authorized", "bank", "city", "created", "delivered", "firm", "http", "products", "rich_firm"]
LIST = "/portal/staff/decisions"


def staff(app, settings, login, *roles):
    with db.transaction("owner") as session:
        actor = make.make_staff(session, login, *roles)
        account = session.get_one(Account, actor.account_id)
        account.password_hash = accounts.hash_password(make.PASSWORD)
        accounts.enroll_totp(account, TOTP, key=settings.secret_key)
    person = Person(app.test_client(), account)
    person.actor = actor
    assert sign_in(person).status_code == 303
    return person


@pytest.fixture
def risk(app, settings, empty_database):
    return staff(app, settings, "rui", "risk")


@pytest.fixture
def decided(created):
    """A profile of the rich firm, its authorization and the address of its decision."""
    authorization, profile = created()
    return authorization, profile, f"{LIST}/{profile['id'].replace('prf_', 'dec_')}"


def opened(person, address, **fields):
    person.get(address + "?lang=en")
    return person.post(address, **{"purpose": "replay", "doing": "read"} | fields)


def looks():
    with db.transaction("owner") as session:
        wanted = select(AuditEntry).where(AuditEntry.action.like("decision.%")).order_by(AuditEntry.seq)
        return [(entry.action, entry.actor, entry.purpose, entry.detail["role"]) for entry in session.scalars(wanted)]


def test_the_menu_leads_to_the_list_and_the_list_to_the_decision(risk, decided, firm):
    _, profile, address = decided
    assert f'href="{LIST}"' in risk.get("/portal/staff/?lang=en").text
    shown = risk.get(LIST + "?lang=en").text
    assert address in shown
    assert firm.enterprise.uscc in shown
    assert looks() == []  # the list names decisions and says nothing of what they hold
    asked = risk.get(address + "?lang=en").text
    assert "Why do you open this decision?" in asked
    assert "checking a decision by computing it again" in asked
    assert profile["reasons"][0]["sentence_en"] not in asked


def test_the_page_says_what_the_bank_was_told_and_the_firm_sees_who_looked(risk, decided, firm):
    _, profile, address = decided
    shown = opened(risk, address).text
    for one in (*profile["reasons"], *profile["strengths"]):
        assert escaped(one["sentence_en"]) in shown
    numbers = re.findall(
        r'<td class="number">([+-]?[\d.]+)</td>', shown.partition("waterfall")[2].partition("</table>")[0]
    )
    base, *steps, total = map(float, numbers)
    assert base + sum(steps) == pytest.approx(total, abs=0.06 * len(numbers))
    assert abs(total - profile["points"]) <= 0.55  # one digit of each
    for row in profile["dimensions"]:
        assert f"{row['points_contribution']:+.1f}" in numbers
    assert profile["bundle"][:16] in shown
    assert "Credit profile made" in shown
    assert looks() == [("decision.read", risk.actor.name, "replay", "risk")]
    assert " style=" not in shown
    assert "<script" not in shown


def test_it_is_made_again_the_same(risk, decided):
    shown = opened(risk, decided[2], doing="replay").text
    assert "Made again: the same, byte by byte." in shown
    assert [action for action, *_ in looks()] == ["decision.replay"]


def test_a_replay_after_consent_and_facts_are_gone(risk, decided):
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("facts", "profiles", "access_tokens"):
            session.execute(text(f"DELETE FROM {table}"))
        session.execute(text("UPDATE consents SET state = 'REVOKED'"))
    assert "the same, byte by byte" in opened(risk, decided[2], doing="replay").text


def test_a_forged_record_is_said_to_be_damaged(risk, decided):
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE decision_records SET payload = substr(payload, 1, 50)"))
    answer = opened(risk, decided[2], doing="replay")
    assert answer.status_code == 409
    assert "The record is damaged" in answer.text


def test_two_decisions_on_a_firm_are_compared_as_the_bank_is_told(risk, decided, bank):
    authorization, first, address = decided
    day = day_of(utc_now()) - timedelta(days=180)
    second = bank.call("POST", "/v1/profiles", authorization, json={"as_of": day.isoformat()}).json()
    told = bank.call("GET", f"/v1/profiles/{second['id']}/changes", authorization, params={"since": first["id"]}).json()
    assert second["id"].replace("prf_", "dec_") in opened(risk, address).text
    shown = opened(risk, address, doing="compare", other=second["id"].replace("prf_", "dec_")).text
    assert escaped(told["text_en"]) in shown
    assert [action for action, *_ in looks()] == ["decision.read", "decision.compare", "decision.compare"]


def test_a_decision_is_taken_out_and_verifies_without_the_database(risk, decided, settings):
    answer = opened(risk, decided[2], doing="export", purpose="complaint")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="dec_')
    found = export.read(answer.data, keyring.public_keys(settings.secret_key))
    assert found.decision == decided[1]["id"].replace("prf_", "dec_")
    assert json.loads(answer.data)["bundle"]
    assert [one[0] for one in looks()] == ["decision.export"]


@pytest.mark.parametrize("purpose", ["", "curiosity", "audit", "\0", "x" * 5000])
def test_nothing_is_opened_for_a_purpose_that_is_not_the_roles(risk, decided, purpose):
    answer = opened(risk, decided[2], purpose=purpose)
    assert answer.status_code in (400, 422)
    assert decided[1]["reasons"][0]["sentence_en"] not in answer.text
    assert looks() == []


@pytest.mark.parametrize("roles", [("operator",), ("model_owner",), ("operator", "model_owner")])
def test_other_roles_have_no_such_page(app, settings, decided, roles):
    person = staff(app, settings, "ola", *roles)
    assert LIST not in person.get("/portal/staff/?lang=en").text
    for path in (LIST, decided[2]):
        assert person.get(path).status_code == 404
    person.get("/portal/staff/")
    assert person.post(decided[2], purpose="replay", doing="read").status_code == 404
    assert looks() == []


def test_a_firms_person_and_a_stranger_have_no_such_page(app, decided, owner):
    for person in (owner, Person(app.test_client())):
        for path in (LIST, decided[2]):
            answer = person.get(path)
            assert answer.status_code == 303
            assert answer.headers["Location"].endswith("/portal/staff/sign-in")
    assert looks() == []


def test_the_list_is_narrowed_and_paged(risk, created, bank, firm):
    authorization, profile = created()
    for _ in range(2):
        bank.call("POST", "/v1/profiles", authorization, json={})
    with db.transaction("owner") as session:
        rows = session.scalars(select(DecisionRow.id)).all()
    assert len(rows) == 3
    for narrowed, count in {
        "": 3, f"uscc={firm.enterprise.uscc}": 3, f"grade={profile['grade'].replace('+', '%2B')}": 3,
        f"bundle={profile['bundle']}": 3, "since=2090-01-01": 0, "until=2000-01-01": 0,
    }.items():  # fmt: skip
        assert risk.get(f"{LIST}?lang=en&{narrowed}").text.count(f'href="{LIST}/dec_') == count, narrowed
    for column in ("when", "firm", "bank", "grade", "model", "kept"):
        shown = risk.get(f"{LIST}?lang=en&sort=-{column}")
        assert shown.text.count('aria-sort="descending"') == 1
        assert shown.text.count(f'href="{LIST}/dec_') == 3
    exported = risk.get(f"{LIST}?lang=en&sort=when&export=csv")
    head, *lines = exported.text.removeprefix("\ufeff").splitlines()
    assert head == "When,Firm,Code of the firm,Bank,Grade,Model,Kept until"
    assert len(lines) == 3
    assert lines == sorted(lines)
    assert looks() == []  # an export of the list is no look either


@pytest.mark.parametrize(
    ("narrowed", "said"),
    [
        ("uscc=91", "No firm has the code 91."),
        ("bank=nobody", "nobody cannot be chosen here."),
        ("grade=X", "X cannot be chosen here."),
        ("model=nobody", "nobody cannot be chosen here."),
        ("since=tomorrow", "tomorrow is not a day"),
        ("page=0", "does not exist any more"),
        ("page=2", "does not exist any more"),
        ("sort=payload", "does not exist any more"),
    ],
)
def test_what_cannot_be_looked_for_is_said(risk, decided, narrowed, said):
    answer = risk.get(f"{LIST}?lang=en&{narrowed}")
    assert answer.status_code == 422
    assert said in answer.text


@pytest.mark.parametrize("name", ["dec_x", "prf_1", "dec_" + "0" * 32, "%00", "%ED%A0%80", "a" * 3000])
def test_an_id_that_never_was(risk, name):
    assert risk.get(f"{LIST}/{name}").status_code == 404


def test_the_page_is_there_in_chinese(risk, decided):
    risk.get(decided[2] + "?lang=zh")
    shown = risk.post(decided[2], purpose="replay", doing="replay").text
    assert decided[1]["reasons"][0]["sentence_zh"] in shown
    assert "逐字节一致" in shown


def override(profile, reviewer, *, second=None, **wanted):
    """A case on the profile, claimed and overridden by people of the staff."""
    now = utc_now()
    with db.transaction("owner", viewer=db.Viewer(actor="operator")) as session:
        stored = session.get_one(Profile, ids.internal("prf", profile["id"]))
        result = {"state": "scored", "grade": stored.grade, "points": stored.points, "partial": False, "knock_outs": []}
        subject = ReviewSubject(profile["id"], False, (), result)
        settings = queue.settings_in_use()
        case = queue.open_case(session, stored, subject, ("partial",), settings=settings, now=now)
        queue.claim(session, case, by=reviewer, now=now)
        plain = {"kind": "grade_notch", "reason_code": "new_fact", "reason": "a framework contract", "evidence": "GZ-1"}
        wanted = override_from(plain | {"expires_at": (now + timedelta(days=20)).isoformat()} | wanted)
        decided = decide.override(session, case, wanted, by=reviewer, now=now)
        if second is not None:
            acts.approve(session, decided.waits, by=second, now=now)


def test_what_people_decided_stands_beside_the_score_and_finds_it(risk, decided):
    _, profile, address = decided
    override(profile, risk.actor, notches=-1)
    shown = opened(risk, address).text
    for said in (
        "Grade moved up or down",
        "A fact that the model has not seen: a framework contract",
        "in force until",
    ):
        assert said in shown
    assert f'class="grade">{profile["grade"]}<' in shown
    for how, count in {"any": 1, "tightened": 1, "loosened": 0, "none": 0}.items():
        assert risk.get(f"{LIST}?lang=en&override={how}").text.count(f'href="{LIST}/dec_') == count, how
    assert looks() == [("decision.read", risk.actor.name, "replay", "risk")]


def test_a_search_by_what_decisions_say_needs_a_purpose_and_is_in_the_log_of_each_firm_found(risk, decided):
    _, profile, address = decided
    code = profile["reasons"][0]["code"]
    for unsaid in ("", "&purpose=", "&purpose=audit", "&purpose=%00"):
        answer = risk.get(f"{LIST}?lang=en&code={code}{unsaid}")
        assert (answer.status_code, address in answer.text) == (422, False)
    assert looks() == []
    assert address in risk.get(f"{LIST}?lang=en&code={code}&purpose=complaint").text
    assert looks() == [("decision.find", risk.actor.name, "complaint", "risk")]
    assert address not in risk.get(f"{LIST}?lang=en&code=K01&purpose=complaint").text
    assert risk.get(f"{LIST}?code=R0%00&purpose=complaint").status_code == 422
    assert len(looks()) == 1


def test_the_records_behind_an_indicator_are_shown_down_to_the_pull(risk, decided):
    with db.transaction("owner") as session:  # the office's rows, as a pull brings them
        session.execute(text("UPDATE facts SET pull_id = (SELECT id FROM pulls)"))
    shown = opened(risk, decided[2], doing="lineage", indicator="sales_12_fen").text
    part = shown.partition('id="lineage"')[2].partition("</section>")[0]
    assert "vat_returns" in part or "invoice" in part
    assert part.count("<tr>") > 2
    assert re.search(r"<code>[0-9a-f]{12}…</code>", part)
    assert [action for action, *_ in looks()] == ["decision.lineage"]
    unknown = opened(risk, decided[2], doing="lineage", indicator="shoe_size\0")
    assert unknown.status_code == 422


def test_records_that_are_gone_are_said_to_be_gone(risk, decided):
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("facts", "pulls", "pull_parts", "profiles"):
            session.execute(text(f"DELETE FROM {table}"))
    shown = opened(risk, decided[2], doing="lineage", indicator="sales_12_fen").text
    assert "The records themselves are gone" in shown


def test_facts_are_seen_of_the_firm_looked_at_and_of_no_other(risk, decided):
    """The role that serves pages sees a firm's facts once its decision is looked at, until the transaction ends."""
    count = text("SELECT count(*) FROM facts")
    with db.transaction("api", viewer=db.Viewer(actor="audit")) as session:
        assert session.scalar(count) == 0
        reader = Reader(risk.actor.name, "risk", "replay")
        known = ids.internal("prf", decided[1]["id"])
        archive.look(session, known, reader, doing="read", classes=shipped_classes(), now=utc_now())
        assert session.scalar(count) > 0
        session.execute(text("SELECT set_config('creditlink.looked_at', gen_random_uuid()::text, true)"))
        assert session.scalar(count) == 0


def test_every_product_is_shown_with_its_rules(risk, products, decided, bank):
    authorization, profile, address = decided
    told = matched(bank, authorization, profile["id"])
    shown = opened(risk, address, doing="products").text
    assert told
    for product in told:
        assert escaped(product["name_en"]) in shown
        for rule in product["rules"]:
            assert escaped(rule["text_en"]) in shown


def test_a_note_is_added_and_never_changed(risk, decided, settings):
    shown = opened(risk, decided[2], doing="note", text="asked the bank <b>twice</b>\r\nno answer").text
    assert "asked the bank &lt;b&gt;twice&lt;/b&gt;\nno answer" in shown
    assert [action for action, *_ in looks()] == ["decision.read", "decision.note"]
    with db.transaction("owner") as session:
        told = str(session.scalars(select(AuditEntry.detail)).all())
        assert "twice" not in told
    for statement in ("UPDATE decision_notes SET text = 'x'", "DELETE FROM decision_notes"):
        with pytest.raises(DBAPIError, match="append-only"), db.transaction("owner") as session:
            session.execute(text(statement))
    with db.transaction("api", viewer=db.Viewer(actor="audit")) as session:
        assert session.scalar(text("SELECT count(*) FROM decision_notes")) == 0  # no look, no notes
    assert purge_all(settings, 400)[0].rows.get("decision_notes") is None
    assert sum(done.rows.get("decision_notes", 0) for done in purge_all(settings, 5 * 365 + 2)) == 1


def test_what_is_no_note_is_refused_and_nothing_is_looked_at(risk, decided):
    for note in ("", "  \n ", "x" * 2001, "a\0b"):
        assert opened(risk, decided[2], doing="note", text=note).status_code in (400, 422), note
    with pytest.raises(InvalidRequest):
        notes.checked("\ud800")
    assert looks() == []
