"""The consent page: what it shows, what a decision does, what a form cannot do."""

import re
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import text

from creditlink.consents.agreement.statement import TEXT_VERSION
from creditlink.consents.tables import Consent
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.portal.person import throttle
from tests import factories as make


def stored(consent):
    with db.transaction("owner") as session:
        return session.get_one(Consent, consent.id)


def answer_of(response):
    assert response.status_code == 303, response.text
    return {k: v[0] for k, v in parse_qs(urlsplit(response.headers["Location"]).query).items()}


def test_who_is_not_signed_in_comes_back_after_sign_in(person, bank):
    path, _ = bank.asks()
    assert person.get(path).headers["Location"] == f"/portal/sign-in?next={path}"
    person.get(person.page.headers["Location"])
    answer = person.post("/portal/sign-in", login=person.account.login, password=make.PASSWORD, next=path)
    assert answer.headers["Location"] == path


def test_the_page_says_who_asks_for_what(owner, bank):
    path, _ = bank.asks()
    said = owner.get(path).text
    for words in (
        "First River Bank",
        "Loan underwriting",
        owner.firm.name,
        "insured headcount",
        "the last 24 months",
        "until",
        "3 times in all",
        "kept for 30 days",
        "pause or withdraw",
        "More often than usual",
    ):
        assert words in said
    assert "第一江河银行" in owner.get(path + "?lang=zh").text


@pytest.mark.parametrize("named", [(), ("registration", "public_credit")])
def test_public_records_stand_apart_with_their_law_and_no_box(owner, bank, named):
    """Whether the request names them or not: the page says the same, and there is nothing to untick."""
    path, consent = bank.asks(categories=(*named, "tax", "gas"), optional_categories=("gas",))
    said = owner.get(path).text
    _, apart = said.split("Public records", 1)
    assert [apart.count(words) for words in ("Dishonest Judgment Debtors", "the public credit platform")] == [1, 1]
    assert "Interim Regulation on Enterprise Information Disclosure: published by law" in apart
    assert "cannot be unticked" in apart
    assert not {"registration", "public_credit"} & set(re.findall(r'name="category" value="(\w+)"', said))
    assert "依法公示的信息" in owner.get(path + "?lang=zh").text
    owner.get(path + "?lang=en")
    assert owner.post(path, decision="approve", category=["gas"]).status_code == 303
    held = stored(consent)
    assert set(held.categories) == {*named, "tax", "gas"}
    assert {one["category"] for one in held.text_shown["public"]} == {"registration", "public_credit"}
    assert [one["category"] for one in held.text_shown["data"]] == ["tax", "gas"]
    assert held.text_version == TEXT_VERSION


def test_a_usual_frequency_is_not_pointed_out(owner, bank):
    path, _ = bank.asks(pulls_per_month=1)
    assert "More often than usual" not in owner.get(path).text


def test_agreeing_gives_the_bank_a_code_and_the_firm_a_consent(owner, bank):
    path, consent = bank.asks()
    owner.get(path)
    answer = owner.post(path, decision="approve", enterprise=str(owner.firm.id), category=["electricity"])
    got = answer_of(answer)
    assert set(got) == {"code", "state", "iss"}
    assert got["state"] == "xyz"
    held = stored(consent)
    assert (held.state, held.enterprise_id, held.granted_by) == ("ACTIVE", owner.firm.id, owner.account.id)
    assert held.categories == list(make.CATEGORIES)
    assert held.text_lang == "en"


def test_looking_again_uses_nothing_up_deciding_does(owner, bank):
    path, _ = bank.asks()
    assert [owner.get(path).status_code for _ in range(3)] == [200] * 3
    owner.post(path, decision="approve")
    assert owner.get(path).status_code == 404
    assert "consent" in owner.get("/portal/").text


def test_an_unticked_category_is_not_granted(owner, bank):
    path, consent = bank.asks()
    owner.get(path)
    owner.post(path, decision="approve", category=["registration", "tax", "social_security"])
    assert stored(consent).categories == ["registration", "tax", "social_security"]


