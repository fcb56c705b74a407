"""What an indicator is, and the small vocabulary of its expression.

An expression multiplies by a literal, it never divides by one: polars divides a long column by a
literal through its reciprocal and a column of one row exactly, so that a firm alone would differ in
the last bit from the same firm among others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from creditlink.engine.features.months.window import mean

Dimension = Literal["tax", "employment", "energy", "standing", "consistency"]

DIMENSION_LABELS: dict[str, tuple[str, str]] = {
    "tax": ("纳税经营", "Tax and sales"),
    "employment": ("用工社保", "Employment"),
    "energy": ("用能缴费", "Energy and utilities"),
    "standing": ("主体资质", "Standing"),
    "consistency": ("公共信用与一致性", "Public credit and consistency"),
}
"""Dimension -> its Chinese and English name."""

NO_RECORD = "missing when the category delivered no such record in the window"
NO_DENOMINATOR = "missing when the record is missing or the denominator is not above zero"
FEW_MONTHS = "missing with fewer than 6 known months"
NO_REFERENCE = "missing when an input is, or without an industry reference"
NOT_SEARCHED = "missing when the lists were not searched and show no event of the firm"
NEVER = "never missing: registration is always present"


SEVERAL = "several"
SEVERAL_LABEL = ("多个部门合并", "Several offices together")
"""Where the contributions of pooled indicators are shown: no one category has them."""


@dataclass(frozen=True)
class Pool:
    """What one indicator makes of the same indicator of several offices, of those that are known.

    It is the sum of what is known, each part by its weight, over what is usual of these parts: with the weights and the
    usual at 1 it is the mean. A part weighs as much as it has observations: a power company bills twelve times a year,
    many firms declare four times. It is taken in single precision, as the model reads its parts: what is withheld from
    the parts can then be withheld from the pool to the last bit.
    """

    parts: tuple[str, ...]  # names of indicators
    weights: tuple[float, ...] = ()  # of each part; none: 1
    usual: tuple[float, ...] = ()  # what is usual of each part, in its unit; none: 1

    def shares(self) -> tuple[tuple[np.float32, np.float32], ...]:
        """Return, for each part, its weight and its weight by what is usual, in single precision."""
        weights, usual = self.weights or (1.0,) * len(self.parts), self.usual or (1.0,) * len(self.parts)
        return tuple((np.float32(w), np.float32(w * u)) for w, u in zip(weights, usual, strict=True))

    def of(self, values: Sequence[pl.Expr]) -> pl.Expr:
        """Return the pool of the known values, one for each part; missing when none is known."""
        total: pl.Expr | None = None
        count: pl.Expr | None = None
        for value, (weight, usual) in zip(values, self.shares(), strict=True):
            single = value.cast(pl.Float32)
            here = single.fill_null(0.0) * pl.lit(weight, pl.Float32)
            there = single.is_not_null().cast(pl.Float32) * pl.lit(usual, pl.Float32)
            total, count = (here, there) if total is None or count is None else (total + here, count + there)
        if total is None or count is None:
            raise ValueError("parts: a pool of nothing")
        return pl.when(count > 0).then(total / count).cast(pl.Float64)


@dataclass(frozen=True, eq=False)
class Indicator:
    """One published indicator: its meaning, its direction in risk and its only implementation.

    `direction` is +1 where more is riskier, −1 where more is safer, 0 where the model is free.
    `category` is the consent category it is explained under; `also` names further categories it
    cannot be computed without. `reason_code` is never reused, also when an indicator is retired.
    """

    name: str
    label_zh: str
    label_en: str
    category: str
    dimension: Dimension
    unit: str
    window: int  # months before as_of; 0 for a state
    direction: Literal[-1, 0, 1]
    missing: str
    formula: str
    source: str
    reason_code: str
    expression: pl.Expr
    actionable: bool = False
    version: int = 1
    also: tuple[str, ...] = ()
    pool: Pool | None = None

    @property
    def categories(self) -> tuple[str, ...]:
        """All categories it reads."""
        return (self.category, *self.also)

    @property
    def told_under(self) -> str:
        """The category that its contribution is shown under; `SEVERAL` for what pools several."""
        return self.category if self.pool is None else SEVERAL


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide; missing, never zero, where the denominator is not above zero."""
    return pl.when(denominator > 0).then(numerator / denominator)


def growth(item: str, months: int, back: int) -> pl.Expr:
    """Mean of the last `months` over that of as many months `back` months earlier, minus one."""
    return ratio(mean(item, months), mean(item, back + 1, back + months)) - 1


def added(*terms: pl.Expr) -> pl.Expr:
    """Add in the given order, a missing term counting as nothing; missing when all are."""
    known = terms[0].is_not_null()
    result = terms[0].fill_null(0.0)
    for term in terms[1:]:
        known = known | term.is_not_null()
        result = result + term.fill_null(0.0)
    return pl.when(known).then(result)


def log_ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Natural logarithm of a ratio of two positive amounts; missing unless both are above zero."""
    return pl.when((numerator > 0) & (denominator > 0)).then((numerator / denominator).log())


def log_above_zero(amount: pl.Expr) -> pl.Expr:
    """Natural logarithm of a positive amount; missing unless it is above zero."""
    return pl.when(amount > 0).then(amount.log())


def against_industry(name: str, value: pl.Expr) -> pl.Expr:
    """Robust z-score of `value` in the firm's industry, from the reference table.

    Source: Iglewicz & Hoaglin, How to Detect and Handle Outliers (1993): 0.6745 (x − median) / MAD.
    """
    return 0.6745 * (value - pl.col(f"reference:{name}:median")) / pl.col(f"reference:{name}:mad")
