"""What a bank sends and gets; the field descriptions are the bank's manual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import marshmallow as ma

from creditlink.consents.agreement.categories import GRANTABLE
from creditlink.engine.profile.codes import KINDS
from creditlink.engine.vocabulary import CATEGORIES, GRADES
from creditlink.kit.http.api import Day, Schema
from creditlink.kit.http.fields import instant, number, text
from creditlink.overlays.schemas import OverlayResultSchema
from creditlink.profiles.disclosures.disclosure import ProfileQuery
from creditlink.profiles.reliance.schemas import (
    CapacitySchema,
    ContestedDatumSchema,
    ToldRelationsSchema,
    ValiditySchema,
)
from creditlink.profiles.service import ProfileRequest
from creditlink.reviews.schemas import ReviewOfProfileSchema
from creditlink.uploads.use import CATEGORIES as CATEGORIES_UPLOADED


class OverlayChoice(ma.fields.Raw):
    """Whether a profile is overlaid: true for the live version, or exactly one by its number."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **_: object
    ) -> bool | int:
        if isinstance(value, bool) or (isinstance(value, int) and 1 <= value < 2**31):
            return value
        raise ma.ValidationError("Must be true, false, or the number of a version.")


class ProfileRequestSchema(Schema):
    """What to compute; everything is optional, the firm and the data come from the consent."""

    loads_into = ProfileRequest
    as_of = Day(metadata={"description": "Day whose knowledge counts (Asia/Shanghai); default today"})
    amount_fen = number(
        "Amount the firm asks for, in fen; shapes the order of products",
        strict=True,
        validate=ma.validate.Range(min=100, max=10**13),
    )
    term_months = number("Term the firm asks for, in months", strict=True, validate=ma.validate.Range(min=1, max=360))
    accept_partial = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(sorted(GRANTABLE))),
        metadata={
            "description": "Required categories without which a profile is accepted where they were not delivered. "
            "Without it that is 409 `records-unavailable`, and no use is spent; with it the profile is marked "
            "`partial`, its grade is capped, and it asks for human review"
        },
    )
    accept_uploads = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(CATEGORIES_UPLOADED)),
        metadata={
            "description": "Categories of which records are accepted that the firm uploaded itself, for periods of "
            "which no office has spoken, where its answer is missing, late or not connected. The profile is then "
            "`partial` with the cause `uploaded`, and `coverage` names the files. Whether or not any are used, "
            "`coverage` says whether the office confirms them, and a contradiction asks for human review"
        },
    )
    overlay = OverlayChoice(
        metadata={
            "description": "true: apply your live overlay beside the score; a number: only if that version is the live "
            "one. See `/v1/overlays`"
        }
    )
    overlay_columns = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.Length(1, 40)),
        validate=ma.validate.Length(max=30),
        metadata={"description": "Your own columns of this firm, for the overlay; they go before uploaded ones"},
    )


class ProfileQuerySchema(Schema):
    """Which profiles to list."""

    loads_into = ProfileQuery
    created_from = instant("Created at or after this instant")
    created_before = instant("Created before this instant")
    grade = text("Only this grade", validate=ma.validate.OneOf(list(GRADES)))
    limit = number("Profiles per page", load_default=20, validate=ma.validate.Range(min=1, max=100))
    cursor = text("Where the page before ended: its `next_cursor`")


class ModelSchema(Schema):
    """Which model computed the score."""

    model_id = text("The model's folder and card")
    sha256 = text("Hash of the model's whole folder: of its manifest, which states every file's")


class DimensionSchema(Schema):
    """A dimension's (or category's) share in the score."""

    name = text("tax, employment, energy, standing or consistency; or a data category")
    label_zh = text("Name in Chinese")
    label_en = text("Name in English")
    contribution = ma.fields.Float(metadata={"description": "Sum of SHAP contributions, log-odds of bad; + is riskier"})
    points_contribution = ma.fields.Float(metadata={"description": "The same in points; + is safer"})


