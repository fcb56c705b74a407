"""What an overlay decides of a firm: the severest of its reasons, each typed and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from creditlink.engine.overlay.terms import OUTCOMES, CutOffs, Outcome, OverlayRule, OverlayTerms, Value
from creditlink.engine.vocabulary import GRADES, GRADES_BY_RANK

REASON_KINDS = (
    "not_scorable", "grade_below", "pd_above", "rule", "unknown", "column_missing", "knock_out", "human_review",
)  # fmt: skip
"""Why an overlay refers or declines."""


class DecidedFirm(Protocol):
    """What a decision asks of the base profile."""

    @property
    def state(self) -> str:
        """`scored` or `not_scorable`."""
        ...

    @property
    def knock_outs(self) -> tuple[str, ...]:
        """Codes of facts that rule out."""
        ...

    @property
    def human_review(self) -> tuple[str, ...]:
        """Codes of why a person must look."""
        ...

    def value(self, subject: str, own: Mapping[str, Value]) -> Value:
        """Return a subject's value."""
        ...


@dataclass(frozen=True)
class OverlayReason:
    """One reason of a decision."""

    kind: str
    outcome: Outcome
    code: str
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class OverlayDecision:
    """Accept, refer or decline; with no reason it is accept."""

    decision: Outcome
    reasons: tuple[OverlayReason, ...]

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {"decision": self.decision, "reasons": [dict(vars(one)) for one in self.reasons]}


def decide(
    terms: OverlayTerms, base: DecidedFirm, own: Mapping[str, Value], *, grade: object, pd_12m: object
) -> OverlayDecision:
    """Return the decision on a firm.

    Parameters
    ----------
    grade, pd_12m : by the overlay; None where the firm has no score
    """
    reasons = tuple(_reasons(terms, base, own, grade, pd_12m))
    decided: Outcome = max((one.outcome for one in reasons), key=OUTCOMES.index, default="accept")
    return OverlayDecision(decided, tuple(sorted(reasons, key=lambda one: -OUTCOMES.index(one.outcome))))


def _reasons(
    terms: OverlayTerms, base: DecidedFirm, own: Mapping[str, Value], grade: object, pd_12m: object
) -> Iterator[OverlayReason]:
    cut_offs = terms.cut_offs
    if base.state != "scored":
        yield OverlayReason(
            "not_scorable", "refer", "", "记录不足，没有评分，须人工处理。", "There is no score: a person must decide."
        )
    yield from _cut_off(cut_offs, grade, pd_12m)
    for rule in cut_offs.rules:
        value = base.value(rule.subject, own)
        if value is None:
            if rule.if_unknown != "accept":
                yield OverlayReason(
                    "unknown", rule.if_unknown, rule.code,
                    f"无法判断“{rule.label_zh}”：相关数据未知。",
                    f"Cannot be told: {rule.label_en}; its value is not known.",
                )  # fmt: skip
        elif not holds(rule, value) and rule.outcome != "accept":
            yield OverlayReason(
                "rule", rule.outcome, rule.code, f"不符合：{rule.label_zh}。", f"Not met: {rule.label_en}."
            )
    for column in terms.columns:
        if column.required and own.get(column.name) is None:
            yield OverlayReason(
                "column_missing", "refer", column.name,
                f"缺少必需的自有数据：{column.label_zh}。", f"Your own data lack a required column: {column.label_en}.",
            )  # fmt: skip
    if cut_offs.on_knock_out != "accept":
        for code in base.knock_outs:
            yield OverlayReason(
                "knock_out", cut_offs.on_knock_out, code,
                "存在一票否决事项。", "A fact stands beside the score that rules out.",
            )  # fmt: skip
    for code in dict.fromkeys(base.human_review):
        # Whatever the overlay says: the profile itself asks for a person.
        yield OverlayReason("human_review", "refer", code, "须人工复核。", "A person must review it.")


def _cut_off(cut_offs: CutOffs, grade: object, pd_12m: object) -> Iterator[OverlayReason]:
    least, most = cut_offs.grade_at_least, cut_offs.pd_at_most
    if cut_offs.otherwise == "accept":
        return
    if least is not None and isinstance(grade, str) and GRADES.index(grade) > GRADES.index(least):
        yield OverlayReason(
            "grade_below",
            cut_offs.otherwise,
            "",
            f"等级{grade}低于准入等级{least}。",
            f"The grade {grade} is below {least}.",
        )
    if most is not None and isinstance(pd_12m, float) and pd_12m > most:
        yield OverlayReason(
            "pd_above", cut_offs.otherwise, "",
            f"违约概率{pd_12m:.2%}高于上限{most:.2%}。",
            f"The probability of default {pd_12m:.2%} is above {most:.2%}.",
        )  # fmt: skip


def holds(rule: OverlayRule, value: float | str) -> bool:
    """Return whether a firm with this value meets the rule."""
    limit = rule.limit
    if isinstance(value, str):
        wanted: Sequence[object] = limit if isinstance(limit, tuple) else (limit,)
        if rule.operator == "at_least_grade":
            return GRADES_BY_RANK.index(value) >= GRADES_BY_RANK.index(str(limit))
        prefix = rule.subject in ("registration.industry", "registration.region")
        named = any(value.startswith(str(one)) if prefix else value == one for one in wanted)
        return named != (rule.operator == "not_in")
    if isinstance(limit, tuple):
        low, high = (float(one) for one in limit)
        return low <= value <= high
    bound = float(limit)
    match rule.operator:
        case ">=":
            return value >= bound
        case "<=":
            return value <= bound
        case ">":
            return value > bound
        case "<":
            return value < bound
        case _:
            return value == bound
