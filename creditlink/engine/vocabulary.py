"""The words of the field that every part shares, each with one home: codes, and how people say them in zh and en.

States of consents, applications and products live with the rules that change them: `consents.life.rules`,
`financing.applications.states`, `products.catalogue.lifecycle`. `docs/glossary.md` explains the terms.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

GRADES = ("A+", "A", "B", "C", "D", "E")
"""Grades from the safest to the riskiest."""

GRADES_BY_RANK = GRADES[::-1]
"""Grades from the riskiest to the safest: the position is the rank, which rules on products compare."""

TAXPAYER_GRADES = ("A", "B", "M", "C", "D")
"""The tax office's grades of taxpayers from the best; the indicator's value is the position from 1."""

FEWEST_FIRMS = 10
"""No figure is published of fewer firms: k-anonymity with k = 10.

Source: domain rule; Sweeney 2002, "k-anonymity".
"""


FIRST_EDITION, EDITION = 1, 2
"""Of the rules that choose a profile's reasons and the words that tell them: of profiles that name no edition, made
until November 2026, and of new ones. A replay chooses and says what was chosen and said."""


@dataclass(frozen=True)
class CategoryName:
    """What a data category is called."""

    label_zh: str  # at the head of a list
    label_en: str
    noun_zh: str  # in a sentence
    noun_en: str
    adjective_en: str  # before "records"; Chinese uses the noun

    @property
    def records(self) -> tuple[str, str]:
        """Return what its records are called in a sentence: `纳税`数据, `tax` records."""
        return self.noun_zh, self.adjective_en


CATEGORIES: dict[str, CategoryName] = {
    "registration": CategoryName("登记信息", "Registration", "登记信息", "registration", "registration"),
    "tax": CategoryName("纳税与开票", "Tax and invoices", "纳税", "tax", "tax"),
    "social_security": CategoryName("社会保险", "Social security", "社保", "social security", "social security"),
    "housing_fund": CategoryName("住房公积金", "Housing fund", "公积金", "housing fund", "housing-fund"),
    "utility": CategoryName("水、电、气", "Electricity, water and gas", "水电气", "utilities", "utility"),
    "public_credit": CategoryName("公共信用", "Public credit record", "公共信用", "public credit", "public credit"),
    "contract": CategoryName("合同履约", "Contract performance", "合同履约", "contracts", "contract"),
    "intellectual_property": CategoryName(
        "知识产权", "Intellectual property", "知识产权", "intellectual property", "intellectual property"
    ),
    "logistics": CategoryName("仓储物流", "Logistics and storage", "仓储物流", "logistics", "logistics"),
    "import_export": CategoryName("进出口", "Imports and exports", "进出口", "imports and exports", "customs"),
}
"""Category of evidence -> its name; in the order of every list. Indicators, reasons and the model read by these."""

UTILITY = "utility"
"""The one category of evidence that several companies deliver: each supply is granted, asked for and kept by itself."""

SUPPLIES: dict[str, CategoryName] = {
    "electricity": CategoryName("用电", "Electricity", "用电", "electricity", "electricity"),
    "water": CategoryName("用水", "Water", "用水", "water", "water"),
    "gas": CategoryName("用气", "Gas", "用气", "gas", "gas"),
}
"""What a firm grants in place of `utility` -> its name."""

CONSENT_CATEGORIES: dict[str, CategoryName] = {
    code: name
    for category, label in CATEGORIES.items()
    for code, name in (SUPPLIES if category == UTILITY else {category: label}).items()
}
"""Category of data as consents, sources and stored facts name it -> its name; the supplies are apart."""

PUBLIC_CATEGORIES = ("registration", "public_credit")
"""Published by law: read for every profile, whether or not a consent names them.

