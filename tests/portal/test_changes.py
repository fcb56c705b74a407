"""What changed between two of the firm's profiles, on its page: every step in words and numbers, and nobody else's."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from creditlink.kit.clock import day_of, utc_now
from tests import factories as make
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.portal.test_profile import escaped, firm, reader
from tests.profiles.conftest import authorized, bank, city, created, delivered, http, rich_firm

__all__ = ["authorized", "bank", "city", "created", "delivered", "firm", "http", "reader", "rich_firm"]
PAGE = "/portal/profile/changes"


@pytest.fixture
def two(created, bank):
    """Two profiles of the firm, of two days; and what the bank is told of the change."""
    authorization, first = created()
    day = day_of(utc_now()) - timedelta(days=180)
    second = bank.call("POST", "/v1/profiles", authorization, json={"as_of": day.isoformat()}).json()
    told = bank.call("GET", f"/v1/profiles/{second['id']}/changes", authorization, params={"since": first["id"]})
    assert told.status_code == 200, told.text
    return first["id"], second["id"], told.json()


def test_the_profiles_page_leads_to_it_and_it_says_what_the_bank_was_told(reader, two):
    first, second, told = two
    assert f"since={first}&amp;profile={second}" in reader.get("/portal/profile?lang=en").text
    shown = reader.get(f"{PAGE}?since={first}&profile={second}&lang=en").text
    assert escaped(told["text_en"]) in shown
    for one in told["indicators"][:8]:
        assert escaped(one["label_en"]) in shown
    assert escaped(told["indicators"][0]["text_en"]) in shown
    chinese = reader.get(f"{PAGE}?since={first}&profile={second}&lang=zh").text
    assert "变化原因" in chinese
    assert escaped(told["indicators"][0]["text_zh"]) in chinese


def test_the_steps_are_numbers_in_a_table_that_lead_from_the_one_score_to_the_other(reader, two):
    first, second, told = two
    shown = reader.get(f"{PAGE}?since={first}&profile={second}&lang=en").text
    numbers = [float(n) for n in re.findall(r'<td class="number">([+-]?[\d.]+)</td>', shown)]
    assert (numbers[0], numbers[-1]) == (told["since"]["points"], told["profile"]["points"])
    assert sum(numbers[1:-1]) == pytest.approx(told["points"], abs=0.05 * len(numbers))
    assert " style=" not in shown
    assert "<script" not in shown.partition("<main")[2]


def test_either_order_of_the_two_is_the_same_page(reader, two):
    first, second, _ = two
    pages = [reader.get(f"{PAGE}?since={a}&profile={b}&lang=en").text for a, b in ((first, second), (second, first))]
    mains = [page.partition("<main")[2].partition("</main>")[0] for page in pages]
    assert mains[0] == mains[1]


@pytest.mark.parametrize("named", ["", "prf_x", "prf_%00", "prf_" + "0" * 32, "%E4%BC%81"])
def test_what_names_no_profile_of_the_firm_is_not_there(reader, two, named):
    first, _, _ = two
    assert reader.get(f"{PAGE}?since={first}&profile={named}").status_code in (404, 422)
    assert reader.get(f"{PAGE}?since={first}&profile={first}").status_code == 404


def test_somebody_who_acts_for_another_firm_sees_nothing(app, two, empty_database):
    first, second, _ = two
    with empty_database.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), account)
    stranger = Person(app.test_client(), account)
    assert stranger.sign_in().status_code == 303
    assert stranger.get(f"{PAGE}?since={first}&profile={second}").status_code == 404


def test_it_stays_the_firms_own_when_the_consent_is_withdrawn(reader, created, bank):
    authorization, first = created()
    second = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    flow.change_consent(authorization, "revoke")
    assert reader.get(f"{PAGE}?since={first['id']}&profile={second['id']}").status_code == 200
