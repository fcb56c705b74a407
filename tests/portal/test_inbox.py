"""Requests that wait for the firm, and amendments."""

from datetime import timedelta

import pytest

from creditlink.consents import service
from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.postgres import db
from tests import factories as make


@pytest.fixture
def waiting(owner, bank):
    now = utc_now()
    with db.transaction("owner") as session:
        details = make.make_details(valid_until=now + timedelta(days=20), uscc=owner.firm.uscc)
        return service.request_consent(session, client=bank.client, details=details, now=now, channel="inbox")


def stored(consent):
    with db.transaction("owner") as session:
        return session.get_one(Consent, consent.id)


def test_a_request_waits_in_the_inbox_of_its_firm_only(owner, waiting, app):
    assert "First River Bank" in owner.get("/portal/inbox").text
    with db.transaction("owner") as session:
        stranger = make.make_account(session, password=make.PASSWORD)
    other = type(owner)(app.test_client(), stranger)
    other.sign_in()
    assert "First River Bank" not in other.get("/portal/inbox").text
    assert other.get(f"/portal/inbox/{waiting.wire_id}").status_code == 404
    other.get("/portal/inbox")
    assert other.post(f"/portal/inbox/{waiting.wire_id}", decision="decline").status_code == 404
    assert stored(waiting).state == "REQUESTED"


def test_agreeing_in_the_inbox(owner, waiting):
    path = f"/portal/inbox/{waiting.wire_id}"
    assert "Loan underwriting" in owner.get(path).text
    answer = owner.post(path, decision="approve", category=[])
    assert answer.headers["Location"] == f"/portal/consents/{waiting.wire_id}"
    held = stored(waiting)
    assert held.state == "ACTIVE"
    assert "electricity" not in held.categories
    assert owner.get(path).status_code == 404


def test_declining_in_the_inbox(owner, waiting):
    owner.get(f"/portal/inbox/{waiting.wire_id}")
    owner.post(f"/portal/inbox/{waiting.wire_id}", decision="decline")
    assert stored(waiting).state == "REJECTED"


def test_a_request_sent_through_the_browser_is_not_in_the_inbox(owner, bank):
    _, consent = bank.asks(uscc=owner.firm.uscc)
    assert owner.get(f"/portal/inbox/{consent.wire_id}").status_code == 404
    assert "No request is waiting" in owner.get("/portal/inbox").text


def test_the_firm_always_has_half_an_hour(bank):
    now = utc_now()
    details = make.make_details(valid_until=now + timedelta(days=20), uscc=make.make_uscc())
    with db.transaction("owner") as session:
        with pytest.raises(InvalidRequest, match="30 minutes"):
            service.request_consent(
                session,
                client=bank.client,
                details=details,
                now=now,
                channel="inbox",
                answer_until=now + timedelta(minutes=29),
            )
        made = service.request_consent(session, client=bank.client, details=details, now=now, channel="inbox")
    assert made.answer_until >= now + timedelta(minutes=30)


def test_an_amendment_shows_what_would_change(owner, bank):
    now = utc_now()
    with db.transaction("owner") as session:
        former = make.make_consent(
            session,
            client=bank.client,
            enterprise=owner.firm,
            account=owner.account,
            now=now,
            categories=["registration", "tax", "social_security"],
        )
        details = make.make_details(
            valid_until=now + timedelta(days=20), uscc=owner.firm.uscc, history_months=36, pulls_per_month=1
        )
        amendment = service.request_consent(
            session, client=bank.client, details=details, now=now, channel="inbox", amends=former
        )
    path = f"/portal/inbox/{amendment.wire_id}"
    said = owner.get(path).text
    assert "What would change" in said
    for words in ("How far back, in months", "36 <span", "How many times"):
        assert words in said
    agreed = "Registration, Tax and invoices, Social security"
    assert f"<td>{agreed}</td><td>{agreed}, Electricity <span" in said
    assert said.count(">more</span>") == 2
    assert said.count(">less</span>") == 2  # it ends sooner, and allows fewer uses
    owner.post(path, decision="approve", category=["electricity"])
    assert (stored(former).state, stored(amendment).state) == ("REVOKED", "ACTIVE")


def test_a_second_amendment_is_of_what_the_first_made(owner, bank):
    """Else the firm agrees to less, and the bank keeps the more that it agreed to before."""
    now = utc_now()
    usual = {"uscc": owner.firm.uscc, "valid_until": now + timedelta(days=20)}
    with db.transaction("owner") as session:
        former = make.make_consent(
            session, client=bank.client, enterprise=owner.firm, account=owner.account, now=now, history_months=18
        )
        wider, narrower = (
            service.request_consent(
                session, client=bank.client, now=now, channel="inbox", amends=former,
                details=make.make_details(**usual, history_months=months),
            )
            for months in (36, 12)
        )  # fmt: skip
    path = f"/portal/inbox/{wider.wire_id}"
    owner.get(path)
    owner.post(path, decision="approve", category=["electricity"])
    path = f"/portal/inbox/{narrower.wire_id}"
    said = owner.get(path).text
    assert "<td>36</td>" in said
    assert "<td>18</td>" not in said
    owner.post(path, decision="approve", category=["electricity"])
    assert [stored(one).state for one in (former, wider, narrower)] == ["REVOKED", "REVOKED", "ACTIVE"]


def test_an_amendment_shows_a_stranger_none_of_the_terms(owner, bank, app):
    now = utc_now()
    with db.transaction("owner") as session:
        former = make.make_consent(
            session, client=bank.client, enterprise=owner.firm, account=owner.account, now=now, history_months=18
        )
        stranger = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), stranger)
    path, _ = bank.asks(uscc=owner.firm.uscc, history_months=36, amends=former)
    other = type(owner)(app.test_client(), stranger)
    other.sign_in()
    seen = other.get(path).text
    assert "First River Bank" in seen
    assert "You can only decline" in seen
    for told in (
        "What would change",
        "How far back",
        "<td>18</td>",
        "36 months",
        "Electricity",
        "Purpose:",
    ):
        assert told not in seen, told
    own = owner.get(path).text
    for told in ("What would change", "How far back", "<td>18</td>", "36 months", "Electricity", "Purpose:"):
        assert told in own, told
