"""Matching: hard rules first, then an order by approval odds × yearly cost × fit; many firms at a time.

One code serves the API, which passes one firm, and screening, which passes a partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching import population
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.derivation import Derivation, derive
from creditlink.engine.matching.offers.offer import Ask, Floats, OfferWorth, offer_worth
from creditlink.engine.matching.outcomes import ProductMatch, RuleOutcome, near_miss_distance, product_match
from creditlink.engine.matching.products.rules import FAIL, UNKNOWN, Evaluation
from creditlink.engine.matching.products.subjects import Subjects

ELIGIBLE, UNDETERMINED, INELIGIBLE = 0, 1, 2
STATES = ("eligible", "undetermined", "ineligible")

_EVALUATED_FIRMS = 4

_TIE_MASK = np.uint64(2**20 - 1)


def match_many(book: ProductBook, subjects: Subjects, *, ask: Ask | None = None, odds: Floats | None = None) -> Matches:
    """Return every product's state for every firm, ready to be ranked and explained.

    Parameters
    ----------
    book : the compiled products.
    subjects : the firms.
    ask : what they ask for, the same for all; None: open.
    odds : array of shape (n_products, n_firms), learned approval probabilities, NaN where none was learned.

    Raises
    ------
    ValueError
        `odds` has another shape.
    """
    if odds is not None and odds.shape != (len(book), len(subjects)):
        raise ValueError(f"odds has shape {odds.shape}, wanted {(len(book), len(subjects))}")
    # Distances to passing cost memory for many firms and are only ever shown for one.
    evaluation = book.rule_set.evaluate(subjects) if len(subjects) <= _EVALUATED_FIRMS else None
    status = book.rule_set.statuses(subjects) if evaluation is None else evaluation.status
    states = np.empty((len(book), len(subjects)), dtype=np.uint8)
    population.join_rules(status, book.entries, book.starts, _ungranted(book, subjects), states)
    return Matches(book, subjects, ask or Ask(), states, odds, evaluation)


@dataclass(frozen=True)
class Matches:
    """Products × firms. `states` has shape (n_products, n_firms), positions in `STATES`."""

    book: ProductBook
    subjects: Subjects
    ask: Ask
    states: NDArray[np.uint8]
    odds: Floats | None = None
    evaluation: Evaluation | None = None  # only of few firms

    def explain(self, i: int) -> FirmMatches:
        """Return firm `i`'s products in order, every rule evaluated; each is put into words when it is read."""
        odds = None if self.odds is None else self.odds[:, i : i + 1]
        subject = self.subjects.take(i)
        evaluation = self.book.rule_set.evaluate(subject) if self.evaluation is None else self.evaluation.of_firm(i)
        return firm_matches(self.book, subject, self.ask, self.states[:, i], evaluation, odds)

    def best(self, k: int) -> tuple[NDArray[np.int32], Floats]:
        """Return each firm's `k` best eligible products and their scores, shape (n_firms, k).

        Products are positions in the book, -1 (score 0) where fewer are eligible.
        """
        places = firm_places(self.subjects)
        return population.best(
            self.book, self.subjects, self.states, self.ask, self.odds, places, _TIE_MASK, min(k, len(self.book))
        )

    def counts(self) -> NDArray[np.int64]:
        """Return how many firms are eligible, undetermined and ineligible, shape (n_products, 3)."""
        return self._counted[0]

    def products(self, state: int) -> NDArray[np.int16]:
        """Return how many products are in a state for each firm, shape (n_firms,)."""
        return self._counted[1][state, :]

    @cached_property
    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        of_product = np.zeros((len(self.book), len(STATES)), np.int64)
        of_firm = np.zeros((len(STATES), len(self.subjects)), np.int16)
        population.count_states(self.states, of_product, of_firm)
        return of_product, of_firm


