"""`config/reviews.toml`: the clocks of reviews and notices, and how far a person may depart from the model. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from creditlink.engine.vocabulary import GRADES
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.overrides import OverrideLimits

FILE = "reviews.toml"
_MOST_DAYS = 365


class ReviewSettingsInvalid(ValueError):
    """A line of `reviews.toml` is absent, unknown or wrong; the message names table, field and value."""


@dataclass(frozen=True)
class ReviewSettings:
    """All of the file."""

    codes: Mapping[str, str]  # reason of human review -> cause
    days: Mapping[str, int]  # cause -> days until it is decided
    limits: OverrideLimits
    notice_days: int


def parse(values: Mapping[str, object]) -> ReviewSettings:
    """Return the settings in a parsed file.

    Raises
    ------
    ReviewSettingsInvalid
    """
    _only(values, ("version", "codes", "days", "override", "notice"), "reviews")
    codes, days = _table(values, "codes"), _table(values, "days")
    if wrong := [code for code, cause in codes.items() if cause not in CAUSES]:
        raise ReviewSettingsInvalid(f"codes: {wrong[0]}: must be one of {', '.join(CAUSES)}, got {codes[wrong[0]]!r}")
    _only(days, tuple(CAUSES), "days")
    limits, notice = _table(values, "override"), _table(values, "notice")
    _only(limits, tuple(one.name for one in fields(OverrideLimits)), "override")
    _only(notice, ("due_days",), "notice")
    best, share = limits["best_grade_unscored"], limits["most_share"]
    if best not in GRADES:
        raise ReviewSettingsInvalid(f"override: best_grade_unscored: must be a grade, got {best!r}")
    if type(share) is not float or not 0 < share <= 1:
        raise ReviewSettingsInvalid(f"override: most_share: must lie in (0, 1], got {share!r}")
    return ReviewSettings(
        codes={code: str(cause) for code, cause in codes.items()},
        days={cause: _number("days", cause, days[cause], 1, _MOST_DAYS) for cause in CAUSES},
        limits=OverrideLimits(
            most_notches_up=_number("override", "most_notches_up", limits["most_notches_up"], 0, len(GRADES) - 1),
            most_notches_down=_number("override", "most_notches_down", limits["most_notches_down"], 0, len(GRADES) - 1),
            best_grade_unscored=str(best),
            most_days=_number("override", "most_days", limits["most_days"], 1, _MOST_DAYS),
            most_share=share,
            fewest=_number("override", "fewest", limits["fewest"], 1, 10_000),
        ),
        notice_days=_number("notice", "due_days", notice["due_days"], 1, _MOST_DAYS),
    )


def _table(values: Mapping[str, object], name: str) -> dict[str, object]:
    found = values[name]
    if not isinstance(found, Mapping):
        raise ReviewSettingsInvalid(f"{name}: a table is expected, got {found!r}")
    return dict(found)


def _only(values: Mapping[str, object], names: tuple[str, ...], where: str) -> None:
    for name in (*sorted(set(values) - set(names)), *sorted(set(names) - set(values))):
        said = f"{values[name]!r} is not a field" if name in values else "is absent"
        raise ReviewSettingsInvalid(f"{where}: {name}: {said}")


def _number(where: str, name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ReviewSettingsInvalid(f"{where}: {name}: must be a whole number {least} … {most}, got {value!r}")
    return value
