"""Which supplies each indicator of the utilities reads, found in its published expression."""

from __future__ import annotations

import polars as pl

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.vocabulary import SUPPLIES, UTILITY


def supplies_read(expression: pl.Expr) -> tuple[str, ...]:
    """Return the supplies whose items an expression reads; none where it reads sums over all meters, as of bills."""
    items = {name.partition("_")[0] for name in expression.meta.root_names()}
    return tuple(supply for supply in SUPPLIES if supply in items)


SUPPLIES_OF: dict[str, tuple[str, ...]] = {
    indicator.name: supplies_read(indicator.expression) or tuple(SUPPLIES)
    for indicator in CATALOGUE
    if UTILITY in indicator.categories
}
"""Indicator -> the supplies that it reads: without all of them it has no value; others are not in it."""


def consent_categories(name: str, categories: tuple[str, ...]) -> tuple[str, ...]:
    """Return what must be granted for indicator `name`, which reads `categories` of evidence.

    Where it reads one supply, that one; `utility` where any of several will do.
    """
    supplies = SUPPLIES_OF.get(name, ())
    return tuple(supplies[0] if c == UTILITY and len(supplies) == 1 else c for c in categories)
