"""The firm's own credit profile on its page: the newest, why, and what would make it better."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markupsafe import escape

from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.processes import runtime
from tests import factories as make
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.profiles.conftest import authorized, bank, city, created, delivered, http, products, rich_firm

__all__ = ["authorized", "bank", "city", "created", "delivered", "http", "products", "rich_firm"]
PAGE = "/portal/profile"


@pytest.fixture
def firm(empty_database):
    """A firm, and a person with a password who acts for it."""
    with empty_database.transaction("owner") as session:
        enterprise = make.make_enterprise(session)
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, enterprise, account)
    return flow.Firm(enterprise, account)


@pytest.fixture
def reader(app, firm):
    """The person who acts for the firm, signed in."""
    person = Person(app.test_client(), firm.account)
    assert person.sign_in().status_code == 303
    return person


def test_a_firm_of_which_none_was_made_is_told_so(reader):
    assert "No profile has been made of your firm" in reader.get(f"{PAGE}?lang=en").text
    assert "尚未生成贵企业的信用画像" in reader.get(f"{PAGE}?lang=zh").text


def test_it_shows_what_the_bank_was_told_and_what_would_make_it_better(reader, products, created, bank):
    authorization, made = created()
    better = bank.call("GET", f"/v1/profiles/{made['id']}/improvements", authorization).json()
    shown = reader.get(f"{PAGE}?lang=en").text
    assert f'<span class="grade">{made["grade"]}</span>' in shown
    assert f'<span class="points">{made["points"]}</span>' in shown
    for told in [*made["reasons"], *made["strengths"]]:
        assert escaped(told["sentence_en"]) in shown
    for plan in better["plans"]:
        for change in plan["changes"]:
            assert escaped(change["text_en"]) in shown
    chinese = reader.get(f"{PAGE}?lang=zh").text
    for told in made["reasons"]:
        assert escaped(told["sentence_zh"]) in chinese


def test_it_stays_the_firms_own_when_the_consent_is_withdrawn(reader, created):
    authorization, made = created()
    flow.change_consent(authorization, "revoke")
    assert f'<span class="points">{made["points"]}</span>' in reader.get(PAGE).text


def test_under_another_model_nothing_is_promised(app, reader, created):
    created()
    live = runtime.of_app(app).of(LiveModel)
    manifest = live.model.manifest | {"files": live.model.manifest["files"] | {"model.ubj": "0" * 64}}
    runtime.of_app(app).put(replace(live, model=replace(live.model, manifest=manifest, sha256="0" * 64)))
    try:
        shown = reader.get(f"{PAGE}?lang=en").text
    finally:
        runtime.of_app(app).put(live)
    assert "Scores are made by another model by now" in shown


def test_facts_beside_the_score_are_said_in_words(reader, firm, empty_database, created):
    with empty_database.transaction("owner") as session:
        held = session.merge(firm.enterprise)
        held.entity_type, held.status = "sole_trader", "suspended"
    _, made = created()
    assert made["knock_outs"]
    assert made["human_review"]
    english, chinese = (reader.get(f"{PAGE}?lang={lang}").text for lang in ("en", "zh"))
    for fact in [*made["knock_outs"], *made["human_review"]]:
        assert escaped(fact["label_en"]) in english
        assert escaped(fact["label_zh"]) in chinese
    assert "A person must look at it" in english
    assert "须人工复核" in chinese
    assert not_one_empty_paragraph(english)


def test_a_firm_that_cannot_be_scored_is_told_why_and_what_was_missing(reader, bank, authorized, delivered):
    authorization = authorized(bank, kept=["tax", "social_security"])
    delivered(authorization, categories=(), tax="NO_RECORD", social_security="NO_RECORD")
    made = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert made["state"] == "not_scorable"
    english, chinese = (reader.get(f"{PAGE}?lang={lang}").text for lang in ("en", "zh"))
    assert escaped(made["not_scorable_reason"]["sentence_en"]) in english
    assert escaped(made["not_scorable_reason"]["sentence_zh"]) in chinese
    no_record = "missing: the source has no record of your firm"
    assert data_used(english) >= {
        ("Tax and invoices", no_record),
        ("Social security", no_record),
        ("Public credit record", no_record),
        ("Electricity", "missing: you did not share it"),
    }
    assert english.count(no_record) == 3
    assert "缺失：数据源没有贵企业的记录" in chinese
    assert "缺失：贵企业未授权" in chinese
    assert not_one_empty_paragraph(english)


def test_what_is_missing_is_shown_beside_a_score(reader, bank, authorized, delivered):
    authorization = authorized(
        bank, kept=["tax", "social_security", "electricity"], optional_categories=["electricity"]
    )
    delivered(authorization, categories=("tax", "social_security"), electricity="DOWN")
    made = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert made["state"] == "scored"
    shown = reader.get(f"{PAGE}?lang=en").text
    assert "missing: the source was down" in shown
    assert re.search(r"there <span class=\"muted\">\d+ months, the last \d{4}-\d{2}", shown)


def data_used(page: str) -> set[tuple[str, str]]:
    """Return each kind of data that the page lists, with what it says of it."""
    return set(re.findall(r"<div><dt>([^<]+)</dt><dd>([^<]+)</dd></div>", page))


def not_one_empty_paragraph(page: str) -> bool:
    return not re.findall(r"<(p|li|dd|dt)[^>]*>\s*</\1>", page)


def test_nobody_elses(app, firm, created, empty_database):
    created()
    with empty_database.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), account)
    stranger = Person(app.test_client(), account)
    assert stranger.sign_in().status_code == 303
    assert stranger.get(f"{PAGE}?enterprise={firm.enterprise.id}").status_code == 404
    assert firm.enterprise.name not in stranger.get(PAGE).text


def escaped(text: str) -> str:
    return str(escape(text))
