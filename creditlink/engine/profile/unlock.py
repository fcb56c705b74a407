"""The smallest change found, of score and rules together, that would open one product to one firm. Pure.

Rules are met first, each at the nearest value that passes; where the grade, the PD or the points still fall short,
what the firm can act on is moved too, as far as its best peers are and no further. The changed firm is then scored and
matched again, and only what this confirms is reported.

Source: Ustun, Spangher & Liu (2019), Actionable recourse in linear classification; here for trees and rules jointly.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.explanation.improvement import change_of, effort_of, plans_to
from creditlink.engine.explanation.levers import WHOLE_UNITS, targets
from creditlink.engine.features.withhold import repooled
from creditlink.engine.matching.book import ProductBook, compile_book
from creditlink.engine.matching.match import STATES, FirmMatches, match_many
from creditlink.engine.matching.outcomes import ProductMatch, RuleOutcome
from creditlink.engine.matching.products import phrases
from creditlink.engine.matching.products.rules import FAIL
from creditlink.engine.matching.products.subjects import IndicatorInfo, Subjects
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.steps import ChangedFirm, Unlock, UnlockStep, block, blocked_texts, unlock_texts
from creditlink.engine.scoring.peers import size_of
from creditlink.engine.vocabulary import GRADES_BY_RANK

_TWINS = {
    "registration.age_months": "age_months",
    "registration.registered_capital_fen": "registered_capital_fen",
    "registration.paid_in_capital_fen": "paid_in_capital_fen",
}
"""Subjects of rules that the model reads under an indicator's name: one fact, moved in both."""


def unlock(
    match: ProductMatch,
    subject: Subjects,
    values: Mapping[str, float | None],
    *,
    industry: str | None,
    live: LiveModel,
    book: ProductBook,
    indicators: Mapping[str, IndicatorInfo],
) -> Unlock:
    """Return what would open one product to one firm.

    Parameters
    ----------
    match : the product as it was matched to the firm.
    subject : the firm as the rules saw it.
    values : indicator -> value as the model read it; None where missing.
    industry : the one with which the firm was scored.
    book : any book with the settings and subjects of that matching.
    indicators : the catalogue.
    """
    make = partial(Unlock, match.product.code, match.product.version, match.state)
    if match.state == "eligible":
        return make(opens=True, text_zh="已满足全部条件", text_en="Every condition is met already")
    firm = _Firm(subject, values, industry, live)
    one = compile_book([match.product], indicators, book.settings)
    steps, blocked = _rule_steps(match, firm, book)
    if not blocked and not firm.passes(one, firm.row[None, :])[0]:
        blocked = _close_the_score(match, firm, one)
    if blocked:
        zh, en = blocked_texts(match, blocked)
        return make(opens=False, blocked=blocked, text_zh=zh, text_en=en)
    steps = [*firm.changes(book, taken={step.subject for step in steps}), *steps]
    after = firm.verified(one)
    zh, en = unlock_texts(match, steps, after)
    return make(
        opens=after.state != "ineligible",
        steps=tuple(steps),
        effort=firm.effort(),
        after=after,
        text_zh=zh,
        text_en=en,
    )


def opened_by(
    firm: FirmMatches,
    values: Mapping[str, float | None],
    after: Mapping[str, float],
    *,
    industry: str | None,
    live: LiveModel,
) -> list[ProductTerms]:
    """Return the products that are not eligible for a firm now and are after changes, by scoring and matching it again.

    Parameters
    ----------
    firm : the firm as it was matched.
    values : indicator -> value as the model read it; None where missing.
    after : indicator -> what it becomes.
    """
    moved = _Firm(firm.subject, values, industry, live)
    for name, value in after.items():
        moved.move(name, value)
    states = match_many(firm.book, moved.subjects(moved.row[None, :])).states[:, 0]
    eligible = STATES.index("eligible")
    gained = np.flatnonzero((states == eligible) & (firm.states != eligible))
    return [firm.book.products[int(place)] for place in gained]


