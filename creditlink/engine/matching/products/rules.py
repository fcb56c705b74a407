"""Rules on firms: checked once against what exists, compiled once, evaluated for many firms at a time.

Every rule on a number or a grade is an interval, every rule on a text a set of that column's values. Equal
rules of different products are evaluated once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.products.subjects import Subject, Subjects, TextColumn
from creditlink.engine.matching.products.terms import Flaw, Operator, Rule, numbers_of
from creditlink.engine.vocabulary import GRADES_BY_RANK

PASS, FAIL, UNKNOWN = 0, 1, 2
OUTCOMES = ("pass", "fail", "unknown")

_MOST_ANSWERS = 10_000
"""Distinct texts whose answers a rule set remembers; industries, regions, types and states are far fewer."""

OPERATORS: dict[str, tuple[Operator, ...]] = {
    "number": (">=", "<=", ">", "<", "==", "between"),
    "grade": ("at_least_grade", "==", "in", "not_in"),
    "code": ("==", "in", "not_in"),
    "prefix": ("==", "in", "not_in"),
}


def check_rule(rule: Rule, known: Mapping[str, Subject]) -> Flaw | None:
    """Return what is wrong with a rule given the subjects that exist, or None.

    The flaw names the rule's own field; the caller adds which rule of which product it was.
    """
    subject = known.get(rule.subject)
    if subject is None:
        noun = "indicator" if rule.subject.startswith("indicator.") else "subject"
        return Flaw("subject", rule.subject, f"is not a known {noun}")
    if rule.operator not in OPERATORS[subject.form]:
        allowed = ", ".join(OPERATORS[subject.form])
        return Flaw("operator", rule.operator, f"cannot be used on {rule.subject}; use one of {allowed}")
    if (subject.form == "number") != bool(numbers_of(rule)):
        wanted = "a number" if subject.form == "number" else "text"
        return Flaw("limit", rule.limit, f"must be {wanted}, as {rule.subject} is")
    if subject.form == "grade" and (strange := [text for text in texts_of(rule) if text not in GRADES_BY_RANK]):
        return Flaw("limit", strange[0], f"must be one of {', '.join(GRADES_BY_RANK)}")
    return None


def texts_of(rule: Rule) -> tuple[str, ...]:
    """Return the texts in a rule's limit, none for numbers."""
    limits = rule.limit if isinstance(rule.limit, tuple) else (rule.limit,)
    return tuple(limit for limit in limits if isinstance(limit, str))


def interval(rule: Rule) -> tuple[float, float]:
    """Return the closed interval of values that pass a rule on a number, or on a grade by its rank.

    An open bound becomes the next representable number, so that every comparison is `low <= x <= high`.

    Raises
    ------
    ValueError
        The rule is on texts that have no order.
    """
    if rule.operator == "at_least_grade":
        return float(GRADES_BY_RANK.index(str(rule.limit))), np.inf
    bounds = numbers_of(rule)
    match rule.operator:
        case ">=":
            return bounds[0], np.inf
        case "<=":
            return -np.inf, bounds[0]
        case ">":
            return float(np.nextafter(bounds[0], np.inf)), np.inf
        case "<":
            return -np.inf, float(np.nextafter(bounds[0], -np.inf))
        case "==" if bounds:
            return bounds[0], bounds[0]
        case "between":
            return bounds[0], bounds[1]
        case _:
            raise ValueError(f"a rule with operator {rule.operator!r} on texts has no interval")


def passes_text(rule: Rule, text: str, *, prefix: bool) -> bool:
    """Return whether a known `text` passes a rule on texts; with `prefix`, a limit covers what it begins."""
    inside = any(text.startswith(one) if prefix else text == one for one in texts_of(rule))
    return inside != (rule.operator == "not_in")


@dataclass(frozen=True)
class Evaluation:
    """Every distinct rule on every firm; all arrays of shape (n_rules, n_firms).

    `observed` is the number compared (a grade's rank), NaN for texts and unknowns; `gap` is the signed
    distance from the observed value to the nearest one that passes, in the subject's unit: positive when
    it must rise, 0 when it passes, NaN where there is no distance.
    """

    status: NDArray[np.uint8]
    observed: NDArray[np.float64]
    gap: NDArray[np.float64]

    def of_firm(self, i: int) -> Evaluation:
        """Return one firm's, arrays of shape (n_rules, 1)."""
        return Evaluation(self.status[:, i : i + 1], self.observed[:, i : i + 1], self.gap[:, i : i + 1])


