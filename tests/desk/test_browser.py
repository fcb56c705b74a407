"""A bank's day at the desk in a real browser: asked, granted, read, offered, fed back; nothing serious by axe."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.sandbox.banks.bank import new_key, public_jwks
from tests import factories as make
from tests.desk.conftest import (
    CORE,
    DESK,
    add_lender,
    approve,
    city,
    deliver,
    open_for,
    owner,
    polled_long_ago,
    rich_firm,
)
from tests.desk.test_institution import CLIENT, PRODUCT
from tests.desk.test_lending import accept
from tests.desk.test_overlay_form import TYPED
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served
from tests.portal.test_financing import ASK, products_on
from tests.portal.test_staff import code

__all__ = ["axe", "chromium", "city", "look", "owner", "rich_firm", "served"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def bank(app, settings):
    """One of the seed's banks with a desk and a person who may do everything."""
    from creditlink.sandbox.platform.seed import seed_lenders

    with db.transaction("owner") as session:
        seed_lenders(session, settings, now=utc_now())
        bank = session.scalars(select(Institution).where(Institution.code == "CLB")).one()
    open_for(settings, bank)
    return add_lender(app, settings, bank, "lin", "lender", "product_editor", "desk_admin")


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_a_banks_day(look, bank, owner, city, rich_firm, size, language):
    page, found = look(size), []

    def seen(name):
        picture(page, f"desk-{name}")
        found.extend((name, one) for one in page.findings())
        assert fits(page), name

    page.goto(f"{DESK}/sign-in?lang={language}")
    seen("sign-in")
    page.fill("[name=login]", bank.account.login)
    page.fill("[name=password]", make.PASSWORD)
    page.fill("[name=totp]", code(1))
    page.click("main button[type=submit]")
    seen("firms-empty")
    page.goto(f"{DESK}/ask")
    page.fill("[name=label]", "五金三厂")
    page.fill("[name=uscc]", owner.firm.uscc)
    page.fill("[name=binding]", "CL-2026-07")
    for name in CORE:
        page.check(f"[name=category][value={name}]")
    seen("ask")
    page.click("main button.primary")
    seen("waiting")
    deliver(city, rich_firm, approve(owner))
    polled_long_ago()
    page.reload()
    seen("agreed")
    page.click("main .head button")
    page.locator(".grade").wait_for()  # the page is there when it is whole, not when its address is
    assert owner.firm.name in page.content()
    seen("firm")
    page.goto(f"{DESK}/ask")
    page.fill("[name=label]", "新客户")
    page.check("[name=channel][value=code]")
    page.click("main button.primary")
    assert page.locator("img.qr").count() == 1
    seen("code")
    page.goto(f"{DESK}/firms")
    seen("firms")

    owner.get("/portal/financing")
    owner.asked = owner.post("/portal/financing", **ASK).headers["Location"]
    chosen = products_on(owner.get(owner.asked))[:1]
    owner.post(f"{owner.asked}/lenders", product=chosen)
    owner.post(f"{owner.asked}/lenders", product=chosen, decision="approve")
    page.goto(f"{DESK}/applications")
    seen("applications")
    page.click("main tbody a")
    page.fill("[name=rate]", "4.35")
    seen("application")
    page.click("form[action$='/offers'] button")
    assert accept(owner, owner).status_code in (200, 303)
    page.reload()
    page.click("form[action$='/signature'] button")
    page.click("form:has([value=draw]) button")
    page.click("form:has([name=days_past_due][value='0']) button")
    seen("loan")
    page.goto(f"{DESK}/outcomes")
    page.set_input_files(
        "[name=file]", {"name": "x.csv", "mimeType": "text/csv", "buffer": b"application_id,kind,on\nx,gift,1\n"}
    )
    page.click("main button.primary")
    seen("outcomes")

    page.goto(f"{DESK}/products")
    seen("products")
    page.goto(f"{DESK}/products/new")
    for name, value in PRODUCT.items():
        if name in ("kind", "repayment"):
            page.select_option(f"[name={name}]", value)
        elif name != "category":
            page.fill(f"[name={name}]", value)
    page.check("[name=category][value=tax]")
    seen("product-edit")
    page.click("main button.primary")
    seen("product")
    page.goto(f"{DESK}/overlay")
    for part in ("weights", "columns"):
        page.click(f"[name=more][value={part}]")
    for name, value in TYPED.items():
        field = page.locator(f"[name='{name}']")
        kind = field.evaluate("field => field.type")
        if kind == "checkbox":
            field.check()
        elif kind == "select-one":
            field.select_option(value)
        else:
            field.fill(value)
    seen("overlay-form")
    page.click("form:has([name=name_zh]) button.primary")
    assert "1: -0.1; 30: 0.2" in page.content()
    seen("overlay")
    page.goto(f"{DESK}/software")
    page.click("details summary")
    page.fill("[name=name]", CLIENT["name"])
    page.fill("[name=redirect_uris]", CLIENT["redirect_uris"])
    page.check("[name=scope][value='consent:read']")
    page.fill("[name=jwks]", json.dumps(public_jwks(new_key())))
    page.click("form:has([name=jwks]) button")
    seen("software")
    page.click("main table a")
    seen("client")
    page.goto(f"{DESK}/people")
    seen("people")
    page.goto(f"{DESK}/keys")
    seen("keys")
    assert found == []
