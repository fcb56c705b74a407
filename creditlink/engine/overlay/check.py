"""What is wrong with a declared overlay: unknown names, directions turned round, too much weight, protected attributes.

Pure. The scale says how many grades a shift of log-odds can cross.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from creditlink.engine.features.indicator import Indicator
from creditlink.engine.matching.products.rules import check_rule
from creditlink.engine.matching.products.subjects import Subject, known_subjects
from creditlink.engine.matching.products.terms import Flaw, Rule
from creditlink.engine.overlay.limits import OverlayLimits
from creditlink.engine.overlay.terms import OWN, OverlayTerms, OverlayWeight
from creditlink.engine.scoring.scale import Scale

WIDEST = 3.0
"""Standard deviations beyond which a standardised value weighs no more."""

_LEAST_REASON = 10
_SEGMENTS = ("registration.industry", "registration.region", "registration.entity_type")
_UNSUITED = ("registration.age_months", "registration.linked_struck_off")


def flaws_of(
    terms: OverlayTerms, indicators: Mapping[str, Indicator], *, scale: Scale, limits: OverlayLimits
) -> list[Flaw]:
    """Return everything that is wrong with an overlay, each with its field and value."""
    subjects = {name: one for name, one in known_subjects(indicators).items() if name not in _UNSUITED}
    subjects |= {f"{OWN}{one.name}": one.as_subject() for one in terms.columns}
    return [
        *_columns(terms, limits),
        *_weights(terms, indicators, subjects, limits),
        *_offsets(terms, limits),
        *_rules(terms, subjects),
        *_reach(terms, scale, limits),
    ]


def _columns(terms: OverlayTerms, limits: OverlayLimits) -> Iterator[Flaw]:
    counts = Counter(one.name for one in terms.columns)
    for number, one in enumerate(terms.columns):
        at = f"columns[{number}]"
        if counts[one.name] > 1:
            yield Flaw(f"{at}.name", one.name, "is the name of another column too")
        for part in ("name", "label_zh", "label_en"):
            if word := limits.protected_in(getattr(one, part)):
                yield Flaw(f"{at}.{part}", getattr(one, part), f"names a protected or personal attribute: {word}")
        if (one.kind == "choice") != bool(one.choices):
            yield Flaw(f"{at}.choices", list(one.choices), "must be given for a choice, and for nothing else")
        if one.kind != "number" and (one.minimum is not None or one.maximum is not None):
            yield Flaw(f"{at}.minimum", one.minimum, "has a meaning for numbers alone")
        if one.minimum is not None and one.maximum is not None and one.minimum > one.maximum:
            yield Flaw(f"{at}.maximum", one.maximum, f"is below minimum = {one.minimum}")
        if one.kind == "choice" and one.direction:
            yield Flaw(f"{at}.direction", one.direction, "a choice has none")
        if len(set(one.choices)) < len(one.choices):
            yield Flaw(f"{at}.choices", list(one.choices), "must name nothing twice")


def _weights(
    terms: OverlayTerms, indicators: Mapping[str, Indicator], subjects: Mapping[str, Subject], limits: OverlayLimits
) -> Iterator[Flaw]:
    counts = Counter(one.subject for one in terms.weights)
    for number, one in enumerate(terms.weights):
        at = f"weights[{number}]"
        known = one.subject in subjects and one.subject.partition(".")[0] in ("indicator", "own")
        if not known:
            yield Flaw(f"{at}.subject", one.subject, "is not a known indicator, nor a column of this overlay")
            continue
        if counts[one.subject] > 1:
            yield Flaw(f"{at}.subject", one.subject, "has another weight too")
        if word := limits.protected_in(one.subject):
            yield Flaw(f"{at}.subject", one.subject, f"names a protected or personal attribute: {word}")
        column = terms.column(one.subject.removeprefix(OWN)) if one.subject.startswith(OWN) else None
        if (one.form == "by_choice") != (column is not None and column.kind == "choice"):
            yield Flaw(f"{at}.form", one.form, f"does not suit {one.subject}")
            continue
        if one.form == "by_choice" and column and (strange := set(one.by_choice or {}) - set(column.choices)):
            yield Flaw(f"{at}.by_choice", min(strange), "is not a choice of the column")
        if (one.form == "banded") != bool(one.bands) or (one.form == "by_choice") != bool(one.by_choice):
            yield Flaw(f"{at}.form", one.form, "its bands or choices are missing, or of another form")
        if any(low.below >= high.below for low, high in pairwise(one.bands)):
            yield Flaw(f"{at}.bands", [band.below for band in one.bands], "must ascend")
        if one.deviation <= 0:
            yield Flaw(f"{at}.deviation", one.deviation, "must be above 0")
        for value in (one.log_odds, one.otherwise, *(b.log_odds for b in one.bands), *(one.by_choice or {}).values()):
            if abs(value) > limits.most_log_odds:
                yield Flaw(f"{at}.log_odds", value, f"is beyond {limits.most_log_odds} log-odds either way")
        direction = column.direction if column else indicators[one.subject.partition(".")[2]].direction
        if _turned_round(one, direction) and len(one.against_direction_reason.strip()) < _LEAST_REASON:
            way = "the riskier" if direction > 0 else "the safer"
            yield Flaw(
                at, one.subject, f"is turned round: the higher, {way}; say why in against_direction_reason, or turn it"
            )


def _turned_round(weight: OverlayWeight, direction: int) -> bool:
    if weight.form == "standardised":
        return weight.log_odds * direction < 0
    course = [band.log_odds for band in weight.bands] + [weight.otherwise]
    return weight.form == "banded" and any((after - before) * direction < 0 for before, after in pairwise(course))


def _offsets(terms: OverlayTerms, limits: OverlayLimits) -> Iterator[Flaw]:
    for number, one in enumerate(terms.offsets):
        at = f"offsets[{number}]"
        if one.subject not in _SEGMENTS:
            yield Flaw(f"{at}.subject", one.subject, f"must be one of {', '.join(_SEGMENTS)}")
        if abs(one.log_odds) > limits.most_log_odds:
            yield Flaw(f"{at}.log_odds", one.log_odds, f"is beyond {limits.most_log_odds} log-odds either way")
        for part in ("label_zh", "label_en"):
            if word := limits.protected_in(getattr(one, part)):
                yield Flaw(f"{at}.{part}", getattr(one, part), f"names a protected or personal attribute: {word}")


def _rules(terms: OverlayTerms, subjects: Mapping[str, Subject]) -> Iterator[Flaw]:
    counts = Counter(one.code for one in terms.cut_offs.rules)
    for number, one in enumerate(terms.cut_offs.rules):
        at = f"cut_offs.rules[{number}]"
        if counts[one.code] > 1:
            yield Flaw(f"{at}.code", one.code, "is the code of another rule too")
        flaw = check_rule(Rule(one.subject, one.operator, one.limit), subjects)
        if flaw is not None:
            yield Flaw(f"{at}.{flaw.field}", flaw.value, flaw.problem)


def _reach(terms: OverlayTerms, scale: Scale, limits: OverlayLimits) -> Iterator[Flaw]:
    lowest, highest = reach(terms)
    for way, shift in (("safer", -lowest), ("riskier", highest)):
        crossed = grades_crossed(scale, shift)
        if crossed > limits.most_grades:
            yield Flaw(
                "weights",
                round(shift, 4),
                f"together can make a firm {crossed} grades {way}; at most {limits.most_grades} are allowed",
            )


def reach(terms: OverlayTerms) -> tuple[float, float]:
    """Return the least and the most log-odds that the weights and offsets can add to a firm's."""
    lowest = highest = 0.0
    for values in (*(_values(weight) for weight in terms.weights), *([one.log_odds] for one in terms.offsets)):
        lowest, highest = lowest + min(0.0, *values), highest + max(0.0, *values)
    return lowest, highest


def _values(weight: OverlayWeight) -> Sequence[float]:
    match weight.form:
        case "standardised":
            return (-WIDEST * weight.log_odds, WIDEST * weight.log_odds)
        case "banded":
            return (*(band.log_odds for band in weight.bands), weight.otherwise)
        case _:
            return (*(weight.by_choice or {}).values(), weight.otherwise)


def grades_crossed(scale: Scale, shift: float) -> int:
    """Return how many grades a shift of the log-odds can cross, wherever the firm stands."""
    if not shift > 0:
        return 0
    bounds = [math.log(pd / (1 - pd)) for pd in np.sort(scale.pd_bounds)]
    return max(sum(low <= other < low + shift for other in bounds) for low in bounds)
