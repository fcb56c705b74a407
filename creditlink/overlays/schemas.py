"""What a bank declares as its overlay and reads of it; the field descriptions are the bank's manual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import marshmallow as ma

from creditlink.engine.matching.products.rules import OPERATORS
from creditlink.engine.overlay.columns import LARGEST
from creditlink.engine.overlay.decision import REASON_KINDS
from creditlink.engine.overlay.terms import (
    FORMS,
    OUTCOMES,
    CutOffs,
    ExtraColumn,
    OverlayRule,
    OverlayTerms,
    OverlayWeight,
    SegmentOffset,
    WeightBand,
)
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts
from creditlink.products.catalogue.schemas import StepNote, StepNoteSchema


class ExactNumber(ma.fields.Float):
    """A number of JSON: no text and no truth value, and no larger than any amount."""

    def _validated(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        if not abs(value) <= LARGEST:
            raise ma.ValidationError(f"Must be at most {LARGEST:g} either way.")
        return float(value) + 0.0


def _number(description: str, **more: object) -> ExactNumber:
    return ExactNumber(metadata={"description": description}, **more)  # type: ignore[arg-type]  # marshmallow's own


def _label(description: str) -> ma.fields.String:
    return text(description, required=True, validate=ma.validate.Length(1, 80))


def _list(schema: type[Schema], most: int, description: str) -> ma.fields.List[object]:
    return ma.fields.List(
        ma.fields.Nested(schema), load_default=(), validate=ma.validate.Length(max=most),
        metadata={"description": description},
    )  # fmt: skip


class _Frozen(Schema):
    """A schema whose lists are loaded as tuples: what is declared does not change."""

    @ma.post_load
    def _load_into(self, fields: dict[str, object], **_: object) -> object:
        into = type(self).loads_into
        frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return frozen if into is None else into(**frozen)


class ExtraColumnSchema(_Frozen):
    """A column of your own data about firms. It stays in your tenancy: no other institution ever sees it."""

    loads_into = ExtraColumn
    name = text("Its name", required=True, validate=ma.validate.Regexp(r"^[a-z][a-z0-9_]{1,39}\Z"))
    kind = text("number, flag or choice", required=True, validate=ma.validate.OneOf(["number", "flag", "choice"]))
    label_zh = _label("Name in Chinese")
    label_en = _label("Name in English")
    unit = text("Unit, shown after the value", load_default="", validate=ma.validate.Length(0, 20))
    minimum = _number("Least value", load_default=None, allow_none=True)
    maximum = _number("Largest value", load_default=None, allow_none=True)
    choices = ma.fields.List(
        ma.fields.String(validate=ma.validate.Length(1, 60)), load_default=(), validate=ma.validate.Length(max=50),
        metadata={"description": "What a choice may be"},
    )  # fmt: skip
    direction = number(
        "1: the higher, the riskier; -1: the safer; 0: either", strict=True, load_default=0,
        validate=ma.validate.OneOf([-1, 0, 1]),
    )  # fmt: skip
    required = ma.fields.Boolean(
        load_default=False, metadata={"description": "Whether a firm without it is referred to a person"}
    )


class WeightBandSchema(_Frozen):
    """Log-odds below a value."""

    loads_into = WeightBand
    below = _number("The band's end, exclusive", required=True)
    log_odds = _number("Log-odds of bad within it", required=True)


class OverlayWeightSchema(_Frozen):
    """Log-odds of bad by an indicator or by a column of yours; + is riskier. What is not known adds nothing."""

    loads_into = OverlayWeight
    subject = text("`indicator.<name>` or `own.<column>`", required=True, validate=ma.validate.Length(1, 80))
    form = text("How it counts", required=True, validate=ma.validate.OneOf(FORMS))
    mean = _number("standardised: the mean", load_default=0.0)
    deviation = _number("standardised: the standard deviation", load_default=1.0)
    log_odds = _number("standardised: log-odds by deviation, of three deviations at most", load_default=0.0)
    bands = _list(WeightBandSchema, 20, "banded: ascending")
    otherwise = _number("banded: from the last band on; by_choice: any other choice", load_default=0.0)
    by_choice = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.Length(1, 60)), values=ExactNumber(), load_default=None,
        allow_none=True, validate=lambda given: given is None or len(given) <= 50,
        metadata={"description": "by_choice: choice -> log-odds"},
    )  # fmt: skip
    against_direction_reason = text(
        "Why a weight runs against its indicator's direction in risk; without it that is refused",
        load_default="", validate=ma.validate.Length(0, 500),
    )  # fmt: skip


class SegmentOffsetSchema(_Frozen):
    """Log-odds of bad for a segment of firms."""

    loads_into = SegmentOffset
    subject = text("`registration.industry`, `.region` or `.entity_type`", required=True)
    one_of = ma.fields.List(
        ma.fields.String(validate=ma.validate.Length(1, 40)), required=True, validate=ma.validate.Length(1, 100),
        metadata={"description": "Codes; of industry and region their beginnings"},
    )  # fmt: skip
    log_odds = _number("Log-odds of bad", required=True)
    label_zh = _label("What the segment is called, in Chinese")
    label_en = _label("The same in English")


class LimitField(ma.fields.Raw):
    """What a rule compares with: a number, a text, or a list of either."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **_: object) -> object:
        many = tuple(value) if isinstance(value, list) else (value,)
        if not 0 < len(many) <= 100:
            raise ma.ValidationError("Must have 1 to 100 entries.")
        if all(isinstance(one, str) and 0 < len(one) <= 80 for one in many):
            return many if isinstance(value, list) else value
        if any(isinstance(one, bool) or not isinstance(one, int | float) or not abs(one) <= LARGEST for one in many):
            raise ma.ValidationError("Must be a number, a text, or a list of either.")
        if isinstance(value, list) and len(many) != 2:
            raise ma.ValidationError("Must be two bounds.")
        return tuple(float(one) for one in many) if isinstance(value, list) else float(many[0])