@dataclass(frozen=True)
class FirmMatches:
    """One firm's products, in order: eligible, undetermined, ineligible, each by score.

    Columns are computed for all products at once; `self[rank]` puts one of them into words. Words need no
    further computation, so a stored one (`matching.encoding`) shows what was decided then.
    """

    book: ProductBook
    subject: Subjects  # of one firm
    states: NDArray[np.uint8]  # shape (n_products,)
    evaluation: Evaluation  # every distinct rule, arrays of shape (n_rules, 1)
    worth: OfferWorth  # limit, price, cost, fit and score, arrays of shape (n_products, 1)
    derivation: Derivation
    order: NDArray[np.intp]  # positions in the book, best first, shape (n_products,)

    def __len__(self) -> int:
        return len(self.book)

    def __getitem__(self, rank: int) -> ProductMatch:
        """Return the product at a 0-based `rank`, with every rule in words."""
        return self._match(int(self.order[rank]), range(len(self))[rank] + 1)

    def __iter__(self) -> Iterator[ProductMatch]:
        return (self[rank] for rank in range(len(self)))

    def of_product(self, code: str) -> ProductMatch | None:
        """Return one product with every rule, without a look at the others; None where the book does not hold it."""
        at = next((place for place, one in enumerate(self.book.products) if one.code == code), None)
        return None if at is None else self._match(at, int(np.flatnonzero(self.order == at)[0]) + 1)

    @cached_property
    def failed(self) -> NDArray[np.int64]:
        """How many rules of each product fail, shape (n_products,)."""
        return _count(self.book, self.evaluation.status[:, 0] == FAIL)

    def rule_table(self) -> tuple[NDArray[np.uint8], Floats, Floats]:
        """Return status, observed value and gap of every rule of every product, in the order of `book.entries`."""
        at = self.book.entries
        return (
            self.evaluation.status[at, 0],
            self.evaluation.observed[at, 0],
            self.evaluation.gap[at, 0],
        )

    def count(self, state: str) -> int:
        """Return how many products are in a state out of `STATES`."""
        return int((self.states == STATES.index(state)).sum())

    def top(self, k: int) -> list[ProductMatch]:
        """Return the `k` best eligible products in order."""
        return [self[rank] for rank in range(min(k, self.count("eligible")))]

    def undetermined(self, k: int) -> list[ProductMatch]:
        """Return the `k` best products that only missing records keep from being decided."""
        first = self.count("eligible")
        return [self[first + rank] for rank in range(min(k, self.count("undetermined")))]

    def near_misses(self, k: int) -> list[ProductMatch]:
        """Return the `k` nearest ineligible products: few rules fail, and the firm can change all of those.

        Nearest first, by the sum of each gap relative to its limit; then by score.
        """
        few = (self.failed > 0) & (self.failed <= self.book.settings.near_miss_failed_rules)
        distance, feasible = self._distances
        candidates = np.flatnonzero(few & feasible)
        order = np.lexsort((-self.worth.score[candidates, 0], distance[candidates]))
        ranks = np.empty(len(self), dtype=np.intp)
        ranks[self.order] = np.arange(len(self))
        return [self._match(int(p), int(ranks[p]) + 1) for p in candidates[order][:k]]

    @cached_property
    def _distances(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Return each product's distance over its failing rules, and whether the firm can change them all."""
        per_rule = near_miss_distance(self.book.rule_set, self.evaluation)
        blocked = np.isinf(per_rule)
        distance = _sum(self.book, np.where(blocked, 0.0, per_rule))
        return distance, _count(self.book, blocked) == 0

    def _match(self, position: int, rank: int) -> ProductMatch:
        return product_match(
            self.book,
            self.subject,
            self.worth,
            self.derivation,
            position,
            rank,
            STATES[self.states[position]],
            self._outcomes,
        )

    @cached_property
    def _outcomes(self) -> dict[int, RuleOutcome]:
        """Rules put into words so far, by position: products share them."""
        return RuleOutcome.cache_for(self.book, self.subject, self.evaluation)


def firm_matches(
    book: ProductBook,
    subject: Subjects,
    ask: Ask,
    states: NDArray[np.uint8],
    evaluation: Evaluation,
    odds: Floats | None = None,
) -> FirmMatches:
    """Return one firm's products with everything that is shown of them, computed.

    Parameters
    ----------
    states : array of shape (n_products,). evaluation : of this firm. odds : array of shape (n_products, 1) or None.
    """
    unknown = _count(book, evaluation.status[:, 0] == UNKNOWN)
    worth = offer_worth(book, subject, unknown[:, None].astype(np.float64), ask, odds)
    keys = order_keys(book, subject, worth.score.T)[0]
    order = np.lexsort((~keys, states))
    return FirmMatches(book, subject, states, evaluation, worth, derive(book, subject, ask), order)


def _sum(book: ProductBook, values: Floats) -> Floats:
    """Return the sum of `values`, shape (n_rules,), over each product's rules, shape (n_products,)."""
    if not len(book):
        return np.zeros(0)
    entries, starts = book.padded
    total: Floats = np.add.reduceat(np.append(values, 0.0)[entries], starts)
    return total


def _count(book: ProductBook, hits: NDArray[np.bool_]) -> NDArray[np.int64]:
    return _sum(book, hits.astype(np.float64)).astype(np.int64)


def _ungranted(book: ProductBook, subjects: Subjects) -> NDArray[np.bool_]:
    sets, chosen = book.category_sets
    withheld = np.array([any(not subjects.is_granted(name) for name in one) for one in sets], dtype=bool)
    ungranted: NDArray[np.bool_] = withheld[chosen]
    return ungranted


def order_keys(book: ProductBook, subjects: Subjects, score: Floats) -> NDArray[np.uint64]:
    """Return distinct numbers to order each firm's products by, greatest first, shape (n_firms, n_products).

    The upper bits are those of `score`, which is never negative; the lowest, worth less than one part in
    10⁹, settle equal scores by a place that is fixed for a firm and different for the next one, so no
    product code wins every tie.

    Parameters
    ----------
    score : array of shape (n_firms, n_products), at least 0.
    """
    bits = np.ascontiguousarray(score).view(np.uint64) & ~_TIE_MASK
    keys: NDArray[np.uint64] = bits | (book.tie_places[None, :] ^ firm_places(subjects)[:, None])
    return keys


def firm_places(subjects: Subjects) -> NDArray[np.uint64]:
    """Return the number that permutes each firm's equal scores, shape (n_firms,), below 2²⁰."""
    firm = np.nan_to_num(subjects.number("profile.pd_12m")).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    places: NDArray[np.uint64] = firm >> np.uint64(44)
    return places
