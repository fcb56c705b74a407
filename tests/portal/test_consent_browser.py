"""In a browser without JavaScript: the consent page on a phone, withdrawal with deletion, papers and what is twice."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from creditlink.consents.tables import Consent, ConsentReading
from creditlink.financing.requests.papers.tables import FinancingDocument
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.retention.tables import DeletionRequest
from creditlink.sandbox.platform.seed import seed_lenders
from tests import factories as make
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, firm, fits, picture, served, sign_in, visit

__all__ = ["axe", "chromium", "firm", "look", "served", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
INVOICE = "24442000000012345678"


@pytest.fixture
def known(bank):
    """The bank with its code and licence recorded."""
    with db.transaction("owner") as session:
        row = session.get_one(Institution, bank.institution.id)
        row.uscc, row.licence_no = "91440606MA4UXYQ27F", "B0123H244060001"
    return bank


@pytest.fixture
def lenders(app, settings):
    with db.transaction("owner") as session:
        seed_lenders(session, settings, now=utc_now())
        for code in ("CLB", "LJB"):
            row = session.scalars(select(Institution).where(Institution.code == code)).one()
            make.make_client(session, row, scopes=["financing:read", "profile:create"])


@pytest.mark.parametrize(("size", "language"), [("phone", "zh"), ("phone", "en"), ("desktop", "zh"), ("desktop", "en")])
def test_the_consent_page_opens_its_layers_and_is_signed_as_shown(visit, firm, known, size, language):
    enterprise, leader, _ = firm
    page = visit(size, language)
    path, consent = known.asks(uscc=enterprise.uscc, pulls_per_month=3)
    page.goto(path)
    sign_in(page, leader)
    assert page.get_by_text("91440606MA4UXYQ27F").is_visible()
    assert page.get_by_text("B0123H244060001").is_visible()
    assert fits(page)
    assert not page.locator("details.layer dl").first.is_visible()
    for summary in page.locator("details.layer > summary").all():
        summary.click()
    assert page.locator("details.layer .example").first.is_visible()
    assert fits(page)
    picture(page, "consent-layers")
    assert page.locator("[name=reading]:checked").count() == 0
    page.check("[name=reading][value=unsure]")
    shown = page.locator("[name=text]").get_attribute("value")
    page.click("[name=decision][value=approve]")
    page.wait_for_url("https://bank.example/**")
    with db.transaction("owner") as session:
        held = session.get_one(Consent, consent.id)
        assert (held.state, held.text_sha256) == ("ACTIVE", shown)
        assert session.get_one(ConsentReading, consent.id).answer == "unsure"


@pytest.mark.parametrize(("size", "language"), [("phone", "zh"), ("desktop", "en")])
def test_withdrawal_says_what_stays_and_deletes(visit, firm, known, size, language):
    enterprise, leader, _ = firm
    with db.transaction("owner") as session:
        consent = make.make_consent(
            session, client=known.client, account=session.merge(leader), enterprise=session.merge(enterprise),
            now=utc_now(),
        )  # fmt: skip
    page = visit(size, language)
    page.goto("/portal/")
    sign_in(page, leader)
    page.click("a.button.danger")
    assert page.url.endswith("/withdraw")
    assert fits(page)
    picture(page, "withdraw")
    page.click("form[action$='/delete'] button")
    page.wait_for_load_state("load")
    with db.transaction("owner") as session:
        assert session.get_one(Consent, consent.id).state == "REVOKED"
        assert session.get(DeletionRequest, consent.id) is not None


@pytest.mark.parametrize(("size", "language"), [("phone", "zh"), ("desktop", "en")])
def test_papers_of_a_wrong_kind_are_refused_and_twice_is_warned_of(visit, firm, lenders, tmp_path, size, language):
    _, leader, _ = firm
    page = visit(size, language)
    page.goto("/portal/financing")
    sign_in(page, leader)

    def ask():
        page.goto("/portal/financing")
        page.fill("[name=amount]", "50")
        page.select_option("[name=collateral]", "receivables")
        page.click("main form.stack button[type=submit]")
        page.wait_for_load_state("load")

    def name_it():
        page.fill("[name=number]", INVOICE)
        page.click("form[action$='/receivables'] button")
        page.wait_for_load_state("load")

    ask()
    wrong, right = tmp_path / "发票.exe.pdf", tmp_path / "发票.pdf"
    wrong.write_bytes(b"MZ" + b"\0" * 100)
    right.write_bytes(PDF)
    for file, counted in ((wrong, 0), (right, 1)):
        page.set_input_files("[name=document]", file)
        page.click("form[action$='/documents'] button")
        page.wait_for_load_state("load")
        assert (page.locator("[role=alert]").count() == 1) is (counted == 0)
        with db.transaction("owner") as session:
            assert len(session.scalars(select(FinancingDocument.id)).all()) == counted
    name_it()
    assert page.locator(".no").count() == 0
    picture(page, "papers")
    ask()
    name_it()
    assert page.locator("#papers + section .no").count() == 1
    assert page.locator(".notice li").count() >= 1
    assert fits(page)
    picture(page, "papers-twice")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_no_serious_finding_of_axe(look, firm, known, lenders, size):
    enterprise, leader, _ = firm
    page = look(size)
    path, _ = known.asks(uscc=enterprise.uscc)
    page.goto(path)
    sign_in(page, leader)
    for summary in page.locator("details.layer > summary").all():
        summary.click()
    found = {"consent": page.findings()}
    with db.transaction("owner") as session:
        consent = make.make_consent(
            session, client=known.client, account=session.merge(leader), enterprise=session.merge(enterprise),
            now=utc_now(),
        )  # fmt: skip
    page.goto(f"/portal/consents/{consent.wire_id}/withdraw")
    found["withdraw"] = page.findings()
    page.goto("/portal/financing")
    page.fill("[name=amount]", "50")
    page.click("main form.stack button[type=submit]")
    page.wait_for_load_state("load")
    while page.locator("main details:not([open]) > summary").count():
        page.locator("main details:not([open]) > summary").first.click()
    found["request"] = page.findings()
    assert {where: what for where, what in found.items() if what} == {}
