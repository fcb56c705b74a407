"""What may follow what when a firm objects to an access, the reasons a bank can give, and the clocks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from creditlink.disputes.rules.calendar import MOST_DAYS, WorkCalendar

FILE = "objections.toml"
MOST_WORDS = 1_000
"""Characters that a firm, a bank or the operator may write."""

STATES = {
    "asked": ("待银行说明", "waiting for the bank's answer"),
    "answered": ("银行已说明", "answered by the bank"),
    "accepted": ("企业已接受", "settled: the firm accepts the answer"),
    "escalated": ("已升级至平台", "with the platform's operator"),
    "closed": ("平台已认定", "decided by the operator"),
}
"""State -> what it is called, in zh and en."""

OPEN = ("asked", "answered", "escalated")
"""States in which somebody still has something to do."""

ANSWERABLE = ("asked", "escalated")
"""States in which the bank may answer; once, for what it said is evidence."""

REASONS = {
    "application": ("受理本企业的融资申请", "handling the firm's application"),
    "offer": ("主动推荐产品", "finding a product to offer"),
    "servicing": ("管理存续贷款", "servicing a loan that runs"),
    "test": ("系统测试或误操作", "a test or a mistake"),
    "other": ("其他，见说明", "another reason, in words"),
}
"""Why a bank looked -> what it is called; a closed list, so that operators can count."""

ESCALATIONS = {
    "unanswered": ("银行逾期未说明", "the bank did not answer in time"),
    "unsatisfied": ("企业不接受说明", "the firm does not accept the answer"),
}
"""Why an objection came to the operator."""

FINDINGS = {
    "proper": ("查询合规", "the access was proper"),
    "improper": ("查询不当", "the access was improper"),
    "undecided": ("无法认定", "it cannot be decided"),
}
"""What the operator finds -> what it is called."""

_MOST_DAYS = 365


class ObjectionSettingsInvalid(ValueError):
    """A line of `objections.toml` is absent, unknown or wrong; the message names field and value."""


@dataclass(frozen=True)
class ObjectionSettings:
    """The clocks, in working days from the objection; and for how many days after an access a firm may object."""

    answer_days: int
    decide_days: int
    after_days: int

    def answer_due(self, asked_at: datetime, calendar: WorkCalendar) -> datetime:
        """Return until when the bank should answer, exclusive."""
        return calendar.due_at(asked_at, self.answer_days)

    def decision_due(self, asked_at: datetime, calendar: WorkCalendar) -> datetime:
        """Return until when the operator should have decided, exclusive."""
        return calendar.due_at(asked_at, self.decide_days)


def parse(values: Mapping[str, object]) -> ObjectionSettings:
    """Return the settings in a parsed file.

    Raises
    ------
    ObjectionSettingsInvalid
    """
    names = ("answer_days", "decide_days", "after_days")
    for name in (*sorted(set(values) - {"version", *names}), *(n for n in ("version", *names) if n not in values)):
        said = f"{values[name]!r} is not a field" if name in values else "is absent"
        raise ObjectionSettingsInvalid(f"{name}: {said}")
    most = {"after_days": _MOST_DAYS * 5}
    numbers = {name: _days(name, values[name], most.get(name, MOST_DAYS)) for name in names}
    if numbers["decide_days"] < numbers["answer_days"]:
        raise ObjectionSettingsInvalid(
            f"decide_days: must be at least answer_days ({numbers['answer_days']}), got {numbers['decide_days']}"
        )
    return ObjectionSettings(**numbers)


def _days(name: str, value: object, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ObjectionSettingsInvalid(f"{name}: must be a whole number 1 … {most}, got {value!r}")
    return value
