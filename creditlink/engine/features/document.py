"""The reference of indicators as a page, generated so that it cannot disagree with the code."""

from __future__ import annotations

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.indicator import DIMENSION_LABELS, Indicator

_DIRECTION = {1: ("越高越危险", "more is riskier"), -1: ("越高越安全", "more is safer"), 0: ("不限", "free")}


def render_reference() -> str:
    """Return docs/indicators.md: every indicator, in Chinese and English, by dimension."""
    lines = [
        "# 指标目录 · Indicators",
        "",
        "Generated from `creditlink/engine/features/catalogue.py`; do not edit. `m01` is the month before the month "
        "of `as_of`.",
        "A window counts months back from it. Amounts are integer fen (1/100 yuan). A ratio with no denominator is",
        "missing, never zero. A reason code is never reused.",
        "",
        f"由目录生成, 请勿手改. 共 {len(CATALOGUE)} 项指标; `m01` 为 `as_of` 所在月的上一个月; 金额单位为分.",
        "",
        "| 维度 · dimension | indicators |",
        "|---|---|",
    ]
    for dimension, (zh, en) in DIMENSION_LABELS.items():
        lines.append(f"| {zh} · {en} | {sum(i.dimension == dimension for i in CATALOGUE)} |")
    for dimension, (zh, en) in DIMENSION_LABELS.items():
        lines += ["", f"## {zh} · {en}"]
        for indicator in CATALOGUE:
            if indicator.dimension == dimension:
                lines += _entry(indicator)
    return "\n".join(lines) + "\n"


def _entry(i: Indicator) -> list[str]:
    zh, en = _DIRECTION[i.direction]
    hands = "the firm can act on it" if i.actionable else "not directly in the hands of the firm"
    return [
        "",
        f"### {i.reason_code} `{i.name}`",
        "",
        f"{i.label_zh} · {i.label_en}",
        "",
        f"- categories: {', '.join(i.categories)}; unit: {i.unit}; window: {i.window} months; version: {i.version}",
        f"- direction: {zh} · {en}; {hands}",
        f"- formula: {i.formula}",
        f"- missing: {i.missing}",
        f"- {i.source}",
    ]
