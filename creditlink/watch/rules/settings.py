"""`config/watch.toml`: what counts as drift, and what is done about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from creditlink.watch.rules.drift import DriftThresholds

FILE = "watch.toml"

WatchAct = Literal["alert", "freeze", "fall_back"]
ACTS: tuple[WatchAct, ...] = ("alert", "freeze", "fall_back")
"""From the mildest to the one that does most."""


@dataclass(frozen=True)
class WatchSettings:
    """The rules of the watch.

    Attributes
    ----------
    windows_days : over how many days profiles are added up; one day finds a break, a month finds a slide
    baseline_days, baseline_firms : a model without a reference is held against its first so many days, once they have
        so many firms
    trailing_days : what depends on the sources and not on the model is held against so many days before the window
    score, indicators, calibration : the act where they shifted; `indicators_from` is how many of them it takes
    fall_back_model : which model takes over; it must have been approved for the purpose
    keep_days : how long counts by day are kept
    """

    thresholds: DriftThresholds
    windows_days: tuple[int, ...]
    baseline_days: int
    baseline_firms: int
    trailing_days: int
    score: WatchAct
    indicators: WatchAct
    indicators_from: int
    calibration: WatchAct
    fall_back_model: str
    keep_days: int


def parse(table: Mapping[str, object]) -> WatchSettings:
    """Read the file.

    Raises
    ------
    ValueError
        A member is absent, unknown, of the wrong type or out of range; the message names it and its value.
    """
    known = {"version", "drift", "reference", "acts", "keep_days"}
    if unknown := sorted(set(table) - known):
        raise ValueError(f"{unknown[0]}: there is no such setting; known are {', '.join(sorted(known))}")
    if table.get("version") != 1:
        raise ValueError(f"version: 1 is expected, got {table.get('version')!r}")
    drift, reference, acts = (_table(table, name) for name in ("drift", "reference", "acts"))
    thresholds = DriftThresholds(
        moved=_number(drift, "drift.moved", 0.0, 1.0),
        shifted=_number(drift, "drift.shifted", 0.0, 10.0),
        false_alarms=_number(drift, "drift.false_alarms", 1e-12, 0.05),
        fewest=_whole(drift, "drift.fewest", 10, 100_000),
    )
    if not thresholds.moved < thresholds.shifted:
        raise ValueError(f"drift.shifted: {thresholds.shifted} must be above drift.moved, {thresholds.moved}")
    windows = drift.get("windows_days")
    if not isinstance(windows, list) or not windows or not all(type(one) is int and 1 <= one <= 31 for one in windows):
        raise ValueError(f"drift.windows_days: whole days from 1 to 31 are expected, got {windows!r}")
    model = acts.get("fall_back_model")
    if not isinstance(model, str):
        raise ValueError(f"acts.fall_back_model: the name of a model is expected, got {model!r}")
    return WatchSettings(
        thresholds=thresholds,
        windows_days=tuple(sorted(set(windows))),
        baseline_days=_whole(reference, "reference.baseline_days", 1, 365),
        baseline_firms=_whole(reference, "reference.baseline_firms", thresholds.fewest, 1_000_000),
        trailing_days=_whole(reference, "reference.trailing_days", 7, 365),
        score=_act(acts, "acts.score"),
        indicators=_act(acts, "acts.indicators"),
        indicators_from=_whole(acts, "acts.indicators_from", 1, 1000),
        calibration=_act(acts, "acts.calibration"),
        fall_back_model=model,
        keep_days=_whole(table, "keep_days", 400, 3660),
    )


def _table(table: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = table.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"{name}: a table is expected, got {found!r}")
    allowed = {
        "drift": {*(one.name for one in fields(DriftThresholds)), "windows_days"},
        "reference": {"baseline_days", "baseline_firms", "trailing_days"},
        "acts": {"score", "indicators", "indicators_from", "calibration", "fall_back_model"},
    }[name]
    if unknown := sorted(set(found) - allowed):
        raise ValueError(f"{name}.{unknown[0]}: there is no such setting; known are {', '.join(sorted(allowed))}")
    return found


def _whole(table: Mapping[str, object], path: str, least: int, most: int) -> int:
    value = table.get(path.rsplit(".", 1)[-1])
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{path}: a whole number from {least} to {most} is expected, got {value!r}")
    return value


def _number(table: Mapping[str, object], path: str, above: float, most: float) -> float:
    value = table.get(path.rsplit(".", 1)[-1])
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
        raise ValueError(f"{path}: a number above {above:g} and up to {most:g} is expected, got {value!r}")
    return float(value)


def _act(table: Mapping[str, object], path: str) -> WatchAct:
    value = table.get(path.rsplit(".", 1)[-1])
    if value not in ACTS:
        raise ValueError(f"{path}: one of {', '.join(ACTS)} is expected, got {value!r}")
    return value
