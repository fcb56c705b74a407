"""Calibration: from the booster's margin to a log-odds of bad that can be read as a probability.

A calibration is fitted by the trainer on held-out firms and stored beside the booster; here it is
only validated and applied. It must be strictly increasing, so that a riskier margin never becomes
a safer PD: the reasons are derived from the margin and would otherwise contradict the grade.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.known import ByKnown

Kind = Literal["platt", "beta"]
KINDS: tuple[Kind, ...] = ("platt", "beta")


class CalibrationError(ValueError):
    """The calibration's parameters cannot be used; the message names the field and its value."""


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing map of log-odds.

    `platt`: ``a * margin + b``. `beta`: ``a * ln(p) - b * ln(1 - p) + c`` with ``p = sigmoid(margin)``.
    `absence`: what is added where nothing is known of a category, whatever the reason, so that absence is
    neutral in expectation. `by_known`: a map of its own by which of the chief categories are known, since the same
    margin means less where more could have been seen.

    Raises
    ------
    CalibrationError
        A parameter is not finite, or the map would not be increasing.

    Source: Platt 1999, "Probabilistic outputs for support vector machines"; Kull, Silva Filho &
    Flach 2017, "Beta calibration", AISTATS.
    """

    kind: Kind
    a: float
    b: float
    c: float = 0.0
    absence: Absence | None = None
    by_known: ByKnown | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CalibrationError(f"calibration kind: {self.kind!r} is not one of {', '.join(KINDS)}")
        for name in ("a", "b", "c"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise CalibrationError(f"calibration {name}: {value!r} is not a finite number")
        if self.kind == "platt" and self.a <= 0:
            raise CalibrationError(f"calibration a: {self.a!r} must be above 0, or PD would fall with risk")
        if self.by_known is not None and (self.kind != "platt" or self.absence is None):
            raise CalibrationError("calibration by_known: needs kind platt, and the evidence of absence")
        if self.kind == "platt" and self.c != 0:
            raise CalibrationError(f"calibration c: {self.c!r} has no meaning for kind platt")
        if self.kind == "beta" and (self.a < 0 or self.b < 0 or self.a + self.b == 0):
            raise CalibrationError(
                f"calibration a, b: {self.a!r}, {self.b!r} must be at least 0 and not both 0, "
                "or PD would fall with risk"
            )

    @classmethod
    def identity(cls) -> Calibration:
        """Return the calibration that changes nothing."""
        return cls("platt", 1.0, 0.0)

    def logit(self, margin: ArrayLike, known: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Return the calibrated log-odds of bad, without what absence adds.

        Parameters
        ----------
        margin
            Any shape; log-odds of bad as the booster gives them.
        known
            The number of the map of `by_known` for each, same shape; None: the one map for all.
        """
        x = np.asarray(margin, dtype=np.float64)
        if self.by_known is not None and known is not None:
            return self.by_known.logit(x, known)
        if self.kind == "platt":
            return np.asarray(self.a * x + self.b, dtype=np.float64)
        # ln(p) = -ln(1 + e^-x) and ln(1 - p) = -ln(1 + e^x): logaddexp neither overflows nor loses digits.
        return np.asarray(-self.a * np.logaddexp(0.0, -x) + self.b * np.logaddexp(0.0, x) + self.c)

    def logit_of(self, margin: ArrayLike, features: Sequence[str], x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated log-odds of bad, shape (n,), of firms as they are known.

        Parameters
        ----------
        margin
            Shape (n,).
        x
            What the model read, shape (n, k), in the order of `features`, missing as NaN.
        """
        if self.absence is None:
            return self.logit(margin)
        absent = self.absence.absent(features, x)
        known = None if self.by_known is None else self.by_known.place(absent)
        return self.logit(margin, known) + self.absence.shift(absent)

    def pd(self, margin: ArrayLike) -> NDArray[np.float64]:
        """Return the calibrated probability of bad where everything is known, same shape, in [0, 1]."""
        return sigmoid(self.logit(margin))

    def with_level(self, level: float) -> Calibration:
        """Return the calibration with `level` added to every log-odds."""
        if self.by_known is not None:
            return replace(self, b=self.b + level, by_known=self.by_known.with_level(level))
        return replace(self, b=self.b + level) if self.kind == "platt" else replace(self, c=self.c + level)

    def rescaled(self, slope: float, level: float) -> Calibration:
        """Return the calibration whose log-odds are ``slope`` times these and ``level`` more, with all that they add.

        Raises
        ------
        CalibrationError
            The slope is not above 0.
        """
        if not slope > 0:
            raise CalibrationError(f"calibration slope: {slope!r} must be above 0, or PD would fall with risk")
        scaled = replace(
            self,
            a=self.a * slope,
            b=self.b * slope,
            c=self.c * slope,
            absence=None if self.absence is None else self.absence.times(slope),
            by_known=None if self.by_known is None else self.by_known.times(slope),
        )
        return scaled.with_level(level)

    def to_json(self) -> str:
        """Return the text of `calibration.json`; the same calibration always gives the same bytes."""
        fields: dict[str, object] = {"kind": self.kind, "a": self.a, "b": self.b}
        if self.kind == "beta":
            fields["c"] = self.c
        if self.by_known is not None:
            fields["by_known"] = self.by_known.to_json()
        if self.absence is not None:
            fields["absence"] = self.absence.to_json()
        return json.dumps(fields, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read `calibration.json`; other keys (who fitted it, on what) are ignored.

        Raises
        ------
        CalibrationError
            Not JSON, a parameter is missing, or its value cannot be used.
        """
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise CalibrationError(f"calibration is not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise CalibrationError(f"calibration: an object is expected, not {type(fields).__name__}")
        for name in ("kind", "a", "b"):
            if name not in fields:
                raise CalibrationError(f"calibration {name}: missing")
        if "refusals" in fields:
            raise CalibrationError("calibration refusals: shifts by cause are not read; fit shifts by absence")
        try:
            absence = Absence.from_json(fields["absence"]) if "absence" in fields else None
            by_known = ByKnown.from_json(fields["by_known"]) if "by_known" in fields else None
        except ValueError as error:
            raise CalibrationError(f"calibration {error}") from error
        return cls(fields["kind"], fields["a"], fields["b"], fields.get("c", 0.0), absence, by_known)


def sigmoid(logit: ArrayLike) -> NDArray[np.float64]:
    """Return the probability of a log-odds, any shape, without overflow at either end."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.asarray(logit, dtype=np.float64))))
