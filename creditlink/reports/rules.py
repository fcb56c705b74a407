"""What a report may be asked to be, what can be left out of it, and what its verdict is at an instant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from creditlink.kit.files.text import one_line

FILE = "reports.toml"

ACTION = "report"
"""The action of a consent that lets a bank have a report made, and the purpose that such a consent has."""

LANGUAGES = ("zh", "en")
MOST_RECIPIENT, MOST_PURPOSE = 60, 80
"""Characters of a recipient's name and of the words for what it is for: they stand across each page."""

SECTIONS: dict[str, tuple[str, str]] = {
    "registered": ("登记的法定代表人与住所", "registered representative and address"),
    "reasons": ("评分理由", "reasons of the score"),
    "waterfall": ("得分构成", "what makes up the score"),
    "sales": ("逐月销售额", "sales by month"),
    "tax": ("逐月税款", "tax by month"),
    "headcount": ("逐月参保人数", "insured staff by month"),
    "electricity": ("逐月用电量", "electricity by month"),
}
"""What can be left out -> what it is called in zh and en; a report says what was left out."""

State = Literal["valid", "expired", "revoked", "withdrawn", "paused", "outdated"]
STATES: dict[State, tuple[str, str]] = {
    "valid": ("有效", "valid"),
    "expired": ("已过期", "expired"),
    "revoked": ("企业已撤销", "revoked by the firm"),
    "withdrawn": ("企业已撤回授权", "the firm withdrew its consent"),
    "paused": ("企业已暂停授权", "the firm paused its consent"),
    "outdated": ("所依据的画像已失效", "its profile is over"),
}
"""What a report is at an instant -> what that is called."""

_NUMBERS = ("usual_days", "most_days", "a_day", "months")
_MOST = 366


class ReportSettingsInvalid(ValueError):
    """A line of `reports.toml` is absent, unknown or wrong; the message names field and value."""


class AskedWrongly(ValueError):
    """A report was asked for with something that it cannot have; `field` names it, the message says what."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.detail = field, detail


@dataclass(frozen=True)
class ReportSettings:
    """Days that a report is valid, usually and at most; how many a day; how many months it sums up."""

    usual_days: int
    most_days: int
    a_day: int
    months: int


@dataclass(frozen=True)
class WantedReport:
    """What a report is to be: for whom, what for, in which language, for how long, and without what."""

    recipient: str
    purpose: str
    language: str
    days: int
    left_out: tuple[str, ...] = ()


def parse(values: Mapping[str, object]) -> ReportSettings:
    """Return the settings in a parsed file.

    Raises
    ------
    ReportSettingsInvalid
    """
    for name in (
        *sorted(set(values) - {"version", *_NUMBERS}),
        *(n for n in ("version", *_NUMBERS) if n not in values),
    ):
        said = f"{values[name]!r} is not a field" if name in values else "is absent"
        raise ReportSettingsInvalid(f"{name}: {said}")
    numbers: dict[str, int] = {}
    for name in _NUMBERS:
        value = values[name]
        if type(value) is not int or not 1 <= value <= _MOST:
            raise ReportSettingsInvalid(f"{name}: must be a whole number 1 … {_MOST}, got {value!r}")
        numbers[name] = value
    if numbers["usual_days"] > numbers["most_days"]:
        raise ReportSettingsInvalid(f"usual_days: at most most_days ({numbers['most_days']})")
    return ReportSettings(**numbers)


def asked_of(
    *,
    recipient: str,
    purpose: str,
    language: str,
    days: int | None,
    left_out: Sequence[str] = (),
    settings: ReportSettings,
) -> WantedReport:
    """Return what is asked for, with the usual for what was not said.

    Raises
    ------
    AskedWrongly
        A text is empty, too long or not one line of visible characters; or another thing is none of what there is.
    """
    days = settings.usual_days if days is None else days
    if not 1 <= days <= settings.most_days:
        raise AskedWrongly("valid_days", f"must be 1 to {settings.most_days}")
    if language not in LANGUAGES:
        raise AskedWrongly("language", f"must be one of {', '.join(LANGUAGES)}")
    if unknown := sorted(set(left_out) - set(SECTIONS)):
        raise AskedWrongly("leave_out", f"must be of {', '.join(SECTIONS)}, got {unknown[0][:40]!a}")
    return WantedReport(
        _line(recipient, "recipient", MOST_RECIPIENT),
        _line(purpose, "purpose", MOST_PURPOSE),
        language,
        days,
        tuple(name for name in SECTIONS if name in left_out),
    )


def _line(value: str, field: str, most: int) -> str:
    line = one_line(value)
    if line is None:
        raise AskedWrongly(field, "must be one line of visible characters")
    if not 1 <= len(line) <= most:
        raise AskedWrongly(field, f"must have 1 to {most} characters, got {len(line)}")
    return line


def state_at(
    *, valid_until: datetime, revoked_at: datetime | None, consent_state: str, profile_over: bool, now: datetime
) -> State:
    """Return what a report is at `now`: what ended it by somebody's will comes before the clock.

    A consent that was used up or ran out ends no report that was made in its time; one that the firm withdrew does, and
    so does whatever ended the profile early, a corrected record as much as a new penalty.
    """
    if revoked_at is not None:
        return "revoked"
    if consent_state in ("REVOKED", "REJECTED"):
        return "withdrawn"
    if now >= valid_until:
        return "expired"
    if consent_state == "PAUSED":
        return "paused"
    return "outdated" if profile_over else "valid"


def masked(name: str) -> str:
    """Return a name of which enough shows to be compared with a paper, and not enough to be read without it.

    >>> masked("佛山市顺德区永盛五金制品有限公司"), masked("王五"), masked("Li")
    ('佛山市**********限公司', '王*', 'L*')
    """
    shown = min(3, len(name) // 4)
    if shown == 0:
        return name[:1] + "*" * (len(name) - 1)
    return name[:shown] + "*" * (len(name) - 2 * shown) + name[-shown:]
