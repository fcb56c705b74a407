"""Until when a profile may be relied on, and what ends that early. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NotRequired, TypedDict

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.facts.known_places import known_places

CAUSES_OF_END: dict[str, tuple[str, str]] = {
    "consent": ("授权到期", "the consent ends"),
    "data_life": ("数据留存期届满", "the data life is over"),
    "next_filing": (
        "所用数据的下一期申报或账单应已可得",
        "the next filing or bill of what it was computed from is due",
    ),
    "model": ("评分模型使用期限届满", "the model's time is over"),
    "rules": ("评分规则使用期限届满", "the rules' time is over"),
    "purpose": ("该用途的最长采用期限届满", "the longest that a profile is relied on for the purpose"),
}
"""What may end a profile's validity in time, in zh and en."""

ENDS_EARLY: dict[str, tuple[str, str]] = {
    "consent_withdrawn": ("企业撤回或暂停授权", "The firm withdraws or pauses its consent"),
    "new_penalty_or_enforcement": (
        "出现新的行政处罚、税务处罚、强制执行或失信记录",
        "A new penalty, tax penalty, court enforcement or entry in the dishonest-debtor list",
    ),
    "fact_corrected": ("数据源更正了评分所用的数据", "A source corrects a fact that the profile was computed from"),
    "model_withdrawn": ("评分模型被停用", "The model that scored it is withdrawn"),
    "registration_changed": ("企业登记状态发生变更", "The firm's status in the register changes"),
    "representative_changed": ("企业法定代表人发生变更", "The firm's legal representative changes"),
    "new_arrears": ("企业出现新的欠缴", "The firm falls into new arrears"),
}
"""Events after which a profile is not to be relied on, whatever the date, in zh and en."""

_FIRST_EVENTS = (
    *("consent_withdrawn", "new_penalty_or_enforcement", "fact_corrected", "model_withdrawn"),
    "registration_changed",
)
"""The events that profiles tell which did not store theirs yet."""

_SHANGHAI = timezone(timedelta(hours=8))
_BY_PERIOD = "vat_declarations"  # whose rows cover a month or a quarter; those of other frames cover a month


class ValiditySettingError(ValueError):
    """A line of `validity.toml` is absent, unknown or wrong; the message names it and its value."""


class ValidityBound(TypedDict):
    """One thing that ends validity: a key of `CAUSES_OF_END`, and the instant, exclusive, in ISO 8601."""

    cause: str
    until: str


class ValidityInputs(TypedDict):
    """What validity is computed from besides the facts; a profile keeps it, so that a replay has the same."""

    bounds: list[ValidityBound]
    grace_days: dict[str, int]  # record frame -> days after the due day of its next row
    events: NotRequired[list[str]]  # that end it early: keys of `ENDS_EARLY`


@dataclass(frozen=True)
class ValiditySettings:
    """All of `validity.toml`."""

    version: int
    model_days: int
    days: Mapping[str, int]
    grace_days: Mapping[str, int]
    rules_until: date | None = None  # the last day

    def inputs(
        self,
        *,
        purpose: str,
        now: datetime,
        consent_ends: datetime,
        data_life: timedelta,
        model_made: datetime | None,
    ) -> ValidityInputs:
        """Return what bounds a profile that is made now; every bound but that of the filings, which the facts tell."""
        ends = {"consent": consent_ends, "data_life": now + data_life}
        if model_made is not None:
            ends["model"] = model_made + timedelta(days=self.model_days)
        if self.rules_until is not None:
            ends["rules"] = _after(self.rules_until)
        if purpose in self.days:
            ends["purpose"] = now + timedelta(days=self.days[purpose])
        bounds: list[ValidityBound] = [{"cause": cause, "until": _text(until)} for cause, until in ends.items()]
        return {"bounds": bounds, "grace_days": dict(self.grace_days), "events": list(ENDS_EARLY)}