class IntervalSchema(Schema):
    """Where the firm's own probability lies, as far as the data tell."""

    level = ma.fields.Float(metadata={"description": "Nominal coverage; the measured one is on the model's card"})
    pd_low = ma.fields.Float(metadata={"description": "Least PD of the interval"})
    pd_high = ma.fields.Float(metadata={"description": "Largest PD of the interval"})
    points_low = number("Points at the largest PD")
    points_high = number("Points at the least PD")
    grade_best = text("Grade at the least PD")
    grade_worst = text("Grade at the largest PD")


class WithoutCategorySchema(Schema):
    """The score had the firm refused one category."""

    category = text("The category refused")
    points = number("Null: too little record for a score", allow_none=True)
    grade = text("A+ A B C D E", allow_none=True)
    pd_12m = ma.fields.Float(allow_none=True, metadata={"description": "Calibrated PD without the category"})
    points_gained = number("What granting it changed: points with it less points without", allow_none=True)


class ProfileSchema(Schema):
    """An explained credit profile."""

    id = text("The profile's id")
    enterprise_id = text("The firm's id as your institution sees it")
    consent_id = text("The consent it was computed under")
    purpose = text("The consent's purpose")
    created_at = instant("When it was computed")
    as_of = ma.fields.Date(metadata={"description": "The day whose knowledge counts"})
    state = text("`scored`, or `not_scorable` with a reason")
    not_scorable_reason = ma.fields.Dict(allow_none=True, metadata={"description": "Why there is no score"})
    partial_ = ma.fields.Dict(  # the plain name is marshmallow's own
        data_key="partial",
        attribute="partial",
        allow_none=True,
        metadata={
            "description": "Null where every required category was delivered. Else `missing` (category and why), "
            "`best_grade` that it may have for that, `grade_by_score` that the PD alone would have, and words"
        },
    )
    pd_12m = ma.fields.Float(
        allow_none=True, metadata={"description": "Calibrated probability of 90 days past due within 12 months"}
    )
    points = number("600 + 40·log2(odds/20); more is safer", allow_none=True)
    grade = text("A+ A B C D E", allow_none=True)
    interval = ma.fields.Nested(
        IntervalSchema, allow_none=True, metadata={"description": "Null where the model has no interval"}
    )
    without_category = ma.fields.List(
        ma.fields.Nested(WithoutCategorySchema),
        metadata={"description": "Per granted category of which anything is known: the score without it"},
    )
    human_review = ma.fields.List(
        ma.fields.Dict(), metadata={"description": "Why a person must look at a decision on this firm"}
    )
    knock_outs = ma.fields.List(ma.fields.Dict(), metadata={"description": "Facts that rule out, apart from the score"})
    not_evaluated = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": "Knock-outs, and rules of human review, whose fact is not known: neither found nor passed. "
            "`cause` says why (not_granted, not_connected, source_down …; unknown: the category gave other facts)"
        },
    )
    relief = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": "Relief policies under which something that the firm paid late did not count: code, source "
            "and words; empty: none"
        },
    )
    dimensions = ma.fields.List(ma.fields.Nested(DimensionSchema))
    categories = ma.fields.List(ma.fields.Nested(DimensionSchema))
    reasons = ma.fields.List(ma.fields.Dict(), metadata={"description": "At most 4 strongest adverse reasons"})
    strengths = ma.fields.List(ma.fields.Dict(), metadata={"description": "At most 4 strongest favourable ones"})
    capacity = ma.fields.Nested(
        CapacitySchema,
        allow_none=True,
        metadata={"description": "What the firm can bear; null on profiles made before this was derived"},
    )
    validity = ma.fields.Nested(
        ValiditySchema,
        allow_none=True,
        metadata={"description": "Until when it may be relied on; null on profiles made before this was told"},
    )
    coverage = ma.fields.Dict(
        metadata={
            "description": "Per category: granted, status, rows, months, freshness; `uploads`: what is the firm's own"
        }
    )
    relations = ma.fields.Nested(
        ToldRelationsSchema,
        allow_none=True,
        metadata={"description": "What ties the firm to firms struck off; null on profiles made before this was told"},
    )
    products = ma.fields.Dict(
        allow_none=True,
        metadata={
            "description": "Counts, best products and near misses; null where the token lacks the action `match`"
        },
    )
    overlay = ma.fields.Nested(
        OverlayResultSchema,
        allow_none=True,
        metadata={"description": "Your overlay beside the score; null where none was asked for"},
    )
    review = ma.fields.Nested(
        ReviewOfProfileSchema,
        allow_none=True,
        metadata={"description": "What people did about it, beside the score; null where nobody was asked to look"},
    )
    contested = ma.fields.List(
        ma.fields.Nested(ContestedDatumSchema),
        metadata={
            "description": "Data it was computed from that the firm disputes or did, the latest first; empty: none. "
            "The profile's own score counts that data as it was"
        },
    )
    model = ma.fields.Nested(ModelSchema)
    bundle = text(
        "Hash of the policy it was made under: model, rules, settings, products, code and libraries; a replay of any "
        "later day uses it",
        allow_none=True,
    )
    inputs_hmac = text("Stands for the facts that were read; another institution's differs for the same facts")
    content_hmac = text("Stands for this snapshot, in the same way; a replay by the platform gives it again")


