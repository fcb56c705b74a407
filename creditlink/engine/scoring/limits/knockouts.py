"""Facts apart from the score: knock-outs, and what a person must review.

They never change PD, points or grade: a bank sees both, and neither hides the other. A rule whose fact is not known
is *not evaluated*, which is not the same as passed. One implementation serves one firm and a partition of the city.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.limits.scorable import Fact, Facts, NotScorable, refusal, scorable
from creditlink.engine.scoring.settings import FactRule, ScoreSettings
from creditlink.engine.vocabulary import missing_words


@dataclass(frozen=True, eq=False)
class RuleHits:
    """Which rules hold for which firms, and whose facts are unknown, which never hold; both (n, rules)."""

    rules: tuple[FactRule, ...]
    holds: NDArray[np.bool_]
    unknown: NDArray[np.bool_]

    def of(self, row: int) -> tuple[FactRule, ...]:
        """Return the rules that hold for one firm."""
        return tuple(rule for rule, holds in zip(self.rules, self.holds[row], strict=True) if holds)

    def not_evaluated(self, row: int) -> tuple[FactRule, ...]:
        """Return the rules that could not be evaluated for one firm."""
        return tuple(rule for rule, unknown in zip(self.rules, self.unknown[row], strict=True) if unknown)


def apply_rules(rules: Sequence[FactRule], features: Facts, registration: Facts) -> RuleHits:
    """Return which of `rules` hold, and which could not be evaluated.

    Parameters
    ----------
    rules
        Knock-outs, or the rules of human review.
    features, registration
        The indicators and the registration: one row per firm, in the same order, or one firm's values by name.

    Raises
    ------
    ValueError
        The frames have different lengths, or a rule names a column that neither has.
    """
    firms, registered = (len(facts) if isinstance(facts, pl.DataFrame) else 1 for facts in (features, registration))
    if firms != registered:
        raise ValueError(f"features have {firms} rows, registration has {registered}")
    holds, unknown = (np.zeros((firms, len(rules)), bool) for _ in range(2))
    for number, rule in enumerate(rules):
        fact = _fact(rule, features, registration)
        holds[:, number], unknown[:, number] = _of_texts(rule, fact) if rule.one_of else _of_numbers(rule, fact)
    return RuleHits(tuple(rules), holds, unknown)


def _fact(rule: FactRule, features: Facts, registration: Facts) -> pl.Series | Fact:
    """Return the column that a rule is about, or one firm's value."""
    facts, name = (features, rule.indicator) if rule.indicator else (registration, rule.registration)
    if name is None or name not in facts:
        raise ValueError(f"rule {rule.code}: no column {name!r}")
    return facts[name]


def _of_numbers(rule: FactRule, fact: pl.Series | Fact) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    values = fact.cast(pl.Float64).to_numpy() if isinstance(fact, pl.Series) else np.array([fact], dtype=np.float64)
    return values >= rule.at_least, np.isnan(values)


def _of_texts(rule: FactRule, fact: pl.Series | Fact) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if not isinstance(fact, pl.Series):  # a column of one would cost fifty times as much
        return np.array([fact in rule.one_of]), np.array([fact is None])
    return fact.cast(pl.String).is_in(rule.one_of).fill_null(value=False).to_numpy(), fact.is_null().to_numpy()


@dataclass(frozen=True)
class FiredRule:
    """A rule that applies to a firm, and the fact that makes it apply."""

    rule: FactRule
    observed: float | str

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, for a stored profile."""
        return _entry(self.rule, observed=self.observed)


UNKNOWN = "unknown"
UNKNOWN_WORDS = ("该事实未知", "the fact is not known")


@dataclass(frozen=True)
class UnevaluatedRule:
    """A rule that could not be evaluated, and why: its category's status, or `unknown` where that gave other facts."""

    rule: FactRule
    cause: str

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, for a stored profile."""
        zh, en = UNKNOWN_WORDS if self.cause == UNKNOWN else missing_words(self.cause)
        return _entry(self.rule, cause=self.cause) | {
            "text_zh": f"未能核查“{self.rule.label_zh}”：{zh}",
            "text_en": f"Not evaluated: {self.rule.label_en}; {en}",
        }


def _entry(rule: FactRule, **more: object) -> dict[str, object]:
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
    """The facts apart from one firm's score; `not_scorable` says why there is no score."""

    knock_outs: tuple[FiredRule, ...]
    human_review: tuple[FiredRule, ...]
    not_scorable: NotScorable | None
    not_evaluated: tuple[UnevaluatedRule, ...] = ()


def judge(
    settings: ScoreSettings,
    *,
    registration: Mapping[str, Fact],
    features: Mapping[str, Fact],
    missing: Mapping[str, str] = MappingProxyType({}),
    incomplete: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Return the verdict on one firm, from its values by name.

    Parameters
    ----------
    missing
        Category -> why it gave nothing. A source that has no record of the firm has answered: the firm is on none of
        its lists, so the rules about them are passed.
    incomplete
        Category -> why it gave less than it has: a rule that the rest or older rows fulfil holds, any other was not
        evaluated.

    Raises
    ------
    ValueError
        A rule names a column that neither mapping has.
    """

    def evaluated(rules: Sequence[FactRule]) -> tuple[tuple[FiredRule, ...], tuple[UnevaluatedRule, ...]]:
        hits = apply_rules(rules, features, registration)
        return tuple(_fired(hits, features, registration)), tuple(_not_evaluated(hits, missing, incomplete))

    knock_outs, open_knock_outs = evaluated(settings.knockouts)
    human_review, open_reviews = evaluated(settings.human_review)
    enough = bool(scorable(features, settings.scorable)[0])
    return Verdict(
        knock_outs=knock_outs,
        human_review=human_review,
        not_scorable=None if enough else refusal(settings.scorable),
        not_evaluated=(*open_knock_outs, *open_reviews),
    )


def _fired(hits: RuleHits, features: Facts, registration: Facts) -> Iterator[FiredRule]:
    for rule in hits.of(0):
        observed = _fact(rule, features, registration)
        if isinstance(observed, str | int | float):  # a rule holds only for a known fact
            yield FiredRule(rule, observed)


def _not_evaluated(
    hits: RuleHits, missing: Mapping[str, str], incomplete: Mapping[str, str]
) -> Iterator[UnevaluatedRule]:
    for rule, holds, unknown in zip(hits.rules, hits.holds[0], hits.unknown[0], strict=True):
        cause = missing.get(rule.category, UNKNOWN)
        if rule.category in incomplete and not holds:
            yield UnevaluatedRule(rule, incomplete[rule.category])
        elif unknown and cause != "no_record":
            yield UnevaluatedRule(rule, cause)
