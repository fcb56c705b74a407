"""The profile's page in a real browser without JavaScript: desktop and phone, zh and en."""

from __future__ import annotations

import pytest

from tests.portal.test_browser import chromium, fits, picture, served, sign_in, visit
from tests.portal.test_profile import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = [
    "authorized", "bank", "chromium", "city", "created", "delivered", "firm", "http", "products", "rich_firm",
    "served", "visit",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.mark.parametrize(("size", "language"), [("desktop", "zh"), ("phone", "en")])
def test_a_firm_reads_its_profile(visit, firm, products, created, size, language):
    _, made = created()
    created()  # a second one, so that there is an earlier
    page = visit(size, language)
    page.goto(f"/portal/profile?lang={language}")
    sign_in(page, firm.account)
    page.goto(f"/portal/profile?lang={language}")
    picture(page, "profile")
    assert page.locator(".points").inner_text() == str(made["points"])
    assert page.locator("meter").count() == len(made["dimensions"])
    assert fits(page)
