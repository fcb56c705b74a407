"""A person at a real browser without JavaScript, desktop and phone, zh and en; BROWSER_SHOTS=<folder> keeps them."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.serving import make_server

from creditlink.consents.tables import Consent
from creditlink.enterprises import representation
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests import factories as make

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
WORDS = {
    "en": {"agree": "Agree", "withdraw": "Withdraw", "withdrawn": "Withdrawn", "none": "No consent is in force"},
    "zh": {"agree": "同意", "withdraw": "撤回", "withdrawn": "已撤回", "none": "当前没有生效的授权"},
}

if CHROMIUM is None:
    assert not os.environ.get("CI"), "Chromium must be installed in CI"
    pytest.skip("Chromium is not installed", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def served(app):
    """The application at an address of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def firm(app):
    """A firm with its legal representative and an agent."""
    with db.transaction("owner") as session:
        enterprise = make.make_enterprise(session)
        leader = make.make_account(session, password=make.PASSWORD, display_name="陈志强")
        agent = make.make_account(session, password=make.PASSWORD, display_name="李敏")
        make.make_representation(session, enterprise, leader)
        representation.appoint(
            session,
            enterprise=enterprise,
            account=agent,
            role="agent",
            limits={"purposes": ["underwriting"], "longest_days": 60},
            appointed_by=leader,
            reason="accounts payable",
            now=utc_now(),
        )
    return enterprise, leader, agent


@pytest.fixture
def visit(chromium, served):
    """Open a browser window; at the bank's redirect address it finds a page, not the internet."""
    opened = []

    def run(size="desktop", language="en"):
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale={"en": "en-GB", "zh": "zh-CN"}[language],
            java_script_enabled=False,
            base_url=served,
        )
        opened.append(context)
        context.route("https://bank.example/**", lambda route: route.fulfill(body="<h1>Bank</h1>"))
        page = context.new_page()
        page.keeps = f"{size}-{language}"
        return page

    yield run
    for context in opened:
        context.close()


def picture(page, name: str) -> None:
    folder = os.environ.get("BROWSER_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}-{page.keeps}.png", full_page=True)


def sign_in(page, account) -> None:
    picture(page, "sign-in")
    page.fill("[name=login]", account.login)
    page.fill("[name=password]", make.PASSWORD)
    page.click("form.stack button[type=submit]")


def fits(page) -> bool:
    """Whether nothing of the page hangs out at the side, once it is there with its style sheet."""
    page.wait_for_load_state("load")
    return bool(page.locator("html").evaluate("html => html.scrollWidth <= window.innerWidth"))


def consent_of(consent) -> Consent:
    with db.transaction("owner") as session:
        return session.get_one(Consent, consent.id)


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_sign_in_read_untick_approve_look_and_revoke(visit, firm, bank, size, language):
    _, leader, _ = firm
    words, page = WORDS[language], visit(size, language)
    path, consent = bank.asks(uscc=firm[0].uscc, pulls_per_month=3)
    page.goto(path)
    sign_in(page, leader)
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[language]
    institution = {"en": bank.institution.name_en, "zh": bank.institution.name_zh}[language]
    assert institution in page.locator("h1").inner_text()
    assert fits(page)
    page.wait_for_load_state("load")  # without its style sheet a button has another size
    buttons = [page.locator(f"[name=decision][value={value}]").bounding_box() for value in ("decline", "approve")]
    assert (buttons[0]["width"], buttons[0]["height"]) == (buttons[1]["width"], buttons[1]["height"])
    page.uncheck("[name=category][value=electricity]")
    picture(page, "authorize")
    page.click("[name=decision][value=approve]")
    page.wait_for_url("https://bank.example/**")
    answer = parse_qs(urlsplit(page.url).query)
    assert {"code", "state", "iss"} <= set(answer)
    assert consent_of(consent).categories == ["registration", "tax", "social_security"]
    page.goto("/portal/")
    assert fits(page)
    picture(page, "home")
    page.click("article h2 a")
    page.wait_for_url("**/portal/consents/*")
    picture(page, "consent")
    assert fits(page)
    page.goto("/portal/")
    page.click(f"article a.button:has-text('{words['withdraw']}')")
    page.click("form[action$='/revoke'] button")
    page.wait_for_load_state("load")
    assert consent_of(consent).state == "REVOKED"
    assert words["withdrawn"] in page.locator("main").inner_text()
    page.goto("/portal/")
    assert words["none"] in page.locator("main").inner_text()
    picture(page, "home-empty")


@pytest.mark.parametrize(("size", "language"), [("desktop", "zh"), ("phone", "en")])
def test_two_people_sign_and_every_page_is_fit_to_be_seen(visit, firm, bank, size, language):
    enterprise, leader, agent = firm
    with db.transaction("owner") as session:
        held = session.merge(enterprise)
        representation.want_two_signatures(session, held, True, reason="four eyes", now=utc_now())
    path, consent = bank.asks(uscc=enterprise.uscc)
    first, second = visit(size, language), visit(size, language)
    first.goto(path)
    sign_in(first, leader)
    picture(first, "authorize-two")
    first.click("[name=decision][value=approve]")
    picture(first, "signed")
    second.goto("/portal/")
    sign_in(second, agent)
    picture(second, "home-waiting")
    second.goto("/portal/inbox")
    picture(second, "inbox")
    second.click("article a.button")
    assert leader.display_name in second.locator("main").inner_text()
    picture(second, "authorize-second")
    second.click("[name=decision][value=approve]")
    assert consent_of(consent).state == "ACTIVE"
    picture(second, "consent-two")
    first.goto(path)
    picture(first, "go-on")
    first.click("main form button")
    first.wait_for_url("https://bank.example/**")
    for name in ("", "inbox", "representatives", "accesses", "security", "consents/cns_0"):
        first.goto(f"/portal/{name}")
        picture(first, name.replace("/", "-") or "home-two")
        assert fits(first), name
