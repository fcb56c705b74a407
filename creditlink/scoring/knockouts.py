"""Facts that stand apart from the score: knock-outs, and what a person must look at.

They never change PD, points or grade: a bank sees both, and neither hides the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.scoring.settings import Rule


@dataclass(frozen=True, eq=False)
class RuleHits:
    """Which rules hold for which firms: `holds` is (n, rules); an unknown fact never holds."""

    rules: tuple[Rule, ...]
    holds: NDArray[np.bool_]

    def of(self, row: int) -> tuple[Rule, ...]:
        """Return the rules that hold for one firm."""
        return tuple(rule for rule, holds in zip(self.rules, self.holds[row], strict=True) if holds)


def apply_rules(rules: Sequence[Rule], features: pl.DataFrame, registration: pl.DataFrame) -> RuleHits:
    """Return which of `rules` hold.

    Parameters
    ----------
    rules
        Knock-outs, or the rules of human review.
    features, registration
        One row per firm, in the same order: the indicators, and the registration frame.

    Raises
    ------
    ValueError
        The frames have different lengths, or a rule names a column that neither has.
    """
    if features.height != registration.height:
        raise ValueError(f"features have {features.height} rows, registration has {registration.height}")
    holds = np.zeros((features.height, len(rules)), bool)
    for number, rule in enumerate(rules):
        frame, column = (features, rule.indicator) if rule.indicator else (registration, rule.registration)
        if column is None or column not in frame.columns:
            raise ValueError(f"rule {rule.code}: no column {column!r}")
        series = frame[column]
        met = series.cast(pl.String).is_in(rule.one_of) if rule.one_of else series >= rule.at_least
        # NaN compares as larger than any number in polars; it is unknown here.
        known = series.is_not_null() & (series.is_not_nan() if series.dtype.is_float() else True)
        holds[:, number] = (met.fill_null(value=False) & known).to_numpy()
    return RuleHits(tuple(rules), holds)
