"""The figures of a model's validation as one document, which the page, the card and validation.json all show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict, cast


class QualityFigures(TypedDict):
    """How well probabilities tell goods from bads, and how near they come to what happened."""

    firms: int
    bads: int
    auc: float
    gini: float
    ks: float
    brier: float
    ece: float
    mean_pd: float
    bad_rate: float


class TruthFigures(QualityFigures):
    """The same, and against each firm's true hazard; None where the model has no intervals."""

    ece_against_hazard: float
    auc_of_true_hazard: float
    expected_auc: float
    best_expected_auc: float
    share_of_best: float
    interval_coverage: float | None
    interval_width: float | None


class ShiftFigures(TypedDict):
    """How far scores lie from those with everything granted: mean PD, and points."""

    shift: float
    shift_error: float
    shift_of_goods: float
    shift_of_bads: float
    implied_shift_of_bads: float
    points_shift_of_goods: float
    points_shift_of_bads: float


class CaseFigures(TruthFigures, ShiftFigures):
    """One case of what is granted and delivered."""


class GrantedFigures(CaseFigures):
    """The case of everything granted; also on firms that the booster was not fitted on."""

    expected_auc_unseen_firms: float
    best_expected_auc_unseen_firms: float


class SegmentQuality(TypedDict):
    """The quality of scores in a part of the firms; `auc` is None with too few bads."""

    firms: int
    bads: int
    auc: float | None
    mean_pd: float
    bad_rate: float
    z: float
    reliability: list[tuple[int, float, float]]


class SegmentFigures(SegmentQuality):
    """One segment: which way the firms are cut, and the part; true hazards, and their mean over the mean PD."""

    by: str
    segment: str
    mean_hazard: float
    hazard_over_pd: float
    interval_coverage: float | None


class StabilityFigures(TypedDict):
    """PSI of the score by day, and CSI of the indicators that moved most, day by day."""

    since: str
    against: NotRequired[list[str]]  # the day that each is held against; older packs hold all against `since`
    psi: list[tuple[str, float]]
    csi: list[tuple[str, list[float]]]


def held_against(figures: StabilityFigures) -> str:
    """Return in words what each day is held against."""
    if "against" not in figures:
        return f"since {figures['since']}"
    return "against the same day a year before, or the first day of all"


class SensitivityFigures(TypedDict):
    """How far log-odds move with one indicator."""

    indicator: str
    mean: float
    mean_abs: float


class MonotonicityFigures(TypedDict):
    """How many declared directions were walked, and the indicators in which one was broken."""

    directions: int
    broken: list[str]


class CheckFigures(TypedDict):
    """Which share of injected firms a cross-check finds; None where there are none."""

    check: str
    alarm_rate: float
    shell: float | None
    shells: int
    manipulator: float | None
    manipulators: int


class ChallengerFigures(QualityFigures):
    """The quality of the challenger on the same firms and day."""

    expected_auc: float
    share_of_best: float


class ScorabilityFigures(TypedDict):
    """Firms with and without a score in one case, and the share of each that went bad within twelve months."""

    case: str
    scored: int
    scored_bad_rate: float | None
    not_scored: int
    not_scored_bads: int
    not_scored_bad_rate: float | None


class ValidationDocument(TypedDict):
    """validation.json."""

    model_id: str
    purposes: list[str]
    created_at: str
    as_of: str
    city: Mapping[str, object]
    overall: CaseFigures
    cases: dict[str, CaseFigures]
    interval_level: float | None
    reliability: list[tuple[int, float, float]]
    gains: list[list[float]]
    segments: list[SegmentFigures]
    stability: StabilityFigures
    sensitivity: list[SensitivityFigures]
    monotonicity: MonotonicityFigures
    cross_checks: list[CheckFigures]
    challenger: ChallengerFigures | None
    scorability: list[ScorabilityFigures]  # empty: the rules of scorability were not given


def rounded(figures: ValidationDocument) -> ValidationDocument:
    """Return figures with six digits after the point: page, card and JSON show the same."""
    return cast("ValidationDocument", six_digits(figures))


def six_digits(value: object) -> object:
    """Return plain values with every fraction rounded to six digits after the point."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: six_digits(inner) for name, inner in value.items()}
    return [six_digits(inner) for inner in value] if isinstance(value, list | tuple) else value
