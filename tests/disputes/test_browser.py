"""From a datum to every recipient's acknowledgement in a browser without JavaScript, over two processes; and axe."""

from __future__ import annotations

import httpx
import pytest

from creditlink.kit.postgres import db
from tests import factories as make
from tests import serving
from tests.disputes import conftest as at
from tests.oauth import flow
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, sign_in, visit
from tests.portal.test_operator_desk import ola
from tests.portal.test_staff import code

__all__ = ["axe", "chromium", "look", "ola", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def addresses(database, tmp_path_factory):
    with serving.serve(serving.environment(database, tmp_path_factory.mktemp("servers")), processes=2) as both:
        yield both


@pytest.fixture
def served(app, addresses):
    """The firm's browser comes to the first process."""
    return addresses[0]


@pytest.fixture
def banks(empty_database, http, addresses):
    """Two banks that call the second process."""
    with httpx.Client(base_url=addresses[1], timeout=30) as second:
        made = [flow.register_bank(empty_database, http, scopes=at.SCOPES) for _ in range(2)]
        yield made, second


def test_a_firm_disputes_a_record_and_sees_who_has_acknowledged(visit, look, firm, banks, relied, ola, tmp_path):
    here, second = banks
    for bank in here:
        relied(bank)
    fact = at.payroll(firm)
    proof = tmp_path / "社保缴费凭证.pdf"
    proof.write_bytes(at.PDF)
    page = visit("phone", "zh")
    page.goto("/portal/disputes?lang=zh")
    sign_in(page, firm.account)
    page.goto("/portal/disputes/new")
    assert fits(page)
    page.locator(f"a[href*='{fact.period.isoformat()}']").first.click()
    page.check("[name=claim][value=wrong]")
    page.fill("[name=statement]", "三月实际参保人数与记录不符，附缴费凭证。")
    page.fill("[name=wanted_headcount]", str(int(fact.values["headcount"]) + 40))
    page.set_input_files("[name=evidence]", proof)
    assert fits(page)
    picture(page, "dispute-new")
    page.click("button:has-text('提交异议')")
    page.wait_for_url("**/portal/disputes/dsp_*")
    assert "已受理" in page.locator("main").inner_text()
    assert fits(page)

    with db.transaction("owner") as session:
        (one,) = session.scalars(at.select(at.Dispute)).all()
    at.through(one)
    page.reload()
    assert "2家机构中已有0家确认收到更正通知" in page.locator("main").inner_text()
    picture(page, "dispute-corrected")
    for bank in here:
        bank.http = second
        own = bank.in_own_name(scope="correction:read correction:acknowledge")
        (item,) = bank.call("GET", "/v1/corrections", own).json()["items"]
        path = f"/v1/corrections/{item['correction_id']}/acknowledgement"
        assert bank.call("POST", path, own, json={"action": "recomputed"}).status_code == 200
    page.reload()
    shown = page.locator("main").inner_text()
    assert "2家机构中已有2家确认收到更正通知" in shown
    assert "已重新生成信用画像" in shown
    assert fits(page)
    given = page.context.request.get(page.locator("a:has-text('.pdf')").get_attribute("href"))
    assert (given.status, given.body()) == (200, at.PDF)
    assert given.headers["content-disposition"].startswith("attachment")
    assert "filename*=UTF-8''%E7%A4%BE" in given.headers["content-disposition"]

    seen = look("desktop")
    found = []
    seen.goto("/portal/sign-in?lang=en")
    sign_in(seen, firm.account)
    record = f"{fact.frame}:{at.payroll(firm, 5).period.isoformat()}:"
    for path in ("disputes", "disputes/new", f"disputes/new?record={record}", f"disputes/{one.wire_id}"):
        seen.goto(f"/portal/{path}")
        assert seen.locator("h1").count() == 1, path
        found += seen.findings()
    desk = look("desktop")
    desk.goto("/portal/staff/sign-in?lang=en")
    desk.fill("[name=login]", ola.account.login)
    desk.fill("[name=password]", make.PASSWORD)
    desk.fill("[name=totp]", code(1))
    desk.click("form.stack button[type=submit]")
    for path in ("disputes?state=corrected", f"disputes/{one.wire_id}"):
        desk.goto(f"/portal/staff/{path}")
        assert one.wire_id in desk.content(), path
        found += desk.findings()
    assert found == []
