"""Asking for a loan on the pages: what could be had, each lender's own consent, answers, one acceptance."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from creditlink.consents.tables import Consent
from creditlink.financing import configuration
from creditlink.financing.applications import applications
from creditlink.financing.applications.applications import locked
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests import factories as make

ASK = {"amount": "50", "term": "12", "use": "working_capital", "collateral": "none"}


@pytest.fixture
def lenders(app, settings):
    """The seed's products, and two of its lenders with a desk here."""
    from creditlink.sandbox.platform.seed import seed_lenders

    with db.transaction("owner") as session:
        seed_lenders(session, settings, now=utc_now())
        banks = session.query(Institution).filter(Institution.code.in_(["CLB", "LJB"])).order_by(Institution.code).all()
        for bank in banks:
            make.make_client(session, bank, scopes=["financing:read", "profile:create"])
    return [bank.code for bank in banks]


@pytest.fixture
def asked(owner, lenders):
    """A request that the firm made on the page; its path."""
    owner.get("/portal/financing")
    answer = owner.post("/portal/financing", **ASK)
    assert answer.status_code == 303
    return answer.headers["Location"]


def products_on(page) -> list[str]:
    return re.findall(r'name="product" value="([^"]+)"', page.text)


def apply(owner, path, count=2, **fields):
    offered = products_on(owner.get(path))
    chosen = list({code.partition("-")[0]: code for code in offered}.values())[:count]
    owner.post(f"{path}/lenders", product=chosen)
    shown = owner.page
    assert owner.post(f"{path}/lenders", product=chosen, decision="approve", **fields).status_code == 303
    return shown, chosen


def stored():
    with db.transaction("owner") as session:
        return session.query(Application).order_by(Application.made_at, Application.product_code).all()


def test_the_firm_sees_what_it_could_get_before_anybody_learns_of_it(owner, asked, lenders):
    page = owner.get(asked)
    assert products_on(page)
    assert stored() == []


def test_each_lender_is_shown_with_its_own_consent_and_gets_it_in_the_same_step(owner, asked):
    shown, chosen = apply(owner, asked, count=1)
    assert shown.text.count("<fieldset>") == len(chosen)
    assert "How to stop" in shown.text
    (held,) = stored()
    with db.transaction("owner") as session:
        consent = session.get_one(Consent, held.consent_id)
    assert (consent.state, consent.granted_by) == ("ACTIVE", owner.account.id)
    assert set(consent.categories) == set(consent.categories_asked) - set(consent.optional_categories)


def test_optional_data_stays_only_where_it_is_ticked(owner, asked):
    code = products_on(owner.get(asked))[0]
    owner.post(f"{asked}/lenders", product=[code])
    optional = re.findall(r'name="category" value="([^"]+)" checked', owner.page.text)
    assert optional
    owner.post(f"{asked}/lenders", product=[code], decision="approve", category=optional[:1])
    (held,) = stored()
    with db.transaction("owner") as session:
        consent = session.get_one(Consent, held.consent_id)
    assert set(consent.categories) & set(consent.optional_categories) == {optional[0].partition(":")[2]}


def test_the_platform_proposes_the_best_of_different_lenders(owner, asked, lenders):
    offered = products_on(owner.get(asked))
    best = list({code.partition("-")[0]: code for code in reversed(offered)}.values())
    page = owner.post(f"{asked}/lenders", propose="1")
    assert sorted(products_on(page)) == sorted(best)
    assert {code.partition("-")[0] for code in products_on(page)} == set(lenders)
    assert stored() == []  # nothing is asked before the firm's yes


def test_the_same_yes_again_asks_nobody_twice(owner, asked):
    _, chosen = apply(owner, asked)
    owner.get(asked)
    assert owner.post(f"{asked}/lenders", product=chosen, decision="approve").status_code == 303
    assert len(stored()) == len(chosen)


