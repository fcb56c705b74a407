"""What a notice of adverse action says, in zh and en, from reasons that are stored; nothing is computed anew. Pure.

Sources: PIPL art. 24 (个人信息保护法第二十四条) gives a person, and so a sole trader, an explanation and the right to
refuse a decision by automated means alone. That reasons are named, four at most, and that there is a clock, follows
12 CFR 1002.9 of the United States, which is no law here: a choice of the platform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

MOST_REASONS = 4

EVENTS: Mapping[str, tuple[str, str]] = {
    "not_scorable": ("数据不足，未能给出信用评分", "there was too little data for a credit score"),
    "knocked_out": (
        "信用画像中出现可单独导致拒贷的事项",
        "the credit profile has a fact for which alone a lender may decline",
    ),
    "declined": ("拒绝了贵企业的融资申请", "declined your firm's application for financing"),
    "worse_terms": ("提供的条件不如贵企业所申请的条件", "offered less than your firm asked for"),
}
"""Event -> what happened, in zh and en."""

_RIGHTS = (
    "贵企业可以在“信用画像”页面查看完整画像；认为数据有误的，可以向数据来源机构申请更正，也可以向本平台提出异议。",
    "You can see the whole profile on the page “Credit profile”. If data is wrong, have its source correct it, or "
    "object to us.",
)
_SOLE_TRADER = (
    "您作为个体工商户，有权要求说明理由，并有权拒绝仅通过自动化决策的方式作出的决定（《个人信息保护法》第二十四条）；"
    "可以在“信用画像”页面申请人工复核。",
    "As a sole trader you have the right to an explanation, and to refuse a decision made by automated means alone "
    "(Personal Information Protection Law, art. 24). Ask for a person on the page “Credit profile”.",
)
_HEADS = {
    "lender": ("该机构说明的原因：", "The reasons that the lender gives:"),
    "profile": ("信用画像中的主要不利因素：", "What weighs most against your firm in the credit profile:"),
}
_NO_PROFILE = ("作出决定时未使用信用画像。", "No credit profile was used for it.")


class NoticeReason(TypedDict):
    """One reason as it was stored: with the profile, or as the lender gave it."""

    by: str  # lender | profile
    code: str
    zh: str
    en: str


@dataclass(frozen=True)
class ToldEvent:
    """What a notice tells of."""

    event: str
    lender_zh: str
    lender_en: str
    on: date
    reasons: Sequence[NoticeReason]
    is_sole_trader: bool
    has_profile: bool = True


@dataclass(frozen=True)
class NoticeTexts:
    """A notice in both languages."""

    zh: str
    en: str

    @property
    def sha256(self) -> str:
        """Hash over both."""
        return hashlib.sha256(f"{self.zh}\n{self.en}".encode()).hexdigest()


def worded(told: ToldEvent) -> NoticeTexts:
    """Return the texts of a notice, a paragraph each line; at most four reasons of each side, in their order."""
    zh, en = EVENTS[told.event]
    day_zh, day_en = f"{told.on.year}年{told.on.month}月{told.on.day}日", f"{told.on:%Y-%m-%d}"
    if told.event in ("declined", "worse_terms"):
        lines_zh, lines_en = [f"{day_zh}，{told.lender_zh}{zh}。"], [f"On {day_en} {told.lender_en} {en}."]
    else:
        lines_zh = [f"{day_zh}，本平台应{told.lender_zh}的请求生成贵企业的信用画像：{zh}。是否放款由该机构决定。"]
        lines_en = [
            f"On {day_en}, when {told.lender_en} asked for your firm's credit profile, {en}. Whether to lend is the "
            "lender's decision."
        ]
    for by, (head_zh, head_en) in _HEADS.items():
        reasons = [one for one in told.reasons if one["by"] == by][:MOST_REASONS]
        if reasons:
            lines_zh += [head_zh, *(f"{n}. {one['zh']}" for n, one in enumerate(reasons, 1))]
            lines_en += [head_en, *(f"{n}. {one['en']}" for n, one in enumerate(reasons, 1))]
    further = [] if told.has_profile else [_NO_PROFILE]
    for one_zh, one_en in (*further, _RIGHTS, *((_SOLE_TRADER,) if told.is_sole_trader else ())):
        lines_zh.append(one_zh)
        lines_en.append(one_en)
    return NoticeTexts("\n".join(lines_zh), "\n".join(lines_en))