@dataclass(frozen=True)
class RuleSet:
    """Distinct rules, split into those that are intervals of a number and those that are sets of texts."""

    rules: tuple[Rule, ...]
    known: Mapping[str, Subject]

    def __len__(self) -> int:
        return len(self.rules)

    @cached_property
    def _numeric(self) -> tuple[NDArray[np.intp], tuple[str, ...], NDArray[np.intp], NDArray[np.float64]]:
        """Return rule positions, their distinct subjects, each rule's subject and bounds of shape (r, 2)."""
        at = [i for i, rule in enumerate(self.rules) if self._is_interval(rule)]
        names = tuple(dict.fromkeys(self.rules[i].subject for i in at))
        column = {name: k for k, name in enumerate(names)}
        return (
            np.array(at, dtype=np.intp),
            names,
            np.array([column[self.rules[i].subject] for i in at], dtype=np.intp),
            np.array([interval(self.rules[i]) for i in at], dtype=np.float64).reshape(-1, 2),
        )

    @cached_property
    def _textual(self) -> tuple[int, ...]:
        return tuple(i for i, rule in enumerate(self.rules) if not self._is_interval(rule))

    def _is_interval(self, rule: Rule) -> bool:
        form = self.known[rule.subject].form
        return form == "number" or rule.operator == "at_least_grade"

    def evaluate(self, subjects: Subjects) -> Evaluation:
        """Return every rule's status, observed value and gap for every firm."""
        n = len(subjects)
        status = np.full((len(self), n), UNKNOWN, dtype=np.uint8)
        observed = np.full((len(self), n), np.nan)
        gap = np.full((len(self), n), np.nan)
        at, names, column, bounds = self._numeric
        if len(at):
            values = np.stack([subjects.number(name) for name in names])[column]
            below = bounds[:, :1] - values
            above = bounds[:, 1:] - values
            # A missing value makes both comparisons false on each side, hence the explicit third status.
            failed = (below > 0) | (above < 0)
            missing = np.isnan(values)
            status[at] = np.where(missing, UNKNOWN, failed)
            observed[at] = values
            # Adding the missing value keeps it missing; infinities only arise on the side that passes.
            gap[at] = np.where(missing, np.nan, np.where(below > 0, below, np.minimum(above, 0)))
        self._fill_texts(status, subjects)
        return Evaluation(status, observed, gap)

    def statuses(self, subjects: Subjects) -> NDArray[np.uint8]:
        """Return only the statuses, shape (n_rules, n_firms); what screening needs, without the distances."""
        status = np.full((len(self), len(subjects)), UNKNOWN, dtype=np.uint8)
        at, names, column, bounds = self._numeric
        for k, name in enumerate(names):
            values = subjects.number(name)
            missing = np.isnan(values)
            for r in np.flatnonzero(column == k):
                low, high = bounds[r]
                row = status[at[r]]
                np.copyto(row, (values < low) | (values > high))
                row[missing] = UNKNOWN
        self._fill_texts(status, subjects)
        return status

    def _fill_texts(self, status: NDArray[np.uint8], subjects: Subjects) -> None:
        """Write the statuses of the rules on texts into `status`, shape (n_rules, n_firms)."""
        for name, rules in self._by_text.items():
            form = self.known[name].form
            column = _grade_texts(subjects) if form == "grade" else subjects.text(name)
            # The last row answers code -1: unknown.
            table = np.array([*(self._answers(name, value) for value in column.values), [UNKNOWN] * len(rules)])
            status[rules] = table.astype(np.uint8)[column.codes].T

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        """Return subject -> positions of its rules on texts."""
        by_subject: dict[str, list[int]] = {}
        for i in self._textual:
            by_subject.setdefault(self.rules[i].subject, []).append(i)
        return by_subject

    @cached_property
    def _answered(self) -> dict[tuple[str, str], list[int]]:
        return {}

    def _answers(self, name: str, value: str) -> list[int]:
        """Return each rule's answer to one text of a subject; there are few, so they are remembered."""
        answers = self._answered.get((name, value))
        if answers is None:
            prefix = self.known[name].form == "prefix"
            rules = (self.rules[i] for i in self._by_text[name])
            answers = [PASS if passes_text(rule, value, prefix=prefix) else FAIL for rule in rules]
            if len(self._answered) < _MOST_ANSWERS:
                self._answered[name, value] = answers
        return answers


def _grade_texts(subjects: Subjects) -> TextColumn:
    ranks = subjects.number("profile.grade")
    codes: NDArray[np.int32] = np.where(np.isnan(ranks), -1, ranks).astype(np.int32)
    return TextColumn(codes, GRADES_BY_RANK)


def distinct(rules: Sequence[Rule]) -> tuple[tuple[Rule, ...], NDArray[np.intp]]:
    """Return the distinct rules in order of first appearance, and each rule's position among them."""
    places: dict[Rule, int] = {}
    positions = [places.setdefault(rule, len(places)) for rule in rules]
    return tuple(places), np.array(positions, dtype=np.intp)
