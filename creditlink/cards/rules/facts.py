"""The catalogue of a card's facts: what each is called, what it says, how it is found, when it is left out. Pure.

A fact that is not known is left out, never guessed: a category whose office has not answered in full says nothing, and
least of all that nothing is against the firm. Numbers are told as bands, so that a card gives away no more than it is
shown for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from creditlink.cards.rules import bands
from creditlink.engine.vocabulary import REGISTRATION_LABELS, TAXPAYER_GRADES

Words = tuple[str, str]
"""What people read, in zh and en."""

YES_NO: Mapping[str, Words] = {"yes": ("是", "yes"), "no": ("否", "no")}
TAXPAYER_KINDS: Mapping[str, Words] = {
    "general": ("一般纳税人", "general taxpayer"),
    "small_scale": ("小规模纳税人", "small-scale taxpayer"),
}


class Stated(NamedTuple):
    """What a fact says, and the day it is true of."""

    value: str
    on: date


@dataclass(frozen=True)
class RecordedRow:
    """The newest row of a frame: what the office said, and the day since when it is known."""

    values: Mapping[str, object]
    known_on: date


@dataclass(frozen=True)
class CardBasis:
    """What a card is made from: the register, the firm's newest own profile, and its records as of `today`."""

    today: date
    name: str
    uscc: str
    region: str
    industry: str
    entity_type: str
    status: str
    established_on: date | None = None
    grade: str | None = None
    points: int | None = None
    scored_on: date | None = None
    indicators: Mapping[str, float | None] = field(default_factory=dict)
    answered: Mapping[str, date] = field(default_factory=dict)
    """Category -> the day of its office's last answer, where that was in full and is not stale."""
    newest: Mapping[str, RecordedRow] = field(default_factory=dict)
    """Record frame -> its newest row."""


@dataclass(frozen=True)
class CardFact:
    """One fact that a firm can show by itself."""

    name: str
    label: Words
    says: Words
    """How it is found, and what it does not say."""
    state: Callable[[CardBasis], Stated | None]
    values: Mapping[str, Words] = field(default_factory=dict)
    """Code -> what people read; empty: the value is a text of the register."""
    category: str | None = None
    """What of the firm's consent to itself it is made from; None: the register alone."""

    def text_of(self, value: str) -> Words:
        """Return what people read for a value; an unknown code is shown as it is."""
        return self.values.get(value, (value, value))


def _registered(name: str) -> Callable[[CardBasis], Stated | None]:
    def state(basis: CardBasis) -> Stated | None:
        value = getattr(basis, name)
        return Stated(value, basis.today) if value else None

    return state


def _age(basis: CardBasis) -> Stated | None:
    if basis.established_on is None or basis.established_on > basis.today:
        return None
    return Stated(bands.years_in_business(basis.established_on, basis.today), basis.today)


def _grade(basis: CardBasis) -> Stated | None:
    if basis.grade is None or basis.scored_on is None:
        return None
    return Stated(bands.grade_band(basis.grade), basis.scored_on)


def _points(basis: CardBasis) -> Stated | None:
    if basis.points is None or basis.scored_on is None:
        return None
    return Stated(bands.points_band(basis.points), basis.scored_on)


def _newest(frame: str, column: str) -> Callable[[CardBasis], Stated | None]:
    def state(basis: CardBasis) -> Stated | None:
        row = basis.newest.get(frame)
        value = None if row is None else row.values.get(column)
        return Stated(value, row.known_on) if row is not None and isinstance(value, str) else None

    return state


def _banded(category: str, indicator: str, ends: bands.Ends) -> Callable[[CardBasis], Stated | None]:
    def state(basis: CardBasis) -> Stated | None:
        value, on = basis.indicators.get(indicator), basis.answered.get(category)
        return None if value is None or on is None else Stated(ends.band_of(value), on)

    return state


def _none_of(category: str, *indicators: str) -> Callable[[CardBasis], Stated | None]:
    """Return yes where every indicator is zero, no where one is above it, nothing where one is unknown."""

    def state(basis: CardBasis) -> Stated | None:
        values, on = [basis.indicators.get(one) for one in indicators], basis.answered.get(category)
        if on is None or any(value is None for value in values):
            return None
        return Stated("no" if any(value for value in values) else "yes", on)

    return state


_LABELS = {code: REGISTRATION_LABELS[code] for code in REGISTRATION_LABELS}
_TAX, _SOCIAL, _PUBLIC = "tax", "social_security", "public_credit"

