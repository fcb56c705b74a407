"""What a lender learns before it publishes: rules that contradict each other, that nobody can pass, that repeat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.match import STATES, match_many
from creditlink.engine.matching.products.phrases import rule_texts
from creditlink.engine.matching.products.rules import FAIL, check_rule, interval, passes_text, texts_of
from creditlink.engine.matching.products.subjects import Subject, Subjects
from creditlink.engine.matching.products.terms import ProductTerms, Rule
from creditlink.engine.vocabulary import GRADES_BY_RANK, is_opened, supplies_apart

Severity = Literal["error", "warning"]

_RANGES: dict[str, tuple[float, float]] = {
    "count": (0, float("inf")),
    "months": (0, float("inf")),
    "days": (0, float("inf")),
    "people": (0, float("inf")),
    "points": (-10_000, 10_000),
    "flag": (0, 1),
    "tax_grade": (1, 5),
}
"""Unit -> what its values can be; money and ratios of growth may be negative."""

_PROBABILITIES = {"profile.pd_12m"}


@dataclass(frozen=True, slots=True)
class ProductFinding:
    """One finding of the checker; `rules` are positions in the product's rules, `code` is for programs."""

    severity: Severity
    code: str  # unknown | impossible | contradiction | redundant | always | category
    rules: tuple[int, ...]
    text_zh: str
    text_en: str


def check_product(terms: ProductTerms, known: Mapping[str, Subject]) -> list[ProductFinding]:
    """Return everything worth saying about a product's rules; errors forbid publishing, warnings do not."""
    wrong = [
        ProductFinding("error", "unknown", (i,), f"规则有误：{flaw}", f"Wrong rule: {flaw}")
        for i, rule in enumerate(terms.rules)
        if (flaw := check_rule(rule, known))
    ]
    if wrong:
        return wrong
    findings = [one for i, rule in enumerate(terms.rules) for one in _alone(i, rule, known[rule.subject])]
    findings += [
        finding
        for (i, one), (j, other) in combinations(enumerate(terms.rules), 2)
        if one.subject == other.subject
        for finding in _together(i, one, j, other, known[one.subject])
    ]
    return findings + _categories(terms, known)


def _alone(i: int, rule: Rule, about: Subject) -> Iterable[ProductFinding]:
    if not _is_interval(rule, about):
        if about.form == "grade" and not _grades(rule):
            yield _finding("impossible", (i,), rule, about, "没有企业能满足", "no firm can pass")
        return
    low, high = interval(rule)
    least, most = _range(about)
    if low > most or high < least:
        yield _finding("impossible", (i,), rule, about, "没有企业能满足", "no firm can pass")
    elif low <= least and high >= most:
        yield _finding("always", (i,), rule, about, "所有企业都满足", "every firm passes", "warning")


def _together(i: int, one: Rule, j: int, other: Rule, about: Subject) -> Iterable[ProductFinding]:
    contradicts, repeats = _relation(one, other, about)
    if contradicts:
        zh, en = rule_texts(other, about)
        yield _finding("contradiction", (i, j), one, about, f"与「{zh}」矛盾", f'contradicts "{en}"')
    elif repeats is not None:
        weaker, stronger = (i, j) if repeats == 0 else (j, i)
        rules = (one, other) if repeats == 0 else (other, one)
        zh, en = rule_texts(rules[1], about)
        yield _finding(
            "redundant",
            (weaker, stronger),
            rules[0],
            about,
            f"已包含在「{zh}」中",
            f'already follows from "{en}"',
            "warning",
        )


