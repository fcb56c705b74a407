"""The order of proposals: what the published order says, but relief for those who need it and first loans first. Pure.

A relief loan is cheap because a programme pays for firms in trouble. By cost alone it would lead for every firm, and a
healthy one would take what it is not meant for; so of a healthy firm's proposals it comes last, and is not left out. A
firm that has had no loan here sees products for a first loan first. docs/adr/0078-the-consent-page-and-financing.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from creditlink.engine.matching.products.terms import ProductTerms

RELIEF_KIND, RELIEF_TAG = "emergency", "relief"
FIRST_LOAN_KIND, FIRST_LOAN_TAG = "first_loan", "first-loan"

HEALTHY_GRADES = frozenset({"A+", "A", "B"})
FALLEN_BY = -0.3
"""Sales of 12 months against the 12 before: a fall by so much or more. Single months say little; they have seasons."""


@dataclass(frozen=True)
class ProposalNeed:
    """What moves products in the order for one firm."""

    relief: bool
    first_loan: bool


def needs_relief(grade: str | None, indicators: Mapping[str, float | None], *, under_policy: bool) -> bool:
    """Return whether a firm is one that relief is meant for; one of which too little is known may be.

    Parameters
    ----------
    grade : of its own profile; None: it has no score.
    indicators : name -> value, None where it is missing.
    under_policy : a relief policy in force applies to it.
    """
    growth = indicators.get("sales_growth_12")
    return under_policy or grade not in HEALTHY_GRADES or (growth is not None and growth <= FALLEN_BY)


def in_order(products: Sequence[ProductTerms], need: ProposalNeed) -> list[int]:
    """Return the positions of products, given in the published order, as they are proposed; equal ones keep theirs."""
    return sorted(range(len(products)), key=lambda k: _place(products[k], need))


def is_for_first_loan(terms: ProductTerms) -> bool:
    """Return whether a product is meant for firms that never borrowed."""
    return terms.kind == FIRST_LOAN_KIND or FIRST_LOAN_TAG in terms.tags


def is_relief(terms: ProductTerms) -> bool:
    """Return whether a product is meant for firms in trouble."""
    return terms.kind == RELIEF_KIND or RELIEF_TAG in terms.tags


def _place(terms: ProductTerms, need: ProposalNeed) -> int:
    if need.first_loan and is_for_first_loan(terms):
        return 0
    return 2 if is_relief(terms) and not need.relief else 1
