"""How a person may depart from a model's result: kinds, limits, and which departures take two people. Pure.

An override stands beside the result and never in its place: whoever reads the one reads the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from creditlink.engine.vocabulary import GRADES
from creditlink.reviews.rules.causes import ReviewedResult

NOTCH, SCORABLE, SET_ASIDE, NOT_AUTOMATED = (
    "grade_notch", "scorable_despite", "knock_out_set_aside", "decline_automated",
)  # fmt: skip

KINDS: Mapping[str, tuple[str, str]] = {
    NOTCH: ("等级上调或下调", "Grade moved up or down"),
    SCORABLE: ("数据不足仍予评级", "A grade despite too little data"),
    SET_ASIDE: ("有证据不适用某项一票否决", "A knock-out set aside on evidence"),
    NOT_AUTOMATED: ("不得仅凭自动化方式决定", "No decision by automated means alone"),
}
"""Kind -> its label in zh and en."""

REASONS: Mapping[str, tuple[str, str]] = {
    "new_fact": ("出现模型未见的新事实", "A fact that the model has not seen"),
    "record_wrong": ("数据源的记录有误", "A source's record is wrong"),
    "outside_model": ("该情形超出模型适用范围", "The case lies outside what the model is for"),
    "one_off": ("一次性事件，不代表经营状况", "A single event that says little of the business"),
    "rights": ("当事人依法提出要求", "The person asks for it by right"),
}
"""Typed reason -> its label in zh and en."""

_DETAIL = {NOTCH: "notches", SCORABLE: "grade", SET_ASIDE: "knock_out"}
"""Kind -> the one member of detail that belongs to it."""


class OverrideRefused(ValueError):
    """An override that is beyond the limits or does not fit the result; `field` is which member, the message why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class OverrideLimits:
    """How far a person may depart from the model."""

    most_notches_up: int
    most_notches_down: int
    best_grade_unscored: str
    most_days: int
    most_share: float
    fewest: int


@dataclass(frozen=True)
class WantedOverride:
    """An override as a reviewer wants it."""

    kind: str
    reason_code: str
    reason: str
    expires_at: datetime
    evidence: str = ""
    notches: int | None = None  # up is better
    grade: str | None = None
    knock_out: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it in plain data, without what was not said: what a second person approves, byte for byte."""
        plain: dict[str, object] = {name: value for name, value in vars(self).items() if value is not None}
        return plain | {"expires_at": self.expires_at.isoformat()}


@dataclass(frozen=True)
class CheckedOverride:
    """An override that the limits allow: the grade that a person gives, if any, and whether it loosens."""

    wanted: WantedOverride
    grade: str | None
    loosens: bool


def override_from(plain: Mapping[str, object]) -> WantedOverride:
    """Return what `WantedOverride.to_dict` made plain."""
    values = dict(plain)
    notches = values.pop("notches", None)
    at = datetime.fromisoformat(str(values.pop("expires_at")))
    texts = {name: str(value) for name, value in values.items()}
    return WantedOverride(expires_at=at, notches=notches if isinstance(notches, int) else None, **texts)


def checked(
    wanted: WantedOverride, result: ReviewedResult, limits: OverrideLimits, *, now: datetime
) -> CheckedOverride:
    """Return an override that may be made of a result.

    Raises
    ------
    OverrideRefused
        The kind or the typed reason is unknown, a text is empty, a limit is passed, the end is not within the limit,
        or the result is not one that such an override is for.
    """
    if wanted.kind not in KINDS:
        raise OverrideRefused("kind", f"must be one of {', '.join(KINDS)}, got {wanted.kind!r}")
    if wanted.reason_code not in REASONS:
        raise OverrideRefused("reason_code", f"must be one of {', '.join(REASONS)}, got {wanted.reason_code!r}")
    if not wanted.reason.strip():
        raise OverrideRefused("reason", "must say why, got an empty text")
    latest = now + timedelta(days=limits.most_days)
    if not now < wanted.expires_at <= latest:
        raise OverrideRefused(
            "expires_at", f"must lie within {limits.most_days} days from now, got {wanted.expires_at.isoformat()}"
        )
    own = _DETAIL.get(wanted.kind)
    for field in _DETAIL.values():
        if field != own and getattr(wanted, field) is not None:
            raise OverrideRefused(field, f"does not belong to {wanted.kind}")
    if own is not None and getattr(wanted, own) is None:
        raise OverrideRefused(own, f"is needed for {wanted.kind}")
    return _CHECKS[wanted.kind](wanted, result, limits)


def _notch(wanted: WantedOverride, result: ReviewedResult, limits: OverrideLimits) -> CheckedOverride:
    notches, grade = wanted.notches or 0, result["grade"]
    if grade is None:
        raise OverrideRefused("kind", "the firm has no grade that could be moved")
    if notches == 0 or not -limits.most_notches_down <= notches <= limits.most_notches_up:
        raise OverrideRefused(
            "notches",
            f"must be 1 … {limits.most_notches_up} up or 1 … {limits.most_notches_down} down (negative), got {notches}",
        )
    if notches > 0 and result["partial"]:
        raise OverrideRefused("notches", "the grade is capped for want of a required category, and no person lifts it")
    if notches > 0:
        _needs_evidence(wanted)
    place = GRADES.index(grade) - notches
    if not 0 <= place < len(GRADES):
        raise OverrideRefused(
            "notches", f"there is no grade {abs(notches)} {'up' if notches > 0 else 'down'} of {grade}"
        )
    return CheckedOverride(wanted, GRADES[place], loosens=notches > 0)


def _scorable(wanted: WantedOverride, result: ReviewedResult, limits: OverrideLimits) -> CheckedOverride:
    if result["state"] != "not_scorable":
        raise OverrideRefused("kind", "the firm has a score; its grade can be moved")
    best = limits.best_grade_unscored
    if wanted.grade not in GRADES or GRADES.index(wanted.grade) < GRADES.index(best):
        raise OverrideRefused(
            "grade", f"must be one of {', '.join(GRADES[GRADES.index(best) :])}, got {wanted.grade!r}"
        )
    _needs_evidence(wanted)
    return CheckedOverride(wanted, wanted.grade, loosens=True)


def _set_aside(wanted: WantedOverride, result: ReviewedResult, limits: OverrideLimits) -> CheckedOverride:
    if wanted.knock_out not in result["knock_outs"]:
        told = ", ".join(result["knock_outs"]) or "none"
        raise OverrideRefused("knock_out", f"must be one that the profile has ({told}), got {wanted.knock_out!r}")
    _needs_evidence(wanted)
    return CheckedOverride(wanted, None, loosens=True)


def _not_automated(wanted: WantedOverride, result: ReviewedResult, limits: OverrideLimits) -> CheckedOverride:
    return CheckedOverride(wanted, None, loosens=False)


def _needs_evidence(wanted: WantedOverride) -> None:
    if not wanted.evidence.strip():
        raise OverrideRefused("evidence", "must say what proves it, got an empty text")


_CHECKS = {NOTCH: _notch, SCORABLE: _scorable, SET_ASIDE: _set_aside, NOT_AUTOMATED: _not_automated}
