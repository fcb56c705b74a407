"""Requests before lenders: consents of their own, frozen offers, one acceptance, clocks, and how things end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from creditlink.consents.tables import Consent
from creditlink.financing import sweep
from creditlink.financing.applications import applications
from creditlink.financing.applications.applications import StepRefused, locked
from creditlink.financing.applications.declines import DeclineReason
from creditlink.financing.requests import requests
from creditlink.financing.requests.ask import MOST_LENDERS
from creditlink.financing.tables import Application, FinancingEvent, FinancingRequest
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.postgres import db
from creditlink.products.tables import Product, ProductCommitment
from tests.engine.matching import samples
from tests.financing.conftest import ASK, NOW, OFFER, bank_of, state_of
from tests.oauth import flow

LATER = NOW + timedelta(hours=1)


def entered(session, market):
    db.enter(session, db.Viewer(enterprise_id=market.firm.enterprise.id))
    return session


class TestApply:
    def test_each_lender_gets_a_consent_of_its_own_in_the_same_step(self, market, asked):
        ids = asked()
        with db.transaction("owner") as session:
            held = [session.get_one(Application, one) for one in ids]
            consents = [session.get_one(Consent, one.consent_id) for one in held]
        assert len({one.id for one in consents}) == 3
        for application, consent in zip(held, consents, strict=True):
            assert (consent.state, consent.channel, consent.purpose) == ("ACTIVE", "financing", "underwriting")
            assert consent.institution_id == application.institution_id
            assert consent.categories == ["tax"]
            assert set(consent.categories_asked) == {"tax", "social_security", "electricity"}

    def test_the_same_lender_and_product_twice_is_one_application(self, market):
        with db.transaction("api") as session:
            request = market.ask(session)
            assert market.apply(session, request).id == market.apply(session, request).id

    def test_a_required_category_cannot_be_left_out(self, market):
        with pytest.raises(InvalidRequest, match="tax"), db.transaction("api") as session:
            market.apply(session, market.ask(session), categories=["electricity"])

    def test_no_more_lenders_than_make_sense(self, market):
        with db.transaction("api") as session:
            request = market.ask(session)
            for k in range(MOST_LENDERS):
                market.apply(session, request, k % 3, code=f"TAX-{k}")
            with pytest.raises(Conflict, match=str(MOST_LENDERS)):
                market.apply(session, request, code="ONE-MORE")

    def test_an_ended_request_takes_no_further_lender(self, market):
        with db.transaction("api") as session:
            request = market.ask(session)
            with pytest.raises(Conflict, match="ended"):
                market.apply(session, request, now=request.expires_at)


class TestAmend:
    def test_lenders_that_have_not_answered_see_the_new_version(self, market, asked):
        (one, *_) = asked()
        with db.transaction("api") as session:
            request = session.get_one(FinancingRequest, entered(session, market).get_one(Application, one).request_id)
            wanted = replace(ASK, amount_fen=50_000_000)
            held = requests.amend(session, request, wanted, account=market.firm.account, now=LATER)
            assert (held.version, held.ask()) == (2, wanted)
            again = requests.amend(session, request, wanted, account=market.firm.account, now=LATER)
            assert again.version == 2

    def test_what_a_lender_answered_to_stays(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            market.offer(session, locked(session, one))
            request = session.get_one(FinancingRequest, session.get_one(Application, one).request_id)
            with pytest.raises(Conflict, match="answered"):
                requests.amend(session, request, replace(ASK, term_months=6), account=market.firm.account, now=LATER)


class TestOffers:
    def test_an_offer_carries_its_whole_cost_and_its_hash(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            assert made.terms["yearly_cost_bps"] == OFFER.yearly_cost_bps > 480
            assert made.terms["total_cost_fen"] == OFFER.total_cost_fen
            assert len(made.sha256) == 64
            assert state_of(session, one) == "offered"

    def test_a_better_offer_takes_its_place_and_the_old_hash_accepts_nothing(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            first = market.offer(session, locked(session, one))
            second = market.offer(session, locked(session, one), terms=replace(OFFER, rate_bps=450), now=LATER)
            assert (second.revision, state_of(session, one)) == (2, "offered")
            with pytest.raises(Conflict, match="changed"):
                market.accept(session, locked(session, one), first.sha256)
            assert market.accept(session, locked(session, one), second.sha256).state == "accepted"

    def test_offers_are_immutable_in_the_database(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            made.sha256 = "0" * 64
            with pytest.raises(DBAPIError, match="append-only"):
                session.flush()
            session.rollback()

    def test_a_lapsed_offer_cannot_be_accepted(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            with pytest.raises(Conflict, match="no longer valid"):
                market.accept(session, locked(session, one), made.sha256, now=made.valid_until)

    @pytest.mark.parametrize("days", [0, 31])
    def test_an_offer_stands_for_a_sensible_time(self, market, asked, days):
        (one, *_) = asked()
        with db.transaction("owner") as session, pytest.raises(InvalidRequest) as refused:
            applications.offer(
                session, locked(session, one), OFFER, valid_until=NOW + timedelta(days=days), clocks=market.clocks,
                actor="bank:x", now=NOW,
            )  # fmt: skip
        assert refused.value.extra["errors"][0]["pointer"] == "/valid_until"


class TestAcceptance:
    def test_the_others_lapse_and_their_consents_end(self, market, asked):
        one, two, three = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            market.offer(session, locked(session, two))
        with db.transaction("api") as session:
            market.accept(entered(session, market), session.get_one(Application, one), made.sha256, now=LATER)
        with db.transaction("owner") as session:
            assert [state_of(session, k) for k in (one, two, three)] == ["accepted", "lapsed", "lapsed"]
            states = [
                session.get_one(Consent, session.get_one(Application, k).consent_id).state for k in (one, two, three)
            ]
            assert states == ["ACTIVE", "REVOKED", "REVOKED"]
            request = session.get_one(FinancingRequest, session.get_one(Application, one).request_id)
            assert request.end_reason == "accepted"

    def test_a_second_offer_cannot_be_accepted(self, market, asked):
        one, two, _ = asked()
        with db.transaction("owner") as session:
            first, second = (market.offer(session, locked(session, k)) for k in (one, two))
            market.accept(session, locked(session, one), first.sha256)
            with pytest.raises(Conflict, match="another lender"):
                market.accept(session, locked(session, two), second.sha256)

    def test_accepting_twice_is_accepting_once(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            for _ in range(2):
                assert market.accept(session, locked(session, one), made.sha256).state == "accepted"
            events = session.query(FinancingEvent).filter_by(application_id=one, event="accept").count()
            assert events == 1

    def test_the_database_itself_refuses_two_accepted(self, market, asked):
        one, two, _ = asked()
        with db.transaction("owner") as session:
            locked(session, one).state = locked(session, two).state = "accepted"
            with pytest.raises(DBAPIError, match="uq_financing_applications_accepted"):
                session.flush()
            session.rollback()

    def test_signing_names_the_accepted_offer(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            market.accept(session, locked(session, one), made.sha256)
            with pytest.raises(Conflict, match="offer_sha256"):
                market.sign(session, locked(session, one), "0" * 64)
            market.sign(session, locked(session, one), made.sha256)
            assert state_of(session, one) == "signed"

    def test_after_signing_the_firm_steps_back_only_while_it_may_cool_off(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            market.accept(session, locked(session, one), made.sha256)
            market.sign(session, locked(session, one), made.sha256)
            with pytest.raises(Conflict, match="cooling-off"):
                applications.withdraw(session, locked(session, one), actor=market.person, now=NOW + timedelta(days=3))
            applications.withdraw(session, locked(session, one), actor=market.person, now=NOW + timedelta(days=2))
            assert state_of(session, one) == "withdrawn"


class TestRefusedSteps:
    def test_the_answer_names_what_is_allowed(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session, pytest.raises(StepRefused) as refused:
            applications.step(session, locked(session, one), "draw", role="bank", actor="bank:x", now=NOW)
        assert refused.value.extra == {
            "state": "requested",
            "allowed": ["decline", "offer", "receive", "review"],
        }
        assert refused.value.status == 409

    def test_repeating_a_step_changes_nothing(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            held = locked(session, one)
            for _ in range(2):
                applications.receive(session, held, actor=bank_of(held), now=LATER)
            assert session.query(FinancingEvent).filter_by(application_id=one, event="receive").count() == 1

    def test_a_decline_ends_the_consent_and_keeps_its_reasons(self, market, asked):
        (one, *_) = asked()
        with db.transaction("owner") as session:
            held = locked(session, one)
            reason = DeclineReason("D01", "经营时间不足", "Too young", ("R111",))
            applications.decline(
                session, held, [reason], note="", weighed=[{"code": "D01", "agreement": "no_profile"}],
                actor=bank_of(held), now=LATER,
            )  # fmt: skip
            assert (held.state, held.decline_codes, held.answered_at) == ("declined", ["D01"], LATER)
            assert session.get_one(Consent, held.consent_id, populate_existing=True).state == "REVOKED"

    def test_withdrawing_takes_everything_back(self, market, asked):
        ids = asked()
        with db.transaction("api") as session:
            held = entered(session, market).get_one(Application, ids[0])
            request = session.get_one(FinancingRequest, held.request_id)
            requests.withdraw(session, request, account=market.firm.account, now=LATER)
        with db.transaction("owner") as session:
            assert {state_of(session, one) for one in ids} == {"withdrawn"}
            request = session.get_one(FinancingRequest, session.get_one(Application, ids[0]).request_id)
            assert request.end_reason == "withdrawn"


class TestClocks:
    def test_an_unanswered_application_expires_after_the_lender_was_reminded(self, market, asked):
        (one, *_) = asked(1)
        with db.transaction("worker") as session:
            assert sweep.sweep(session, NOW + timedelta(days=3), market.clocks) == {"escalated": 1}
        with db.transaction("worker") as session:
            assert sweep.sweep(session, NOW + timedelta(days=3, hours=1), market.clocks) == {}
        with db.transaction("worker") as session:
            assert sweep.sweep(session, NOW + timedelta(days=5), market.clocks) == {"expired": 1}
        with db.transaction("owner") as session:
            assert state_of(session, one) == "expired"

    def test_an_offer_lapses_when_its_time_is_over(self, market, asked):
        (one, *_) = asked(1)
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
        with db.transaction("worker") as session:
            assert sweep.sweep(session, made.valid_until, market.clocks) == {"offer_lapsed": 1}

    def test_what_is_accepted_and_not_signed_lapses(self, market, asked):
        (one, *_) = asked(1)
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one))
            market.accept(session, locked(session, one), made.sha256)
        with db.transaction("worker") as session:
            assert sweep.sweep(session, NOW + timedelta(days=14), market.clocks) == {"accepted_lapsed": 1}

    def test_a_request_nobody_won_ends(self, market, asked):
        (one, *_) = asked(1)
        with db.transaction("owner") as session:
            applications.offer(
                session, locked(session, one), OFFER, valid_until=NOW + timedelta(days=35), clocks=market.clocks,
                actor="bank:x", now=NOW + timedelta(days=6),
            )  # fmt: skip
        with db.transaction("worker") as session:
            assert sweep.sweep(session, NOW + timedelta(days=30), market.clocks) == {"request_expired": 1}
        with db.transaction("owner") as session:
            assert state_of(session, one) == "lapsed"


class TestRowSecurity:
    def test_a_lender_sees_only_what_is_before_it(self, market, asked):
        (one, *_) = asked()
        with db.transaction("api") as session:
            db.enter(session, db.Viewer(institution_id=market.lenders[0][0].id))
            assert [row.id for row in session.query(Application)] == [one]
            assert session.query(FinancingRequest).count() == 1
        with db.transaction("api") as session:
            assert session.query(Application).count() == 0
            assert session.query(FinancingRequest).count() == 0
            assert session.query(FinancingEvent).count() == 0


class TestQuota:
    """What is accepted is taken from the product's quota, once, and comes back where nothing comes of it."""

    @pytest.fixture
    def quota(self, market):
        terms = samples.product(quota_fen=150_000_000).to_dict()
        with db.transaction("owner") as session:
            session.add(
                Product(
                    institution_id=market.lenders[0][0].id, code="TAX-1", version=1, state="live", terms=terms,
                    terms_sha256="", revision=1, written_by="a", checked_by="b", created_at=NOW, changed_at=NOW,
                    published_at=NOW,
                )
            )  # fmt: skip

    def offered(self, market, empty_database):
        """Another firm with an open offer of 100 million fen under the product."""
        other = replace(market, firm=flow.make_firm(empty_database))
        with db.transaction("api") as session:
            held = other.apply(session, other.ask(session))
        with db.transaction("owner") as session:
            sha = other.offer(session, locked(session, held.id)).sha256
        return other, held, sha

    def accept(self, offered):
        market, held, sha = offered
        with db.transaction("api") as session:
            market.accept(entered(session, market), held, sha)

    def committed(self):
        with db.transaction("owner") as session:
            return session.scalar(select(ProductCommitment.committed_fen))

    def test_what_it_no_longer_covers_cannot_be_accepted_until_some_comes_back(self, market, empty_database, quota):
        first, second = (self.offered(market, empty_database) for _ in range(2))
        assert self.committed() is None
        self.accept(first)
        self.accept(first)
        assert self.committed() == 100_000_000
        with pytest.raises(Conflict, match="its quota does not cover") as refused:
            self.accept(second)
        assert refused.value.extra["reason"] == "quota"
        with db.transaction("owner") as session:
            assert state_of(session, second[1].id) == "offered"
            applications.withdraw(session, locked(session, first[1].id), actor=first[0].person, now=LATER)
        assert self.committed() == 0
        self.accept(second)
        assert self.committed() == 100_000_000

    def test_an_accepted_offer_that_is_never_signed_gives_it_back(self, market, empty_database, quota):
        self.accept(self.offered(market, empty_database))
        with db.transaction("worker") as session:
            sweep.sweep(session, NOW + timedelta(days=14), market.clocks)
        assert self.committed() == 0
