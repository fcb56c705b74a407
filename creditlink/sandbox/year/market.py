"""The year as it runs: who asks whom, what is answered, accepted, drawn and repaid, as deeds in order.

Nothing here touches a database: the same seed and city give the same deeds, and `stage` carries them out on the
platform.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.matching.offers.cost import fee_fen
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.funnel.learning import case_of, fit
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.financing.tables import ApprovalCase
from creditlink.kit.clock import add_months, day_of, month_index, start_of_day
from creditlink.sandbox.year import loans
from creditlink.sandbox.year.demand import MONTHS, YearRequest
from creditlink.sandbox.year.ordering import ProductListing, listing_for
from creditlink.sandbox.year.policies import FIT_SHARE, Answers, Chances, Lenders, Policy

Kind = Literal[
    "ask", "apply", "receive", "review", "offer", "decline", "accept", "refuse", "sign", "withdraw", "outcome", "learn"
]

Referral = tuple[datetime, tuple[int, ...]]
"""When a firm asks the next lender, and the numbers of its applications before."""

LENDERS_ASKED = 3
LEARN_MONTH = 8
"""Approval odds are learned when this many months are over; the requests after that judge them."""
_REFERRALS = 2
_ANSWER_TIME = timedelta(days=5, hours=1)  # a lender that is silent for so long has let its time run out
_WANDERS, _REFERS, _REFUSES, _STEPS_BACK, _NEVER_DRAWS, _IN_PARTS = 0.35, 0.8, 0.08, 0.03, 0.04, 0.25


@dataclass(frozen=True, eq=False)
class YearApplication:
    """One application: a product that a firm asked for, and how it is answered."""

    number: int
    request: int
    place: int  # of the product in the request's book
    product: ProductTerms
    odds: dict[str, float]  # order -> the approval odds it showed
    approved: bool
    silent: bool
    reason: int  # position in `policies.REASONS`, -1 where none
    hours: float
    terms: OfferTerms
    cost_bps: float
    applied_at: datetime
    referred_from: int | None = None

    @property
    def answered_at(self) -> datetime | None:
        """When the lender answers; None: never."""
        return None if self.silent else self.applied_at + timedelta(hours=self.hours)


@dataclass(frozen=True, eq=False)
class Deed:
    """One thing that happens: to a request, to one of its applications, or to the platform (`learn`)."""

    at: datetime
    kind: Kind
    request: int = -1
    application: YearApplication | None = None
    outcome: LoanOutcome | None = None


@dataclass(frozen=True, eq=False)
class JudgedRequest:
    """A request beside the truth: what its firm saw, and how every product would have been answered then."""

    request: YearRequest
    book: ProductBook
    listing: ProductListing
    answers: Answers
    after_learning: bool


@dataclass(eq=False)
class Year:
    """Everything that happened."""

    start: date
    until: date
    deeds: list[Deed]
    requests: list[JudgedRequest]
    applications: list[YearApplication]
    models: list[ApprovalModel]  # as learned after `LEARN_MONTH` months, and at the end
    policies: tuple[Policy, ...]


@dataclass(eq=False)
class Market:
    """The market while it runs."""

    requests: Sequence[YearRequest]
    policies: tuple[Policy, ...]
    book_of: Callable[[date], ProductBook]
    start: date
    until: date
    seed: int
    _deeds: list[Deed] = field(default_factory=list)
    _judged: dict[int, JudgedRequest] = field(default_factory=dict)
    _applications: list[YearApplication] = field(default_factory=list)
    _models: list[ApprovalModel] = field(default_factory=list)
    _offers: dict[int, NDArray[np.int64]] = field(default_factory=dict)  # month -> offers by lender
    _lenders: dict[date, Lenders] = field(default_factory=dict)
    _committed: Counter[str] = field(default_factory=Counter)  # product -> fen accepted under its quota

    def run(self, step: Callable[[], None] = lambda: None) -> Year:
        """Return the whole year; `step` is called once for each request."""
        # Whom a lender still takes depends on whom it took before: requests and referrals go in the order of time.
        queue: list[tuple[datetime, int, int, tuple[int, ...]]] = []
        for request in self.requests:
            heapq.heappush(queue, (request.at, 0, request.number, ()))
        heapq.heappush(queue, (start_of_day(add_months(self.start, LEARN_MONTH)), -1, -1, ()))
        by_number = {request.number: request for request in self.requests}
        while queue:
            at, _, number, before = heapq.heappop(queue)
            if number < 0:
                self._learn(at)
                continue
            if before:
                referral = self._refer(self._judged[number], at, before)
            else:
                referral = self._ask(by_number[number])
                step()
            if referral:
                heapq.heappush(queue, (referral[0], 1, number, referral[1]))
        self._learn(start_of_day(self.until))
        end = start_of_day(self.until)
        # Sorting keeps the order of deeds of one instant.
        deeds = sorted((deed for deed in self._deeds if deed.at <= end), key=lambda deed: deed.at)
        return Year(
            self.start, self.until, deeds, list(self._judged.values()), self._applications, self._models, self.policies
        )

    def _ask(self, request: YearRequest) -> Referral | None:
        month = day_of(request.at).replace(day=1)
        lenders = self._lenders_of(month)
        live = self._models[-1] if self._models else None
        listing = listing_for(lenders.book, request.subject, request.ask, live)
        answers = self._answers(request, lenders, listing, request.at)
        judged = JudgedRequest(request, lenders.book, listing, answers, live is not None)
        self._judged[request.number] = judged
        self._deed(request.at, "ask", request.number)
        chosen = self._choose(judged, lenders)
        if not chosen:
            return None
        applications = [
            self._apply(judged, place, request.at + timedelta(minutes=5 * (k + 1)), answers)
            for k, place in enumerate(chosen)
        ]
        return self._decide(judged, applications)

    def _choose(self, judged: JudgedRequest, lenders: Lenders) -> list[int]:
        """Return whom the firm asks: the first products of different lenders, now and then one from further down."""
        rng = self._rng(3, judged.request.number)
        firsts: dict[int, int] = {}
        for place in judged.listing.in_force.tolist():
            firsts.setdefault(int(lenders.lender[place]), place)
        places = list(firsts.values())
        chosen, rest = places[:LENDERS_ASKED], places[LENDERS_ASKED:]
        if rest and rng.random() < _WANDERS:
            chosen[-1] = rest[int(rng.integers(0, len(rest)))]
        return chosen

    def _refer(self, judged: JudgedRequest, at: datetime, before: tuple[int, ...]) -> Referral | None:
        """Let a firm that got no offer go to the next best lender."""
        applications = [self._applications[k] for k in before]
        lenders = self._lenders_of(day_of(judged.request.at).replace(day=1))
        asked = {int(lenders.lender[one.place]) for one in applications}
        place = next((p for p in judged.listing.in_force.tolist() if int(lenders.lender[p]) not in asked), None)
        if place is None:
            return None
        answers = self._answers(judged.request, lenders, judged.listing, at)
        declined = next((one.number for one in reversed(applications) if not one.silent), None)
        one = self._apply(judged, place, at, answers, referred_from=declined)
        return self._decide(judged, [*applications, one])

    def _apply(
        self, judged: JudgedRequest, place: int, at: datetime, answers: Answers, *, referred_from: int | None = None
    ) -> YearApplication:
        terms = judged.book.products[place]
        amount = int(answers.amount_fen[place]) if answers.approved[place] else judged.request.wanted.amount_fen
        one = YearApplication(
            number=len(self._applications),
            request=judged.request.number,
            place=place,
            product=terms,
            odds={name: float(odds[place]) for name, odds in judged.listing.odds.items()},
            approved=bool(answers.approved[place]),
            silent=bool(answers.silent[place]),
            reason=int(answers.reason[place]),
            hours=float(answers.hours[place]),
            terms=OfferTerms(
                amount_fen=amount,
                term_months=int(answers.term_months[place]),
                rate_bps=int(answers.rate_bps[place]),
                fee_fen=fee_fen(amount, terms.fees_bps),
                repayment=terms.repayment,
                subsidy_bps=terms.subsidy_bps,
            ),
            cost_bps=float(answers.cost_bps[place]),
            applied_at=at,
            referred_from=referred_from,
        )
        self._applications.append(one)
        self._deed(at, "apply", one.request, one)
        answered_at = one.answered_at
        if answered_at is not None:
            for share, kind in ((0.2, "receive"), (0.6, "review")):
                self._deed(at + share * (answered_at - at), kind, one.request, one)  # type: ignore[arg-type]  # both are kinds
            self._deed(answered_at, "offer" if one.approved else "decline", one.request, one)
        if one.approved:
            offers = self._offers_of(at)
            offers[self._lenders_of(day_of(judged.request.at).replace(day=1)).lender[place]] += 1
        return one

    def _decide(self, judged: JudgedRequest, applications: list[YearApplication]) -> Referral | None:
        """Let the firm choose once all have answered or had their time; return when it asks the next, if it does."""
        rng = self._rng(4, judged.request.number, len(applications))
        last = max(one.answered_at or one.applied_at + _ANSWER_TIME for one in applications)
        at = last + timedelta(hours=float(rng.uniform(2, 30)))
        # An accepted offer that comes to nothing still counts here: so the quota covers whatever is accepted.
        offers = [one for one in applications if one.approved and self._is_covered(one)]
        if not offers:
            more = len(applications) < LENDERS_ASKED + _REFERRALS and rng.random() < _REFERS
            return (at, tuple(one.number for one in applications)) if more else None
        enough = FIT_SHARE * judged.request.wanted.amount_fen
        best = min(offers, key=lambda one: (-min(one.terms.amount_fen, enough), one.cost_bps))
        if rng.random() < _REFUSES:
            for one in offers:
                self._deed(at, "refuse", one.request, one)
            return None
        self._committed[best.product.code] += best.terms.amount_fen
        self._deed(at, "accept", best.request, best)
        self._lend(judged, best, at, rng)
        return None

    def _is_covered(self, one: YearApplication) -> bool:
        quota = one.product.quota_fen
        return quota is None or self._committed[one.product.code] + one.terms.amount_fen <= quota

    def _lend(
        self, judged: JudgedRequest, best: YearApplication, accepted_at: datetime, rng: np.random.Generator
    ) -> None:
        signed_at = accepted_at + timedelta(hours=float(rng.uniform(6, 80)))
        self._deed(signed_at, "sign", best.request, best)
        back, never, in_parts = (rng.random() < share for share in (_STEPS_BACK, _NEVER_DRAWS, _IN_PARTS))
        if back:
            self._deed(signed_at + timedelta(hours=20), "withdraw", best.request, best)
        if back or never:
            return
        drawn_at = signed_at + timedelta(hours=float(rng.uniform(4, 60)))
        drawn_on, amount = day_of(drawn_at), best.terms.amount_fen
        parts = [amount * 6 // 10, amount - amount * 6 // 10] if in_parts else [amount]
        for k, part in enumerate(parts):
            at = drawn_at + timedelta(days=12 * k)
            self._report(at, best, LoanOutcome("draw", day_of(at), part, reference=f"{k + 1}"))
        for report in loans.run(
            drawn_on=drawn_on,
            amount_fen=amount,
            term_months=best.terms.term_months,
            amortises=best.terms.repayment == "equal_instalment",
            hazard_12m=judged.request.applicant.hazard_12m,
            default_on=judged.request.default_on,
            until=self.until,
            rng=self._rng(5, judged.request.number),
        ):
            self._report(report.at, best, report.outcome)

    def _report(self, at: datetime, one: YearApplication, outcome: LoanOutcome) -> None:
        if day_of(at) < self.until:
            self._deed(at, "outcome", one.request, one, outcome)

    def _learn(self, at: datetime) -> None:
        self._models.append(fit(list(self._cases(at)), fitted_on=day_of(at).isoformat()))
        self._deed(at, "learn")

    def _cases(self, at: datetime) -> Iterator[ApprovalCase]:
        """Yield what was answered before an instant, in the order of the answers."""
        answered = [(one.answered_at, one.number) for one in self._applications if one.answered_at is not None]
        for answered_at, number in sorted(pair for pair in answered if pair[0] < at):
            one = self._applications[number]
            who = self._judged[one.request].request.applicant
            yield case_of(
                kind=one.product.kind,
                pd_12m=who.pd_12m,
                amount_fen=who.amount_fen,
                sales_12_fen=who.known_sales_fen,
                approved=one.approved,
                answered_at=answered_at,
            )

    def _answers(self, request: YearRequest, lenders: Lenders, listing: ProductListing, at: datetime) -> Answers:
        chances = Chances.draw(len(lenders.book), len(self.policies), seed=self.seed, request=request.number)
        return lenders.answers(request.applicant, listing.states, chances, self._offers_of(at))

    def _offers_of(self, at: datetime) -> NDArray[np.int64]:
        return self._offers.setdefault(month_index(day_of(at)), np.zeros(len(self.policies), dtype=np.int64))

    def _lenders_of(self, month: date) -> Lenders:
        if month not in self._lenders:
            self._lenders[month] = Lenders.of(self.book_of(month), self.policies)
        return self._lenders[month]

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])

    def _deed(
        self,
        at: datetime,
        kind: Kind,
        request: int = -1,
        one: YearApplication | None = None,
        outcome: LoanOutcome | None = None,
    ) -> None:
        self._deeds.append(Deed(at, kind, request, one, outcome))


def expected_end(start: date, follow: int) -> date:
    """Return the day after the last simulated one: twelve months, and those in which loans are followed."""
    return add_months(start, MONTHS + follow)
