"""What a change is computed from: a profile's values and coverage, and by what it was scored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.model import MODEL, CreditModel
from creditlink.engine.scoring.scale import Scale


@dataclass(frozen=True, eq=False)
class ScoredState:
    """One profile, as far as its score goes.

    Attributes
    ----------
    values
        Indicator -> value; None where it was missing.
    status
        Category of consent -> what its source gave (delivered, not_granted …).
    present
        The categories of consent of which there were rows.
    points, points_exact
        None where there was no score.
    grade, grade_by_score
        As given, and as the PD alone would have it; another where a cap held.
    refusal
        Why there was no score, in zh and en.
    """

    as_of: date
    values: Mapping[str, float | None]
    status: Mapping[str, str]
    present: frozenset[str]
    points: int | None = None
    points_exact: float | None = None
    grade: str | None = None
    grade_by_score: str | None = None
    refusal: tuple[str, str] | None = None

    @property
    def is_scored(self) -> bool:
        """Return whether the firm had a score."""
        return self.points is not None


@dataclass(frozen=True, eq=False)
class ScoreBasis:
    """By what a profile was scored: the trees with their indicators, their calibration, and the scale.

    The scale has the grade bands too.
    """

    model: CreditModel
    calibration: Calibration
    scale: Scale

    @classmethod
    def of(cls, model: CreditModel) -> ScoreBasis:
        """Return a model's own basis."""
        return cls(model, model.calibration, model.scale)

    @property
    def trees(self) -> tuple[str, tuple[str, ...]]:
        """What makes two models one: the hash of the trees, and the indicators that they read."""
        return self.model.manifest["files"][MODEL], self.model.features
