"""A day at the risk desk in a real browser: find, open, replay, compare; axe finds nothing serious."""

from __future__ import annotations

from datetime import timedelta

import pytest

from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests.lifecycle.conftest import registered
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served
from tests.portal.test_risk_desk import LIST, risk
from tests.portal.test_staff import code
from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = [
    "authorized", "axe", "bank", "chromium", "city", "created", "delivered", "firm", "http", "look", "products",
    "rich_firm", "risk", "served",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_a_decision_is_found_explained_replayed_and_compared(look, risk, created, bank, size, language):
    authorization, _ = created()
    day = day_of(utc_now()) - timedelta(days=180)
    assert bank.call("POST", "/v1/profiles", authorization, json={"as_of": day.isoformat()}).status_code == 201
    with db.transaction("owner") as session:
        registered(session, make.make_staff(session, "ada", "model_owner"))
    page = look(size)
    page.goto(f"/portal/staff/sign-in?lang={language}")
    page.fill("[name=login]", risk.account.login)
    page.fill("[name=password]", make.PASSWORD)
    page.fill("[name=totp]", code(1))
    page.click("main button[type=submit]")
    page.goto(LIST)
    picture(page, "decisions")
    found = page.findings()
    assert fits(page)
    page.click(f"main a[href*='{LIST}/dec_'] >> nth=0")
    picture(page, "decision-asked")
    found += page.findings()
    page.check("[name=purpose][value=replay]")
    page.click("main button.primary")
    picture(page, "decision")
    found += page.findings()
    assert fits(page)
    page.click("form:has([value=replay]) button >> nth=0")
    assert page.locator("[role=status] .ok").count() == 1
    page.click("form:has([name=other]) button")
    picture(page, "decision-compared")
    found += page.findings()
    assert page.locator("table.waterfall").count() == 2
    page.goto("/portal/staff/models")
    picture(page, "models")
    found += page.findings()
    page.click("main tbody a >> nth=0")
    picture(page, "model")
    found += page.findings()
    assert fits(page)
    assert found == []
