"""The products of one moment, compiled for matching: distinct rules once, numbers in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.products.rules import RuleSet, check_rule, distinct, interval
from creditlink.engine.matching.products.subjects import IndicatorInfo, Subject, known_subjects
from creditlink.engine.matching.products.terms import Flaw, ProductInvalid, ProductTerms
from creditlink.engine.matching.settings import MatchingSettings
from creditlink.engine.vocabulary import GRADES_BY_RANK

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProductBook:
    """Products ready to be matched; every array has one entry per product unless it says otherwise.

    The rules of product `p` are `entries[starts[p] : starts[p + 1]]`, positions in `rule_set`.
    """

    products: tuple[ProductTerms, ...]
    settings: MatchingSettings
    rule_set: RuleSet
    entries: NDArray[np.intp]
    starts: NDArray[np.intp]  # shape (n_products + 1,)

    def __len__(self) -> int:
        return len(self.products)

    @property
    def known(self) -> Mapping[str, Subject]:
        """Return every subject a rule may name."""
        return self.rule_set.known

    def column(self, name: str) -> Floats:
        """Return one numeric term of every product."""
        return np.array([getattr(terms, name) for terms in self.products], dtype=np.float64)

    @cached_property
    def padded(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return entries and starts with one always-passing rule, position `len(rule_set)`, before each product.

        `ufunc.reduceat` gives the wrong answer for an empty segment; with the padding no segment is empty.
        """
        entries = np.insert(self.entries, self.starts[:-1], len(self.rule_set))
        return entries, self.starts[:-1] + np.arange(len(self))

    @cached_property
    def amount_min(self) -> Floats:
        """Smallest amounts, in fen."""
        return self.column("amount_min_fen")

    @cached_property
    def amount_max(self) -> Floats:
        """Largest amounts, in fen."""
        return self.column("amount_max_fen")

    @cached_property
    def term_min(self) -> Floats:
        """Shortest terms, in months."""
        return self.column("term_months_min")

    @cached_property
    def term_max(self) -> Floats:
        """Longest terms, in months."""
        return self.column("term_months_max")

    @cached_property
    def rate_range(self) -> tuple[Floats, Floats]:
        """Lowest and highest rates, in basis points a year."""
        return self.column("rate_bps_min"), self.column("rate_bps_max")

    @cached_property
    def fees(self) -> Floats:
        """One-off fees, in basis points of the amount."""
        return self.column("fees_bps")

    @cached_property
    def subsidy(self) -> Floats:
        """Public interest subsidies, in basis points a year."""
        return self.column("subsidy_bps")

    @cached_property
    def amortises(self) -> NDArray[np.bool_]:
        """Whether the principal is repaid in instalments."""
        return np.array([terms.repayment == "equal_instalment" for terms in self.products], dtype=bool)

    @cached_property
    def loss_share(self) -> Floats:
        """Share of the exposure the lender itself loses in default: LGD × (1 − risk share)."""
        lgd = np.array([self.settings.lgd[terms.guarantee] for terms in self.products], dtype=np.float64)
        return lgd * (1 - self.column("risk_share_bps") / 10_000)

    @cached_property
    def running_bps(self) -> Floats:
        """Funding and operating cost of the lender, in basis points a year."""
        funding, operating = self.settings.funding_bps, self.settings.operating_bps
        kinds = [terms.institution_kind for terms in self.products]
        return np.array([funding[kind] + operating[kind] for kind in kinds], dtype=np.float64)

    @cached_property
    def appetite(self) -> Floats:
        """PD at which the approval proxy is one half: the product's own limit, else its grade's, else its kind's."""
        return np.array([self._appetite_of(terms) for terms in self.products], dtype=np.float64)

    def _appetite_of(self, terms: ProductTerms) -> float:
        stated = [
            high
            for rule in terms.rules
            if rule.subject == "profile.pd_12m" and np.isfinite(high := interval(rule)[1]) and high > 0
        ]
        graded = [
            self.settings.grade_pd[GRADES_BY_RANK[int(interval(rule)[0])]]
            for rule in terms.rules
            if rule.operator == "at_least_grade"
        ]
        return min(stated or graded or [self.settings.appetite_pd[terms.institution_kind]])

    @cached_property
    def sizing(self) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.intp]]:
        """Return the distinct sets of bases, and which one each product is sized by."""
        sets = [self.settings.bases_for(terms.kind) for terms in self.products]
        places = {one: k for k, one in enumerate(dict.fromkeys(sets))}
        return tuple(places), np.array([places[one] for one in sets], dtype=np.intp)

    @cached_property
    def category_sets(self) -> tuple[tuple[frozenset[str], ...], NDArray[np.intp]]:
        """Return the distinct sets of required categories, and which one each product has."""
        sets = [frozenset(terms.required_categories) for terms in self.products]
        places = {one: k for k, one in enumerate(dict.fromkeys(sets))}
        return tuple(places), np.array([places[one] for one in sets], dtype=np.intp)

    @cached_property
    def tie_places(self) -> NDArray[np.uint64]:
        """A distinct place below 2²⁰ for each product, by a digest of its code, to settle equal scores with."""
        digests = [blake2b(terms.code.encode()).digest() for terms in self.products]
        places = np.empty(len(self), dtype=np.uint64)
        places[sorted(range(len(self)), key=digests.__getitem__)] = np.arange(len(self), dtype=np.uint64)
        return places


def compile_book(
    products: Sequence[ProductTerms],
    indicators: Iterable[IndicatorInfo] | Mapping[str, IndicatorInfo],
    settings: MatchingSettings,
    *,
    on: date | None = None,
) -> ProductBook:
    """Return the products compiled for matching; with `on`, only those offered that day.

    Raises
    ------
    ProductInvalid
        A rule is about an unknown subject or indicator, or compares it in a way that does not fit it.
    ValueError
        Two products have one code, or a basis of the settings is an unknown indicator.
    """
    known = known_subjects(indicators)
    offered = tuple(terms for terms in products if on is None or terms.is_offered_on(on))
    codes: set[str] = set()
    for terms in offered:
        if terms.code in codes:
            raise ValueError(f"product {terms.code!r}: field 'code': two products have this code")
        codes.add(terms.code)
        if flaws := rule_flaws(terms, known):
            raise ProductInvalid(terms.code, flaws)
    for basis in settings.bases:
        if f"indicator.{basis.indicator}" not in known:
            raise ValueError(f"setting limit.bases {basis.name}: value {basis.indicator!r}: is not a known indicator")
    rules, entries = distinct([rule for terms in offered for rule in terms.rules])
    starts = np.concatenate([[0], np.cumsum([len(terms.rules) for terms in offered])]).astype(np.intp)
    return ProductBook(offered, settings, RuleSet(rules, known), entries, starts)


def rule_flaws(terms: ProductTerms, known: Mapping[str, Subject]) -> list[Flaw]:
    """Return what is wrong with a product's rules given the subjects that exist, rule by rule."""
    flaws = ((i, check_rule(rule, known)) for i, rule in enumerate(terms.rules))
    return [Flaw(f"rules[{i}].{flaw.field}", flaw.value, flaw.problem) for i, flaw in flaws if flaw]
