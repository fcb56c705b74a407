"""A bank's overlay applied to one firm: points beside the base points, each with contributions that add up exactly.

The base is the profile as it is and stays as it is. The overlay adds its log-odds to the base's calibrated log-odds;
in points both are whole steps of one grid, so that base and contributions are the overlay's points to the last bit.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from creditlink.engine.explanation.change.grid import STEPS, points_of, steps_of
from creditlink.engine.explanation.sentences import value_text
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.overlay.check import WIDEST
from creditlink.engine.overlay.decision import decide
from creditlink.engine.overlay.terms import OWN, OverlayTerms, OverlayWeight, Value
from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.engine.scoring.scale import Scale, rounded
from creditlink.engine.vocabulary import GRADES


@dataclass(frozen=True)
class BaseScore:
    """A profile as an overlay takes it.

    Attributes
    ----------
    values
        Indicator -> value; None where missing.
    registration
        Column of the register -> value.
    best_grade
        The cap of a profile without a required category; None: no cap.
    knock_outs, human_review
        Codes of the facts that stand beside the score.
    """

    state: str
    points: int | None
    points_exact: float | None
    pd_12m: float | None
    grade: str | None
    values: Mapping[str, float | None]
    registration: Mapping[str, object]
    best_grade: str | None = None
    knock_outs: tuple[str, ...] = ()
    human_review: tuple[str, ...] = ()

    def value(self, subject: str, own: Mapping[str, Value]) -> Value:
        """Return the value of a subject of weights and rules; None where it is not known."""
        kind, _, name = subject.partition(".")
        if kind == "indicator":
            return self.values.get(name)
        if kind == "own":
            return own.get(name)
        found = (
            {"points": self.points, "grade": self.grade, "pd_12m": self.pd_12m}[name]
            if kind == "profile"
            else (self.registration.get(name))
        )
        if isinstance(found, bool | int | float):
            return float(found)
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class OverlayShare:
    """What one weight or offset adds: log-odds of bad, and the same in points."""

    subject: str
    label_zh: str
    label_en: str
    value: Value
    value_zh: str
    value_en: str
    contribution: float
    points_contribution: float


def apply_overlay(terms: OverlayTerms, base: BaseScore, own: Mapping[str, Value], scale: Scale) -> dict[str, object]:
    """Return the overlay's result as plain values: base and overlay side by side, and the decision.

    Parameters
    ----------
    own : column of the bank -> value
    """
    shares = _shares(terms, base, own, scale)
    scored = _scored(base, shares, scale)
    return {
        "base": {
            "state": base.state,
            "points": base.points,
            "points_exact": None if base.points_exact is None else points_of(steps_of(base.points_exact)),
            "pd_12m": base.pd_12m,
            "grade": base.grade,
            "knock_outs": list(base.knock_outs),
            "human_review": list(base.human_review),
        },
        **scored,
        "contributions": [dict(vars(one)) for one in shares] if base.points_exact is not None else [],
        "columns": {one.name: own.get(one.name) for one in terms.columns},
        **decide(terms, base, own, grade=scored["grade"], pd_12m=scored["pd_12m"]).to_dict(),
    }


def _scored(base: BaseScore, shares: Sequence[OverlayShare], scale: Scale) -> dict[str, object]:
    if base.points_exact is None or base.pd_12m is None or base.grade is None:
        return {"points": None, "points_exact": None, "points_added": None, "pd_12m": None, "grade": None}
    added = sum(steps_of(one.points_contribution) for one in shares)
    exact = points_of(steps_of(base.points_exact) + added)
    pd_12m = float(sigmoid(scale.logit_at(exact))) if added else base.pd_12m
    grade = str(scale.grade(pd_12m)) if added else base.grade
    if base.best_grade is not None:
        grade = max(grade, base.best_grade, key=GRADES.index)
    return {
        "points": int(rounded(exact)),
        "points_exact": exact,
        "points_added": points_of(added),
        "pd_12m": pd_12m,
        "grade": grade,
    }


def _shares(terms: OverlayTerms, base: BaseScore, own: Mapping[str, Value], scale: Scale) -> tuple[OverlayShare, ...]:
    """Return what each weight and each offset that is for the firm adds; what is not known adds nothing."""
    found = []
    for weight in terms.weights:
        value = base.value(weight.subject, own)
        found.append(
            _share(weight.subject, _labels(terms, weight.subject), value, log_odds_of(weight, value), terms, scale)
        )
    for offset in terms.offsets:
        value = base.value(offset.subject, own)
        prefix = offset.subject != "registration.entity_type"
        if isinstance(value, str) and any(value.startswith(one) if prefix else value == one for one in offset.one_of):
            labels = offset.label_zh, offset.label_en
            found.append(_share(offset.subject, labels, value, offset.log_odds, terms, scale))
    return tuple(found)


def log_odds_of(weight: OverlayWeight, value: Value) -> float:
    """Return the log-odds that a weight adds at a value; none where it is not known."""
    if value is None:
        return 0.0
    if isinstance(value, str):
        return (weight.by_choice or {}).get(value, weight.otherwise)
    if weight.form == "standardised":
        deviations = (value - weight.mean) / weight.deviation
        return weight.log_odds * min(max(deviations, -WIDEST), WIDEST)
    return next((band.log_odds for band in weight.bands if value < band.below), weight.otherwise)


def _share(
    subject: str, labels: tuple[str, str], value: Value, log_odds: float, terms: OverlayTerms, scale: Scale
) -> OverlayShare:
    # A whole number of steps: what is shown is what is added. Adding 0.0 takes the sign from a negative zero.
    points = points_of(round(log_odds * scale.points_per_logit * STEPS)) + 0.0
    return OverlayShare(subject, *labels, value, *_value_words(subject, value, terms), log_odds + 0.0, points)


def _labels(terms: OverlayTerms, subject: str) -> tuple[str, str]:
    column = terms.column(subject.removeprefix(OWN)) if subject.startswith(OWN) else None
    indicator = BY_NAME.get(subject.partition(".")[2])
    one = column or indicator
    return (subject, subject) if one is None else (one.label_zh, one.label_en)


def _value_words(subject: str, value: Value, terms: OverlayTerms) -> tuple[str, str]:
    if value is None:
        return "未知", "not known"
    if isinstance(value, str):
        return value, value
    if subject.startswith(OWN):
        column = terms.column(subject.removeprefix(OWN))
        if column is not None and column.kind == "flag":
            return (("否", "no"), ("是", "yes"))[bool(value)]
        text = f"{value:g}{column.unit if column else ''}"
        return text, text
    name = subject.partition(".")[2]
    return value_text(name, float(value), BY_NAME[name].unit if name in BY_NAME else "")
