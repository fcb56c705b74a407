"""Facts that stand apart from the score: knock-outs, and what a person must look at.

They never change PD, points or grade: a bank sees both, and neither hides the other. A rule whose fact is not known
is *not evaluated*, which is not the same as passed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.limits.scorable import refusal, scorable
from creditlink.engine.scoring.settings import FactRule, ScoreSettings
from creditlink.engine.vocabulary import missing_words

Facts = pl.DataFrame | Mapping[str, Any]
"""Facts by name: columns of many firms, or one firm's values."""


@dataclass(frozen=True, eq=False)
class RuleHits:
    """Which rules hold for which firms, and of which the fact is not known; both (n, rules). An unknown never holds."""

    rules: tuple[FactRule, ...]
    holds: NDArray[np.bool_]
    unknown: NDArray[np.bool_]

    def of(self, row: int) -> tuple[FactRule, ...]:
        """Return the rules that hold for one firm."""
        return tuple(rule for rule, holds in zip(self.rules, self.holds[row], strict=True) if holds)

    def not_evaluated(self, row: int) -> tuple[FactRule, ...]:
        """Return the rules that could not be looked at for one firm."""
        return tuple(rule for rule, unknown in zip(self.rules, self.unknown[row], strict=True) if unknown)


def apply_rules(rules: Sequence[FactRule], features: pl.DataFrame, registration: pl.DataFrame) -> RuleHits:
    """Return which of `rules` hold, and which could not be looked at.

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
    holds, unknown = (np.zeros((features.height, len(rules)), bool) for _ in range(2))
    for number, rule in enumerate(rules):
        fact: pl.Series = _fact(rule, features, registration)
        if rule.one_of:
            met = fact.cast(pl.String).is_in(rule.one_of)
        else:  # NaN compares as larger than any number in polars; here it is unknown, as null is
            fact = fact.cast(pl.Float64).fill_nan(None)
            met = fact >= rule.at_least
        holds[:, number] = met.fill_null(value=False).to_numpy()
        unknown[:, number] = fact.is_null().to_numpy()
    return RuleHits(tuple(rules), holds, unknown)


def _fact(rule: FactRule, features: Facts, registration: Facts) -> Any:
    """Return the column that a rule is about, or one firm's value."""
    facts, name = (features, rule.indicator) if rule.indicator else (registration, rule.registration)
    if name is None or name not in facts:
        raise ValueError(f"rule {rule.code}: no column {name!r}")
    return facts[name]


@dataclass(frozen=True)
class FiredRule:
    """A rule that holds for a firm, and the fact it holds for."""

    rule: FactRule
    observed: float | str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a stored profile."""
        return _named(self.rule, observed=self.observed)


UNKNOWN = "unknown"
UNKNOWN_WORDS = ("该事实未知", "the fact is not known")


@dataclass(frozen=True)
class NotEvaluated:
    """A rule that could not be looked at, and why: how its category stands, or `unknown` where it gave other facts."""

    rule: FactRule
    cause: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a stored profile."""
        zh, en = UNKNOWN_WORDS if self.cause == UNKNOWN else missing_words(self.cause)
        return _named(self.rule, cause=self.cause) | {
            "text_zh": f"未能核查“{self.rule.label_zh}”：{zh}",
            "text_en": f"Not evaluated: {self.rule.label_en}; {en}",
        }


def _named(rule: FactRule, **more: Any) -> dict[str, Any]:
    return {
        "code": rule.code,
        "category": rule.category,
        "subject": f"indicator.{rule.indicator}" if rule.indicator else f"registration.{rule.registration}",
        **more,
        "label_zh": rule.label_zh,
        "label_en": rule.label_en,
    }


@dataclass(frozen=True)
class Verdict:
    """What stands apart from one firm's score; `not_scorable` says why there is none."""

    knock_outs: tuple[FiredRule, ...]
    human_review: tuple[FiredRule, ...]
    not_scorable: dict[str, Any] | None
    not_evaluated: tuple[NotEvaluated, ...] = ()


def judge(
    settings: ScoreSettings,
    *,
    registration: Mapping[str, Any],
    features: Mapping[str, Any],
    missing: Mapping[str, str] = MappingProxyType({}),
    incomplete: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Return the verdict on one firm, from its values by name: what `apply_rules` and `scorable` say of a row.

    Parameters
    ----------
    missing
        Category -> why it gave nothing. A source that has no record of the firm was looked at: what stands on a
        list that the firm is not on is passed.
    incomplete
        Category -> why it gave less than it has: what the rest or older rows say is found, and what they do not say
        was not looked at.

    Raises
    ------
    ValueError
        A rule names a column that neither mapping has.
    """

    def found(rules: Sequence[FactRule]) -> tuple[FiredRule, ...]:
        facts = [(rule, _fact(rule, features, registration)) for rule in rules]
        return tuple(FiredRule(rule, fact) for rule, fact in facts if _holds(rule, fact))

    def unlooked(rules: Sequence[FactRule]) -> Iterator[NotEvaluated]:
        for rule in rules:
            fact, cause = _fact(rule, features, registration), missing.get(rule.category, UNKNOWN)
            if rule.category in incomplete and not _holds(rule, fact):
                yield NotEvaluated(rule, incomplete[rule.category])
            elif _is_unknown(fact) and cause != "no_record":
                yield NotEvaluated(rule, cause)

    enough = bool(scorable(features, settings.scorable)[0])
    return Verdict(
        knock_outs=found(settings.knockouts),
        human_review=found(settings.human_review),
        not_scorable=None if enough else refusal(settings.scorable).to_dict(),
        not_evaluated=(*unlooked(settings.knockouts), *unlooked(settings.human_review)),
    )


def _is_unknown(fact: Any) -> bool:
    return fact is None or (isinstance(fact, float) and math.isnan(fact))


def _holds(rule: FactRule, fact: Any) -> bool:
    """Say of one value what `apply_rules` says of a column: a frame for each firm would cost milliseconds."""
    if _is_unknown(fact):
        return False
    return fact in rule.one_of if rule.one_of else bool(fact >= rule.at_least)
