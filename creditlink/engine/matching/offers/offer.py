"""What a product is worth to a firm: limit, price, yearly cost, and the score that ranks it.

Everything here is elementwise over products × firms and takes nothing but published terms, published
settings, the firm's own numbers and what it asks for. No institution's name or code reaches this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.products.subjects import Subjects
from creditlink.engine.vocabulary import GRADES_BY_RANK

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a firm asks for; None: open."""

    amount_fen: int | None = None
    term_months: int | None = None

    def __post_init__(self) -> None:
        for name in ("amount_fen", "term_months"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name}: value {value!r}: must be positive")


@dataclass(frozen=True)
class OfferWorth:
    """Each product's worth to each firm; arrays of shape (n_products, n_firms).

    `limit_fen` is NaN where no record allows a limit and 0 where the firm cannot carry the smallest amount;
    `rate_bps` is what the lender charges; `yearly_cost_bps`, what the firm pays in all a year, orders the products;
    people see the exact figure, `cost.net_cost_bps`.
    """

    approval: Floats
    rate_bps: Floats
    yearly_cost_bps: Floats
    limit_fen: Floats
    fit: Floats
    score: Floats


def offer_worth(
    book: ProductBook, subjects: Subjects, unknowns: Floats, ask: Ask, odds: Floats | None = None
) -> OfferWorth:
    """Return limit, price, cost, fit and score of every product for every firm.

    Parameters
    ----------
    unknowns : array of shape (n_products, n_firms), rules that could not be decided.
    odds : array of shape (n_products, n_firms), learned approval probabilities, NaN where none was
        learned; None: the published rule for all.
    """
    pd_12m = subjects.number("profile.pd_12m")[None, :]
    approval = _approval(book, pd_12m, unknowns)
    if odds is not None:
        # A curve knows no product's rules: an open one lowers its odds as published. No curve: the published rule.
        approval = np.where(np.isnan(odds), approval, odds * book.settings.unknown_discount**unknowns)
    rate = np.clip(price_bps(book, pd_12m), *(bound[:, None] for bound in book.rate_range))
    cost = yearly_cost_bps(book, rate, ask)
    sized = sized_fen(book, subjects)
    limit = suggested_limit_fen(book, sized)
    fit = _amount_fit(book, sized, ask) * term_fit(book, ask)[:, None]
    settings = book.settings
    score = (
        _weighed(approval, settings.weight_approval)
        * _weighed(settings.reference_bps / (settings.reference_bps + cost), settings.weight_cost)
        * _weighed(fit, settings.weight_fit)
    )
    # A firm without a score has no order among its products, but all of them are still explained.
    return OfferWorth(approval, rate, cost, limit, fit, np.nan_to_num(score, nan=0.0))


def price_bps(book: ProductBook, pd_12m: Floats) -> Floats:
    """Return the lender's own cost of a loan before the product's range applies, in basis points a year.

    Source: risk-based pricing, price = PD × LGD + funding + operating cost (Basel II, IRB expected loss).
    """
    return pd_12m * (book.loss_share * 10_000)[:, None] + book.running_bps[:, None]


def yearly_cost_bps(book: ProductBook, rate_bps: Floats, ask: Ask) -> Floats:
    """Return what the firm pays a year in all: rate, less subsidy, plus fees over the mean life of the principal.

    The mean life of equal monthly instalments over T months is about (T + 1) / 2, of a bullet T. Against
    the internal rate of return that notices on disclosing yearly cost prescribe, this is close, and quick enough to
    order every product for every firm; it is never shown.
    """
    cost: Floats = np.maximum(rate_bps - book.subsidy[:, None], 0) + yearly_fees_bps(book, ask)[:, None]
    return cost


def yearly_fees_bps(book: ProductBook, ask: Ask) -> Floats:
    """Return each product's fees spread over the mean life of the principal, in basis points a year."""
    term = priced_terms(book, priced_months(book, ask))
    life = np.where(book.amortises, (term + 1) / 2, term)
    fees: Floats = book.fees * 12 / life
    return fees


def priced_months(book: ProductBook, ask: Ask) -> float:
    """Return the term, in months, that products are priced for: the one asked for, or that of the settings."""
    return ask.term_months or book.settings.term_months


def priced_terms(book: ProductBook, months: float) -> Floats:
    """Return the term that each product is priced for: the nearest to `months` that it has."""
    terms: Floats = np.clip(months, book.term_min, book.term_max)
    return terms


def sized_fen(book: ProductBook, subjects: Subjects) -> Floats:
    """Return what the firm's records can carry under each product's bases, before the product's amounts apply.

    The mean of the bases that can be computed, times the grade's factor; NaN where none can.
    """
    sized: Floats = sized_by_set(book, subjects)[book.sizing[1]]
    return sized