class _Firm:
    """The firm as the model and the rules see it; `row` is moved from `start`, where it is now."""

    def __init__(
        self,
        subject: Subjects,
        values: Mapping[str, float | None],
        industry: str | None,
        live: LiveModel,
    ) -> None:
        self.subject, self.industry, self.live = subject, industry, live
        self.size = size_of(values.get("sales_12_fen"), values.get("headcount"))
        self.features = {name: k for k, name in enumerate(live.model.features)}
        known = [values[name] for name in live.model.features]
        self.start = np.array([np.nan if value is None else value for value in known], np.float64)
        self.row = self.start.copy()
        self.waited: dict[str, float] = {}  # registration subjects that are no indicator's twin, or move with one

    def subjects(self, rows: NDArray[np.float64]) -> Subjects:
        """Return the firm once per row of indicators, shape (n, k), scored again."""
        n = len(rows)
        x = repooled(np.array(rows, np.float32, order="F"), self.live.model.features)
        scores = self.live.model.score_matrix(x)
        numbers = {name: np.repeat(column, n) for name, column in self.subject.numbers.items()}
        numbers |= {f"indicator.{name}": rows[:, k] for name, k in self.features.items()}
        numbers |= {
            name: rows[:, self.features[twin]]
            for name, twin in _TWINS.items()
            if name in self.subject.numbers and not np.isnan(self.start[self.features[twin]])
        }
        numbers |= {name: np.full(n, value) for name, value in self.waited.items()}
        numbers["profile.pd_12m"] = scores.pd_12m.astype(np.float64)
        numbers["profile.points"] = scores.points.astype(np.float64)
        numbers["profile.grade"] = np.array([float(GRADES_BY_RANK.index(str(grade))) for grade in scores.grade])
        texts = {
            name: type(column)(np.repeat(column.codes, n), column.values) for name, column in self.subject.texts.items()
        }
        return Subjects(np.zeros(n, dtype=np.int32), numbers, texts, self.subject.granted)

    def passes(self, one: ProductBook, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for which rows no rule of the one product fails; undecided ones are for grants to decide."""
        passed: NDArray[np.bool_] = ~(one.rule_set.statuses(self.subjects(rows)) == FAIL).any(axis=0)
        return passed

    def verified(self, one: ProductBook) -> ChangedFirm:
        """Return the changed firm scored and matched again."""
        subject = self.subjects(self.row[None, :])
        state = STATES[int(match_many(one, subject).states[0, 0])]
        return ChangedFirm(
            state,
            pd_12m=float(subject.number("profile.pd_12m")[0]),
            points=int(subject.number("profile.points")[0]),
            grade=GRADES_BY_RANK[int(subject.number("profile.grade")[0])],
        )

    def move(self, name: str, value: float) -> None:
        """Move one indicator, and counts of fewer months that would otherwise be above it."""
        self.row[self.features[name]] = value
        for fewer, more in self.live.levers.nested:
            if self.row[fewer] > self.row[more]:
                self.row[fewer] = self.row[more]

    def reach(self, name: str) -> float | None:
        """Return how far a lever's indicator can go; None where it is no lever's, or no peers are known."""
        k = self.features[name]
        if not any(k in lever.members for lever in self.live.levers.levers):
            return None
        best = targets(self.live.levers, self.live.model, self.start.astype(np.float32), self.industry, self.size)
        return float(best[k])

    def changed(self) -> list[str]:
        """Return the indicators that moved."""
        return [
            name for name, k in self.features.items() if self.row[k] != self.start[k] and self.row[k] == self.row[k]
        ]

    def changes(self, book: ProductBook, taken: Collection[str]) -> list[UnlockStep]:
        """Return the indicators that moved, in words, except those that `taken` already covers."""
        steps = []
        for name in self.changed():
            k = self.features[name]
            twins = {subject for subject, twin in _TWINS.items() if twin == name}
            if twins & set(taken):
                continue
            moved = change_of(self.live.levers.indicators[k], float(self.start[k]), float(self.row[k]))
            about = book.known[f"indicator.{name}"]
            kind = "wait" if about.change in ("time", "age") else "change"
            steps.append(
                UnlockStep(
                    kind, about.name, moved.before, moved.after, moved.months or None, moved.text_zh, moved.text_en
                )
            )
        return steps

    def effort(self) -> float:
        """Return how many per cent of its peers the firm passes by all changes together."""
        effort = 0.0
        for name in self.changed():
            before, after = float(self.start[self.features[name]]), float(self.row[self.features[name]])
            effort += effort_of(self.live.model, name, before, after, industry=self.industry, size=self.size)
        return round(effort, 1)


def _rule_steps(
    match: ProductMatch, firm: _Firm, book: ProductBook
) -> tuple[list[UnlockStep], tuple[dict[str, str], ...]]:
    """Move the firm to where its failing rules pass; return the steps about no indicator, and what is in the way."""
    steps: list[UnlockStep] = []
    blocked = []
    for rule in match.rules:
        if rule.outcome == "unknown" and not rule.grant:
            blocked.append(block(rule, "no_record"))
        elif rule.outcome == "fail" and not rule.subject.startswith("profile."):
            why = _meet(rule, firm, book, steps)
            if why:
                blocked.append(block(rule, why))
    if match.categories_to_grant:
        zh, en = phrases.unlock_zh((), match.categories_to_grant), phrases.unlock_en((), match.categories_to_grant)
        steps.append(UnlockStep("grant", ",".join(match.categories_to_grant), None, None, None, zh, en))
    return steps, tuple(blocked)


def _meet(rule: RuleOutcome, firm: _Firm, book: ProductBook, steps: list[UnlockStep]) -> str | None:
    """Move one fact to the nearest value that passes its rule; return why it cannot be, or None."""
    about = book.known[rule.subject]
    if about.change == "never" or rule.gap is None or not isinstance(rule.observed, float):
        return "fixed"
    if about.change == "age" and rule.gap < 0:
        return "fixed"
    wanted = _whole(rule.observed + rule.gap, rule.gap, about.unit)
    name = _TWINS.get(rule.subject) or rule.subject.removeprefix("indicator.")
    if name not in firm.features or math.isnan(firm.start[firm.features[name]]):
        firm.waited[rule.subject] = wanted
    else:
        why = _allowed(name, about.change, rule.observed, wanted, firm)
        if why:
            return why
        firm.move(name, wanted)
    if not rule.subject.startswith("indicator."):
        kind = "wait" if about.change in ("age", "time") else "change"
        months = int(abs(rule.gap)) if about.change == "age" else None
        steps.append(UnlockStep(kind, rule.subject, rule.observed, wanted, months, rule.text_zh, rule.text_en))
    return None


def _allowed(name: str, change: str, before: float, wanted: float, firm: _Firm) -> str | None:
    """Return why an indicator cannot go where a rule wants it: for the worse, or beyond its best peers."""
    indicator = firm.live.levers.indicators[firm.features[name]]
    if indicator.direction and (wanted - before) * indicator.direction > 0 and change == "action":
        return "worse"
    reach = firm.reach(name)
    if reach is not None and abs(wanted - before) > abs(reach - before):
        return "out_of_reach"
    return None


def _whole(value: float, gap: float, unit: str) -> float:
    """Return a possible value: whole people, months and fen, on the side that passes."""
    if unit not in {*WHOLE_UNITS, "days"}:
        return value
    return float(math.ceil(value) if gap > 0 else math.floor(value))


def _close_the_score(match: ProductMatch, firm: _Firm, one: ProductBook) -> tuple[dict[str, str], ...]:
    """Move what the firm can act on until every rule passes; return the rules in the way where none does."""
    plans = plans_to(
        firm.live.model,
        firm.live.levers,
        firm.row,
        lambda rows: firm.passes(one, np.asarray(rows, np.float64)),
        industry=firm.industry,
        size=firm.size,
    )
    if not plans:
        return tuple(block(rule, "score") for rule in match.failed if rule.subject.startswith("profile.")) or (
            block(match.failed[0], "score"),
        )
    for change in plans[0].changes:
        firm.row[firm.features[change.indicator]] = change.after
    return ()
