"""What axe-core finds on the pages, on a desktop and on a phone: nothing serious. What a phone shows does not break."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from creditlink.audit import service as audit
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT
from tests.portal.test_browser import SIZES, chromium, firm, fits, picture, served, sign_in, visit

__all__ = ["chromium", "firm", "served", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
CLIENT = ROOT / "tests" / "clients"


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The script of axe-core, at its locked version."""
    if shutil.which("npm") is None:
        assert not os.environ.get("CI"), "CI needs npm"
        pytest.skip("npm is not installed: axe-core cannot be had")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENT / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def look(chromium, served, axe):
    """Open a window in which axe can run; what it finds serious is returned by page."""
    opened = []

    def run(size):
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", base_url=served, bypass_csp=True
        )
        opened.append(context)
        context.route("https://bank.example/**", lambda route: route.fulfill(body="<h1>Bank</h1>"))
        page = context.new_page()
        page.keeps = f"{size}-axe"

        def findings():
            page.evaluate(axe)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            return [
                (page.url, one["id"], node["target"])
                for one in found
                if one["impact"] in ("serious", "critical") or one["id"] == "region"
                for node in one["nodes"]
            ]

        page.findings = findings
        return page

    yield run
    for context in opened:
        context.close()


def read(consent, enterprise):
    """Leave the evidence of a bank that read the firm's profile."""
    with db.transaction("owner") as session:
        audit.record(
            session,
            action="profile.read",
            result="disclosed",
            actor=f"bank:{consent.client_id}",
            now=utc_now(),
            enterprise_id=enterprise.id,
            institution_id=consent.institution_id,
            client_id=consent.client_id,
            consent_id=consent.id,
            purpose="underwriting",
            detail={"categories": ["tax", "social_security", "electricity"]},
        )


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_no_page_has_a_serious_finding(look, firm, bank, size):
    enterprise, leader, _ = firm
    page = look(size)
    path, consent = bank.asks(uscc=enterprise.uscc)
    page.goto(path)
    found = page.findings()
    sign_in(page, leader)
    found += page.findings()
    page.click("[name=decision][value=decline]")
    page.wait_for_url("https://bank.example/**")
    read(consent, enterprise)
    acting = ("inbox", "profile", "notices", "uploads", "financing", "accesses", "representatives")
    for name in ("", *acting, "security", "status", "nowhere"):
        page.goto(f"/portal/{name}")
        assert fits(page), name
        found += page.findings()
    for path in (
        "/nowhere",
        "/reference?lang=en",
        "/reference/profiles?lang=zh",
        "/problems?lang=zh",
        "/problems/unauthorized",
    ):
        page.goto(path)
        picture(page, path.strip("/").partition("?")[0].replace("/", "-"))
        assert fits(page), path
        found += page.findings()
    assert found == []


def test_a_phone_shows_the_box_beside_its_text_and_the_log_as_cards(visit, firm, bank):
    enterprise, leader, _ = firm
    page = visit("phone", "zh")
    path, consent = bank.asks(uscc=enterprise.uscc)
    page.goto(path)
    sign_in(page, leader)
    box = page.locator("[name=category][value=electricity]").bounding_box()
    words = page.locator("label:has([name=category][value=electricity]) strong").bounding_box()
    assert words["x"] > box["x"] + box["width"]
    assert abs(words["y"] - box["y"]) < box["height"] + 8
    picture(page, "authorize-boxes")
    page.click("[name=decision][value=approve]")
    page.wait_for_url("https://bank.example/**")
    read(consent, enterprise)
    page.goto("/portal/accesses")
    picture(page, "accesses-cards")
    rows = page.locator("table.stacks tbody tr").all()
    assert rows
    for row in rows:
        for cell in row.locator("td").all():
            place = cell.bounding_box()
            assert place["x"] >= 0
            assert place["x"] + place["width"] <= 390
