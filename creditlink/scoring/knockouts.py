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

Facts = pl.DataFrame | Mapping[str, Any]
"""Facts by name: columns of many firms, or one firm's values."""


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
        fact: pl.Series = _fact(rule, features, registration)
        if rule.one_of:
            met = fact.cast(pl.String).is_in(rule.one_of)
        else:  # NaN compares as larger than any number in polars; here it is unknown, as null is
            met = fact.cast(pl.Float64).fill_nan(None) >= rule.at_least
        holds[:, number] = met.fill_null(value=False).to_numpy()
    return RuleHits(tuple(rules), holds)


def _fact(rule: Rule, features: Facts, registration: Facts) -> Any:
    """Return the column that a rule is about, or one firm's value."""
    facts, name = (features, rule.indicator) if rule.indicator else (registration, rule.registration)
    if name is None or name not in facts:
        raise ValueError(f"rule {rule.code}: no column {name!r}")
    return facts[name]


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
    """Return the verdict on one firm, from its values by name: what `apply_rules` and `scorable` say of a row.

    Raises
    ------
    ValueError
        A rule names a column that neither mapping has.
    """

    def found(rules: Sequence[Rule]) -> tuple[Found, ...]:
        facts = [(rule, _fact(rule, features, registration)) for rule in rules]
        return tuple(Found(rule, fact) for rule, fact in facts if _holds(rule, fact))

    enough = bool(scorable(features, settings.scorable)[0])
    return Verdict(
        knock_outs=found(settings.knockouts),
        human_review=found(settings.human_review),
        not_scorable=None if enough else refusal(settings.scorable).to_dict(),
    )


def _holds(rule: Rule, fact: Any) -> bool:
    """Say of one value what `apply_rules` says of a column: a frame for each firm would cost milliseconds."""
    if fact is None:
        return False
    return fact in rule.one_of if rule.one_of else bool(fact >= rule.at_least)
