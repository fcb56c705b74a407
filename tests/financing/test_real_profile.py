"""A bank that made a profile and then answered: what is learned, what is held against its reasons, what is labelled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from creditlink.consents.tables import Consent
from creditlink.decisions.archive import Archive
from creditlink.decisions.looks.readers import Reader
from creditlink.financing import configuration
from creditlink.financing.applications import applications
from creditlink.financing.applications.applications import locked
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.loans import outcomes
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.financing.tables import Application, ApprovalCase
from creditlink.kit.clock import add_months, day_of, start_of_day, utc_now
from creditlink.kit.ids import external
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.products.tables import Product
from creditlink.profiles.tables import Profile
from creditlink.records.store import save_facts
from creditlink.sandbox.banks.bank import InboxRequest
from creditlink.sandbox.city import write_city
from creditlink.training.outcomes.archived import PURPOSE, ROLE, from_archive
from tests.engine.matching import samples
from tests.financing.conftest import NOW, bank_of
from tests.months import last_recorded_month
from tests.profiles.conftest import facts_of, store_pull

READER = Reader("staff:wang", ROLE, PURPOSE)


@pytest.fixture(scope="module")
def taxed(tmp_path_factory):
    """A small city, and the first of its firms with two years of declarations."""
    import polars as pl

    folder = tmp_path_factory.mktemp("city") / "small"
    write_city(folder, firms=60, months=40, seed=11, until=last_recorded_month())
    counted = (
        pl.read_parquet(folder / "vat_declarations" / "*.parquet").group_by("firm").len().filter(pl.col("len") > 24)
    )
    return folder, int(counted["firm"].min())


@pytest.fixture
def profiled(desk, market, asked, taxed):
    """An application whose bank has made the firm's profile: its id, and the profile as the bank read it."""
    now = utc_now()
    (one,) = asked(1, now=now)
    with db.transaction("owner") as session:
        terms = samples.product("TAX-1", required_categories=["tax"]).to_dict()
        session.add(
            Product(
                institution_id=market.lenders[0][0].id, code="TAX-1", version=1, state="live", terms=terms,
                terms_sha256="", revision=1, written_by="a", checked_by="b", created_at=NOW, changed_at=NOW,
                published_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        consent = session.get_one(Consent, session.get_one(Application, one).consent_id)
        facts = facts_of(*taxed, ("tax",))
        earlier = now - timedelta(seconds=1)
        save_facts(session, facts, enterprise_id=consent.enterprise_id, source="tax", pull_id=None, now=earlier)
        store_pull(session, consent, {"tax": "DELIVERED", "public_credit": "NO_RECORD"}, now)
    path = f"/v1/financing/applications/{external('app', one)}"
    handed = desk.call("POST", f"{path}/authorization", desk.own).json()
    waiting = InboxRequest(handed["auth_req_id"], expires_in=600, interval=5)
    assert desk.poll(waiting)
    made = desk.call("POST", "/v1/profiles", waiting, json={})
    assert made.status_code == 201, made.text
    return one, path, made.json()


def test_a_decline_is_held_against_the_profile_and_learned_from(desk, profiled, settings):
    _, path, profile = profiled
    named = {reason["code"] for reason in profile["reasons"]}
    known = configuration.declines(settings.config_dir)
    agrees = next(code for code, reason in known.items() if named & set(reason.reasons))
    outside = next(code for code, reason in known.items() if not reason.reasons)
    declined = desk.call("POST", f"{path}/decline", desk.own, json={"reasons": [agrees, outside], "note": ""}).json()
    assert declined["state"] == "declined"
    assert declined["declined_for"] == [
        {"code": agrees, "agreement": "agrees"},
        {"code": outside, "agreement": "outside"},
    ]
    report = desk.call("GET", "/v1/financing/disagreements", desk.own).json()
    assert {row["code"]: row["agreements"] for row in report["by_reason"]} == {
        agrees: {"agrees": 1},
        outside: {"outside": 1},
    }
    with db.transaction("owner") as session:
        (case,) = session.query(ApprovalCase)
        (stored,) = session.query(Profile)
        sales = stored.explanation["indicators"]["sales_12_fen"][0]
    assert (case.product_kind, case.approved, case.amount_fen) == ("tax", False, 100_000_000)
    assert case.pd_12m == float(f"{profile['pd_12m']:.3g}")
    assert case.sales_12_fen == int(float(f"{sales:.3g}"))


def test_a_reason_that_the_profile_contradicts_is_told(desk, profiled, settings):
    _, path, profile = profiled
    strong = {strength["code"] for strength in profile["strengths"]}
    named = {reason["code"] for reason in profile["reasons"]}
    known = configuration.declines(settings.config_dir)
    against = next(
        code for code, reason in known.items() if strong & set(reason.reasons) and not named & set(reason.reasons)
    )
    declined = desk.call("POST", f"{path}/decline", desk.own, json={"reasons": [against], "note": ""}).json()
    assert declined["declined_for"][0]["agreement"] in ("contradicts", "minor")


def test_a_loan_on_it_becomes_a_row_to_learn_from_after_the_profile_is_gone(app, desk, profiled, market):
    one, _, profile = profiled
    now = utc_now()
    today = day_of(now)
    with db.transaction("owner") as session:
        held = locked(session, one)
        terms = OfferTerms(amount_fen=100_000_000, term_months=12, rate_bps=480)
        made = market.offer(session, held, now=now, terms=terms)
        market.accept(session, held, made.sha256, now=now)
        market.sign(session, held, made.sha256, now=now)
        told = [LoanOutcome("draw", today, 100_000_000)]
        told += [
            LoanOutcome("repayment", add_months(today.replace(day=1), k), 1, 95 if k == 5 else 0) for k in range(1, 14)
        ]
        for outcome in told:
            at = max(now, start_of_day(add_months(outcome.about_on, 1)))
            outcomes.record(session, held, outcome, actor=bank_of(held), now=at)
        (stored,) = session.query(Profile)
        values = stored.explanation["indicators"]
        assert applications.latest_offer(session, held).sha256 == made.sha256
        session.execute(text("SET LOCAL session_replication_role = replica"))  # as if its data life were over
        session.delete(stored)
    kept = runtime.of_app(app).of(Archive)

    def learned(session, cut):
        return from_archive(session, READER, kept=kept, cut=cut, horizon_months=12, now=now)

    with db.transaction("owner", viewer=db.Viewer(actor="audit")) as session:
        assert session.query(Profile).count() == 0
        found = learned(session, add_months(today, 14))
        early = learned(session, add_months(today, 3))
    assert (found.counts, early.counts) == ({"bad": 1}, {"immature": 1})
    row = found.rows.row(0, named=True)
    assert (row["is_bad"], row["as_of"].isoformat()) == (1, profile["as_of"])
    assert {name: row[name] for name in values} == {name: held[0] for name, held in values.items()}
