"""The firm's pages: a sole trader asks for a person, sees what was decided, and nobody else does."""

from __future__ import annotations

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.reviews import decide, queue
from creditlink.reviews.rules.overrides import WantedOverride
from creditlink.reviews.tables import ReviewCase
from tests import factories as make
from tests.portal.conftest import Person
from tests.reviews.conftest import STAFF, WANTED, in_days


@pytest.fixture
def reader(app, firm):
    person = Person(app.test_client(), firm.account)
    assert person.sign_in().status_code == 303
    return person


def test_a_sole_trader_asks_and_reads_what_a_person_decided(reader, profiled, people, bank):
    authorization, made = profiled
    asked = f"/portal/profile/{made['id']}/review"
    assert "Ask for a person" in reader.get("/portal/profile?lang=en").text
    assert reader.post(asked, note="字" * 2001, refuse="yes").status_code == 422
    assert reader.post(asked, note="见新合同", refuse="yes").status_code == 303
    shown = reader.get("/portal/profile?lang=zh").text
    assert "个体工商户要求人工复核" in shown
    assert "申请人工复核" not in shown
    with db.transaction("api", viewer=STAFF) as session:
        (case,) = session.query(ReviewCase)
        assert (case.asked_by, case.refuses_automation) == (f"account:{reader.account.id}", True)
        assert case.note == "见新合同"
        queue.claim(session, case, by=people.ben, now=utc_now())
        lower = WantedOverride(**WANTED | {"notches": -1, "expires_at": in_days(30)})
        decide.override(session, case, lower, by=people.ben, now=utc_now())
    shown = reader.get("/portal/profile?lang=en").text
    assert "framework contract" in shown
    assert f'<span class="grade">{made["grade"]}</span>' in shown
    reader.get("/portal/profile")
    assert reader.post(asked, token=None).status_code == 409
    assert bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["review"]["automated_decision_refused"]


@pytest.mark.parametrize("entity_type", ["company"])
def test_a_company_is_not_offered_it_and_is_refused(reader, profiled, entity_type):
    shown = reader.get("/portal/profile?lang=en").text
    assert "Ask for a person" not in shown
    reader.get("/portal/security")
    assert reader.post(f"/portal/profile/{profiled[1]['id']}/review").status_code == 409


def test_a_stranger_asks_for_nothing(app, profiled, empty_database):
    with empty_database.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session, entity_type="sole_trader"), account)
    stranger = Person(app.test_client(), account)
    stranger.sign_in()
    stranger.get("/portal/security")
    assert stranger.post(f"/portal/profile/{profiled[1]['id']}/review").status_code == 404
    assert stranger.get("/portal/notices/ntc_" + "0" * 32).status_code == 404
    assert "There is no notice" in stranger.get("/portal/notices?lang=en").text
