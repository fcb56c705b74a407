"""What a firm owes a lender by the platform's own loans: by day, by report, and only to who lent it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from creditlink.engine.capacity.debt import service_fen
from creditlink.financing.applications.applications import locked
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.loans import outcomes
from creditlink.financing.loans.holdings import loans_held, outstanding
from creditlink.financing.loans.labels import ReportedFact
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.kit import ids
from creditlink.kit.clock import day_of, start_of_day, utc_now
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from tests.financing.conftest import NOW, bank_of
from tests.financing.test_real_profile import profiled, taxed

__all__ = ["profiled", "taxed"]  # fixtures

DRAWN_ON = date(2026, 1, 20)
TODAY = date(2026, 5, 20)


def fact(kind: str, on: date, fen: int, *, known: date | None = None, reference: str = "") -> ReportedFact:
    late = 0 if kind == "repayment" else None
    return ReportedFact(kind, on, late, fen, reference, start_of_day(known or on) + timedelta(hours=1))


DRAW = fact("draw", DRAWN_ON, 12_000)


def owed(*facts: ReportedFact, as_of: date = TODAY, term_months: int = 12) -> tuple[int, int] | None:
    return outstanding(facts, term_months=term_months, as_of=as_of)


@pytest.mark.pure
class TestOutstanding:
    @pytest.mark.parametrize(
        ("facts", "found"),
        [
            ((), None),
            ((DRAW,), (12_000, 8)),
            ((DRAW, fact("repayment", date(2026, 4, 1), 9_000)), (9_000, 8)),
            (
                (DRAW, fact("repayment", date(2026, 4, 1), 9_000), fact("repayment", date(2026, 3, 1), 10_000)),
                (9_000, 8),
            ),
            # A line is drawn again after the month that was reported.
            ((DRAW, fact("repayment", date(2026, 4, 1), 9_000), fact("draw", date(2026, 5, 2), 500)), (9_500, 8)),
            ((DRAW, fact("repayment", date(2026, 4, 1), 0)), None),
            ((DRAW, fact("closure", date(2026, 5, 1), 0)), None),
            ((DRAW, fact("write_off", date(2026, 5, 1), 11_000)), (11_000, 0)),
            ((DRAW, fact("closure", date(2026, 5, 21), 0)), (12_000, 8)),  # tomorrow's is not known today
            ((fact("draw", DRAWN_ON, 0),), None),
        ],
    )
    def test_the_newest_report_counts(self, facts, found):
        assert owed(*facts) == found

    def test_a_correction_counts_from_the_day_it_was_known(self):
        wrong = fact("repayment", date(2026, 4, 1), 9_000, known=date(2026, 5, 2))
        right = fact("repayment", date(2026, 4, 1), 8_000, known=date(2026, 5, 10))
        assert owed(DRAW, wrong, right, as_of=date(2026, 5, 9)) == (9_000, 9)
        assert owed(DRAW, wrong, right, as_of=date(2026, 5, 10)) == (8_000, 9)

    @pytest.mark.parametrize(
        ("as_of", "left"),
        [(date(2026, 1, 20), 12), (date(2026, 1, 21), 12), (date(2026, 2, 20), 11), (date(2027, 1, 19), 1),
         (date(2027, 1, 20), 0), (date(2028, 6, 1), 0)],
    )  # fmt: skip
    def test_months_left_are_counted_up_to_the_end_of_the_term(self, as_of, left):
        assert owed(DRAW, as_of=as_of)[1] == left


def lend(market, application, *, now: datetime, amount: int = 100_000_000, told=()) -> None:
    """Offer, accept, sign and draw an application's loan; then report `told`."""
    with db.transaction("owner") as session:
        held = locked(session, application)
        made = market.offer(session, held, now=now, terms=OfferTerms(amount_fen=amount, term_months=12, rate_bps=480))
        market.accept(session, held, made.sha256, now=now)
        market.sign(session, held, made.sha256, now=now)
        for outcome in (LoanOutcome("draw", day_of(now), amount), *told):
            at = max(now, start_of_day(outcome.about_on))
            outcomes.record(session, held, outcome, actor=bank_of(held), now=at)


