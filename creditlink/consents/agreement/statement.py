"""The text a firm agrees to, derived from the request alone, so that its hash can be recomputed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from creditlink.consents.agreement.categories import ACTIONS, CATEGORIES, basis_of
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.identity import LenderIdentity, Lines, day_text
from creditlink.consents.agreement.layers import second_layer
from creditlink.consents.agreement.limits import OWN, Template
from creditlink.consents.agreement.receipts import text_hash
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit.clock import SHANGHAI

TEXT_VERSION = "2026-6"
"""Raised with every change of wording below: a consent says which text was shown."""

LANGUAGES = ("zh", "en")

_PUBLIC_NOTE = (
    "以下信息依法公示，无需贵企业授权，因此不能取消勾选。只有在本授权有效期内，机构才能通过本平台查询；每次查询均留痕，"
    "贵企业可随时查看。",
    "The law makes these records public: no consent is needed to read them, so they cannot be unticked. Here the "
    "institution reads them only while this consent lasts, and you see every time it does.",
)

_OWN_PUBLIC_NOTE = (
    "以下信息依法公示，查看本企业画像时一并读取。",
    "The law makes these records public: your own profile reads them too.",
)


@dataclass(frozen=True)
class DataItem:
    """One category in the text: what it holds, where it comes from, whether it can be left out."""

    category: str
    is_optional: bool
    label: str
    holds: str
    source: str
    details: Lines  # the second layer: heading and text


@dataclass(frozen=True)
class PublicItem:
    """Public records in the text: what is read by law whatever the firm answers, and by which law."""

    category: str
    label: str
    holds: str
    source: str
    basis: str


@dataclass(frozen=True)
class Statement:
    """What the page says: who asks for which data, what is read by law, and line by line under which terms."""

    lang: str
    institution: str
    identity: Lines  # of the institution: heading and text; empty where the firm looks at itself
    purpose: str
    data: tuple[DataItem, ...]
    public_note: str
    public: tuple[PublicItem, ...]
    lines: tuple[tuple[str, str], ...]
    version: str = TEXT_VERSION

    @property
    def sha256(self) -> str:
        """Return the hash that the consent keeps."""
        return text_hash(self.as_json())

    def as_json(self) -> dict[str, object]:
        """Return the text as the consent keeps it."""
        text: dict[str, object] = json.loads(json.dumps(asdict(self), ensure_ascii=False))
        return text


def statement(
    details: AuthorizationDetails,
    *,
    institution_zh: str,
    institution_en: str,
    template: Template | None,
    lang: str,
    identity: LenderIdentity | None = None,
    asked_on: date | None = None,
) -> Statement:
    """Return the text for one request in `lang`; the same request gives the same text, to the byte.

    Parameters
    ----------
    identity : of the institution that asks; None: the firm asks for itself, or nothing is known.
    asked_on : the day in Shanghai on which it was asked; None: the text names no first month.
    """
    chinese = lang == "zh"
    code, often = "zh" if chinese else "en", how_often(details, lang)
    items = []
    for category in (*details.required_categories, *details.optional_categories):
        if category in PUBLIC_CATEGORIES:  # below, whether the request names it or not
            continue
        label, holds, source = CATEGORIES[category].text(lang)
        opened = second_layer(
            category,
            office=source,
            often=often,
            until=when(details.valid_until, lang),
            history_months=details.history_months,
            life_days=details.data_life_days,
            asked_on=asked_on,
            lang=code,
        )
        items.append(DataItem(category, category in details.optional_categories, label, holds, source, opened))
    labels = (template.label_zh, template.label_en) if template else (details.purpose, details.purpose)
    return Statement(
        lang=code,
        institution=institution_zh if chinese else institution_en,
        identity=identity.lines(code) if identity else (),
        purpose=labels[0] if chinese else labels[1],
        data=tuple(items),
        public_note=(_OWN_PUBLIC_NOTE if details.purpose == OWN else _PUBLIC_NOTE)[0 if chinese else 1],
        public=tuple(PublicItem(c, *CATEGORIES[c].text(lang), basis_of(c, lang)) for c in PUBLIC_CATEGORIES),
        lines=tuple((_chinese if chinese else _english)(details)),
    )


def when(instant: datetime, lang: str, *, zone: bool = True) -> str:
    """Return an instant as people in China read it; `zone` says which clock it is."""
    local = instant.astimezone(SHANGHAI)
    if lang == "zh":
        return f"{day_text(local.date(), lang)} {local:%H:%M}" + ("（北京时间）" if zone else "")
    return f"{day_text(local.date(), lang)}, {local:%H:%M}" + (" (Beijing time)" if zone else "")


def how_often(details: AuthorizationDetails, lang: str) -> str:
    """Return how often the consent may be used, in words."""
    if lang == "zh":
        count = details.pulls_per_month
        often = f"共可使用 {count} 次" if details.access == "once" else f"每个自然月最多 {count} 次"
        return often if details.pulls_per_day is None else f"{often}，每天最多 {details.pulls_per_day} 次"
    pulls = _times(details.pulls_per_month)
    often = f"{pulls} in all" if details.access == "once" else f"at most {pulls} a calendar month"
    if details.pulls_per_day is None:
        return often
    return f"{often}, not more than {_times(details.pulls_per_day)} a day"


def _chinese(details: AuthorizationDetails) -> Sequence[tuple[str, str]]:
    often = how_often(details, "zh")
    if details.purpose == OWN:
        return (
            ("可以做什么", "由本平台查询贵企业自己的数据，为贵企业计算信用画像并与贷款产品匹配，只供贵企业自己查看"),
            ("谁能看到", "任何银行和其他机构都看不到本授权及其结果；贵企业的每次查看均留痕"),
            ("数据回溯", f"最近 {details.history_months} 个月"),
            ("授权期限", f"自您同意之时起，至 {when(details.valid_until, 'zh')} 止"),
            ("使用次数", often),
            ("保存时间", f"据此产生的结果最多保存 {details.data_life_days} 天"),
            (
                "平台留存",
                "每次计算的依据由本平台加密封存备查，任何银行不得读取，也不用于训练模型；平台人员查看须说明目的并留痕。",
            ),
            ("如何停止", "随时可在“我的授权”中暂停或撤回，立即生效；不影响您给银行的授权。"),
        )
    return (
        ("可以做什么", "、".join(ACTIONS[a][0] for a in details.actions)),
        ("数据回溯", f"最近 {details.history_months} 个月"),
        ("授权期限", f"自您同意之时起，至 {when(details.valid_until, 'zh')} 止"),
        ("使用次数", often),
        ("保存时间", f"据此产生的结果最多保存 {details.data_life_days} 天"),
        (
            "平台留存",
            "每次决策的依据由本平台加密封存备查，任何银行不得读取；贷款结果明确后，可用于训练评分模型，撤回授权后不再使用。",
        ),
        ("如何停止", "随时可在“我的授权”中暂停或撤回，立即生效；撤回不影响贵企业使用本平台的其他服务。"),
    )


def _english(details: AuthorizationDetails) -> Sequence[tuple[str, str]]:
    often = how_often(details, "en")
    days = "1 day" if details.data_life_days == 1 else f"{details.data_life_days} days"
    if details.purpose == OWN:
        return (
            (
                "What is done",
                "CreditLink fetches your own firm's data, computes its credit profile and matches it to loan products, "
                "for your firm's eyes only",
            ),
            (
                "Who sees it",
                "No bank and no other institution sees this consent or what comes of it; each time that your firm "
                "looks is recorded",
            ),
            ("How far back", f"the last {details.history_months} months"),
            ("How long", f"from the moment you agree until {when(details.valid_until, 'en')}"),
            ("How often", often),
            ("How long it is kept", f"what is computed from the data is kept for {days} at most"),
            (
                "What CreditLink keeps",
                "What each computation was based on is sealed as proof. No bank can read it, and no model learns from "
                "it; our own staff must state a purpose to open it, and leave a trace.",
            ),
            (
                "How to stop",
                "You can pause or withdraw this consent under My consents at any time, with immediate effect. Your "
                "consents to banks stay as they are.",
            ),
        )
    return (
        ("What they may do", "; ".join(ACTIONS[a][1] for a in details.actions)),
        ("How far back", f"the last {details.history_months} months"),
        ("How long", f"from the moment you agree until {when(details.valid_until, 'en')}"),
        ("How often", often),
        ("How long it is kept", f"what is computed from the data is kept for {days} at most"),
        (
            "What CreditLink keeps",
            "What a decision was based on is sealed as proof, and no bank can read it. Once it is known how a loan "
            "turned out, it may teach a scoring model; after you withdraw, it no longer does.",
        ),
        (
            "How to stop",
            "You can pause or withdraw this consent under My consents at any time, with immediate effect. "
            "Withdrawing does not affect your other use of CreditLink.",
        ),
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