def _outcome(description: str, default: str) -> ma.fields.String:
    return text(description, load_default=default, validate=ma.validate.OneOf(OUTCOMES))


class OverlayRuleSchema(_Frozen):
    """A condition that a firm must meet."""

    loads_into = OverlayRule
    code = text("Your code for it", required=True, validate=ma.validate.Regexp(r"^[A-Z][A-Z0-9_-]{0,19}\Z"))
    label_zh = _label("The condition in Chinese")
    label_en = _label("The condition in English")
    subject = text(
        "`indicator.<name>`, `own.<column>`, `registration.<column>` or `profile.<grade|points|pd_12m>` of the base",
        required=True, validate=ma.validate.Length(1, 80),
    )  # fmt: skip
    operator = text(
        "How it compares",
        required=True,
        validate=ma.validate.OneOf(sorted({o for of in OPERATORS.values() for o in of})),
    )
    limit = LimitField(required=True, metadata={"description": "With what it compares"})
    outcome = _outcome("Where it is not met: accept, refer or decline", "decline")
    if_unknown = _outcome("Where the value is not known", "refer")


class CutOffsSchema(_Frozen):
    """Where a firm must lie."""

    loads_into = CutOffs
    grade_at_least = text("The worst grade by the overlay", load_default=None, validate=ma.validate.OneOf(GRADES))
    pd_at_most = _number(
        "The largest PD by the overlay", load_default=None,
        validate=ma.validate.Range(0, 1, min_inclusive=False, max_inclusive=False),
    )  # fmt: skip
    otherwise = _outcome("What missing these two leads to", "decline")
    on_knock_out = _outcome("What a knock-out of the profile leads to", "refer")
    rules = _list(OverlayRuleSchema, 60, "Conditions; the severest outcome holds")


class OverlayTermsSchema(_Frozen):
    """An overlay on the base score, which stays as it is: your weights, columns, offsets and cut-offs beside it."""

    loads_into = OverlayTerms
    name_zh = _label("Name in Chinese")
    name_en = _label("Name in English")
    columns = _list(ExtraColumnSchema, 30, "Your own columns")
    weights = _list(OverlayWeightSchema, 60, "What moves the log-odds")
    offsets = _list(SegmentOffsetSchema, 30, "What moves the log-odds of a segment")
    cut_offs = ma.fields.Nested(CutOffsSchema, required=True, metadata={"description": "What decides"})
    shown_to_firm = ma.fields.Boolean(
        load_default=False, metadata={"description": "Whether the firm sees the result on its page"}
    )


