"""Reverse matching: who of a screened city qualifies for one product, and how many more if one rule moved.

The rules are evaluated by the code that matches products to firms, over columns that the screening stored; so a
product that was never screened can be asked about too, as long as its rules are about such columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.matching.products.rules import FAIL, PASS, UNKNOWN, RuleSet, check_rule, interval
from creditlink.engine.matching.products.subjects import IndicatorInfo, Subject, Subjects, coded, known_subjects
from creditlink.engine.matching.products.terms import Flaw, ProductInvalid, ProductTerms, Rule
from creditlink.engine.vocabulary import FEWEST_FIRMS, GRADES_BY_RANK
from creditlink.screening.city.results import Results

STEPS = (0.05, 0.10, 0.25, 0.50)
"""How far each number rule is moved to show what it keeps out, relative to its bound."""

_COLUMNS = {"profile.grade": "grade", "profile.pd_12m": "pd_12m", "profile.points": "points"}


@dataclass(frozen=True)
class RuleEffect:
    """One rule: how many firms it alone keeps out, and how many more would qualify if it moved.

    `steps` is (relative step, new bound, firms gained) for number rules; none for rules on texts and grades.
    """

    rule: Rule
    fails: int
    alone: int
    steps: tuple[tuple[float, float, int], ...]


class StepAnswer(TypedDict):
    """How many more firms would qualify if a rule moved."""

    step: float
    limit: float
    gained: int | None


class RuleAnswer(TypedDict):
    """One rule, and what it keeps out."""

    subject: str
    operator: str
    limit: object
    fails: int | None
    alone: int | None
    steps: list[StepAnswer]


class QualifyAnswer(TypedDict):
    """The counts for one product; None hides a small one."""

    product: str
    version: int
    population: int | None
    qualify: int | None
    undetermined: int | None
    rules: list[RuleAnswer]


@dataclass(frozen=True, eq=False)
class Qualification:
    """The answer for one product: `firms` are the numbers of those that qualify, ascending."""

    product: ProductTerms
    population: int
    qualify: int
    undetermined: int
    rules: tuple[RuleEffect, ...]
    firms: NDArray[np.int64]

    def to_dict(self, *, least: int = 1) -> QualifyAnswer:
        """Return counts as plain values; those of one firm to `least` - 1 are null."""

        # Hiding a count that is the difference of two others hides nothing: round all to tens.
        def rounded(count: int) -> int | None:
            if 0 < count < least:
                return None
            return count if least <= 1 else count // 10 * 10

        return {
            "product": self.product.code,
            "version": self.product.version,
            "population": rounded(self.population),
            "qualify": rounded(self.qualify),
            "undetermined": rounded(self.undetermined),
            "rules": [
                {
                    "subject": effect.rule.subject,
                    "operator": effect.rule.operator,
                    "limit": effect.rule.to_dict()["limit"],
                    "fails": rounded(effect.fails),
                    "alone": rounded(effect.alone),
                    "steps": [
                        {"step": step, "limit": limit, "gained": rounded(gained)}
                        for step, limit, gained in effect.steps
                    ],
                }
                for effect in self.rules
            ],
        }


def qualify(
    results: Results,
    product: ProductTerms,
    indicators: Mapping[str, IndicatorInfo],
    *,
    discoverable_only: bool = False,
) -> Qualification:
    """Return which firms of a screening pass every rule of `product`, and what each rule keeps out.

    Parameters
    ----------
    discoverable_only : only firms that opted in to be counted for banks.

    Raises
    ------
    ProductInvalid
        A rule is about an unknown subject, or about one that the screening did not store.
    """
    known = known_subjects(indicators)
    rules = tuple(dict.fromkeys(product.rules))
    flaws = [(i, flaw) for i, rule in enumerate(rules) if (flaw := check_rule(rule, known))]
    stored = {*results.manifest["subjects"], *_COLUMNS, *(f"registration.{t}" for t in _TEXTS)}
    flaws += [
        (i, Flaw("subject", rule.subject, "is not kept by this screening; screen again with this product"))
        for i, rule in enumerate(rules)
        if rule.subject in known and rule.subject not in stored
    ]
    if flaws:
        raise ProductInvalid(product.code, [replace(flaw, field=f"rules[{i}].{flaw.field}") for i, flaw in flaws])
    subjects = _subjects(results, rules, discoverable_only=discoverable_only)
    status = RuleSet(rules, known).statuses(subjects)
    return _count(product, rules, known, subjects, status)


_TEXTS = ("industry", "region", "entity_type", "status")


def _subjects(results: Results, rules: tuple[Rule, ...], *, discoverable_only: bool) -> Subjects:
    named = {rule.subject for rule in rules}
    columns = sorted({_COLUMNS.get(name, _stored(name)) for name in named} | {"firm"})
    frame = results.columns(columns, pl.col("discoverable") if discoverable_only else None)
    numbers: dict[str, NDArray[np.float64]] = {}
    texts = {}
    for name in named:
        column = frame[_COLUMNS.get(name, _stored(name))]
        if name == "profile.grade":  # stored from the safest to the riskiest, compared the other way round
            numbers[name] = float(len(GRADES_BY_RANK) - 1) - column.to_physical().cast(pl.Float64).to_numpy()
        elif name.removeprefix("registration.") in _TEXTS:
            texts[name] = coded(column)
        else:
            numbers[name] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Subjects(frame["firm"].to_numpy(), numbers, texts)


def _stored(subject: str) -> str:
    name = subject.removeprefix("registration.")
    return name if subject.startswith("registration.") and name in _TEXTS else subject


def _count(
    product: ProductTerms,
    rules: tuple[Rule, ...],
    known: Mapping[str, Subject],
    subjects: Subjects,
    status: NDArray[np.uint8],
) -> Qualification:
    failed = np.zeros(len(subjects), dtype=np.int16)
    unknown = np.zeros(len(subjects), dtype=bool)
    for row in status:  # row by row: no array of the size of all rules is made again
        failed += row == FAIL
        unknown |= row == UNKNOWN
    qualifies = (failed == 0) & ~unknown
    near = np.flatnonzero((failed == 1) & ~unknown)
    effects = []
    for i, rule in enumerate(rules):
        # Firms that pass every other rule: only they are gained when this one moves.
        alone = near[status[i, near] == FAIL]
        steps: list[tuple[float, float, int]] = []
        if known[rule.subject].form == "number":
            values = subjects.number(rule.subject)[alone]
            low, high = interval(rule)
            for step in STEPS:
                moved_low = low - abs(low) * step if np.isfinite(low) else low
                moved_high = high + abs(high) * step if np.isfinite(high) else high
                bound = moved_low if np.isfinite(moved_low) else moved_high
                steps.append((step, float(bound), int(((values >= moved_low) & (values <= moved_high)).sum())))
        effects.append(RuleEffect(rule, int(np.count_nonzero(status[i] == FAIL)), len(alone), tuple(steps)))
    return Qualification(
        product,
        population=len(subjects),
        qualify=int(qualifies.sum()),
        undetermined=int(((failed == 0) & unknown).sum()),
        rules=tuple(effects),
        firms=np.sort(subjects.firms[qualifies].astype(np.int64)),
    )


def move_rule(product: ProductTerms, subject: str, limit: float) -> ProductTerms:
    """Return the product with its number rule on `subject` at another limit.

    Raises
    ------
    ValueError
        The product has no such rule, or more than one, or it compares no single number.
    """
    at = [i for i, rule in enumerate(product.rules) if rule.subject == subject]
    if len(at) != 1:
        raise ValueError(f"product {product.code}: {len(at)} rules speak of {subject}, one is needed")
    rule = product.rules[at[0]]
    if not isinstance(rule.limit, (int, float)):
        raise ValueError(f"product {product.code}: the rule on {subject} has no single number to move")
    rules = (*product.rules[: at[0]], replace(rule, limit=float(limit)), *product.rules[at[0] + 1 :])
    return replace(product, rules=rules)


__all__ = ["FEWEST_FIRMS", "PASS", "STEPS", "Qualification", "QualifyAnswer", "RuleEffect", "move_rule", "qualify"]