def test_declining_gives_the_bank_an_error_and_nothing_else(owner, bank):
    path, consent = bank.asks()
    owner.get(path)
    got = answer_of(owner.post(path, decision="decline"))
    assert (got["error"], got["state"]) == ("access_denied", "xyz")
    assert "code" not in got
    assert "iss" in got
    assert stored(consent).state == "REJECTED"
    # What the firm declined stays among its own.
    assert "Declined" in owner.get("/portal/").text
    assert owner.get(f"/portal/consents/{consent.wire_id}").status_code == 200


def test_both_answers_are_equally_prominent(owner, bank):
    path, _ = bank.asks()
    buttons = re.findall(r'<button type="submit" name="decision" value="(\w+)"([^>]*)>', owner.get(path).text)
    assert [name for name, _ in buttons] == ["decline", "approve"]
    assert not any("class" in attributes for _, attributes in buttons)


@pytest.mark.parametrize(
    "tampered",
    [
        {"category": ["logistics", "tax"]},
        {"decision": "perhaps"},
        {"enterprise": "00000000-0000-0000-0000-000000000000"},
        {"enterprise": "not an id"},
    ],
)
def test_a_tampered_form_grants_nothing(owner, bank, tampered):
    path, consent = bank.asks()
    owner.get(path)
    answer = owner.post(
        path, **{"decision": "approve", "enterprise": str(owner.firm.id), "category": ["electricity"]} | tampered
    )
    assert answer.status_code == 422
    assert stored(consent).state == "REQUESTED"


def test_fields_of_the_request_cannot_be_injected(owner, bank):
    path, consent = bank.asks()
    owner.get(path)
    got = owner.post(
        path + "?redirect_uri=https://evil.example&state=evil",
        decision="approve",
        redirect_uri="https://evil.example/",
        state="evil",
        scope="consent:read",
        history_months="999",
        client_id="other",
    )
    assert got.headers["Location"].startswith(bank.client.redirect_uris[0])
    assert answer_of(got)["state"] == "xyz"
    assert stored(consent).history_months == 24


def test_a_foreign_firm_cannot_be_chosen(owner, bank):
    with db.transaction("owner") as session:
        foreign = make.make_enterprise(session)
    path, consent = bank.asks()
    owner.get(path)
    assert owner.post(path, decision="approve", enterprise=str(foreign.id)).status_code == 422
    assert stored(consent).state == "REQUESTED"


def test_a_person_of_several_firms_has_to_choose(owner, bank):
    with db.transaction("owner") as session:
        second = make.make_enterprise(session)
        make.make_representation(session, second, owner.account)
    path, consent = bank.asks()
    assert owner.get(path).text.count('type="radio" name="enterprise"') == 2
    assert owner.post(path, decision="approve").status_code == 422
    owner.post(path, decision="approve", enterprise=str(second.id))
    assert stored(consent).enterprise_id == second.id


def test_a_request_for_one_firm_offers_only_that_one(owner, bank):
    with db.transaction("owner") as session:
        make.make_representation(session, make.make_enterprise(session), owner.account)
    path, consent = bank.asks(uscc=owner.firm.uscc)
    assert 'type="radio" name="enterprise"' not in owner.get(path).text
    owner.post(path, decision="approve")
    assert stored(consent).enterprise_id == owner.firm.id


def test_a_stranger_to_the_firm_can_only_decline(person, bank):
    person.sign_in()
    path, consent = bank.asks(uscc=make.make_uscc())
    assert 'value="approve"' not in person.get(path).text
    assert person.post(path, decision="approve").status_code == 422
    assert stored(consent).state == "REQUESTED"
    assert answer_of(person.post(path, decision="decline"))["error"] == "access_denied"


def test_an_agent_is_held_to_its_limits(person, bank):
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session)
        make.make_representation(session, firm, person.account, "agent", limits={"purposes": ["report"]})
    person.sign_in()
    path, consent = bank.asks()
    person.get(path)
    answer = person.post(path, decision="approve")
    assert answer.status_code == 403
    assert "Your firm did not appoint you" in answer.text
    assert stored(consent).state == "REQUESTED"


