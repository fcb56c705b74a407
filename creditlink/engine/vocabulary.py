"""The words of the field that every part shares: grades, categories and their labels, states. One home for each."""

from __future__ import annotations

from datetime import date

GRADES = ("A+", "A", "B", "C", "D", "E")
"""Grades from the safest to the riskiest."""

GRADES_BY_RANK = GRADES[::-1]
"""Grades from the riskiest to the safest: the position is the rank, which rules on products compare."""

ENTITY_TYPES = ("company", "partnership", "sole_trader", "cooperative")
EARLIEST_FOUNDED = date(1900, 1, 1)
"""No firm that is asked about is older."""
LIFE_CYCLE = ("active", "suspended", "revoked", "deregistered")

CATEGORY_LABELS: dict[str, tuple[str, str]] = {
    "registration": ("登记信息", "registration"),
    "tax": ("纳税", "tax"),
    "social_security": ("社保", "social security"),
    "utility": ("水电气", "utility"),
    "public_credit": ("公共信用", "public credit"),
    "contract": ("合同履约", "contract"),
    "intellectual_property": ("知识产权", "intellectual property"),
    "logistics": ("仓储物流", "logistics"),
}
"""Consent category -> its label in zh and en."""

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
    NOT_COMPUTABLE: ("记录不足以计算部分指标", "the records do not suffice for some indicators"),
}
"""Why a category's values are missing, in zh and en."""


def missing_words(cause: str | None) -> tuple[str, str]:
    """Return why a category's values are missing, in zh and en, given its coverage status."""
    return CAUSES.get(cause or NOT_COMPUTABLE, CAUSES[NOT_COMPUTABLE])
