"""What a bank declares as its overlay: typed, and free of any storage. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from creditlink.engine.matching.products.subjects import Subject
from creditlink.engine.matching.products.terms import Operator

Value = float | str | None
"""A value of an indicator, a column or the registration; None where it is not known."""

Outcome = Literal["accept", "refer", "decline"]
OUTCOMES: tuple[Outcome, ...] = ("accept", "refer", "decline")
"""What an overlay may decide, from the mildest; the severest of its reasons holds."""

OWN = "own."
"""What names of the bank's own columns begin with, where something is said of them."""

FORMS = ("standardised", "banded", "by_choice")


@dataclass(frozen=True, slots=True)
class ExtraColumn:
    """A column of the bank's own data; its direction is the bank's word: 1 where more is riskier."""

    name: str
    kind: str  # number, flag (0 or 1) or choice
    label_zh: str
    label_en: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    direction: int = 0
    required: bool = False

    def as_subject(self) -> Subject:
        """Return what rules know of it."""
        form: Literal["code", "number"] = "code" if self.kind == "choice" else "number"
        return Subject(f"{OWN}{self.name}", self.label_zh, self.label_en, self.unit, form=form)


@dataclass(frozen=True, slots=True)
class WeightBand:
    """Log-odds of bad that hold below a value."""

    below: float
    log_odds: float


@dataclass(frozen=True, slots=True)
class OverlayWeight:
    """Log-odds of bad by an indicator or column: + is riskier; nothing where the value is not known."""

    subject: str
    form: str
    mean: float = 0.0
    deviation: float = 1.0
    log_odds: float = 0.0  # by standard deviation
    bands: tuple[WeightBand, ...] = ()
    otherwise: float = 0.0  # at and beyond the last band, and for a choice that is not named
    by_choice: Mapping[str, float] | None = None
    against_direction_reason: str = ""


@dataclass(frozen=True, slots=True)
class SegmentOffset:
    """Log-odds of bad for the firms whose registration has one of these values."""

    subject: str
    one_of: tuple[str, ...]
    log_odds: float
    label_zh: str
    label_en: str


@dataclass(frozen=True, slots=True)
class OverlayRule:
    """A condition that a firm must meet, and what happens where it does not, or where it cannot be told."""

    code: str
    label_zh: str
    label_en: str
    subject: str
    operator: Operator
    limit: float | str | tuple[float, ...] | tuple[str, ...]
    outcome: Outcome = "decline"
    if_unknown: Outcome = "refer"


@dataclass(frozen=True, slots=True)
class CutOffs:
    """Where the overlay's own grade and PD must lie, and the rules; `otherwise` is what a miss leads to."""

    grade_at_least: str | None = None
    pd_at_most: float | None = None
    otherwise: Outcome = "decline"
    on_knock_out: Outcome = "refer"
    rules: tuple[OverlayRule, ...] = ()


@dataclass(frozen=True, slots=True)
class OverlayTerms:
    """A whole overlay."""

    name_zh: str
    name_en: str
    cut_offs: CutOffs
    columns: tuple[ExtraColumn, ...] = ()
    weights: tuple[OverlayWeight, ...] = ()
    offsets: tuple[SegmentOffset, ...] = ()
    shown_to_firm: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as they are stored and hashed."""
        return asdict(self)

    def column(self, name: str) -> ExtraColumn | None:
        """Return a column by its name."""
        return next((one for one in self.columns if one.name == name), None)


def terms_of(given: Mapping[str, object]) -> OverlayTerms:
    """Return what `to_dict` wrote, with lists as JSON brings them back."""
    stored = json.loads(json.dumps(dict(given)))
    cut_offs = dict(stored["cut_offs"])
    rules = tuple(OverlayRule(**one | {"limit": _tuple(one["limit"])}) for one in cut_offs.pop("rules"))
    return OverlayTerms(
        name_zh=stored["name_zh"],
        name_en=stored["name_en"],
        cut_offs=CutOffs(**cut_offs, rules=rules),
        columns=tuple(ExtraColumn(**one | {"choices": _tuple(one["choices"])}) for one in stored["columns"]),
        weights=tuple(
            OverlayWeight(**one | {"bands": tuple(WeightBand(**band) for band in one["bands"])})
            for one in stored["weights"]
        ),
        offsets=tuple(SegmentOffset(**one | {"one_of": _tuple(one["one_of"])}) for one in stored["offsets"]),
        shown_to_firm=stored["shown_to_firm"],
    )


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