Source: Interim Regulation on Enterprise Information Disclosure (State Council Decree 654), art. 2, 6 and 7.
"""


def evidence_of(category: str) -> str:
    """Return the category of evidence that a category of consent is part of; most are one by themselves."""
    return UTILITY if category in SUPPLIES else category


def name_of(category: str) -> CategoryName:
    """Return the name of a category, of consent or of evidence.

    Raises
    ------
    KeyError
        There is no such category.
    """
    return CATEGORIES.get(category) or SUPPLIES[category]


def supplies_apart(categories: Iterable[str]) -> tuple[str, ...]:
    """Return consent categories with the three supplies in place of `utility`, as it was granted until 2026-11."""
    return tuple(
        dict.fromkeys(one for category in categories for one in (SUPPLIES if category == UTILITY else (category,)))
    )


def is_opened(category: str, granted: Collection[str]) -> bool:
    """Return whether `granted` categories open a category, of consent or of evidence.

    What is public is always open. Any supply opens `utility`, as far as that supply goes; `utility` opens each.
    """
    if category in PUBLIC_CATEGORIES or category in granted or evidence_of(category) in granted:
        return True
    return category == UTILITY and any(supply in granted for supply in SUPPLIES)


ENTITY_TYPES = ("company", "partnership", "sole_trader", "cooperative")
EARLIEST_FOUNDED = date(1900, 1, 1)
"""No registered firm is older."""
LIFE_CYCLE = ("active", "suspended", "revoked", "deregistered")

REGISTRATION_LABELS: dict[str, tuple[str, str]] = {
    "company": ("公司", "company"),
    "partnership": ("合伙企业", "partnership"),
    "sole_trader": ("个体工商户", "sole trader"),
    "cooperative": ("合作社", "cooperative"),
    "active": ("存续", "active"),
    "suspended": ("停业", "suspended"),
    "revoked": ("吊销", "revoked"),
    "deregistered": ("注销", "deregistered"),
}
"""Entity type or state in the register -> its label in zh and en."""

INSTITUTION_KINDS: dict[str, tuple[str, str]] = {
    "bank": ("银行", "bank"),
    "leasing": ("融资租赁公司", "leasing company"),
    "guarantee": ("融资担保公司", "guarantee company"),
    "microloan": ("小额贷款公司", "micro-loan company"),
    "factoring": ("商业保理公司", "factoring company"),
    "operator": ("平台运营方", "operator of the platform"),
}
"""Kind of institution -> its name in zh and en."""

LENDER_KINDS = tuple(kind for kind in INSTITUTION_KINDS if kind != "operator")
"""Kinds of institution that offer products."""

PRODUCT_KINDS: dict[str, tuple[str, str]] = {
    "credit": ("信用贷", "Unsecured credit"),
    "tax": ("银税贷", "Tax-based loan"),
    "payroll": ("社保贷", "Payroll-based loan"),
    "energy": ("能源贷", "Energy-based loan"),
    "technology": ("科技贷", "Technology loan"),
    "knowledge_value": ("知识价值贷", "Knowledge-value loan"),
    "commercial_value": ("商业价值贷", "Commercial-value loan"),
    "order": ("订单贷", "Order and contract loan"),
    "supply_chain": ("供应链保理", "Supply-chain factoring"),
    "guaranteed": ("担保贷", "Guaranteed loan"),
    "green": ("绿色贷", "Green loan"),
    "first_loan": ("首贷", "First loan"),
    "cluster": ("园区集群贷", "Industrial-park loan"),
    "emergency": ("应急贷", "Emergency loan"),
    "lease": ("设备融资租赁", "Equipment lease"),
}
"""Product kind -> its label in zh and en."""

GUARANTEES = ("none", "guarantor", "collateral", "pledge", "fund")
"""How a loan is secured."""

REPAYMENTS: dict[str, tuple[str, str]] = {
    "bullet": ("到期一次还本，按月付息", "Principal at the end, interest monthly"),
    "equal_instalment": ("等额本息", "Equal monthly instalments"),
    "revolving": ("随借随还", "Revolving"),
}
"""How a loan is repaid -> its label in zh and en."""

NOT_COMPUTABLE = "not_computable"
"""The category was delivered, and still some of its indicators have no value."""

CAUSES: dict[str, tuple[str, str]] = {
    "not_granted": ("企业未授权", "the firm did not grant them"),
    "not_requested": ("贷款机构本次未调取", "the lender did not ask for them this time"),
    "not_connected": ("尚未接入该数据源", "no source is connected yet"),
    "pending": ("数据尚未取得", "the source has not answered yet"),
    "no_record": ("数据源没有该企业的记录", "the source has no record of the firm"),
    "partial": ("数据源只提供了部分数据", "the source delivered only a part"),
    "denied": ("数据源拒绝提供", "the source refused"),
    "timeout": ("数据源未及时响应", "the source did not answer in time"),
    "source_down": ("数据源暂不可用", "the source is down"),
    "uploaded": ("由企业自行上传，未经主管机关确认", "uploaded by the firm itself, not confirmed by the office"),
    NOT_COMPUTABLE: ("记录不足以计算部分指标", "the records do not suffice for some indicators"),
}
"""Why a category's values are missing, in zh and en."""


def missing_words(cause: str | None) -> tuple[str, str]:
    """Return why a category's values are missing, in zh and en, given its coverage status."""
    return CAUSES.get(cause or NOT_COMPUTABLE, CAUSES[NOT_COMPUTABLE])


_NEAREST = (
    "no_record", "partial", "uploaded", NOT_COMPUTABLE, "pending", "timeout", "source_down", "denied", "not_connected",
    "not_requested", "not_granted",
)  # fmt: skip
# How near each cause is to an answer: the best of several is what is said of them together.


def causes_of_evidence(missing: Mapping[str, str], incomplete: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """Return why categories gave nothing, and why less than they have, with `utility` by what is said of its supplies.

    `utility` is missing or incomplete only where every supply is, for the best of their causes; what a supply lacks is
    still said under its own name. Where only `utility` is named, as in older profiles, each supply lacks the same.
    """
    gone, short = dict(missing), dict(incomplete)
    for causes in (gone, short):
        if UTILITY in causes:
            causes |= {supply: causes[UTILITY] for supply in SUPPLIES if supply not in causes}
    lacking = gone | short
    if UTILITY not in lacking and all(supply in lacking for supply in SUPPLIES):
        into = short if any(supply in short for supply in SUPPLIES) else gone
        into[UTILITY] = min((into[supply] for supply in SUPPLIES if supply in into), key=_place)
    return gone, short


def _place(cause: str) -> int:
    return _NEAREST.index(cause) if cause in _NEAREST else len(_NEAREST)
