"""The products of many firms, compiled: states from rules, and the best of the eligible ones.

The score is that of `offer.offer_worth`, to the last bit, computed for eligible products only.

For two million firms the arrays of `offer_worth`, products × firms each, would be written and read again a
dozen times; here a product's score is computed and compared at once, and only where a firm can have the product.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.offer import (
    Ask,
    Floats,
    amount_range_fit,
    sized_by_set,
    squarings_of,
    term_fit,
    weighed,
    yearly_fees_bps,
)
from creditlink.engine.matching.products.subjects import Subjects

States = NDArray[np.uint8]
Places = NDArray[np.intp]
Bits = NDArray[np.uint64]

_JOINED_FIRMS = 1024
"""Firms whose rules are joined at once: the outcomes of all rules stay in the second-level cache."""

_FIRMS = 64
"""Firms ranked at once: their leading products stay in the first-level cache."""


def best(
    book: ProductBook,
    subjects: Subjects,
    states: NDArray[np.uint8],
    ask: Ask,
    odds: Floats | None,
    firm_places: NDArray[np.uint64],
    tie_mask: np.uint64,
    k: int,
) -> tuple[NDArray[np.int32], Floats]:
    """Return each firm's `k` best products of state 0 and their scores, shape (n_firms, k); -1 where there are fewer.

    Parameters
    ----------
    states : shape (n_products, n_firms).
    odds : shape (n_products, n_firms), learned approval probabilities, NaN where none was learned; None: none was.
    firm_places : shape (n_firms,), the number that permutes a firm's equal scores.
    tie_mask : the bits of a score that settle equal scores.
    """
    chosen = np.full((len(subjects), k), -1, dtype=np.int32)
    scores = np.zeros((len(subjects), k))
    low, high = book.rate_range
    settings = book.settings
    weights = (settings.weight_approval, settings.weight_cost, settings.weight_fit)
    _best(
        states,
        subjects.number("profile.pd_12m"),
        sized_by_set(book, subjects),
        book.sizing[1],
        book.appetite,
        book.loss_share * 10_000,
        book.running_bps,
        low,
        high,
        book.subsidy,
        yearly_fees_bps(book, ask),
        book.amount_min if ask.amount_fen is None else np.full(len(book), float(ask.amount_fen)),
        amount_range_fit(book, ask),
        term_fit(book, ask),
        np.empty((0, 0)) if odds is None else odds,
        float(settings.reference_bps),
        tuple((squarings_of(weight), float(weight)) for weight in weights),
        float(settings.unsized_fit),
        book.tie_places,
        firm_places,
        tie_mask,
        chosen,
        scores,
    )
    return chosen, scores


@compiled
def join_rules(status: States, entries: Places, starts: Places, withheld: NDArray[np.bool_], states: States) -> None:
    """Write the state of every product: 2 where a rule fails, else 1 where one is undecided, else 0.

    Parameters
    ----------
    status : uint8 of shape (n_rules, n_firms): 0 pass, 1 fail, 2 unknown, bits that may be joined
    entries, starts : as in `ProductBook`
    withheld : bool of shape (n_products,): a category that the product needs was not granted
    states : uint8 of shape (n_products, n_firms)
    """
    for first in range(0, status.shape[1], _JOINED_FIRMS):
        last = min(first + _JOINED_FIRMS, status.shape[1])
        for p in range(states.shape[0]):
            row = states[p, first:last]
            row[:] = 2 if withheld[p] else 0
            for entry in entries[starts[p] : starts[p + 1]]:
                rule = status[entry, first:last]
                for f in range(row.shape[0]):
                    row[f] |= rule[f]
            for f in range(row.shape[0]):
                row[f] = 2 if row[f] & 1 else row[f] >> 1


@compiled
def count_states(states: States, of_product: NDArray[np.int64], of_firm: NDArray[np.int16]) -> None:
    """Add how often each state occurs to the counts of each product and of each firm.

    Parameters
    ----------
    states : uint8 of shape (n_products, n_firms): positions in `match.STATES`
    of_product : shape (n_products, 3)
    of_firm : shape (3, n_firms)
    """
    for p in range(states.shape[0]):
        row = states[p]
        for state in range(of_firm.shape[0]):
            counts, found = of_firm[state], 0
            for f in range(row.shape[0]):
                is_it = row[f] == state
                counts[f] += is_it
                found += is_it
            of_product[p, state] += found


@compiled
def _best(
    states: States,
    pd_12m: Floats,
    sized: Floats,
    sizing: Places,
    appetite: Floats,
    loss_bps: Floats,
    running: Floats,
    low: Floats,
    high: Floats,
    subsidy: Floats,
    fees: Floats,
    wanted: Floats,
    in_range: Floats,
    term: Floats,
    odds: Floats,
    reference_bps: float,
    weights: tuple[tuple[int, float], ...],
    unsized_fit: float,
    places: Bits,
    firm_places: Bits,
    tie_mask: np.uint64,
    chosen: NDArray[np.int32],
    scores: Floats,
) -> None:
    products, firms = states.shape
    k = chosen.shape[1]
    (approval_squarings, approval_weight), (cost_squarings, cost_weight), (fit_squarings, fit_weight) = weights
    number = np.empty(1)
    bits = number.view(np.uint64)
    keys = np.zeros((_FIRMS, k), np.uint64)
    for first in range(0, firms, _FIRMS):
        keys[:] = 0
        for p in range(products):
            for f in range(first, min(first + _FIRMS, firms)):
                if states[p, f] != 0:
                    continue
                pd, carried = pd_12m[f], sized[sizing[p], f]
                approval = appetite[p] / (appetite[p] + pd)
                if odds.shape[0] and odds[p, f] == odds[p, f]:
                    approval = odds[p, f]
                rate = min(max(pd * loss_bps[p] + running[p], low[p]), high[p])
                cost = max(rate - subsidy[p], 0.0) + fees[p]
                fit = in_range[p] * (min(carried / wanted[p], 1.0) if carried == carried else unsized_fit) * term[p]
                score = (
                    weighed(approval, approval_squarings, approval_weight)
                    * weighed(reference_bps / (reference_bps + cost), cost_squarings, cost_weight)
                    * weighed(fit, fit_squarings, fit_weight)
                )
                number[0] = score if score == score and pd == pd else 0.0
                key = (bits[0] & ~tie_mask) | (places[p] ^ firm_places[f])
                row = keys[f - first]
                place = k
                while place > 0 and (chosen[f, place - 1] < 0 or key > row[place - 1]):
                    place -= 1
                if place < k:
                    for at in range(k - 1, place, -1):
                        row[at] = row[at - 1]
                        chosen[f, at] = chosen[f, at - 1]
                        scores[f, at] = scores[f, at - 1]
                    row[place] = key
                    chosen[f, place] = p
                    scores[f, place] = number[0]