def sized_by_set(book: ProductBook, subjects: Subjects) -> Floats:
    """Return the same once per distinct set of bases, shape (n_sets, n_firms); `book.sizing` says who has which."""
    bases = basis_fen(book, subjects)
    sets, _ = book.sizing
    n = len(subjects)
    mean = np.empty((len(sets), n))
    for k, members in enumerate(sets):
        some = bases[list(members)]
        known = ~np.isnan(some)
        count = known.sum(axis=0)
        mean[k] = np.where(known, some, 0.0).sum(axis=0) / np.where(count, count, np.nan)
    factor = np.array([book.settings.grade_factor[grade] for grade in GRADES_BY_RANK] + [np.nan])
    rank = subjects.number("profile.grade")
    mean *= factor[np.where(np.isnan(rank), len(GRADES_BY_RANK), rank).astype(np.intp)]
    return mean


def basis_fen(book: ProductBook, subjects: Subjects) -> Floats:
    """Return each basis of the settings in fen, shape (n_bases, n_firms), NaN where it is missing."""
    rows = [
        np.maximum(subjects.number(f"indicator.{basis.indicator}") * basis.factor, 0) for basis in book.settings.bases
    ]
    return np.stack(rows) if rows else np.empty((0, len(subjects)))


def suggested_limit_fen(book: ProductBook, sized: Floats) -> Floats:
    """Return the suggested limit: rounded down, at most the product's largest amount, 0 below its smallest."""
    step = book.settings.round_to_fen
    limit = np.minimum(np.floor(sized / step) * step, book.amount_max[:, None])
    # NaN compares false and so stays NaN: not known is not nothing.
    return np.where(limit < book.amount_min[:, None], 0.0, limit)


def _approval(book: ProductBook, pd_12m: Floats, unknowns: Floats) -> Floats:
    appetite = book.appetite[:, None]
    return appetite / (appetite + pd_12m) * book.settings.unknown_discount**unknowns


def _amount_fit(book: ProductBook, sized: Floats, ask: Ask) -> Floats:
    """Return the share of the amount asked for that is available; of the smallest amount where none is asked for."""
    wanted = book.amount_min if ask.amount_fen is None else np.full(len(book), float(ask.amount_fen))
    carried = np.where(np.isnan(sized), book.settings.unsized_fit, np.minimum(sized / wanted[:, None], 1))
    fit: Floats = amount_range_fit(book, ask)[:, None] * carried
    return fit


def amount_range_fit(book: ProductBook, ask: Ask) -> Floats:
    """Return how well the amount asked for fits each product's range, shape (n_products,); 1 without one."""
    least, most = book.amount_min, book.amount_max
    wanted = least if ask.amount_fen is None else np.full_like(least, ask.amount_fen)
    return _outside(np.minimum(np.minimum(most / wanted, wanted / least), 1), book)


def term_fit(book: ProductBook, ask: Ask) -> Floats:
    """Return how well the term asked for fits each product's range, shape (n_products,); 1 without one."""
    if ask.term_months is None:
        return np.ones(len(book))
    term = float(ask.term_months)
    return _outside(np.minimum(np.minimum(term / book.term_min, book.term_max / term), 1), book)


def _outside(share: Floats, book: ProductBook) -> Floats:
    """Return a fit from how near the published range comes to the request; outside it, the fit is lower still."""
    fit: Floats = np.where(share < 1, share * book.settings.outside_fit, share)
    return fit


_SQUARINGS = {1.0: 0, 2.0: 1, 4.0: 2}
_BY_POWER = -1


def squarings_of(weight: float) -> int:
    """Return how many squarings raise to a weight, quicker than a power; below 0: it takes a power."""
    return _SQUARINGS.get(weight, _BY_POWER)


@compiled
def weighed(part: float, squarings: int, weight: float) -> float:
    """Return one part of a score raised to its weight, given `squarings_of(weight)`."""
    if squarings < 0:
        return float(part**weight)
    for _ in range(squarings):
        part = part * part
    return part


@compiled
def _powers(parts: Floats, weight: float, out: Floats) -> None:
    for p in range(parts.shape[0]):
        for f in range(parts.shape[1]):
            out[p, f] = weighed(parts[p, f], _BY_POWER, weight)


def _weighed(part: Floats, weight: float) -> Floats:
    """Return the parts of many scores, shape (n_products, n_firms), raised to their weight: the bits of `weighed`."""
    squarings = squarings_of(weight)
    if squarings < 0:
        powers = np.empty(part.shape)
        _powers(part, weight, powers)
        return powers
    for _ in range(squarings):
        part = part * part
    return part
