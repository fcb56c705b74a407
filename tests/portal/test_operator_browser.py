"""An operator's day in a real browser: a bureau fails and recovers, a webhook is sent again; axe finds nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from creditlink.consents import service as consents
from creditlink.enterprises.registry import clearing, loads
from creditlink.enterprises.registry.loads import Opening
from creditlink.kit.clock import day_of, start_of_day, utc_now
from creditlink.kit.postgres import db
from creditlink.notifications import service as notifications
from creditlink.records.pulls import fetching
from creditlink.records.pulls import pull as pulls
from tests import factories as make
from tests.notifications.conftest import deliveries, endpoint, listen, try_once
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served
from tests.portal.test_operator_desk import DESK, letter, ola
from tests.portal.test_staff import code
from tests.records.conftest import city, desk, offices
from tests.records.offices import Reply
from tests.records.test_rejections import bad, delivery

__all__ = ["axe", "chromium", "city", "desk", "endpoint", "look", "offices", "ola", "served"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

WORDS = {
    "en": {"open": "asked again from", "closed": "closed", "sent": "On its way", "told": "Ola sent it again"},
    "zh": {"open": "恢复查询时间", "closed": "闭合", "sent": "发送中", "told": "Ola 重发"},
}
CITIES = ("440604", "440605", "440606", "440103", "440304", "441900", "440402")
GRADES = {"A+": 40, "A": 310, "B": 420, "C": 260, "D": 90, "E": 35, "not_scored": 18}


@pytest.fixture
def day(ola, offices, endpoint, settings):
    """A platform on which some things went wrong: a bank that listens, a firm, rows and codes that cannot be right."""
    now = utc_now()
    with db.transaction("owner") as session:
        bank = make.make_institution(session, code="FSRCB", name_zh="佛山农村商业银行", name_en="Foshan Rural Bank")
        client = make.make_client(session, bank, name="信贷工作台", created_at=now - timedelta(days=350))
        make.make_institution(session, code="GZLEASE", name_zh="广州融资租赁", name_en="Canton Leasing", kind="leasing")
        consent = make.make_consent(session, client=client, now=now - timedelta(minutes=1))
        load = loads.open_load(session, Opening("4406", "incremental"), actor="operator", now=now)
        session.execute(
            text("INSERT INTO registry_rows (load_id, position, source, sequence, sha256, state, problems)"
                 " VALUES (:l, 7, '4406', '9', 'x', 'refused', CAST(:p AS jsonb))"),
            {"l": load.id, "p": json.dumps([{"field": "industry", "value": "Z99", "problem": "is no industry"}])},
        )  # fmt: skip
        make.make_enterprise(session, uscc="914406007000000019", uscc_exception="seen on the licence")
        clearing.scan(session, now=now)
        quarter = day_of(now).replace(day=1, month=(day_of(now).month - 1) // 3 * 3 + 1) - timedelta(days=10)
        person = make.make_account(session, login="chen", display_name="陈志强")
        for (region, industry), count in {("440604", "C33"): 12, ("440604", "F51"): 3, ("440103", "C33"): 14,
                                          ("440103", "F51"): 15}.items():  # fmt: skip
            for _ in range(count):
                firm = make.make_enterprise(session, region=region, industry=industry)
                make.make_consent(session, client=client, enterprise=firm, account=person, now=start_of_day(quarter))
    letter()
    listen(client, endpoint.url + "/hooks")
    screening(settings.var_dir / "screening")
    return consent


def screening(folder):
    """Leave what a finished screening leaves for a reader: its manifest and summary."""
    folder.mkdir(parents=True)
    by_region = {
        region: {name: None if count // (k + 1) < 10 else count // (k + 1) for name, count in GRADES.items()}
        | ({"A": 900 - 100 * k} if k % 2 else {}) for k, region in enumerate(CITIES)
    }  # fmt: skip
    states = {"eligible": 310, "undetermined": 40, "ineligible": 823, "pushed": None}
    summary = {
        "firms": 1173, "rows": 260_311, "grades": GRADES,
        "lists": {"cultivation": 120, "high_risk": 64, "whitelist": 288},
        "grades_by_industry": {}, "grades_by_region": by_region, "grades_by_size": {},
        "products": [{"product": f"FSRCB-{k}", **states} for k in range(3)],
    }  # fmt: skip
    manifest = {
        "key": "k", "state": "complete", "as_of": "2026-11-20", "model": "champion", "partitions": 3, "rejected": {},
        "products": ["FSRCB-0", "FSRCB-1", "FSRCB-2"], "finished_at": "2026-11-21T02:00:00+00:00",
        "seconds": {"this_run": 4.2}, "subjects": [],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "summary.json").write_text(json.dumps(summary))


def fails_for_a_firm(consent, city, offices):
    """What the workers meet while the tax office is down: its circuit opens, and another office sends a bad row."""
    city.spoil = lambda source, _asked: Reply(500, b"") if source == "tax" else None
    for firm in range(50):
        offices.circuits["tax"].report(ok=False, firm=str(firm))
    fetching.run_pull(consent.id, offices, utc_now)
    now = utc_now()
    with db.transaction("worker") as session:
        live = consents.live_for_work(session, consent.id, now=now)
        pull_id = pulls.open_pull(session, live, ["social_security"], trigger="operator", now=now)
        one = delivery(bad("R-1"), bad("R-2", value="=HYPERLINK(1)"))
        fetching.store.save_delivery(session, one, enterprise_id=live.enterprise_id, pull_id=pull_id, now=now)


def tried(delivery_id):
    """Send as a worker does: in a thread of its own, as this one belongs to the browser."""
    with ThreadPoolExecutor(1) as worker:
        return worker.submit(try_once, delivery_id, now=utc_now()).result()


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_a_bureau_fails_and_recovers_and_a_webhook_is_sent_again(
    look, ola, day, city, offices, endpoint, size, language
):
    words, found = WORDS[language], []
    page = look(size)

    def shown(path, name):
        page.goto(DESK + path)
        picture(page, f"operator-{name}-{language}")
        assert fits(page), name
        found.extend(page.findings())
        return page.inner_text("main")

    page.goto(f"/portal/staff/sign-in?lang={language}")
    page.fill("[name=login]", ola.account.login)
    page.fill("[name=password]", make.PASSWORD)
    page.fill("[name=totp]", code(1))
    page.click("main button[type=submit]")
    fails_for_a_firm(day, city, offices)
    endpoint.answer = lambda _asked: Reply(500)
    with db.transaction("owner") as session:
        notifications.notify(session, day.institution_id, "consent.paused", {"consent": day.wire_id}, utc_now())
        session.execute(text("UPDATE webhook_deliveries SET tries = 7"))
    (told,) = deliveries()
    assert tried(told.id).state == "failed"
    assert words["open"] in shown("sources", "sources-down")
    shown("", "overview")
    shown("rejections?source=social_security", "rejections")
    assert page.locator("[name=entry]").count() == 2
    shown("webhooks", "webhooks")
    page.click("main td button")
    assert words["told"] in page.inner_text("main")
    endpoint.answer = lambda _asked: Reply(204)
    assert tried(told.id).state == "delivered"
    city.spoil = lambda _source, _asked: None
    later = utc_now() + timedelta(hours=2)
    offices.circuits["tax"]._breaker.close()
    fetching.run_pull(day.id, offices, lambda: later, trigger="retry")
    assert words["open"] not in shown("sources", "sources-up")
    for path, name in (
        ("institutions", "institutions"), ("institutions/FSRCB", "institution"), ("jobs", "jobs"),
        ("registry", "registry"), ("codes", "codes"), ("accounts", "accounts"), ("figures", "figures"),
        ("screening", "screening"), ("screening/products", "reverse"), ("evidence", "evidence"),
    ):  # fmt: skip
        shown(path, name)
    page.fill("[name=actor]", "ola")
    page.click("main button[value=search]")
    picture(page, f"operator-evidence-found-{language}")
    found += page.findings()
    assert page.locator("main tbody tr").count() >= 3
    assert found == []
