"""The text a firm agrees to: made from the request alone, so that its hash can be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from creditlink.clock import SHANGHAI
from creditlink.consents.categories import ACTIONS, CATEGORIES
from creditlink.consents.details import AuthorizationDetails
from creditlink.consents.limits import Template

TEXT_VERSION = "2026-1"
"""Raised with every change of wording below: a consent says which text was shown."""

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class Statement:
    """What the page says, line by line: a heading and what stands under it."""

    lang: str
    lines: tuple[tuple[str, str], ...]
    version: str = TEXT_VERSION

    @property
    def sha256(self) -> str:
        """Return the hash that the consent keeps."""
        text = json.dumps([self.version, self.lang, self.lines], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def statement(
    details: AuthorizationDetails, *, institution_zh: str, institution_en: str, template: Template | None, lang: str
) -> Statement:
    """Return the text for one request in `lang`; the same request gives the same text, to the byte."""
    make = _chinese if lang == "zh" else _english
    name = institution_zh if lang == "zh" else institution_en
    return Statement(lang if lang == "zh" else "en", tuple(make(details, name, template)))


def when(instant: datetime, lang: str) -> str:
    """Return an instant as people in China read it."""
    local = instant.astimezone(SHANGHAI)
    if lang == "zh":
        return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}(北京时间)"
    return f"{local.day} {local:%b %Y, %H:%M} (Beijing time)"


def _listed(details: AuthorizationDetails, lang: str, *, optional: bool) -> list[str]:
    names = details.optional_categories if optional else details.required_categories
    mark = {"zh": ("必需", "可选"), "en": ("required", "optional")}[lang][optional]
    found = []
    for name in names:
        label, holds, source = CATEGORIES[name].text(lang)
        found.append(
            f"{label}({mark}):{holds}。来源:{source}。"
            if lang == "zh"
            else f"{label} ({mark}): {holds}. From {source}."
        )
    return found


def _chinese(details: AuthorizationDetails, name: str, template: Template | None) -> Sequence[tuple[str, str]]:
    purpose = template.label_zh if template else details.purpose
    often = (
        f"共可使用 {details.pulls_per_month} 次"
        if details.access == "once"
        else f"每个自然月最多 {details.pulls_per_month} 次"
    )
    if details.pulls_per_day is not None:
        often += f",每天最多 {details.pulls_per_day} 次"
    return (
        ("申请机构", name),
        ("用途", purpose),
        ("数据", " ".join(_listed(details, "zh", optional=False) + _listed(details, "zh", optional=True))),
        ("可以做什么", "、".join(ACTIONS[a][0] for a in details.actions)),
        ("回溯期", f"最近 {details.history_months} 个月"),
        ("授权期限", f"自同意之时起,至 {when(details.valid_until, 'zh')} 止"),
        ("使用次数", often),
        ("数据保存", f"据此产生的结果最多保存 {details.data_life_days} 天"),
        ("如何停止", "可随时在“我的授权”中暂停或撤回,立即生效;撤回不影响贵企业使用本平台的其他服务"),
    )


def _english(details: AuthorizationDetails, name: str, template: Template | None) -> Sequence[tuple[str, str]]:
    purpose = template.label_en if template else details.purpose
    often = (
        f"{details.pulls_per_month} time(s) in all"
        if details.access == "once"
        else f"at most {details.pulls_per_month} time(s) in a calendar month"
    )
    if details.pulls_per_day is not None:
        often += f", at most {details.pulls_per_day} a day"
    return (
        ("Who asks", name),
        ("Purpose", purpose),
        ("Data", " ".join(_listed(details, "en", optional=False) + _listed(details, "en", optional=True))),
        ("What they may do", "; ".join(ACTIONS[a][1] for a in details.actions)),
        ("How far back", f"the last {details.history_months} months"),
        ("How long", f"from the moment you agree until {when(details.valid_until, 'en')}"),
        ("How often", often),
        ("Kept for", f"what is made from it is kept for {details.data_life_days} day(s) at most"),
        (
            "How to stop",
            "Pause or withdraw at any time under My consents; it takes effect at once, "
            "and withdrawing has no effect on your use of other services here",
        ),
    )
