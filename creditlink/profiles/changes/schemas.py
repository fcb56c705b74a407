"""What a bank asks and reads of a change between two profiles."""

from __future__ import annotations

from dataclasses import dataclass

import marshmallow as ma

from creditlink.engine.explanation.change.split import PARTS
from creditlink.kit.http.api import Day, Schema
from creditlink.kit.http.fields import number, text, texts


@dataclass(frozen=True)
class ProfileChangesQuery:
    """Since which profile."""

    since: str


class ProfileChangesQuerySchema(Schema):
    """Since which profile."""

    loads_into = ProfileChangesQuery
    since = text("An earlier profile of the same consent: `prf_…`", required=True, validate=ma.validate.Length(1, 64))


def _points(description: str) -> ma.fields.Float:
    return ma.fields.Float(allow_none=True, metadata={"description": description})


class ChangedPartSchema(Schema):
    """One part of a change."""

    name = text(f"{', '.join(PARTS)}; or a category of evidence")
    label_zh = text("Name in Chinese")
    label_en = text("Name in English")
    points = _points("What it moved; null where there is nothing to split")
    text_zh = text("In a sentence, in Chinese")
    text_en = text("In a sentence, in English")


class ChangedIndicatorSchema(ChangedPartSchema):
    """What one indicator moved."""

    name = text("The indicator")
    category = text("Data category that it is explained under")
    unit = text("Unit of its values")
    before = _points("Its value then; null: not known")
    after = _points("Its value now; null: not known")


class ModelIndicatorsSchema(Schema):
    """Indicators that only one of the two models reads."""

    only_before = texts("Read by the earlier model alone")
    only_after = texts("Read by the later model alone")


class ProfileMarkSchema(Schema):
    """One of the two profiles."""

    id = text("The profile")
    as_of = Day(metadata={"description": "Its day"})
    state = text("`scored` or `not_scorable`")
    points = number("Its points", allow_none=True)
    grade = text("Its grade", allow_none=True)
    model_id = text("The model that scored it")


class ChangesSchema(Schema):
    """What changed between two profiles. Sums hold to the last bit, in whatever order the numbers are added."""

    since = ma.fields.Nested(ProfileMarkSchema, metadata={"description": "The earlier profile"})
    profile = ma.fields.Nested(ProfileMarkSchema, metadata={"description": "The later profile"})
    comparison = text("`split`, or `not_comparable`: one of the two has no score")
    points = number("Points of the later less those of the earlier", allow_none=True)
    text_zh = text("The change in a sentence, in Chinese")
    text_en = text("The change in a sentence, in English")
    grade_zh = text("Why the grade is another, or the same, in Chinese")
    grade_en = text("Why the grade is another, or the same, in English")
    parts = ma.fields.List(
        ma.fields.Nested(ChangedPartSchema),
        metadata={
            "description": f"{', '.join(PARTS)}: they add up to `points`; Shapley values over data with coverage, "
            "model and policy, so that no order favours one. `rounding` is of the two scores to whole points"
        },
    )
    indicators = ma.fields.List(
        ma.fields.Nested(ChangedIndicatorSchema),
        metadata={"description": "They add up to the part `data`; those that moved most first"},
    )
    coverage = ma.fields.List(
        ma.fields.Nested(ChangedPartSchema),
        metadata={"description": "Categories of which records came or went; they add up to the part `coverage`"},
    )
    model_indicators = ma.fields.Nested(ModelIndicatorsSchema, metadata={"description": "Told as part of `model`"})
