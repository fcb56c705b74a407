"""Who asks: what a firm can check of an institution before it agrees. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from creditlink.engine.vocabulary import INSTITUTION_KINDS

Lines = tuple[tuple[str, str], ...]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class LenderIdentity:
    """What is known of an institution; `uscc` and `licence_no` are None where the operator has not recorded them."""

    code: str
    kind: str
    uscc: str | None
    licence_no: str | None
    since: date  # the day from which it has been registered here

    def lines(self, lang: Literal["zh", "en"] | str) -> Lines:
        """Return it as pairs of heading and text; what is not recorded is said so, never left out."""
        labels = INSTITUTION_KINDS.get(self.kind, (self.kind, self.kind))
        if lang == "zh":
            return (
                ("机构类型", labels[0]),
                ("统一社会信用代码", self.uscc or "平台未登记"),
                ("金融许可证编号", self.licence_no or "平台未登记"),
                ("平台机构代码", self.code),
                ("接入本平台", f"{day_text(self.since, 'zh')}起"),
            )
        return (
            ("Kind of institution", labels[1]),
            ("Unified social credit code", self.uscc or "not recorded here"),
            ("Licence number", self.licence_no or "not recorded here"),
            ("Code on CreditLink", self.code),
            ("On CreditLink", f"since {day_text(self.since, 'en')}"),
        )


def day_text(day: date, lang: str) -> str:
    """Return a day as people in China read it."""
    if lang == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    # Not strftime's month: that would follow the server's locale.
    return f"{day.day} {month_text(day, lang)}"


def month_text(day: date, lang: str) -> str:
    """Return the month of a day."""
    return f"{day.year}年{day.month}月" if lang == "zh" else f"{_MONTHS[day.month - 1]} {day.year}"