@pytest.mark.parametrize("handle", ["x", "a.b.c", "%2e%2e", "é"])
def test_an_unknown_handle_says_nothing(owner, handle):
    assert owner.get(f"/portal/authorize/{handle}").status_code == 404


def test_a_suspended_bank_is_not_granted_anything(owner, bank):
    path, consent = bank.asks()
    owner.get(path)
    with db.transaction("owner") as session:
        session.execute(text("UPDATE institutions SET status = 'suspended'"))
    assert owner.post(path, decision="approve").status_code == 404
    assert stored(consent).state == "REQUESTED"


def test_forms_may_end_at_the_banks_address_and_nowhere_else(owner, bank):
    path, _ = bank.asks()
    policy = owner.get(path).headers["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' https://bank.example")


def test_a_fresh_code_confirms_a_decision(owner, bank, settings):
    secret = accounts.new_totp_secret()
    with db.transaction("owner") as session:
        accounts.enroll_totp(session.get_one(Account, owner.account.id), secret, key=settings.secret_key)
    path, consent = bank.asks()
    assert 'name="totp"' in owner.get(path).text
    code = pyotp.TOTP(secret).now()
    wrong = "111111" if code != "111111" else "222222"
    assert owner.post(path, decision="approve", category=["electricity"]).status_code == 422
    refused = owner.post(path, decision="approve", totp=wrong, category=[])
    assert refused.status_code == 422
    # What was ticked before the mistake stays as it was.
    assert 'value="electricity" checked' not in refused.text
    assert answer_of(owner.post(path, decision="approve", totp=code))["code"]
    assert stored(consent).state == "ACTIVE"


def test_one_time_codes_cannot_be_guessed_with_a_stolen_session(owner, bank, settings):
    secret = accounts.new_totp_secret()
    with db.transaction("owner") as session:
        accounts.enroll_totp(session.get_one(Account, owner.account.id), secret, key=settings.secret_key)
    path, consent = bank.asks()
    owner.get(path)
    step = int(utc_now().timestamp()) // 30
    right = {pyotp.TOTP(secret).generate_otp(step + drift) for drift in range(-1, 4)}
    wrong = next(code for code in ("111111", "222222", "333333", "444444", "555555", "666666") if code not in right)
    answers = [owner.post(path, decision="approve", totp=wrong).status_code for _ in range(throttle.PER_PAIR + 2)]
    assert answers == [422] * throttle.PER_PAIR + [429] * 2
    assert owner.post(path, decision="approve", totp=pyotp.TOTP(secret).now()).status_code == 429
    assert stored(consent).state == "REQUESTED"


def test_the_page_shows_no_script_and_loads_nothing_from_elsewhere(owner, bank):
    path, _ = bank.asks()
    page = owner.get(path).text
    assert "<script" not in page
    assert "style=" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)


@pytest.mark.parametrize("known", [True, False])
def test_the_page_and_the_signed_text_say_who_the_institution_is(owner, bank, known):
    if known:
        with db.transaction("owner") as session:
            row = session.get_one(Institution, bank.institution.id)
            row.uscc, row.licence_no = "91440606MA4UXYQ27F", "B0123H244060001"
    path, consent = bank.asks(uscc=owner.firm.uscc)
    zh, en = (owner.get(f"{path}?lang={language}").text for language in ("zh", "en"))
    for said in (zh, en):
        assert bank.institution.code in said
        assert ("91440606MA4UXYQ27F" in said, "B0123H244060001" in said) == (known, known)
    assert ("平台未登记" in zh, "not recorded here" in en) == (not known, not known)
    assert "银行" in zh
    assert "since" in en
    owner.post(path, decision="approve")
    held = stored(consent)
    assert dict(held.text_shown["identity"])["Code on CreditLink"] == bank.institution.code
    assert dict(held.text_shown["identity"])["Licence number"] == ("B0123H244060001" if known else "not recorded here")
