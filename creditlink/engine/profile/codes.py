"""The book of reason codes: every code of a profile, generated from the catalogue and the score's rules. Pure.

A code is never reused: a retired one leaves the book and never gets another meaning.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict, Unpack

from creditlink.engine.explanation.sentences import MISSING_CODES
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.indicator import Indicator
from creditlink.engine.scoring.limits import frozen
from creditlink.engine.scoring.limits.scorable import refusal
from creditlink.engine.scoring.settings import ContradictedSettings, FactRule, PartialSettings, ScoreSettings
from creditlink.engine.vocabulary import CATEGORIES

KINDS = ("indicator", "missing", "not_scorable", "knock_out", "human_review")

_READ = {
    1: ("越高风险越高", "the higher, the riskier"),
    -1: ("越高风险越低", "the higher, the safer"),
    0: ("方向由模型决定", "read by the model in either direction"),
}


class CodeDetails(TypedDict, total=False):
    """What a code of some kinds says besides; None where its kind does not."""

    category: str | None
    categories: list[str] | None
    dimension: str | None
    group: str | None
    indicator: str | None
    unit: str | None
    window_months: int | None
    direction: int | None
    formula: str | None
    source: str | None
    missing: str | None
    version: int | None
    actionable: bool | None


class ReasonCode(CodeDetails):
    """One code, as published."""

    code: str
    kind: str
    label_zh: str
    label_en: str
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class CodeBook:
    """All codes, by code."""

    items: tuple[ReasonCode, ...]

    @cached_property
    def revision(self) -> str:
        """Changes when anything in the book does."""
        text = json.dumps(self.items, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_book(rules: ScoreSettings) -> CodeBook:
    """Return the book of the catalogue and these rules.

    Raises
    ------
    ValueError
        Two things have one code.
    """
    grouped = {member: group for group, members in rules.reasons.groups.items() for member in members}
    items = [_indicator(i, grouped.get(i.name, i.name)) for i in CATALOGUE]
    items += [_missing(category, code) for category, code in MISSING_CODES.items()]
    items += [_rule("knock_out", rule) for rule in rules.knockouts]
    items += [_rule("human_review", rule) for rule in rules.human_review]
    items += [_apart(rules.partial), _apart(rules.contradicted), _frozen()]
    items.append(_not_scorable(rules))
    codes = [item["code"] for item in items]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"reason codes given twice: {', '.join(twice)}")
    return CodeBook(tuple(sorted(items, key=lambda item: item["code"])))


_NO_DETAILS: CodeDetails = {
    "category": None, "categories": None, "dimension": None, "group": None, "indicator": None, "unit": None,
    "window_months": None, "direction": None, "formula": None, "source": None, "missing": None, "version": None,
    "actionable": None,
}  # fmt: skip


def _entry(
    code: str, kind: str, label: tuple[str, str], text: tuple[str, str], **details: Unpack[CodeDetails]
) -> ReasonCode:
    return {
        "code": code,
        "kind": kind,
        "label_zh": label[0],
        "label_en": label[1],
        "text_zh": text[0],
        "text_en": text[1],
        **_NO_DETAILS,
        **details,
    }


def _indicator(i: Indicator, group: str) -> ReasonCode:
    zh, en = _READ[i.direction]
    return _entry(
        i.reason_code,
        "indicator",
        (i.label_zh, i.label_en),
        (f"{i.label_zh}：{zh}。", f"{i.label_en}: {en}."),
        category=i.category,
        categories=list(i.categories),
        dimension=i.dimension,
        group=group,
        indicator=i.name,
        unit=i.unit,
        window_months=i.window,
        direction=i.direction,
        formula=i.formula,
        source=i.source,
        missing=i.missing,
        version=i.version,
        actionable=i.actionable,
    )


def _missing(category: str, code: str) -> ReasonCode:
    zh, en = CATEGORIES[category].records
    return _entry(
        code,
        "missing",
        (f"{zh}记录不足以计算部分指标", f"Some values missing from {en} records"),
        (
            f"已取得{zh}数据，但记录不足以计算部分指标。整类数据或其中某一来源缺失（未授权、未接入、无记录或不可用）不构成理由。",
            f"The {en} records that were delivered do not suffice for some indicators. A category or a source of it "
            "that is absent as a whole, not granted, not connected, without a record or not available, is no reason.",
        ),
        category=category,
        categories=[category],
        group=f"missing:{category}",
    )


def _rule(kind: str, rule: FactRule) -> ReasonCode:
    return _entry(
        rule.code,
        kind,
        (rule.label_zh, rule.label_en),
        (f"{rule.label_zh}。", f"{rule.label_en}."),
        category=rule.category,
        categories=[rule.category],
        indicator=rule.indicator,
    )


def _apart(rule: PartialSettings | ContradictedSettings) -> ReasonCode:
    labels = (rule.label_zh, rule.label_en)
    return _entry(rule.code, "human_review", labels, (f"{labels[0]}。", f"{labels[1]}."))


def _frozen() -> ReasonCode:
    labels = (frozen.LABEL_ZH, frozen.LABEL_EN)
    return _entry(frozen.CODE, "human_review", labels, (f"{labels[0]}。", f"{labels[1]}."))


def _not_scorable(rules: ScoreSettings) -> ReasonCode:
    reason = refusal(rules.scorable)
    return _entry(
        reason.code,
        "not_scorable",
        ("记录不足，无法评分", "Too little record for a score"),
        (reason.sentence_zh, reason.sentence_en),
        categories=list(reason.categories),
    )
