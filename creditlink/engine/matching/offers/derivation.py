"""The derivation of one firm's limits and prices, for every product of a book at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.offer import Ask, Floats, basis_fen, price_bps, priced_months, priced_terms
from creditlink.engine.matching.offers.price_response import GROUP_OF, Response
from creditlink.engine.matching.products.subjects import Subjects
from creditlink.engine.vocabulary import GRADES_BY_RANK


@dataclass(frozen=True, slots=True)
class LimitBasis:
    """One way the limit could be sized; `amount_fen` is None where its record is missing."""

    name: str
    indicator: str
    observed: float | None
    factor: float
    amount_fen: int | None
    label_zh: str
    label_en: str

    def to_dict(self) -> dict[str, object]:
        """Return the basis as plain data."""
        return dict(zip(_BASIS, _values_of(self), strict=True))


# Thousands of them are told with each profile: one call reads all members.
_BASIS = LimitBasis.__slots__
_values_of = attrgetter(*_BASIS)


@dataclass(frozen=True)
class Derivation:
    """The parts of limits and prices; arrays of shape (n_products,), basis points a year, NaN: not known."""

    bases: tuple[LimitBasis, ...]  # every basis of the settings, for this firm
    sets: tuple[tuple[int, ...], ...]  # distinct sets of bases, as positions in `bases`
    chosen: NDArray[np.intp]  # which of `sets` each product is sized by
    grade_factor: float | None
    expected_loss_bps: Floats
    running_bps: Floats
    unclipped_bps: Floats
    rate_range: tuple[Floats, Floats]  # of each product, as published
    response: Response | None  # how firms of the grade respond to a price; None without a grade
    months: float | None  # the term asked for, or that of the settings; None: not stored
    term_months: Floats | None  # the term that each product is priced for

    @cached_property
    def best_rate_bps(self) -> Floats:
        """The rate that brings each lender most, firms responding as they do; NaN where no PD gives a break-even."""
        if self.response is None:
            return np.full(len(self.unclipped_bps), np.nan)
        best = self.response.best_rate_bps(self.unclipped_bps, *self.rate_range)
        return np.where(np.isnan(self.unclipped_bps), np.nan, best)

    def churn_at(self, rate_bps: float) -> float | None:
        """Return the share of such firms that goes elsewhere at a rate; None where it is not known."""
        if self.response is None or np.isnan(rate_bps):
            return None
        return float(self.response.churn_at(rate_bps))

    def bases_of(self, position: int) -> tuple[LimitBasis, ...]:
        """Return the bases that one product is sized by."""
        return tuple(self.bases[k] for k in self.sets[self.chosen[position]])


def derive(book: ProductBook, subject: Subjects, ask: Ask) -> Derivation:
    """Return the derivation of every product's limit and price for the one firm in `subject`."""
    months = priced_months(book, ask)
    pd_12m = subject.number("profile.pd_12m")
    rank = float(subject.number("profile.grade")[0])
    sets, chosen = book.sizing
    return Derivation(
        bases=_bases(book, subject, basis_fen(book, subject)[:, 0].tolist()),
        sets=sets,
        chosen=chosen,
        grade_factor=None if np.isnan(rank) else book.settings.grade_factor[GRADES_BY_RANK[int(rank)]],
        expected_loss_bps=pd_12m[0] * book.loss_share * 10_000,
        running_bps=book.running_bps,
        unclipped_bps=price_bps(book, pd_12m[None, :])[:, 0],
        rate_range=book.rate_range,
        response=None if np.isnan(rank) else book.settings.response[GROUP_OF[GRADES_BY_RANK[int(rank)]]],
        months=months,
        term_months=priced_terms(book, months),
    )


def _bases(book: ProductBook, subject: Subjects, amounts: Sequence[float]) -> tuple[LimitBasis, ...]:
    bases = []
    for basis, amount in zip(book.settings.bases, amounts, strict=True):
        value = float(subject.number(f"indicator.{basis.indicator}")[0])
        missing = np.isnan(value)
        bases.append(
            LimitBasis(
                basis.name,
                basis.indicator,
                None if missing else value,
                basis.factor,
                None if missing else int(amount),
                basis.label_zh,
                basis.label_en,
            )
        )
    return tuple(bases)
