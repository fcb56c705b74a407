"""Facts that stand apart from the score: knock-outs, and what a person must look at.

They never change PD, points or grade: a bank sees both, and neither hides the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.scoring.scorable import refusal, scorable
from creditlink.scoring.settings import Rule, ScoreSettings


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


@dataclass(frozen=True)
class Found:
    """A rule that holds for a firm, and the fact it holds for."""

    rule: Rule
    observed: float | str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a stored profile."""
        rule = self.rule
        return {
            "code": rule.code,
            "category": rule.category,
            "subject": f"indicator.{rule.indicator}" if rule.indicator else f"registration.{rule.registration}",
            "observed": self.observed,
            "label_zh": rule.label_zh,
            "label_en": rule.label_en,
        }


@dataclass(frozen=True)
class Verdict:
    """What stands apart from one firm's score; `not_scorable` says why there is none."""

    knock_outs: tuple[Found, ...]
    human_review: tuple[Found, ...]
    not_scorable: dict[str, Any] | None


def judge(settings: ScoreSettings, *, registration: Mapping[str, Any], features: Mapping[str, Any]) -> Verdict:
    """Return the verdict on one firm: `apply_rules` and `scorable` on a single row.

    Raises
    ------
    ValueError
        A rule names a column that neither mapping has.
    """
    rules = (*settings.knockouts, *settings.human_review)
    indicators = [rule.indicator for rule in rules] + [row.indicator for row in settings.scorable.evidence]
    features_row = _row(features, indicators, pl.Float64)
    registration_row = _row(registration, [rule.registration for rule in rules], pl.String)

    def found(rules: Sequence[Rule]) -> tuple[Found, ...]:
        held = apply_rules(rules, features_row, registration_row).of(0) if rules else ()
        return tuple(
            Found(rule, features[rule.indicator] if rule.indicator else registration[str(rule.registration)])
            for rule in held
        )

    enough = bool(scorable(features_row, settings.scorable)[0])
    return Verdict(
        knock_outs=found(settings.knockouts),
        human_review=found(settings.human_review),
        not_scorable=None if enough else refusal(settings.scorable).to_dict(),
    )


def _row(facts: Mapping[str, Any], names: Sequence[str | None], dtype: type[pl.DataType]) -> pl.DataFrame:
    """Return the named facts as a frame of one row; `firm` is there so that no name still makes a row."""
    columns = {name: pl.Series([facts[name]], dtype=dtype) for name in names if name in facts and name is not None}
    return pl.DataFrame({"firm": [0]}).with_columns(**columns)