@pytest.mark.parametrize("repayment", ["revolving", "bullet"])
def test_only_what_was_repaid_of_a_revolving_line_may_be_drawn_again(market, asked, repayment):
    (one, *_) = asked()
    terms = OfferTerms(amount_fen=100_000, term_months=12, rate_bps=480, repayment=repayment)
    day = day_of(NOW)
    again = LoanOutcome("draw", day, 30_000, reference="again")
    with db.transaction("owner") as session:
        held = locked(session, one)
        made = market.offer(session, held, now=NOW, terms=terms)
        market.accept(session, held, made.sha256, now=NOW)
        market.sign(session, held, made.sha256, now=NOW)

        def tell(outcome, now=NOW):
            outcomes.record(session, held, outcome, actor=bank_of(held), now=now)

        tell(LoanOutcome("draw", day, 100_000, reference="first"))
        with pytest.raises(Conflict, match="amount_fen 30000: 0 of the promised 100000 are left"):
            tell(again)
        tell(LoanOutcome("repayment", day, 29_999, days_past_due=0))
        if repayment == "revolving":
            with pytest.raises(Conflict, match="29999 of the promised 100000 and the 29999 repaid are left"):
                tell(again)
            corrected = LoanOutcome("repayment", day, 30_000, days_past_due=0)
            tell(corrected, NOW + timedelta(hours=1))
            tell(again)
        else:
            with pytest.raises(Conflict, match="0 of the promised 100000 are left"):
                tell(again)


def test_only_the_lender_sees_its_loans(market, asked):
    first, *_ = asked()
    lend(market, first, now=NOW)
    (owner, _), (other, _), _ = market.lenders
    firm, day = market.firm.enterprise.id, day_of(NOW)
    with db.transaction("api", viewer=db.Viewer(institution_id=owner.id)) as session:
        (loan,) = loans_held(session, firm, owner.id, day)
        assert loan == {
            "application": ids.external("app", first), "outstanding_fen": 100_000_000, "rate_bps": 480,
            "months_left": 12, "repayment": "equal_instalment",
        }  # fmt: skip
        assert loans_held(session, firm, other.id, day) == []
        assert loans_held(session, firm, owner.id, day - timedelta(days=1)) == []
    with db.transaction("api", viewer=db.Viewer(institution_id=other.id)) as session:
        assert loans_held(session, firm, owner.id, day) == []  # asked for by name: row-level security
        assert loans_held(session, firm, other.id, day) == []


def test_a_profile_counts_what_the_firm_owes_who_asks(desk, profiled, market, monkeypatch):
    application, path, before = profiled
    assert before["capacity"]["debt_service_fen"] == 0
    lend(market, application, now=utc_now(), amount=1_200_000)
    with db.transaction("owner") as session:
        consent = session.query(Profile).one().consent_id
    handed = desk.call("POST", f"{path}/authorization", desk.own)
    assert handed.status_code in (200, 201), handed.text
    from creditlink.sandbox.banks.bank import InboxRequest

    waiting = InboxRequest(handed.json()["auth_req_id"], expires_in=600, interval=5)
    assert desk.poll(waiting)
    made = desk.call("POST", "/v1/profiles", waiting, json={})
    assert made.status_code == 201, made.text
    after = made.json()
    loan = {"application": ids.external("app", application), "outstanding_fen": 1_200_000, "rate_bps": 480,
            "months_left": 12, "repayment": "equal_instalment"}  # fmt: skip
    assert after["capacity"]["debt_service_fen"] == service_fen(loan)
    assert after["points"] == before["points"]
    line = next(one for one in after["capacity"]["lines"] if one["name"] == "debt_service")
    assert "1笔" in line["text_zh"]
    assert after["consent_id"] == ids.external("cns", consent)
    assert datetime.now(UTC) < datetime.fromisoformat(after["validity"]["valid_until"])