@dataclass(frozen=True)
class OverlayCheck(StepNote):
    """What is confirmed, and why."""

    terms_sha256: str


class OverlayCheckSchema(StepNoteSchema):
    """What is confirmed."""

    loads_into: ClassVar[Callable[..., object] | None] = OverlayCheck
    terms_sha256 = text(
        "Hash of the terms that were read, so that nothing else is confirmed",
        required=True,
        validate=ma.validate.Regexp(r"^[0-9a-f]{64}\Z"),
    )


class OverlayStepSchema(Schema):
    """One thing that was done to a version."""

    at = instant("When")
    step = text("write, check, publish or retire")
    actor = text("bank:<client_id>")
    terms_sha256 = text("Hash of the terms that stood there then")
    note = text("Why")


class OverlayVersionSchema(Schema):
    """One version of your overlay."""

    version = number("Its number; the platform gives it")
    state = text("draft, checked, live or retired")
    terms_sha256 = text("Hash of the terms, for the check")
    written_by = text("Who wrote to it last")
    checked_by = text("Who confirmed it", allow_none=True)
    created_at = instant("When it was first written")
    changed_at = instant("When it last changed")
    published_at = instant("When it came into use", allow_none=True)
    allowed = texts("Steps that its state allows")


class OverlayVersionInFullSchema(OverlayVersionSchema):
    """One version with its terms, how far it reaches, and what was done to it."""

    terms = ma.fields.Dict(metadata={"description": "The terms as they are applied"})
    reach = ma.fields.Dict(
        metadata={"description": "`safer` and `riskier`: log-odds and grades that it can move a firm by at most"}
    )
    steps = ma.fields.List(ma.fields.Nested(OverlayStepSchema), metadata={"description": "Oldest first"})


class OverlayVersionsSchema(Schema):
    """Every version of your overlay."""

    items = ma.fields.List(ma.fields.Nested(OverlayVersionSchema), metadata={"description": "The newest first"})


class UploadedColumnsSchema(Schema):
    """What became of a file of your own columns."""

    firms = number("Firms whose values were taken")
    columns = texts("Columns that the file had")


class OverlayReasonSchema(Schema):
    """Why an overlay refers or declines."""

    kind = text(", ".join(REASON_KINDS))
    outcome = text("refer or decline")
    code = text("Your rule's code, the column's name or the profile's code; empty where there is none")
    text_zh = text("In Chinese")
    text_en = text("In English")


class OverlayShareSchema(Schema):
    """What one weight or segment adds."""

    subject = text("What it is about")
    label_zh = text("Name in Chinese")
    label_en = text("Name in English")
    value = ma.fields.Raw(allow_none=True, metadata={"description": "Its value; null: not known, and nothing added"})
    value_zh = text("The value in Chinese")
    value_en = text("The value in English")
    contribution = ma.fields.Float(metadata={"description": "Log-odds of bad; + is riskier"})
    points_contribution = ma.fields.Float(metadata={"description": "The same in points; + is safer"})


class OverlayResultSchema(Schema):
    """Your overlay beside the base: `base.points_exact` and the contributions add up to `points_exact` exactly."""

    version = number("Version of your overlay")
    terms_sha256 = text("Hash of its terms")
    result_hmac = text("Stands for this result; a replay by the platform gives it again")
    base = ma.fields.Dict(metadata={"description": "The profile's own score, knock-outs and reasons for review"})
    points = number("Points by the overlay", allow_none=True)
    points_exact = ma.fields.Float(allow_none=True, metadata={"description": "Before rounding"})
    points_added = ma.fields.Float(allow_none=True, metadata={"description": "What the contributions add together"})
    pd_12m = ma.fields.Float(allow_none=True, metadata={"description": "PD by the overlay"})
    grade = text("Grade by the overlay, capped as the profile's own is", allow_none=True)
    contributions = ma.fields.List(ma.fields.Nested(OverlayShareSchema), metadata={"description": "In declared order"})
    columns = ma.fields.Dict(metadata={"description": "Your own columns as they were used"})
    sources = ma.fields.Dict(metadata={"description": "Column -> `request` or `file`"})
    decision = text("accept, refer or decline")
    reasons = ma.fields.List(ma.fields.Nested(OverlayReasonSchema), metadata={"description": "The severest first"})
