"""Firms at the desk: asked in their inbox or by a code, profiles read by the API, nothing once the consent is over."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select, text

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.desk.tables import DeskRequest
from creditlink.kit.clock import utc_now
from creditlink.kit.ids import internal
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from tests.desk.conftest import DESK, ISSUER, add_lender, ask, calls, deliver, make_bank, polled_long_ago
from tests.portal.conftest import Person
from tests.portal.test_profile import escaped


def computed(lin, agreed):
    lin.get(agreed)
    answer = lin.post(f"{agreed}/profile")
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def profile():
    with db.transaction("owner") as session:
        return session.scalars(select(Profile)).one()


def change_consent(consent_id, action):
    with db.transaction("api") as session:
        consent = session.get_one(Consent, internal("cns", consent_id))
        getattr(consents, action)(session, consent, actor="account:test", reason="by_the_firm", now=utc_now())


def test_a_firm_is_asked_agrees_and_its_profile_is_read_by_the_api(lin, owner, agreed, institution):
    shown = lin.get(agreed).text
    assert "No profile was computed yet" in shown
    path = computed(lin, agreed)
    shown = lin.get(path).text
    made = profile()
    assert owner.firm.name in shown
    assert f'class="grade">{made.grade}<' in shown
    for one in (*made.summary["reasons"], *made.summary["strengths"]):
        assert escaped(one["sentence_en"]) in shown
    numbers = re.findall(
        r'<td class="number">([+-]?[\d.]+)</td>', shown.partition("waterfall")[2].partition("</table>")[0]
    )
    base, *steps, total = map(float, numbers)
    assert base + sum(steps) == pytest.approx(total, abs=0.06 * len(numbers))
    assert total == pytest.approx(made.points, abs=0.6)
    assert "<script" not in shown
    assert " style=" not in shown
    # The firm's own log has the bank's reads, and ours who of the bank it was, under the same number.
    with db.transaction("owner") as session:
        wanted = select(AuditEntry.request_id, AuditEntry.action, AuditEntry.actor)
        read = {one[0] for one in session.execute(wanted.where(AuditEntry.action.like("profile.%")))}
        called = {one[0]: one[2] for one in session.execute(wanted.where(AuditEntry.action == "desk.call"))}
    assert len(read) >= 4
    assert read <= set(called)
    assert {called[one] for one in read} == {f"lender:{lin.account.id}"}
    assert owner.get("/portal/accesses?lang=en").text.count("River Bank") >= 2


def test_while_the_firm_has_not_answered_the_page_says_so_and_shows_nothing(lin, owner):
    path = ask(lin, uscc=owner.firm.uscc)
    assert "in the firm's inbox" in lin.get(path).text
    assert "L-2026-7" in lin.get(path).text
    path_of_inbox = re.search(r"/portal/inbox/cns_[0-9a-f]+", owner.get("/portal/inbox").text).group()
    owner.get(path_of_inbox)
    owner.post(path_of_inbox, decision="decline")
    polled_long_ago()
    assert "The firm declined" in lin.get(path).text


def test_the_same_answer_for_a_firm_that_does_not_exist(lin, owner):
    known, unknown = ask(lin, uscc=owner.firm.uscc), ask(lin, uscc="91440600MA5ABCDE0X")
    said = [re.sub(r"\d\d:\d\d|ask_\w+|value=\"[^\"]+\"", "", lin.get(path).text) for path in (known, unknown)]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("action", "said"), [("revoke", "Nothing of it is shown"), ("pause", "Nothing of it is shown")]
)
def test_a_consent_that_is_over_shows_nothing(lin, agreed, owner, action, said):
    path = computed(lin, agreed)
    assert 'class="grade"' in lin.get(path).text
    change_consent(lin.consent_id, action)
    answer = lin.get(path)
    assert answer.status_code == 403
    assert said in answer.text
    made = profile()
    for secret in (made.summary["reasons"][0]["sentence_en"], owner.firm.name, f'"grade">{made.grade}<', "waterfall"):
        assert escaped(secret) not in answer.text
    assert lin.post(f"{agreed}/profile", token=None).status_code in (400, 403)
    listed = lin.get(f"{DESK}/firms").text
    assert {"revoke": "Withdrawn", "pause": "Paused"}[action] in listed
    assert made.grade + "<" not in listed


def test_a_code_is_scanned_the_firm_agrees_on_its_phone_and_the_desk_has_the_profile(
    app, lin, owner, institution, city, rich_firm
):
    path = ask(lin, channel="code", uscc="")
    shown = lin.get(path).text
    assert 'src="data:image/svg+xml' in shown
    address = re.search(rf"{re.escape(ISSUER)}({DESK}/scan/[^<]+)<", shown).group(1)
    assert "River Bank" in owner.get(address + "?lang=en").text
    onward = owner.post(address).headers["Location"]
    page = owner.get(onward).headers["Location"]
    owner.get(page)
    back = owner.post(page, decision="approve", enterprise=str(owner.firm.id), category=[]).headers["Location"]
    assert back.startswith(f"{ISSUER}{DESK}/back/{institution.code}?")
    stranger = Person(app.test_client())
    answer = stranger.get(back.removeprefix(ISSUER) + "&lang=en")
    assert "Thank you" in answer.text
    assert stranger.get(back.removeprefix(ISSUER)).status_code == 404  # a state is good once
    assert stranger.get(address).status_code == 410
    with db.transaction("owner") as session:
        consent = session.scalars(select(Consent).where(Consent.state == "ACTIVE")).one().wire_id
    deliver(city, rich_firm, consent)
    computed(lin, path)
    assert owner.firm.name in lin.get(path).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"label": ""}, "what you call the firm"),
        ({"uscc": "1"}, "code is not right"),
        ({"uscc": ""}, "inbox of which firm"),
        ({"purpose": "curiosity"}, "Choose a purpose"),
        ({"days": "٣"}, "Choose a purpose"),
        ({"days": "99999"}, "at most 31 days"),
        ({"months": "7"}, "how many months"),
        ({"category": []}, "at least one kind"),
        ({"category": ["gossip"]}, "categories must be of"),
        ({"binding": "x" * 65}, "at most 64"),
    ],
)
def test_a_wrong_request_says_what_is_wrong_and_asks_nobody(lin, owner, fields, said):
    lin.get(f"{DESK}/ask?lang=en")
    asked = {
        "label": "x", "channel": "inbox", "purpose": "underwriting", "days": "20", "months": "24", "category": ["tax"],
        "uscc": owner.firm.uscc,
    } | fields  # fmt: skip
    answer = lin.post(f"{DESK}/ask", **asked)
    assert answer.status_code == 422, answer.text
    alert = re.search(r'role="alert">([^<]*)', answer.text).group(1)
    assert said in alert, alert
    with db.transaction("owner") as session:
        assert session.scalars(select(DeskRequest)).all() == []
        assert session.scalars(select(Consent)).all() == []


class TestAnother:
    """What another institution's person, or one of another role, sees of it: nothing."""

    def test_another_institutions_person_finds_no_such_firm(self, app, settings, lin, agreed):
        other = add_lender(app, settings, make_bank(settings), "mei", "lender")
        assert other.sign_in().status_code == 303
        before = len(calls())
        for path in (agreed, f"{agreed}?profile=x", f"{DESK}/firms/ask_0", f"{DESK}/firms/%00"):
            assert other.get(path).status_code == 404
        other.get(f"{DESK}/ask")
        assert other.post(f"{agreed}/profile").status_code == 404
        assert "Hardware No. 3" not in other.get(f"{DESK}/firms").text
        assert len(calls()) == before

    def test_another_institutions_profile_is_not_under_this_consent(self, lin, agreed):
        computed(lin, agreed)
        answer = lin.get(f"{agreed}?profile=prf_{'0' * 32}")
        assert answer.status_code == 404
        assert "does not exist" in answer.text

    @pytest.mark.parametrize("roles", [("product_editor",), ("desk_admin",)])
    def test_other_roles_have_no_such_page(self, app, settings, institution, lin, agreed, roles):
        other = add_lender(app, settings, institution, "mei", *roles)
        assert other.sign_in().status_code == 303
        assert f"{DESK}/firms" not in other.get(f"{DESK}/keys").text
        for path in (f"{DESK}/firms", f"{DESK}/ask", agreed, f"{DESK}/applications", f"{DESK}/outcomes"):
            assert other.get(path).status_code == 404

    def test_a_firms_person_and_a_stranger_have_no_desk(self, app, owner, lin, agreed):
        for person in (owner, Person(app.test_client())):
            answer = person.get(agreed)
            assert answer.status_code == 303
            assert answer.headers["Location"].endswith(f"{DESK}/sign-in")

    def test_people_of_institutions_act_for_no_firm(self, lin):
        for path in ("/portal/", "/portal/inbox", "/portal/financing"):
            assert lin.get(path).headers["Location"] == f"{DESK}/"

    def test_rows_of_another_institution_are_closed_by_the_database(self, settings, lin, agreed):
        other = make_bank(settings)
        for viewer in (None, db.Viewer(institution_id=other.id)):
            with db.transaction("api", viewer=viewer) as session:
                for table in ("desk_requests", "desk_acts"):
                    assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
                clients = session.scalar(text("SELECT count(*) FROM desk_clients"))
                assert clients == (2 if viewer else 0)


