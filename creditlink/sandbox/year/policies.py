"""What each demo lender keeps to itself, and how it answers accordingly. Pure.

A lender publishes rules, amounts and rates; whom it takes beyond them it does not say. Here that is a policy: how
cautious it is against its published appetite, what it knows of the firm from its own books, sectors it does not like,
how much it lends against a year's sales, how many offers it makes a month, its margin. None of it reaches the ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.match import INELIGIBLE, UNDETERMINED
from creditlink.engine.matching.offers.approval import logit_pd, sigmoid
from creditlink.sandbox.year.cost import yearly_cost_bps

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SECTOR, QUOTA, THIN, RISK, AMOUNT = REASONS = ("sector", "quota", "thin", "risk", "amount")
"""Why a policy says no, in the order in which a lender checks."""

_SECTIONS = "ABCEFGHIKLMNOPRS"
_STEP_FEN = 1_000_000  # offers are in whole 10,000 yuan
_LEAST_SHARE = 0.5  # of what was asked: rather than offer less, a lender declines
_UNKNOWN_SALES_MULTIPLE = 3.0  # of the product's smallest amount, where no record has the firm's sales


@dataclass(frozen=True, slots=True)
class Policy:
    """One lender's policy; shares and probabilities within 0 … 1."""

    code: str
    caution: float  # factor on the appetite that its products publish
    softness: float  # spread of its decisions, in log-odds of bad
    knowledge: float  # weight of what it knows itself beside the platform's PD
    error: float  # standard deviation of that knowledge, in log-odds
    dislikes: frozenset[str]  # sections of GB/T 4754
    sales_multiple: float  # most that it lends, as a share of a year's sales
    thin_refused: float  # share of firms that it turns away where a published rule cannot be decided
    offers_a_month: int
    margin_bps: float
    silent: float  # share of applications that it never answers
    median_hours: float  # until it answers


def draw_policies(codes: Sequence[str], *, requests_a_month: float, seed: int) -> tuple[Policy, ...]:
    """Return a policy for each lender; a lender's own does not depend on which others there are."""
    policies = []
    for code in codes:
        rng = np.random.default_rng([seed, 1, *code.encode()])
        disliked = rng.choice(list(_SECTIONS), size=int(rng.integers(1, 4)), replace=False)
        policies.append(
            Policy(
                code=code,
                caution=float(np.exp(rng.normal(0.0, 0.45))),
                softness=float(rng.uniform(0.3, 0.8)),
                knowledge=float(rng.uniform(0.2, 0.5)),
                error=float(rng.uniform(0.3, 0.8)),
                dislikes=frozenset(map(str, disliked)),
                sales_multiple=float(rng.uniform(0.10, 0.30)),
                thin_refused=float(rng.uniform(0.3, 0.8)),
                offers_a_month=max(2, round(float(rng.uniform(0.15, 0.5)) * requests_a_month)),
                margin_bps=float(rng.normal(40, 45)),
                silent=float(rng.uniform(0.0, 0.05)),
                median_hours=float(np.exp(rng.uniform(np.log(4), np.log(60)))),
            )
        )
    return tuple(policies)


@dataclass(frozen=True, slots=True)
class Applicant:
    """What lenders see of a firm that asks, and the truth that they know a part of."""

    pd_12m: float  # the platform's
    hazard_12m: float  # the true probability, from the generator
    sales_12_fen: float  # NaN where no record has them
    section: str  # of GB/T 4754
    amount_fen: int
    term_months: int

    @property
    def known_sales_fen(self) -> float | None:
        """Return the sales, None where no record has them."""
        return None if np.isnan(self.sales_12_fen) else self.sales_12_fen


@dataclass(frozen=True, eq=False)
class Chances:
    """What chance decides for one request and every product, drawn once: whom a firm asks first changes nothing."""

    luck: Floats  # (n_products,) uniform
    thin: Floats  # (n_products,) uniform
    silence: Floats  # (n_products,) uniform
    hours: Floats  # (n_products,) standard normal
    signal: Floats  # (n_lenders,) standard normal

    @classmethod
    def draw(cls, products: int, lenders: int, *, seed: int, request: int) -> Chances:
        """Return the chances of one request."""
        rng = np.random.default_rng([seed, 2, request])
        luck, thin, silence = rng.random((3, products))
        return cls(luck, thin, silence, rng.standard_normal(products), rng.standard_normal(lenders))


