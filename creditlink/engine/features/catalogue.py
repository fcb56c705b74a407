"""The catalogue of indicators: every indicator of the product, once, in its order."""

from __future__ import annotations

from creditlink.engine.features.indicator import Indicator
from creditlink.engine.features.indicators import consistency, employment, energy, invoices, standing, tax
from creditlink.engine.features.months.window import Window

CATALOGUE: tuple[Indicator, ...] = (
    *tax.INDICATORS,
    *invoices.INDICATORS,
    *employment.INDICATORS,
    *energy.INDICATORS,
    *standing.INDICATORS,
    *consistency.INDICATORS,
)
"""All indicators, in the order of every feature frame."""

BY_NAME: dict[str, Indicator] = {i.name: i for i in CATALOGUE}
"""Name -> indicator."""

REFERENCE_VALUES = consistency.REFERENCE_VALUES
"""Name -> logarithm compared within an industry."""


def windows() -> tuple[Window, ...]:
    """Return every window that some expression of the catalogue reads, in a fixed order."""
    expressions = [i.expression for i in CATALOGUE] + list(REFERENCE_VALUES.values())
    names = {name for expression in expressions for name in expression.meta.root_names()}
    return tuple(w for name in sorted(names) if (w := Window.parse(name)) is not None)
