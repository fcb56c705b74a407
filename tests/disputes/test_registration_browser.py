"""An entry of the register from the firm's page to its dispute, without JavaScript on a phone; and axe."""

from __future__ import annotations

import re

import pytest

from creditlink.kit.postgres import db
from tests import factories as make
from tests import serving
from tests.disputes import conftest as at
from tests.disputes.test_browser import served
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, sign_in, visit
from tests.portal.test_operator_desk import ola
from tests.portal.test_staff import code

__all__ = ["axe", "chromium", "look", "ola", "served", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def addresses(database, tmp_path_factory):
    with serving.serve(serving.environment(database, tmp_path_factory.mktemp("servers")), processes=1) as one:
        yield one


def test_a_firm_says_that_its_capital_is_wrong_and_the_operator_answers(visit, look, firm, ola, tmp_path):
    proof = tmp_path / "验资报告.pdf"
    proof.write_bytes(at.PDF)
    page = visit("phone", "zh")
    page.goto("/portal/own/records?lang=zh")
    sign_in(page, firm.account)
    page.goto("/portal/own/records#registration")
    assert fits(page)
    picture(page, "registration")
    page.click("tr:has-text('注册资本') a")
    page.wait_for_url("**/portal/disputes/new?**")
    page.check("[name=claim][value=wrong]")
    page.fill("[name=statement]", "注册资本已变更为三百万元，附验资报告。")
    page.fill("[name=wanted_registered_capital_fen]", "3,000,000")
    page.set_input_files("[name=evidence]", proof)
    assert fits(page)
    picture(page, "registration-new")
    page.click("button:has-text('提交异议')")
    page.wait_for_url("**/portal/disputes/dsp_*")
    assert "登记信息 · 注册资本" in page.locator("h1").inner_text()
    assert "¥3,000,000.00" in page.locator("main").inner_text()
    assert fits(page)
    picture(page, "registration-dispute")
    page.goto("/portal/own/records#registration")
    assert "已受理" in page.locator("tr:has-text('注册资本')").inner_text()

    with db.transaction("owner") as session:
        (one,) = session.scalars(at.select(at.Dispute)).all()
    found = []
    for size in ("phone", "desktop"):
        seen = look(size)
        seen.goto("/portal/sign-in?lang=en")
        sign_in(seen, firm.account)
        for path in (
            "own/records", "profile", "disputes/new?kind=registration", "disputes/new?record=registration::status",
            "disputes/new?record=registration::shareholders", f"disputes/{one.wire_id}",
        ):  # fmt: skip
            seen.goto(f"/portal/{path}")
            assert seen.locator("h1").count() == 1, path
            assert fits(seen), path
            picture(seen, "registration-" + "-".join(re.findall(r"\w+", path)))
            found += seen.findings()
    desk = look("desktop")
    desk.goto("/portal/staff/sign-in?lang=en")
    desk.fill("[name=login]", ola.account.login)
    desk.fill("[name=password]", make.PASSWORD)
    desk.fill("[name=totp]", code(1))
    desk.click("form.stack button[type=submit]")
    desk.goto("/portal/staff/disputes?source=registry")
    assert one.wire_id in desk.content()
    picture(desk, "registration-queue")
    found += desk.findings()
    desk.goto(f"/portal/staff/disputes/{one.wire_id}")
    desk.click("button:has-text('The source was told')")
    desk.check("[name=verdict][value=upheld]")
    desk.fill("[name=reason]", "档案核对无误")
    desk.click("button:has-text('Record the answer')")
    found += desk.findings()
    assert found == []
    page.goto(f"/portal/disputes/{one.wire_id}")
    assert "档案核对无误" in page.locator("main").inner_text()
