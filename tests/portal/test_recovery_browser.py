"""A person's way in, out and back in a real browser, on a desktop and on a phone; axe finds nothing serious."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pyotp
import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.messages import service
from tests import factories as make
from tests.messages.conftest import run_all
from tests.portal import identity
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served

__all__ = ["axe", "chromium", "look", "served"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

NEW = "a new and long password"


@pytest.fixture
def here(app, settings, served):
    """The application as it is served: its links lead to where the browser finds it."""
    runtime.of_app(app).put(replace(settings, issuer=served))
    return served


@pytest.fixture
def person(app):
    """A firm's representative with a confirmed mailbox, and an offer to read of."""
    now = utc_now()
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD, display_name="陈志强")
        make.make_representation(session, make.make_enterprise(session), account)
        service.set_channel(session, account.id, "email", "chen@firm.example", language="zh", now=now)
        service.tell(session, account.id, "offer_arrived", now, page="/portal/financing", about="1")
    return account


def sign_in(page, login, password, code=""):
    page.goto("/portal/sign-in")
    page.fill("[name=login]", login)
    page.fill("[name=password]", password)
    page.fill("[name=totp]", code)
    page.click("form.stack button[type=submit]")


def secret_of(page):
    return page.locator("code.key").first.inner_text().replace(" ", "")


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_a_forgotten_password_and_a_lost_phone(look, here, person, settings, size, language):
    page, found = look(size), []

    def seen(name):
        assert fits(page), name
        picture(page, name)
        found.extend(page.findings())

    page.goto(f"/portal/forgotten?lang={language}")
    seen("forgotten")
    page.fill("[name=login]", person.login)
    page.click("form.stack button[type=submit]")
    page.wait_for_selector("[role=status]")
    seen("forgotten-sent")
    run_all(settings)
    letters = (settings.var_dir / "outbox" / "email.jsonl").read_text().splitlines()
    ways = [re.search(r"http\S+/portal/reset/[\w-]+", json.loads(one)["text"]) for one in letters]
    (link,) = [way[0] for way in ways if way]
    page.goto(link)
    seen("reset")
    page.fill("[name=new]", NEW)
    page.fill("[name=again]", NEW)
    page.click("form.stack button[type=submit]")
    page.wait_for_url("**/sign-in")
    sign_in(page, person.login, NEW)
    page.wait_for_url("**/portal/")
    # A phone, and what stands in for it.
    page.goto("/portal/security")
    seen("security")
    page.fill("form[action$='/totp'] [name=password]", NEW)
    page.fill("form[action$='/totp'] [name=totp]", pyotp.TOTP(secret_of(page)).now())
    page.click("form[action$='/totp'] button")
    page.wait_for_selector("form[action$='/recovery-codes']")
    page.click("form[action$='/recovery-codes'] button")
    page.wait_for_selector("ol.codes")
    seen("recovery-codes")
    codes = page.locator("ol.codes code").all_inner_texts()
    page.click(".aside form button")
    page.wait_for_url("**/sign-in")
    # The phone is lost: a recovery code signs in, another moves to a new phone.
    sign_in(page, person.login, NEW, codes[0])
    page.wait_for_url("**/portal/")
    page.goto("/portal/security")
    page.click("details summary")
    seen("another-phone")
    form = "form[action$='/replace']"
    page.fill(f"{form} [name=password]", NEW)
    page.fill(f"{form} [name=old]", codes[1])
    page.fill(f"{form} [name=totp]", pyotp.TOTP(secret_of(page)).now())
    page.click(f"{form} button")
    page.wait_for_url("**/portal/security")
    assert page.locator("[role=alert]").count() == 0
    for name in ("security/password", "security/keys", "messages", "messages/settings", "representatives"):
        page.goto(f"/portal/{name}")
        seen(name.replace("/", "-"))
    assert found == []


def test_a_firm_is_registered_and_an_agent_invited_on_a_phone(look, here, app, settings):
    found = []
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session)
    with identity.listening() as desk:
        identity.connect(app, desk, settings)
        page = look("phone")
        page.goto("/portal/join?lang=zh")
        found += page.findings()
        page.click("ul a")
        page.fill("[name=person]", "陈志强")
        page.fill("[name=uscc]", firm.uscc)
        page.click("[value=confirm]")
        page.wait_for_url("**/portal/proven")
        assert fits(page)
        picture(page, "proven")
        found += page.findings()
    page.fill("[name=login]", "chen@firm.example")
    page.fill("[name=new]", NEW)
    page.fill("[name=again]", NEW)
    page.click("form.stack button[type=submit]")
    page.wait_for_url("**/portal/security")
    page.goto("/portal/representatives")
    page.fill("[name=name]", "李敏")
    page.fill("form.stack [name=reason]", "accounts payable")
    page.click("button[formaction]")
    link = page.locator("code.wraps").inner_text()
    assert fits(page)
    found += page.findings()
    other = look("phone")
    other.goto(link)
    assert fits(other)
    picture(other, "invited")
    found += other.findings()
    other.fill("[name=login]", "li@firm.example")
    other.fill("[name=name]", "李敏")
    other.fill("[name=new]", NEW)
    other.fill("[name=again]", NEW)
    other.click("form.stack button[type=submit]")
    other.wait_for_url("**/portal/security")
    page.goto("/portal/representatives")
    assert "li@firm.example" in page.inner_text("main")
    assert found == []