class TestEnds:
    """A session ends with the standing of the person and of the institution."""

    def test_a_suspended_person_is_out_at_once(self, lin, agreed):
        with db.transaction("owner") as session:
            session.execute(text("UPDATE desk_people SET status = 'suspended', changed_at = now()"))
        answer = lin.get(agreed)
        assert answer.status_code == 303
        assert lin.sign_in(totp="").status_code == 401

    def test_a_suspended_institutions_pages_say_so_and_show_nothing(self, lin, agreed):
        computed(lin, agreed)
        with db.transaction("owner") as session:
            session.execute(text("UPDATE institutions SET status = 'suspended'"))
        before = len(calls())
        for path in (agreed, f"{DESK}/firms", f"{DESK}/ask", f"{DESK}/keys"):
            answer = lin.get(path)
            assert answer.status_code == 403
            assert "suspended" in answer.text
            assert "Hardware" not in answer.text
        assert len(calls()) == before

    def test_a_suspended_client_reads_nothing(self, lin, agreed):
        computed(lin, agreed)
        with db.transaction("owner") as session:
            session.execute(text("UPDATE clients SET status = 'suspended'"))
        for path in (agreed, f"{DESK}/firms"):
            answer = lin.get(path)
            assert answer.status_code == 403
            assert 'class="grade"' not in answer.text


def test_what_the_desk_keeps_of_a_firm_is_sealed(lin, owner, agreed):
    with db.transaction("owner") as session:
        rows = session.execute(text("SELECT row_to_json(r)::text FROM desk_requests r")).scalars().all()
        keys = session.execute(text("SELECT sealed FROM desk_clients")).scalars().all()
    said = json.dumps([*rows, *keys])
    for secret in (owner.firm.uscc, owner.firm.name, "Hardware", "refresh_token", '"d"'):
        assert secret not in said
