"""The three orders in which a firm could be shown its products, over one and the same match. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.match import INELIGIBLE, FirmMatches, match_many
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.products.subjects import Subjects

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

LEARNED, RULES, CHEAPEST = ORDERS = ("learned", "rules_only", "cheapest_first")


@dataclass(frozen=True, eq=False)
class ProductListing:
    """What a firm would see: its possible products as positions in the book, best first by each order."""

    states: NDArray[np.uint8]  # (n_products,)
    orders: dict[str, Places]
    odds: dict[str, Floats]  # order -> approval odds of every product, shape (n_products,); `cheapest_first` has none

    @property
    def in_force(self) -> Places:
        """The order that the platform shows: by learned odds where there is a model, else by the published rule."""
        return self.orders[LEARNED]


def listing_for(book: ProductBook, subject: Subjects, ask: Ask, model: ApprovalModel | None) -> ProductListing:
    """Return the three orders; without a model the learned one is the published rule's."""
    plain = match_many(book, subject, ask=ask).explain(0)
    odds = None if model is None else model.odds(book, subject, ask)
    learned = plain if odds is None else match_many(book, subject, ask=ask, odds=odds).explain(0)
    return ProductListing(
        states=plain.states,
        orders={LEARNED: _possible(learned), RULES: _possible(plain), CHEAPEST: cheapest_first(plain, ask)},
        odds={LEARNED: learned.worth.approval[:, 0], RULES: plain.worth.approval[:, 0]},
    )


def cheapest_first(firm: FirmMatches, ask: Ask) -> Places:
    """Return the possible products by their published yearly cost, those that can give what is asked before the others.

    That is what a comparison site does, at its best: products that could never give the amount or the term come last.
    """
    book = firm.book
    amount, term = float(ask.amount_fen or 0), float(ask.term_months or 0)
    holds = (book.amount_min <= amount) & (amount <= book.amount_max)
    holds &= (book.term_min <= term) & (term <= book.term_max)
    order = np.lexsort((firm.worth.yearly_cost_bps[:, 0], ~holds, firm.states))
    return order[: _count(firm)]


def _possible(firm: FirmMatches) -> Places:
    return firm.order[: _count(firm)]


def _count(firm: FirmMatches) -> int:
    return int((firm.states != INELIGIBLE).sum())
