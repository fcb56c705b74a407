"""What lenders answered becomes odds: with enough answers, calibrated; with too few, it says so."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from creditlink.engine.matching.offers.approval import sigmoid
from creditlink.financing.applications.applications import locked
from creditlink.financing.funnel import learning
from creditlink.financing.tables import ApprovalCase
from creditlink.kit.postgres import db
from creditlink.products import approval_store
from creditlink.products.tables import Product
from tests.financing.conftest import NOW


def answers(count: int, kind="tax", seed=3) -> list[ApprovalCase]:
    """Answers of a lender whose true odds are known."""
    random = np.random.default_rng(seed)
    pd_12m = np.exp(random.uniform(np.log(0.002), np.log(0.2), count))
    sales = np.where(random.random(count) < 0.2, np.nan, np.exp(random.normal(19, 1, count)))
    amount = np.exp(random.normal(17.5, 0.7, count))
    logit = -4.0 - 1.1 * np.log(pd_12m / (1 - pd_12m)) - 0.3 * np.nan_to_num(np.log(amount / sales))
    approved = random.random(count) < sigmoid(logit)
    return [
        ApprovalCase(
            product_kind=kind, pd_12m=float(p), amount_fen=int(a), sales_12_fen=None if np.isnan(s) else int(s),
            approved=bool(y), answered_on=date(2026, 8, 1),
        )
        for p, a, s, y in zip(pd_12m, amount, sales, approved, strict=True)
    ]  # fmt: skip


@pytest.mark.pure
class TestFit:
    def test_the_truth_is_found_and_its_calibration_reported(self):
        (curve,) = learning.fit(answers(4000), fitted_on="2026-08-24").curves
        assert curve.weights[0] == pytest.approx(-1.1, abs=0.1)
        assert curve.weights[1] == pytest.approx(-0.3, abs=0.1)
        assert curve.ece < 0.03
        assert curve.auc > 0.75

    @pytest.mark.parametrize("count", [1, learning.LEAST_ANSWERS - 1])
    def test_too_few_answers_are_named_and_fit_nothing(self, count):
        model = learning.fit(answers(count), fitted_on="2026-08-24")
        assert (model.curves, model.general, model.too_few) == ((), None, {"tax": count})

    def test_answers_of_one_sort_only_fit_nothing(self):
        cases = answers(200)
        for case in cases:
            case.approved = True
        assert learning.fit(cases, fitted_on="2026-08-24").too_few == {"tax": 200}

    def test_a_kind_with_few_answers_goes_by_all_and_is_named(self):
        model = learning.fit([*answers(600), *answers(30, kind="energy", seed=4)], fitted_on="2026-08-24")
        assert [curve.kind for curve in model.curves] == ["tax"]
        assert model.too_few == {"energy": 30}
        assert model.general.answers == 630
        assert model.general.ece < 0.08

    def test_a_kind_that_is_harder_to_get_is_found_so(self):
        """Half of what would be approved is not: the shift is the kind's own, the slopes are everybody's."""
        random, hard = np.random.default_rng(9), answers(2000, kind="energy", seed=4)
        for case in hard:
            case.approved = case.approved and bool(random.random() < 0.5)
        model = learning.fit([*answers(2000), *hard], fitted_on="2026-08-24")
        energy, tax = model.curves
        assert energy.weights == tax.weights == model.general.weights
        assert energy.intercept < model.general.intercept < tax.intercept
        assert max(energy.ece, tax.ece) < 0.06

    def test_the_same_answers_give_the_same_model(self):
        models = [learning.fit(answers(300), fitted_on="2026-08-24") for _ in range(2)]
        assert models[0].sha256 == models[1].sha256


class TestStored:
    def test_the_newest_is_live_and_the_others_stay(self, empty_database):
        with db.transaction("owner") as session:
            assert approval_store.live(session) is None
            session.add_all(answers(300))
            first = learning.learn(session, now=NOW)
            session.add_all(answers(100, kind="energy"))
            second = learning.learn(session, now=NOW.replace(day=25))
        with db.transaction("api") as session:
            assert approval_store.live(session).sha256 == second.sha256 != first.sha256
            assert approval_store.by_hash(session, first.sha256) == first
            with pytest.raises(LookupError):
                approval_store.by_hash(session, "0" * 64)

    def test_a_case_names_no_firm_and_keeps_few_digits(self, market, asked):
        (one, *_) = asked(1)
        with db.transaction("owner") as session:
            terms = {"code": "TAX-1", "version": 1, "kind": "tax"}
            session.add(
                Product(
                    institution_id=market.lenders[0][0].id, code="TAX-1", version=1, state="live", terms=terms,
                    terms_sha256="", revision=1, written_by="a", checked_by="b", created_at=NOW, changed_at=NOW,
                    published_at=NOW,
                )
            )  # fmt: skip
        # As the route does it: the API's role may add a case and never read one.
        with db.transaction("api") as session:
            db.enter(session, db.Viewer(institution_id=market.lenders[0][0].id))
            learning.add_case(
                session, locked(session, one), pd_12m=0.0123456, sales_12_fen=123_456_789.0, approved=True, now=NOW
            )
        with db.transaction("owner") as session:
            (case,) = session.query(ApprovalCase)
            assert (case.pd_12m, case.sales_12_fen, case.amount_fen) == (0.0123, 123_000_000.0, 100_000_000)
        names = {column.name for column in ApprovalCase.__table__.columns}
        assert not names & {"enterprise_id", "institution_id", "consent_id", "application_id", "uscc"}

    def test_the_policy_is_public(self, client, empty_database):
        body = client.get("/v1/matching-policy").json
        assert body["approval_model"] is None
        assert body["settings"]["weight_approval"] == 1.0
        with db.transaction("owner") as session:
            session.add_all(answers(300))
            model = learning.learn(session, now=NOW)
        told = client.get("/v1/matching-policy").json["approval_model"]
        assert told["sha256"] == model.sha256
        assert told["curves"][0]["ece"] == model.curves[0].ece
