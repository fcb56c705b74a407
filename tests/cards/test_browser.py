"""A card with two facts is shown by its link in another browser, verified there, revoked, and then refused."""

from __future__ import annotations

import pytest

from tests.cards.conftest import CARD, bank, city, firm, http, itself, products, reader, rich_firm
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served, sign_in, visit

__all__ = [
    "axe", "bank", "chromium", "city", "firm", "http", "itself", "look", "products", "reader", "rich_firm", "served",
    "visit",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_two_facts_are_shown_verified_revoked_and_refused(visit, look, firm, itself, served):
    itself()
    phone = visit("phone", "zh")
    phone.goto(f"{CARD}?lang=zh")
    sign_in(phone, firm.account)
    phone.goto(f"{CARD}?lang=zh")
    picture(phone, "card-preview")
    assert fits(phone)
    phone.click("button.primary[type=submit]")
    assert phone.locator(".credit-card").count() == 1
    picture(phone, "card")
    assert fits(phone)
    phone.check("input[name=fact][value=years_in_business]")
    phone.check("input[name=fact][value=grade_band]")
    phone.fill("input[name=audience]", "南海某房东")
    phone.click("form[action$='/card/shown'] button.primary")
    picture(phone, "card-shown")
    assert fits(phone)
    link = phone.locator("section.card a[href*='/cards/']").get_attribute("href")
    path = link[link.index("/cards/") :]

    stranger = visit("phone", "zh")
    stranger.goto(f"{path}?lang=zh")
    picture(stranger, "card-seen")
    assert fits(stranger)
    told = stranger.locator("main").inner_text()
    assert "真实有效" in told
    assert "经营年限" in told
    assert "信用等级区间" in told
    assert "统一社会信用代码" not in told
    stranger.click("details summary")
    presented = stranger.locator("pre code").inner_text()
    stranger.goto("/cards/verify?lang=zh")
    stranger.fill("textarea[name=card]", presented)
    stranger.click("button.primary")
    assert "真实有效" in stranger.locator("main").inner_text()

    shown_at = phone.url.partition("?")[0].partition("/portal/")[2]
    found = []
    for size in ("desktop", "phone"):
        for language in ("en", "zh"):
            page = look(size)
            page.goto(f"/portal/?lang={language}")
            sign_in(page, firm.account)
            for place in (CARD, f"/portal/{shown_at}", path, "/cards/verify"):
                page.goto(f"{place}?lang={language}")
                picture(page, f"{place.strip('/').replace('/', '-')[:24]}-{size}-{language}")
                assert fits(page), place
                found += page.findings()
    assert found == []
    for options in ({"color_scheme": "dark"}, {"color_scheme": "light", "media": "print"}):
        for whose, place in ((phone, f"/portal/{shown_at}"), (stranger, path)):
            whose.emulate_media(**options)
            whose.goto(f"{place}?lang=zh")
            picture(whose, f"{place.strip('/')[:8].replace('/', '-')}-{'-'.join(options.values())}")
            whose.emulate_media(color_scheme="light", media="screen")

    phone.goto(f"{CARD}?lang=zh")
    phone.click("button.danger")
    assert phone.locator(".credit-card").count() == 0
    stranger.goto(f"{path}?lang=zh")
    told = stranger.locator("main").inner_text()
    assert "已失效" in told
    assert "经营年限" not in told
    picture(stranger, "card-refused")
    stranger.goto("/cards/verify?lang=zh")
    stranger.fill("textarea[name=card]", presented)
    stranger.click("button.primary")
    assert "已失效" in stranger.locator("main").inner_text()