@dataclass(frozen=True, eq=False)
class Answers:
    """How every product of a book would be answered at one moment; arrays of shape (n_products,)."""

    approved: Bools  # within the time to answer
    silent: Bools
    reason: NDArray[np.int64]  # position in REASONS of the first thing against it, -1 for none
    amount_fen: NDArray[np.int64]
    term_months: NDArray[np.int64]
    rate_bps: NDArray[np.int64]
    cost_bps: Floats  # the firm's yearly cost of such an offer, fees in, subsidy off
    fits: Bools  # at least `FIT_SHARE` of the amount, over the very term
    hours: Floats


FIT_SHARE = 0.8
"""An offer fits a request when it is for at least this share of the amount, over the term that was asked for."""


@dataclass(frozen=True, eq=False)
class Lenders:
    """The policies beside the book: whose each product is, and each policy's numbers by product."""

    book: ProductBook
    policies: tuple[Policy, ...]
    lender: NDArray[np.intp]  # (n_products,) positions in `policies`

    @classmethod
    def of(cls, book: ProductBook, policies: Sequence[Policy]) -> Lenders:
        """Return the lenders of a book; every product must belong to one of them."""
        places = {policy.code: k for k, policy in enumerate(policies)}
        lender = np.array([places[terms.institution_code] for terms in book.products], dtype=np.intp)
        return cls(book, tuple(policies), lender)

    def each(self, name: str) -> Floats:
        """Return one number of its lender's policy for every product."""
        return np.array([getattr(policy, name) for policy in self.policies], dtype=np.float64)[self.lender]

    def answers(
        self, who: Applicant, states: NDArray[np.uint8], chances: Chances, offers_so_far: NDArray[np.int64]
    ) -> Answers:
        """Return how each product's lender would answer the applicant now.

        Parameters
        ----------
        states : array of shape (n_products,), as matching found them: no lender lends against its published rules.
        offers_so_far : array of shape (n_lenders,), offers that each has made this month.
        """
        book = self.book
        knowledge, error = self.each("knowledge"), self.each("error")
        platform, true = logit_pd(np.array([who.pd_12m, who.hazard_12m]))
        own = (1 - knowledge) * platform + knowledge * (true + error * chances.signal[self.lender])
        limit = logit_pd(book.appetite * self.each("caution"))
        risky = chances.luck >= sigmoid((limit - own) / self.each("softness"))
        disliked = np.array([who.section in policy.dislikes for policy in self.policies], dtype=bool)[self.lender]
        full = np.array([p.offers_a_month for p in self.policies])[self.lender] <= offers_so_far[self.lender]
        thin = (states == UNDETERMINED) & (chances.thin < self.each("thin_refused"))
        amount = self._amount(who)
        small = (amount < book.amount_min) | (amount < _LEAST_SHARE * who.amount_fen)
        against = np.stack([disliked, full, thin, risky, small])
        reason = np.where(against.any(axis=0), against.argmax(axis=0), -1)
        pd_own = sigmoid(own)
        wanted = pd_own * book.loss_share * 10_000 + book.running_bps + self.each("margin_bps")
        rate = np.rint(np.clip(wanted, *book.rate_range)).astype(np.int64)
        term = np.clip(who.term_months, book.term_min, book.term_max).astype(np.int64)
        cost = yearly_cost_bps(rate.astype(np.float64), book.fees, term, book.amortises) - book.subsidy
        silent = chances.silence < self.each("silent")
        return Answers(
            approved=(reason < 0) & ~silent & (states != INELIGIBLE),
            silent=silent,
            reason=reason.astype(np.int64),
            amount_fen=amount.astype(np.int64),
            term_months=term,
            rate_bps=rate,
            cost_bps=cost,
            fits=(amount >= FIT_SHARE * who.amount_fen) & (term == who.term_months),
            hours=np.clip(self.each("median_hours") * np.exp(0.6 * chances.hours), 0.5, 110.0),
        )

    def _amount(self, who: Applicant) -> Floats:
        """Return what each lender would give at most of what is asked, in whole 10,000 yuan."""
        if np.isnan(who.sales_12_fen):
            most = _UNKNOWN_SALES_MULTIPLE * self.book.amount_min
        else:
            most = self.each("sales_multiple") * who.sales_12_fen
        most = np.minimum(np.minimum(most, self.book.amount_max), who.amount_fen)
        whole: Floats = np.floor(most / _STEP_FEN) * _STEP_FEN
        return whole