def _relation(one: Rule, other: Rule, about: Subject) -> tuple[bool, int | None]:
    """Return whether two rules exclude each other, and which of them (0 or 1) the other makes superfluous."""
    if _is_interval(one, about) and _is_interval(other, about):
        (a, b), (c, d) = interval(one), interval(other)
        if max(a, c) > min(b, d):
            return True, None
        return False, 0 if a <= c and b >= d else 1 if c <= a and d >= b else None
    if about.form == "grade":
        first, second = _grades(one), _grades(other)
        return _sets(first, second)
    prefix = about.form == "prefix"
    texts = {*texts_of(one), *texts_of(other)}
    # Codes beginning with none of the texts behave alike, as do all that begin with the same ones: one stranger
    # and, for prefixes, the texts themselves with and without a further sign stand for all codes.
    samples = texts | {"\0"} | ({f"{text}\0" for text in texts} if prefix else set())
    first = {text for text in samples if passes_text(one, text, prefix=prefix)}
    second = {text for text in samples if passes_text(other, text, prefix=prefix)}
    return _sets(first, second)


def _sets(first: set[str], second: set[str]) -> tuple[bool, int | None]:
    if not first & second:
        return True, None
    return False, 0 if first >= second else 1 if second >= first else None


def _grades(rule: Rule) -> set[str]:
    if rule.operator == "at_least_grade":
        return set(GRADES_BY_RANK[GRADES_BY_RANK.index(str(rule.limit)) :])
    return {grade for grade in GRADES_BY_RANK if passes_text(rule, grade, prefix=False)}


def _is_interval(rule: Rule, about: Subject) -> bool:
    return about.form == "number" or (about.form == "grade" and rule.operator == "at_least_grade")


def _range(about: Subject) -> tuple[float, float]:
    if about.name in _PROBABILITIES:
        return 0.0, 1.0
    if about.form == "grade":
        return 0.0, float(len(GRADES_BY_RANK) - 1)
    if about.unit == "ratio" and "share" in about.name:
        return 0.0, 1.0
    return _RANGES.get(about.unit, (-float("inf"), float("inf")))


def _categories(terms: ProductTerms, known: Mapping[str, Subject]) -> list[ProductFinding]:
    """Return a warning for each category the rules need and the product does not ask for."""
    findings = []
    for i, rule in enumerate(terms.rules):
        about = known[rule.subject]
        absent = supplies_apart(name for name in about.categories if not is_opened(name, terms.required_categories))
        if absent:
            needs = ", ".join(absent)
            findings.append(
                _finding(
                    "category",
                    (i,),
                    rule,
                    about,
                    f"需要{needs}数据，但产品未列为必需",
                    f"needs {needs}, which the product does not require",
                    "warning",
                )
            )
    return findings


def _finding(
    code: str,
    rules: tuple[int, ...],
    rule: Rule,
    about: Subject,
    zh: str,
    en: str,
    severity: Severity = "error",
) -> ProductFinding:
    rule_zh, rule_en = rule_texts(rule, about)
    return ProductFinding(severity, code, rules, f"「{rule_zh}」{zh}", f'"{rule_en}": {en}')


@dataclass(frozen=True, slots=True)
class Reach:
    """How many firms of a screened population a product accepts, and how many each rule by itself turns away."""

    firms: int
    eligible: int
    undetermined: int
    ineligible: int
    failing_alone: tuple[int, ...]  # per rule: firms that fail it


def reach(book: ProductBook, position: int, population: Sequence[Subjects]) -> Reach:
    """Return how a product of the book fares with a screened population, given in partitions.

    A firm that fails two rules counts under both in `failing_alone`.
    """
    entries = book.entries[book.starts[position] : book.starts[position + 1]]
    states = [0] * len(STATES)
    failing = [0] * len(entries)
    for subjects in population:
        state_of = match_many(book, subjects).states[position]
        status = book.rule_set.statuses(subjects)
        for state in range(len(STATES)):
            states[state] += int((state_of == state).sum())
        for k, entry in enumerate(entries):
            failing[k] += int((status[entry] == FAIL).sum())
    eligible, undetermined, ineligible = states
    return Reach(sum(states), eligible, undetermined, ineligible, tuple(failing))
