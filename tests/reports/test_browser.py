"""From a firm's page to the paper's address in a stranger's browser, without JavaScript; and axe on both sizes."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select

from creditlink.kit.postgres import db
from creditlink.reports.tables import CreditReport
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served, sign_in, visit
from tests.portal.test_own import OWN, city, fetched, firm, products, rich_firm

__all__ = ["axe", "chromium", "city", "firm", "look", "products", "rich_firm", "served", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def links_of(content) -> set[str]:
    """The addresses that a PDF's pages lead to."""
    from pypdf import PdfReader

    found = set()
    for page in PdfReader(io.BytesIO(content)).pages:
        for annotation in page.get("/Annots", []):
            action = annotation.get_object().get("/A")
            if action is not None:
                found.add(str(action.get_object()["/URI"]))
    return found


def test_a_report_is_made_verified_and_revoked(visit, look, firm, products, empty_database, city, rich_firm, tmp_path):
    phone = visit("phone", "zh")
    phone.goto(f"{OWN}?lang=zh")
    sign_in(phone, firm.account)
    phone.goto("/portal/reports?lang=zh")
    assert "请先生成自有信用画像" in phone.locator("main").inner_text()
    phone.goto(f"{OWN}?lang=zh")
    phone.click(".decide button[type=submit]")
    fetched(empty_database, city, rich_firm)
    phone.goto(f"{OWN}?lang=zh")
    phone.click("button.primary[type=submit]")
    phone.goto("/portal/reports?lang=zh")
    assert fits(phone)
    phone.fill("[name=recipient]", "佛山市顺德区公共资源交易中心")
    phone.fill("[name=purpose]", "2026 年度供应商入围")
    phone.fill("[name=days]", "10")
    phone.uncheck("[name=section][value=electricity]")
    picture(phone, "reports-make")
    phone.click("button.primary[type=submit]")
    phone.wait_for_url("**/portal/reports/rpt_*")
    assert fits(phone)
    picture(phone, "report")
    with phone.expect_download() as loading:
        phone.click("text=下载 PDF")
    file = tmp_path / "report.pdf"
    loading.value.save_as(file)
    (address,) = links_of(file.read_bytes())
    path = address[address.index("/verify/") :]

    stranger = visit("desktop", "en")
    stranger.goto(f"{path}")
    stranger.goto(f"{stranger.url}?lang=en")
    shown = stranger.locator("main").inner_text()
    assert "Genuine and valid." in shown
    assert "佛山市顺德区公共资源交易中心" in shown
    picture(stranger, "verify-valid")
    stranger.set_input_files("[name=file]", file)
    stranger.click("button:has-text('Verify')")
    assert "Every byte of the file is as CreditLink signed it." in stranger.locator("main").inner_text()

    found = []
    for size, language in (("desktop", "en"), ("phone", "zh")):
        page = look(size)
        page.goto(f"/portal/?lang={language}")
        sign_in(page, firm.account)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for place in ("/portal/reports", phone.url, path):
                page.goto(place)
                picture(page, f"{theme}-{page.url.rpartition('/portal/')[2][:12].replace('/', '-')}")
                assert fits(page), place
                found += page.findings()

    phone.reload()
    assert "核验记录" in phone.locator("main").inner_text()
    phone.click("text=撤销本报告")
    assert "企业已撤销" in phone.locator("main").inner_text()
    stranger.goto(f"{path}")
    shown = stranger.locator("main").inner_text()
    assert "has revoked it" in shown
    assert "佛山市顺德区公共资源交易中心" not in shown
    picture(stranger, "verify-revoked")
    with db.transaction("owner") as session:
        assert session.scalars(select(CreditReport)).one().revoked_at is not None
    assert not found, found