CATALOGUE: tuple[CardFact, ...] = (
    CardFact(
        "name", ("企业名称", "Name"), ("登记机关登记的名称。", "The name in the register."), _registered("name"),
    ),
    CardFact(
        "uscc", ("统一社会信用代码", "Unified social credit code"),
        ("登记机关赋予的代码。", "The code in the register."), _registered("uscc"),
    ),
    CardFact(
        "entity_type", ("企业类型", "Kind of firm"), ("登记的企业类型。", "As it is registered."),
        _registered("entity_type"), _LABELS,
    ),
    CardFact(
        "registration_status", ("登记状态", "Registration status"),
        ("制卡当日的登记状态。", "In the register on the day the card was made."), _registered("status"), _LABELS,
    ),
    CardFact(
        "region", ("登记地区", "Registered in"),
        ("登记地的行政区划代码（GB/T 2260，县级）。", "The district's code by GB/T 2260."), _registered("region"),
        bands.REGIONS,
    ),
    CardFact(
        "industry", ("行业门类", "Line of business"),
        ("国民经济行业门类（GB/T 4754-2017），不显示细分行业。",
         "The section of GB/T 4754-2017; the finer division is not told."),
        lambda basis: Stated(basis.industry[:1], basis.today) if basis.industry else None, bands.SECTIONS,
    ),
    CardFact(
        "years_in_business", ("经营年限", "Years in business"),
        ("自成立之日起的整年数，以区间表示；登记中没有成立日期的不显示。",
         "Whole years since the firm was founded, as a band; left out where the register has no day."),
        _age, bands.YEARS,
    ),
    CardFact(
        "grade_band", ("信用等级区间", "Grade band"),
        ("企业最近一次自有信用画像的等级所在区间；没有评分或画像过旧的不显示。",
         "The band of the grade in the firm's newest own profile; left out without a score, or when it is too old."),
        _grade, bands.GRADES_BANDED, "profile",
    ),
    CardFact(
        "points_band", ("信用评分区间", "Points band"),
        ("同一画像的评分，以五十分为一档。", "The points of the same profile, in steps of fifty."), _points,
        category="profile",
    ),
    CardFact(
        "taxpayer_grade", ("纳税信用等级", "Taxpayer credit grade"),
        ("税务机关评定的最新纳税信用等级；税务机关未提供的不显示。",
         "The tax office's newest grade of the firm; left out where the office gave none."),
        _newest("tax_standing", "taxpayer_grade"), {one: (f"{one}级", one) for one in TAXPAYER_GRADES}, _TAX,
    ),
    CardFact(
        "taxpayer_kind", ("增值税纳税人类型", "VAT taxpayer"),
        ("税务机关登记的一般纳税人或小规模纳税人。", "General or small-scale, as the tax office has it."),
        _newest("tax_standing", "taxpayer_kind"), TAXPAYER_KINDS, _TAX,
    ),
    CardFact(
        "taxes_filed_on_time", ("近12个月按期申报增值税", "VAT filed on time, 12 months"),
        ("近12个月到期的增值税申报均按期完成；税务数据不完整的不显示。",
         "Every VAT declaration due in twelve months was filed by its day; left out where data is incomplete."),
        _none_of(_TAX, "tax_late_filings_12", "tax_unfiled_12"), YES_NO, _TAX,
    ),
    CardFact(
        "no_tax_arrears", ("无欠税", "No tax in arrears"),
        ("税务机关最新记录中没有欠税。", "The tax office's newest record shows none."),
        _none_of(_TAX, "tax_arrears_fen"), YES_NO, _TAX,
    ),
    CardFact(
        "sales_band", ("近12个月销售额区间", "Sales of 12 months, band"),
        ("近12个月申报的销售额，以区间表示。", "Sales declared in twelve months, as a band."),
        _banded(_TAX, "sales_12_fen", bands.SALES), bands.SALES.words, _TAX,
    ),
    CardFact(
        "headcount_band", ("参保人数区间", "Insured staff, band"),
        ("最近月份参加社会保险的人数，以区间表示。", "People insured in the newest month, as a band."),
        _banded(_SOCIAL, "headcount", bands.HEADCOUNT), bands.HEADCOUNT.words, _SOCIAL,
    ),
    CardFact(
        "social_security_on_time", ("近12个月按期缴纳社保", "Social security paid on time, 12 months"),
        ("近12个月社会保险费均按期缴纳，且无欠费；社保数据不完整的不显示。",
         "Contributions of twelve months were paid by their day and none is owed; left out where data is incomplete."),
        _none_of(_SOCIAL, "contributions_late_12", "contributions_unpaid_fen"), YES_NO, _SOCIAL,
    ),
    CardFact(
        "no_penalties", ("近24个月无行政处罚公示", "No public penalty, 24 months"),
        ("近24个月公示信息中没有行政处罚；未能查询的不显示。",
         "The public lists show no penalty of the last 24 months; left out where they were not searched."),
        _none_of(_PUBLIC, "penalty_severity_24"), YES_NO, _PUBLIC,
    ),
    CardFact(
        "no_enforcement", ("无未结被执行案件", "No open court enforcement"),
        ("公示信息中没有未结的被执行案件，且不在失信被执行人名单内。",
         "The courts' lists show no open case of enforcement, and the firm is not on the list of dishonest debtors."),
        _none_of(_PUBLIC, "enforcements_open_fen", "dishonest_debtor"), YES_NO, _PUBLIC,
    ),
    CardFact(
        "red_list", ("守信激励红名单", "On a red list"),
        ("在公示的守信激励名单内。", "The firm is on a published list of firms that keep their word."),
        lambda basis: (
            None
            if (value := basis.indicators.get("red_list")) is None or _PUBLIC not in basis.answered
            else Stated("yes" if value else "no", basis.answered[_PUBLIC])
        ),
        YES_NO, _PUBLIC,
    ),
)  # fmt: skip
"""Every fact that a card can hold, in the order of every list."""

BY_NAME = {fact.name: fact for fact in CATALOGUE}
INDICATORS = (
    "tax_late_filings_12", "tax_unfiled_12", "tax_arrears_fen", "sales_12_fen", "headcount", "contributions_late_12",
    "contributions_unpaid_fen", "penalty_severity_24", "enforcements_open_fen", "dishonest_debtor", "red_list",
)  # fmt: skip
"""What of the catalogue of indicators the facts read."""
FRAMES = ("tax_standing",)


def stated(basis: CardBasis) -> dict[str, Stated]:
    """Return what a card of this firm says today, fact by fact; what is not known is not in it."""
    found = {fact.name: fact.state(basis) for fact in CATALOGUE}
    return {name: one for name, one in found.items() if one is not None}


def categories_of(names: set[str]) -> list[str]:
    """Return what of a firm's consent to itself some facts are made from."""
    used = {BY_NAME[name].category for name in names if name in BY_NAME}
    return sorted(one for one in used if one is not None)