def test_choosing_nothing_says_so(owner, asked):
    owner.get(asked)
    answer = owner.post(f"{asked}/lenders")
    assert answer.status_code == 422
    assert "at least one" in answer.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("amount", "many", "amount"),
        ("amount", "0", "amount"),
        ("amount", "1e999999", "amount"),
        ("amount", "9" * 99, "amount"),
        ("term", "-1", "term"),
        ("use", "gambling", "for"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_keeps_the_rest(owner, lenders, field, value, said):
    owner.get("/portal/financing")
    answer = owner.post("/portal/financing", **(ASK | {field: value}))
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert said in re.search(r'role="alert">([^<]*)', answer.text).group(1)


def test_offer_accept_and_the_losers_data_stops(owner, asked, settings):
    apply(owner, asked)
    one, *others = stored()
    with db.transaction("owner") as session:
        made = applications.offer(
            session, locked(session, one.id), OfferTerms(40_000_000, 12, 500, fee_fen=100_000),
            valid_until=utc_now() + timedelta(days=3), clocks=configuration.clocks(settings.config_dir),
            actor=f"bank:{one.client_id}", now=utc_now(),
        )  # fmt: skip
    page = owner.get(asked).text
    assert "Accept this offer" in page
    assert f"{made.terms['yearly_cost_bps'] / 100:.2f}%" in page
    step = f"/portal/financing/applications/{one.wire_id}/accept"
    assert owner.post(step, offer_sha256="0" * 64).status_code == 409
    owner.get(asked)
    assert owner.post(step, offer_sha256=made.sha256).status_code == 303
    states = {held.id: held.state for held in stored()}
    assert states == {one.id: "accepted"} | {other.id: "lapsed" for other in others}


def test_a_decline_is_told_with_its_reason_and_the_next_best(owner, asked, settings):
    _, (code,) = apply(owner, asked, count=1)
    (one,) = stored()
    with db.transaction("owner") as session:
        applications.decline(
            session, locked(session, one.id), [configuration.declines(settings.config_dir)["D33"]], note="",
            weighed=[{"code": "D33", "agreement": "outside"}], actor=f"bank:{one.client_id}", now=utc_now(),
        )  # fmt: skip
    page = owner.get(asked)
    assert "The amount asked is beyond what can be lent" in page.text
    assert "Next best" in page.text
    rest = products_on(page)
    assert rest
    assert code not in rest
    owner.post(f"{asked}/lenders", product=rest[:1], referred_from=one.wire_id)
    owner.post(f"{asked}/lenders", product=rest[:1], referred_from=one.wire_id, decision="approve")
    referred = [held for held in stored() if held.id != one.id]
    assert [held.referred_from for held in referred] == [one.id]


def test_changing_and_withdrawing(owner, asked):
    owner.get(asked)
    assert owner.post(f"{asked}/change", **(ASK | {"term": "6"})).status_code == 303
    owner.get(asked)
    assert owner.post(f"{asked}/withdraw").status_code == 303
    with db.transaction("owner") as session:
        request = session.query(FinancingRequest).one()
    assert (request.term_months, request.version, request.end_reason) == (6, 2, "withdrawn")


def test_another_firms_request_is_not_there(owner, asked, person, app):
    apply(owner, asked, count=1)
    (one,) = stored()
    with db.transaction("owner") as session:
        stranger = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, make.make_enterprise(session), stranger)
    other = type(owner)(app.test_client(), stranger)
    other.sign_in()
    assert other.get(asked).status_code == 404
    other.get("/portal/financing")
    token = re.search(r'name="csrf_token" value="([^"]+)"', other.page.text).group(1)
    for path in (f"{asked}/withdraw", f"/portal/financing/applications/{one.wire_id}/withdraw"):
        assert other.post(path, token=token).status_code == 404
    assert stored()[0].state == "requested"


def test_offers_stand_side_by_side_the_cheapest_first_and_what_was_accepted_leads(owner, asked, settings):
    apply(owner, asked)
    dear, cheap = stored()
    now, clocks = utc_now(), configuration.clocks(settings.config_dir)
    with db.transaction("owner") as session:
        for held, rate in ((dear, 600), (cheap, 480)):
            applications.offer(
                session, locked(session, held.id), OfferTerms(50_000_000, 12, rate_bps=rate),
                valid_until=now + timedelta(days=7), clocks=clocks, actor=f"bank:{held.client_id}", now=now,
            )  # fmt: skip
    page = owner.get(asked)
    table = page.text[page.text.index('class="compared"') : page.text.index("</table>")]
    assert table.index("4.80%") < table.index("6.00%")
    assert table.count('class="tag"') == 1
    assert table.index('class="tag"') < table.index("4.80%")
    chosen = page.text[page.text.index(f"{dear.wire_id}/accept") :]
    sha256 = re.search(r'name="offer_sha256" value="(\w{64})"', chosen).group(1)
    owner.post(f"/portal/financing/applications/{dear.wire_id}/accept", offer_sha256=sha256)
    page = owner.get(asked)
    assert 'class="compared"' not in page.text
    assert page.text.index("6.00%") < page.text.index("4.80%")
