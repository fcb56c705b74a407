"""The book of reason codes: every code a profile can hold, generated from the catalogue and the score's rules. Pure.

A code is never reused: one that is retired is gone from the book, and no other meaning takes its place.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from creditlink.engine.explanation.sentences import MISSING_CODES
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.indicator import Indicator
from creditlink.engine.scoring.limits.scorable import refusal
from creditlink.engine.scoring.settings import FactRule, PartialSettings, ScoreSettings
from creditlink.engine.vocabulary import CATEGORIES

KINDS = ("indicator", "missing", "not_scorable", "knock_out", "human_review")

_READ = {
    1: ("越高风险越高", "the higher, the riskier"),
    -1: ("越高风险越低", "the higher, the safer"),
    0: ("方向由模型决定", "read by the model in either direction"),
}


@dataclass(frozen=True)
class CodeBook:
    """All codes, by code."""

    items: tuple[dict[str, Any], ...]

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
    items.append(_partial(rules.partial))
    items.append(_not_scorable(rules))
    codes = [item["code"] for item in items]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"reason codes given twice: {', '.join(twice)}")
    return CodeBook(tuple(sorted(items, key=lambda item: str(item["code"]))))


def _entry(code: str, kind: str, label: tuple[str, str], text: tuple[str, str], **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("category", "categories", "dimension", "group", "indicator", "unit", "window_months", "direction", "formula",
         "source", "missing", "version", "actionable")
    )  # fmt: skip
    return {
        "code": code,
        "kind": kind,
        "label_zh": label[0],
        "label_en": label[1],
        "text_zh": text[0],
        "text_en": text[1],
        **empty,
        **more,
    }


def _indicator(i: Indicator, group: str) -> dict[str, Any]:
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


def _missing(category: str, code: str) -> dict[str, Any]:
    zh, en = CATEGORIES[category].records
    return _entry(
        code,
        "missing",
        (f"{zh}记录不足以计算部分指标", f"Some values missing from {en} records"),
        (
            f"已取得{zh}数据，但记录不足以计算部分指标。整类数据缺失（未授权、无记录或数据源不可用）不构成理由。",
            f"The {en} records that were delivered do not suffice for some indicators. A category that is absent as a "
            "whole, not granted, without a record or not available, is no reason.",
        ),
        category=category,
        categories=[category],
        group=f"missing:{category}",
    )


def _rule(kind: str, rule: FactRule) -> dict[str, Any]:
    return _entry(
        rule.code,
        kind,
        (rule.label_zh, rule.label_en),
        (f"{rule.label_zh}。", f"{rule.label_en}."),
        category=rule.category,
        categories=[rule.category],
        indicator=rule.indicator,
    )


def _partial(told: PartialSettings) -> dict[str, Any]:
    labels = (told.label_zh, told.label_en)
    return _entry(told.code, "human_review", labels, (f"{labels[0]}。", f"{labels[1]}."))


def _not_scorable(rules: ScoreSettings) -> dict[str, Any]:
    told = refusal(rules.scorable)
    return _entry(
        told.code,
        "not_scorable",
        ("记录不足，无法评分", "Too little record for a score"),
        (told.sentence_zh, told.sentence_en),
        categories=list(told.categories),
    )