class ProfilePageSchema(Schema):
    """A page of profiles, newest first."""

    items = ma.fields.List(ma.fields.Nested(ProfileSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class PendingSchema(Schema):
    """The records are being fetched."""

    pull_id = text("Poll `/v1/pulls/{pull_id}`, then repeat the request")
    status = text("PENDING")
    sources = ma.fields.Dict(metadata={"description": "Per source: its state"})


class ExplanationSchema(Schema):
    """Every indicator's exact contribution."""

    profile_id = text("The profile")
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


@dataclass(frozen=True)
class ReasonCodeQuery:
    """Which codes to list; None: all."""

    kind: str | None = None
    category: str | None = None


class ReasonCodeQuerySchema(Schema):
    """Which codes to list."""

    loads_into = ReasonCodeQuery
    kind = text("Only codes of this kind", validate=ma.validate.OneOf(KINDS))
    category = text(
        "Only codes that read this category of evidence; `utility` is all supplies",
        validate=ma.validate.OneOf(list(CATEGORIES)),
    )


class ReasonCodeSchema(Schema):
    """One code, what it means, and how what it speaks of is computed."""

    code = text("The code as profiles name it; never reused")
    kind = text(f"{', '.join(KINDS)}")
    label_zh = text("Name in Chinese")
    label_en = text("Name in English")
    text_zh = text("What it means, in Chinese")
    text_en = text("What it means, in English")
    category = text("Data category it is explained under", allow_none=True)
    categories = ma.fields.List(
        ma.fields.String(), allow_none=True, metadata={"description": "All data categories it reads"}
    )
    dimension = text("Dimension of the portrait", allow_none=True)
    group = text("Indicators of one group are one reason together", allow_none=True)
    indicator = text("Column of the indicator", allow_none=True)
    unit = text("Unit of its values", allow_none=True)
    window_months = number("Months it looks back; 0 for a state as of the day", allow_none=True)
    direction = number("1: the higher, the riskier; -1: the safer; 0: the model decides", allow_none=True)
    formula = text("How it is computed", allow_none=True)
    source = text("Where the formula stands", allow_none=True)
    missing = text("When it has no value", allow_none=True)
    version = number("Version of its formula", allow_none=True)
    actionable = ma.fields.Boolean(allow_none=True, metadata={"description": "Whether the firm can act on it"})


class ReasonCodesSchema(Schema):
    """The book of reason codes."""

    revision = text("Changes when anything in the book does")
    items = ma.fields.List(ma.fields.Nested(ReasonCodeSchema), metadata={"description": "By code"})
