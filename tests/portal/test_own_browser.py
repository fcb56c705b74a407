"""A firm looks at itself in a real browser: without JavaScript on a phone, and with axe on both sizes."""

from __future__ import annotations

import pytest

from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served, sign_in, visit
from tests.portal.test_own import (
    OWN,
    RECORDS,
    authorized,
    bank,
    city,
    created,
    delivered,
    fetched,
    firm,
    http,
    products,
    rich_firm,
)  # fmt: skip

__all__ = [
    "authorized", "axe", "bank", "chromium", "city", "created", "delivered", "firm", "http", "look", "products",
    "rich_firm", "served", "visit",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_a_firm_agrees_with_itself_and_reads_what_comes_of_it(
    visit, look, firm, bank, authorized, products, empty_database, city, rich_firm
):
    phone = visit("phone", "zh")
    phone.goto(f"{OWN}?lang=zh")
    sign_in(phone, firm.account)
    phone.goto(f"{OWN}?lang=zh")
    picture(phone, "own-agree")
    assert fits(phone)
    phone.click(".decide button[type=submit]")
    assert "贵企业查看自己" in phone.locator("main").inner_text()
    fetched(empty_database, city, rich_firm)
    authorized(bank, categories=("electricity",), history_months=6)
    phone.goto(f"{OWN}?lang=zh")
    picture(phone, "own")
    assert fits(phone)
    phone.click("button.primary[type=submit]")
    assert "贵企业自己的画像" in phone.locator("main").inner_text()
    picture(phone, "own-profile")
    for category in ("electricity", "tax", "late"):
        phone.goto(f"{RECORDS}?category={category}&lang=zh")
        picture(phone, f"own-records-{category}")
        assert fits(phone), category
    found = []
    for size, language in (("desktop", "en"), ("phone", "zh")):
        page = look(size)
        page.goto(f"/portal/?lang={language}")
        sign_in(page, firm.account)
        for path in (OWN, "/portal/profile", *(f"{RECORDS}?category={one}" for one in ("electricity", "tax", "late"))):
            page.goto(path)
            picture(page, path.strip("/").replace("/", "-").replace("?", "-"))
            assert fits(page), path
            found += page.findings()
    assert found == []