def parse(values: Mapping[str, object]) -> ValiditySettings:
    """Return the settings of a parsed `validity.toml`.

    Raises
    ------
    ValiditySettingError
        A line is absent, unknown, of the wrong type or out of range.
    """
    wanted = {"version", "model_days", "days", "grace_days"}
    for name in sorted(wanted - set(values)):
        raise ValiditySettingError(f"{name} is absent")
    for name in sorted(set(values) - wanted - {"rules_until"}):
        raise ValiditySettingError(f"{name}: {values[name]!r}: is not a setting of validity")
    rules_until = values.get("rules_until")
    if rules_until is not None and type(rules_until) is not date:
        raise ValiditySettingError(f"rules_until: a day is expected, got {rules_until!r}")
    grace = _days("grace_days", values["grace_days"], least=0)
    for name in grace:
        if "due_on" not in FRAME_SCHEMAS.get(name, {}):
            raise ValiditySettingError(f"grace_days.{name}: is not a record frame with due days")
    return ValiditySettings(
        version=_whole("version", values["version"], 1),
        model_days=_whole("model_days", values["model_days"], 1),
        days=_days("days", values["days"], least=1),
        grace_days=grace,
        rules_until=rules_until,
    )


def validity_of(records: RecordSet, inputs: ValidityInputs, as_of: date) -> dict[str, object]:
    """Return until when a profile of the one firm in `records` may be relied on, by what, and what ends that early.

    Plain values; `limited_by` is the cause of the earliest bound, of several at one instant the first of
    `CAUSES_OF_END`.
    """
    return bounded(inputs, next_filing(records, inputs, as_of))


def next_filing(records: RecordSet, inputs: ValidityInputs, as_of: date) -> date | None:
    """Return the day by which the next row of what the profile was computed from should be there, with its grace."""
    due = [_next_due(records.frame(name), name, as_of, days) for name, days in sorted(inputs["grace_days"].items())]
    return min((day for day in due if day is not None), default=None)


def bounded(inputs: ValidityInputs, filing: date | None) -> dict[str, object]:
    """Return what `validity_of` does, given the next filing's day."""
    bounds = list(inputs["bounds"])
    if filing is not None:
        bounds.append({"cause": "next_filing", "until": _text(_after(filing))})
    order = list(CAUSES_OF_END)
    bounds.sort(key=lambda bound: (datetime.fromisoformat(bound["until"]), order.index(bound["cause"])))
    first = bounds[0]
    return {
        "valid_until": first["until"],
        "limited_by": first["cause"],
        "bounds": [dict(bound) | _texts(CAUSES_OF_END[bound["cause"]]) for bound in bounds],
        "ends_early_on": [
            {"event": event} | _texts(ENDS_EARLY[event]) for event in inputs.get("events", _FIRST_EVENTS)
        ],
    }


def _next_due(frame: pl.DataFrame, name: str, as_of: date, grace_days: int) -> date | None:
    """Return the day until which the row after the newest one is awaited; None where none is expected.

    A source that has fallen behind is not waited for: the first due day after `as_of` counts.
    """
    periods, due_on = frame["period"].to_list(), frame["due_on"].to_list()
    known = [place for place in known_places(frame, name, as_of) if due_on[place] is not None]
    if not known:
        return None
    newest = max(known, key=lambda place: (periods[place], -due_on[place].toordinal()))
    due, step = due_on[newest], 1
    if name == _BY_PERIOD:
        if frame["filing"][newest] == "occasion":
            return None  # the next is filed when something is sold, which nobody can foresee
        step = int(frame["months"][newest] or 1)
    ahead = step
    while (day := _later(due, ahead)) <= as_of:
        ahead += step
    return day + timedelta(days=grace_days)


def _later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _after(day: date) -> datetime:
    """Return the first instant after a day of Asia/Shanghai, which has no summer time."""
    return datetime(day.year, day.month, day.day, tzinfo=_SHANGHAI) + timedelta(days=1)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def _texts(words: Sequence[str]) -> dict[str, object]:
    return {"text_zh": words[0], "text_en": words[1]}


def _days(name: str, table: object, *, least: int) -> dict[str, int]:
    if not isinstance(table, Mapping) or not table:
        raise ValiditySettingError(f"{name}: a table of days is expected, got {table!r}")
    return {str(key): _whole(f"{name}.{key}", value, least) for key, value in table.items()}


def _whole(name: str, value: object, least: int) -> int:
    if type(value) is not int or not least <= value <= 3_660:
        raise ValiditySettingError(f"{name}: a whole number {least} … 3660 is expected, got {value!r}")
    return value
