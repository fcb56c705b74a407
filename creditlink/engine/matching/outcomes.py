"""One product for one firm: each rule's outcome, the offer and how it comes about."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.derivation import Derivation, LimitBasis
from creditlink.engine.matching.offers.offer import Floats, OfferWorth
from creditlink.engine.matching.products import phrases
from creditlink.engine.matching.products.rules import FAIL, OUTCOMES, UNKNOWN, Evaluation, RuleSet
from creditlink.engine.matching.products.subjects import Subjects
from creditlink.engine.matching.products.terms import Limit, ProductTerms
from creditlink.engine.vocabulary import GRADES_BY_RANK, supplies_apart


@dataclass(frozen=True)
class RuleOutcome:
    """One rule on one firm. `gap` is how far the observed value must move to pass, in the subject's unit.

    `grant` names the consent categories that would decide an unknown rule; empty where they are granted
    and the source simply has no record.
    """

    subject: str
    operator: str
    limit: Limit
    outcome: str  # pass | fail | unknown
    observed: float | str | None
    gap: float | None
    unit: str
    categories: tuple[str, ...]
    grant: tuple[str, ...]
    text_zh: str
    text_en: str

    @classmethod
    def cache_for(cls, book: ProductBook, subject: Subjects, evaluation: Evaluation) -> dict[int, RuleOutcome]:
        """Return a dict that puts each rule into words when it is first read."""
        return _Outcomes(book.rule_set, subject, evaluation)

    @cached_property
    def plain(self) -> dict[str, object]:
        """The outcome as plain data: one object for all products that share the rule, not to be changed."""
        values = zip(_OUTCOME, _outcome_of(self), strict=True)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


# Thousands of them are told with each page of products: one call reads all members.
_OUTCOME = tuple(field.name for field in fields(RuleOutcome))
_outcome_of = attrgetter(*_OUTCOME)


class _Outcomes(dict[int, RuleOutcome]):
    def __init__(self, rule_set: RuleSet, subject: Subjects, evaluation: Evaluation) -> None:
        super().__init__()
        self._rule_set, self._subject, self._evaluation = rule_set, subject, evaluation

    def __missing__(self, position: int) -> RuleOutcome:
        rule = self._rule_set.rules[position]
        about = self._rule_set.known[rule.subject]
        status = int(self._evaluation.status[position, 0])
        gap = float(self._evaluation.gap[position, 0])
        observed = _observed(self._subject, about.name, about.form)
        withheld = tuple(name for name in about.categories if not self._subject.is_granted(name))
        grant = supplies_apart(withheld) if status == UNKNOWN else ()
        shown_gap = None if np.isnan(gap) else gap
        zh, en = phrases.outcome_texts(rule, about, OUTCOMES[status], observed, shown_gap, grant)
        self[position] = outcome = RuleOutcome(
            rule.subject,
            rule.operator,
            rule.limit,
            OUTCOMES[status],
            observed,
            shown_gap,
            about.unit,
            about.categories,
            grant,
            zh,
            en,
        )
        return outcome


def _observed(subject: Subjects, name: str, form: str) -> float | str | None:
    if form in ("code", "prefix"):
        column = subject.text(name)
        code = int(column.codes[0])
        return None if code < 0 else column.values[code]
    value = float(subject.number(name)[0])
    if np.isnan(value):
        return None
    return GRADES_BY_RANK[int(value)] if form == "grade" else value


@dataclass(frozen=True, slots=True)
class SuggestedOffer:
    """The suggested limit and price, and their derivation, line by line.

    limit = mean of the known bases × grade factor, rounded down, within the product's amounts;
    rate = PD × loss share + running cost, within the product's range; the firm pays it less the subsidy, and the fees:
    `yearly_cost_bps` over `term_months`, the same figure as on the list and of an offer of such terms. Beside it,
    how many such firms go elsewhere at that rate, and the rate within the range that brings the lender most:
    (1 − share that goes elsewhere) × (rate − PD × loss share − running cost).
    """

    limit_fen: int | None  # None: no record to size it by; 0: below the smallest amount
    rate_bps: int | None  # None: the firm has no PD to price
    yearly_cost_bps: int | None
    term_months: int | None  # None: decided before the term was stored
    bases: tuple[LimitBasis, ...]
    grade_factor: float | None
    expected_loss_bps: float | None
    running_bps: float
    unclipped_bps: float | None
    churn: float | None
    best_rate_bps: int | None
    best_rate_churn: float | None
    subsidy_bps: int
    fees_bps: int

    def to_dict(self) -> dict[str, object]:
        """Return the offer as plain data."""
        raw = dict(zip(_OFFER, _offer_values(self), strict=True))
        return raw | {"bases": [basis.to_dict() for basis in self.bases]}


_OFFER = SuggestedOffer.__slots__
_offer_values = attrgetter(*_OFFER)


@dataclass(frozen=True, slots=True)
class ProductMatch:
    """One product for one firm: state, rank, score and its parts, every rule, the offer, what unlocks it."""

    product: ProductTerms
    state: str  # eligible | undetermined | ineligible
    rank: int  # from 1
    score: float
    approval: float | None  # None: not scored
    fit: float
    rules: tuple[RuleOutcome, ...]
    categories_to_grant: tuple[str, ...]
    offer: SuggestedOffer

    @property
    def failed(self) -> tuple[RuleOutcome, ...]:
        """The rules that fail."""
        return tuple(rule for rule in self.rules if rule.outcome == "fail")

    @property
    def unlock_zh(self) -> str:
        """What would unlock the product, in Chinese; empty when nothing is in the way."""
        return phrases.unlock_zh([rule.text_zh for rule in self.failed], self.categories_to_grant)

    @property
    def unlock_en(self) -> str:
        """What would unlock the product, in English; empty when nothing is in the way."""
        return phrases.unlock_en([rule.text_en for rule in self.failed], self.categories_to_grant)

    def to_dict(self) -> dict[str, object]:
        """Return the match as plain data for a snapshot; the product by code and version."""
        return {
            "product": self.product.code,
            "version": self.product.version,
            "institution": self.product.institution_code,
            "name_zh": self.product.name_zh,
            "name_en": self.product.name_en,
            "kind": self.product.kind,
            "state": self.state,
            "rank": self.rank,
            "score": self.score,
            "approval": self.approval,
            "fit": self.fit,
            "rules": [rule.plain for rule in self.rules],
            "categories_to_grant": list(self.categories_to_grant),
            "offer": self.offer.to_dict(),
            "unlock_zh": self.unlock_zh,
            "unlock_en": self.unlock_en,
        }


def product_match(
    book: ProductBook,
    subject: Subjects,
    worth: OfferWorth,
    derivation: Derivation,
    position: int,
    rank: int,
    state: str,
    outcomes: dict[int, RuleOutcome],
) -> ProductMatch:
    """Return one product of the book for the one firm in `subject`, in words."""
    terms = book.products[position]
    rules = tuple(outcomes[int(e)] for e in book.entries[book.starts[position] : book.starts[position + 1]])
    wanted = {name for rule in rules for name in rule.grant}
    wanted |= {name for name in terms.required_categories if not subject.is_granted(name)}
    return ProductMatch(
        terms,
        state,
        rank,
        float(worth.score[position, 0]),
        _known(worth.approval[position, 0]),
        float(worth.fit[position, 0]),
        rules,
        tuple(sorted(wanted)),
        _offer(terms, worth, derivation, position),
    )


def _offer(terms: ProductTerms, worth: OfferWorth, derivation: Derivation, position: int) -> SuggestedOffer:
    limit = float(worth.limit_fen[position, 0])
    rate_bps = _whole(worth.rate_bps[position, 0])
    term = None if derivation.term_months is None else _whole(derivation.term_months[position])
    if rate_bps is None or term is None:
        cost_bps = _whole(worth.yearly_cost_bps[position, 0])
    else:
        cost_bps = terms.net_cost_bps(rate_bps, term)
    return SuggestedOffer(
        limit_fen=None if np.isnan(limit) else int(limit),
        rate_bps=rate_bps,
        yearly_cost_bps=cost_bps,
        term_months=term,
        bases=derivation.bases_of(position),
        grade_factor=derivation.grade_factor,
        expected_loss_bps=_known(derivation.expected_loss_bps[position]),
        running_bps=float(derivation.running_bps[position]),
        unclipped_bps=_known(derivation.unclipped_bps[position]),
        churn=derivation.churn_at(worth.rate_bps[position, 0]),
        best_rate_bps=_whole(derivation.best_rate_bps[position]),
        best_rate_churn=derivation.churn_at(derivation.best_rate_bps[position]),
        subsidy_bps=terms.subsidy_bps,
        fees_bps=terms.fees_bps,
    )


def _whole(bps: float) -> int | None:
    return None if math.isnan(bps) else math.floor(bps + 0.5)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def near_miss_distance(rule_set: RuleSet, evaluation: Evaluation) -> NDArray[np.float64]:
    """Return how far each rule is from passing relative to its size, shape (n_rules,).

    0 where it passes or is unknown, infinite where the firm cannot change it (its industry, say) or where
    there is no distance (a text). A gap is measured against the larger of the observed value and the limit.
    """
    failed = evaluation.status[:, 0] == FAIL
    observed, gap = evaluation.observed[:, 0], evaluation.gap[:, 0]
    about = [rule_set.known[rule.subject] for rule in rule_set.rules]
    fixed = np.array([one.change == "never" for one in about], dtype=bool)
    # Nobody grows younger.
    fixed |= np.array([one.change == "age" for one in about], dtype=bool) & (gap < 0)
    scale = np.maximum(np.maximum(np.abs(observed), np.abs(observed + gap)), 1e-12)
    distance: Floats = np.where(failed, np.abs(gap) / scale, 0.0)
    return np.where(failed & (fixed | np.isnan(gap)), np.inf, distance)
