"""What a bank sends and gets; the field descriptions are the bank's manual."""

from __future__ import annotations

import marshmallow as ma

from creditlink.api import Schema


def _text(description: str, *, allow_none: bool | None = None) -> ma.fields.String:
    return ma.fields.String(metadata={"description": description}, allow_none=allow_none)


class ProfileRequestSchema(Schema):
    """What to compute; everything is optional, the firm and the data come from the consent."""

    as_of = ma.fields.Date(metadata={"description": "Day whose knowledge counts (Asia/Shanghai); default today"})
    amount_fen = ma.fields.Integer(
        strict=True,
        validate=ma.validate.Range(min=100, max=10**13),
        metadata={"description": "Amount the firm asks for, in fen; shapes the order of products"},
    )
    term_months = ma.fields.Integer(
        strict=True,
        validate=ma.validate.Range(min=1, max=360),
        metadata={"description": "Term the firm asks for, in months"},
    )


class ProfileQuerySchema(Schema):
    """Which profiles to list."""

    created_from = ma.fields.AwareDateTime(metadata={"description": "Created at or after this instant"})
    created_before = ma.fields.AwareDateTime(metadata={"description": "Created before this instant"})
    grade = ma.fields.String(
        validate=ma.validate.OneOf(["A+", "A", "B", "C", "D", "E"]), metadata={"description": "Only this grade"}
    )
    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "Profiles per page"}
    )
    cursor = _text("Where the page before ended: its `next_cursor`")


class ModelSchema(Schema):
    """Which model computed the score."""

    model_id = _text("The model's folder and card")
    sha256 = _text("Hash of the model file")


class DimensionSchema(Schema):
    """A dimension's (or category's) share in the score."""

    name = _text("tax, employment, energy, standing or consistency; or a data category")
    label_zh = _text("Name in Chinese")
    label_en = _text("Name in English")
    contribution = ma.fields.Float(metadata={"description": "Sum of SHAP contributions, log-odds of bad; + is riskier"})
    points_contribution = ma.fields.Float(metadata={"description": "The same in points; + is safer"})


class ProfileSchema(Schema):
    """An explained credit profile."""

    id = _text("The profile's id")
    enterprise_id = _text("The firm's id as your institution sees it")
    consent_id = _text("The consent it was computed under")
    purpose = _text("The consent's purpose")
    created_at = ma.fields.AwareDateTime(metadata={"description": "When it was computed"})
    as_of = ma.fields.Date(metadata={"description": "The day whose knowledge counts"})
    state = _text("`scored`, or `not_scorable` with a reason")
    not_scorable_reason = ma.fields.Dict(allow_none=True, metadata={"description": "Why there is no score"})
    pd_12m = ma.fields.Float(
        allow_none=True, metadata={"description": "Calibrated probability of 90 days past due within 12 months"}
    )
    points = ma.fields.Integer(allow_none=True, metadata={"description": "600 + 40·log2(odds/20); more is safer"})
    grade = _text("A+ A B C D E", allow_none=True)
    human_review = ma.fields.List(
        ma.fields.Dict(), metadata={"description": "Why a person must look at a decision on this firm"}
    )
    knock_outs = ma.fields.List(ma.fields.Dict(), metadata={"description": "Facts that rule out, apart from the score"})
    dimensions = ma.fields.List(ma.fields.Nested(DimensionSchema))
    categories = ma.fields.List(ma.fields.Nested(DimensionSchema))
    reasons = ma.fields.List(ma.fields.Dict(), metadata={"description": "At most 4 strongest adverse reasons"})
    strengths = ma.fields.List(ma.fields.Dict(), metadata={"description": "At most 4 strongest favourable ones"})
    coverage = ma.fields.Dict(metadata={"description": "Per category: granted, status, rows, months, freshness"})
    products = ma.fields.Dict(metadata={"description": "Counts, best products and near misses"})
    model = ma.fields.Nested(ModelSchema)
    inputs_sha256 = _text("Hash of the facts that were read")
    content_sha256 = _text("Hash of this snapshot; a replay gives the same")


class ProfilePageSchema(Schema):
    """A page of profiles, newest first."""

    items = ma.fields.List(ma.fields.Nested(ProfileSchema))
    next_cursor = _text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class PendingSchema(Schema):
    """The records are being fetched."""

    pull_id = _text("Poll `/v1/pulls/{pull_id}`, then repeat the request")
    status = _text("PENDING")
    sources = ma.fields.Dict(metadata={"description": "Per source: its state"})


class ExplanationSchema(Schema):
    """Every indicator's exact contribution."""

    profile_id = _text("The profile")
    base_value = ma.fields.Float(metadata={"description": "Model's base, log-odds of bad"})
    margin = ma.fields.Float(metadata={"description": "base_value + Σ contribution"})
    points_base = ma.fields.Float(metadata={"description": "The base in points"})
    points_calibration = ma.fields.Float(metadata={"description": "Calibration's shift in points"})
    points_exact = ma.fields.Float(
        metadata={"description": "points_base + Σ points_contribution + points_calibration, before rounding"}
    )
    indicators = ma.fields.List(
        ma.fields.Dict(), metadata={"description": "name, labels, value, unit, contribution, points_contribution"}
    )


class MatchesSchema(Schema):
    """Every product, every rule."""

    profile_id = _text("The profile")
    counts = ma.fields.Dict(metadata={"description": "eligible, undetermined, ineligible"})
    products = ma.fields.List(ma.fields.Dict(), metadata={"description": "In order; each rule pass, fail or unknown"})
    near_misses = ma.fields.List(ma.fields.Dict(), metadata={"description": "What would unlock the nearest products"})
