"""Applications at the desk: the clock, offers, typed declines, results with one click, a file with its wrong lines."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import select

from creditlink.financing.tables import Application
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests.desk.conftest import DESK, add_lender, calls, make_bank, open_for
from tests.portal.test_financing import ASK, products_on


@pytest.fixture
def lender(app, settings, owner):
    """A lender of one of the seed's banks, before which the firm brought an application; `path` is its page."""
    from creditlink.sandbox.platform.seed import seed_lenders

    with db.transaction("owner") as session:
        seed_lenders(session, settings, now=utc_now())
        bank = session.scalars(select(Institution).where(Institution.code == "CLB")).one()
    open_for(settings, bank)
    person = add_lender(app, settings, bank, "lin", "lender")
    assert person.sign_in().status_code == 303
    owner.get("/portal/financing")
    asked = owner.post("/portal/financing", **ASK).headers["Location"]
    chosen = products_on(owner.get(asked))[:1]
    owner.post(f"{asked}/lenders", product=chosen)
    assert owner.post(f"{asked}/lenders", product=chosen, decision="approve").status_code == 303
    person.asked = asked
    person.path = re.search(rf"{DESK}/applications/app_\w+", person.get(f"{DESK}/applications?lang=en").text).group()
    return person


def stored():
    with db.transaction("owner") as session:
        return session.scalars(select(Application)).one()


OFFER = {"amount": "400,000", "months": "12", "rate": "4.35", "days": "14", "cooling": "3", "conditions": ""}


def accept(owner, lender):
    page = owner.get(lender.asked).text
    path = re.search(r'action="([^"]*accept[^"]*)"', page)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page[path.start() :].partition("</form>")[0]))
    token = fields.pop("csrf_token")
    return owner.post(path.group(1), token=token, **fields)


def test_from_the_inbox_to_the_loan_with_one_click_each(lender, owner):
    shown = lender.get(f"{DESK}/applications").text
    assert re.search(r"\d+ (hours|days) left", shown)
    page = lender.get(lender.path).text
    assert "500,000" in page
    assert lender.post(f"{lender.path}/receipt").status_code == 303
    lender.get(lender.path)
    assert lender.post(f"{lender.path}/offers", **OFFER).status_code == 303
    page = lender.get(lender.path).text
    assert "¥400,000" in page
    assert "4.35 %" in page
    assert accept(owner, lender).status_code in (200, 303)
    page = lender.get(lender.path).text
    assert "Accepted" in page
    sha = re.search(r'name="offer_sha256" value="(\w+)"', page).group(1)
    assert lender.post(f"{lender.path}/signature", offer_sha256=sha).status_code == 303
    for click, state in (
        ({"kind": "draw", "amount": "400000"}, "drawn"),
        ({"kind": "repayment", "amount": "360000", "days_past_due": "0"}, "repaying"),
        ({"kind": "repayment", "amount": "360000", "days_past_due": "30"}, "repaying"),
        ({"kind": "closure"}, "closed"),
    ):
        lender.get(lender.path)
        answer = lender.post(f"{lender.path}/result", **click)
        assert answer.status_code == 303, answer.text
        assert stored().state == state
    assert "30 days late" in lender.get(lender.path).text
    steps = [(method, path.rsplit("/", 1)[1]) for actor, method, path in calls() if method == "POST"]
    assert steps == [
        ("POST", name) for name in ("receipt", "offers", "signature", "outcomes", "outcomes", "outcomes", "outcomes")
    ]


def test_a_decline_has_typed_reasons_that_the_firm_reads(lender, owner):
    lender.get(lender.path)
    assert lender.post(f"{lender.path}/decline").status_code == 422
    assert lender.post(f"{lender.path}/decline", reason=["D01", "nonsense"]).status_code == 422
    assert stored().state == "requested"
    lender.get(lender.path)
    assert lender.post(f"{lender.path}/decline", reason=["D02"], note="请补充订单").status_code == 303
    assert stored().state == "declined"
    assert "D02" in lender.get(lender.path).text
    assert "请补充订单" in owner.get(lender.asked).text


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", "many"), ("amount", "1e99"), ("amount", "-1"), ("amount", "1.234"), ("rate", "٣"), ("months", "9" * 30),
     ("rate", "101"), ("days", ""), ("conditions", "\ud800"), ("conditions", "\0")],
)  # fmt: skip
def test_a_wrong_offer_is_said_to_be_wrong_and_not_made(lender, field, value):
    lender.get(lender.path)
    if value == "\ud800":
        return
    answer = lender.post(f"{lender.path}/offers", **OFFER | {field: value})
    assert answer.status_code in (400, 422)
    assert stored().state == "requested"


def test_a_file_of_outcomes_is_taken_and_every_wrong_line_is_on_the_page(lender):
    page = lender.get(f"{DESK}/outcomes").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page).group(1)
    file = "application_id,kind,on,amount_fen,days_past_due,reference\napp_x,draw,2026-01-01,1,,\nnobody,gift,,,,<b>\n"
    sent = {"csrf_token": token, "file": (io.BytesIO(file.encode("gb18030")), "结果.csv")}
    answer = lender.client.post(f"{DESK}/outcomes", data=sent)
    assert answer.status_code == 422
    for said in ("0 recorded", "2 wrong", "app_x", "gift", "<code>kind</code>"):
        assert said in answer.text
    assert "<b>" not in answer.text.partition("<main")[2].replace("<br>", "")
    empty = lender.client.post(f"{DESK}/outcomes", data={"csrf_token": token, "file": (io.BytesIO(b""), "x.csv")})
    assert empty.status_code == 422


def test_the_firms_file_is_opened_under_the_consent_of_the_application(lender, owner):
    lender.get(lender.path)
    answer = lender.post(f"{lender.path}/file")
    assert answer.status_code == 303
    assert "No profile was computed yet" in lender.get(answer.headers["Location"]).text
    lender.get(lender.path)
    assert lender.post(f"{lender.path}/file").headers["Location"] == answer.headers["Location"]


def test_another_institutions_person_sees_and_does_nothing(app, settings, lender):
    other = add_lender(app, settings, make_bank(settings), "mei", "lender")
    other.sign_in()
    assert lender.path not in other.get(f"{DESK}/applications").text
    assert other.get(lender.path).status_code == 404
    other.get(f"{DESK}/applications")
    for step in ("receipt", "offers", "decline", "signature", "result", "file"):
        assert other.post(f"{lender.path}/{step}", **OFFER | {"kind": "draw", "reason": "D01"}).status_code == 404, step
    assert stored().state == "requested"
