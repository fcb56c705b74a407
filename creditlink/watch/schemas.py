"""What the watch found, as staff ask for it and see it."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts
from creditlink.watch.rules.reference import POINTS

_NAME = ma.validate.Length(1, 80)


def _figure(description: str) -> ma.fields.Float:
    return ma.fields.Float(allow_none=True, metadata={"description": description})


def _day(description: str, *, required: bool = False) -> ma.fields.Date:
    return ma.fields.Date(required=required, metadata={"description": description})


class WatchQuerySchema(Schema):
    """Which day and purpose to show."""

    day = _day("As of this day (Asia/Shanghai); default: the last one watched")
    purpose = text("Only of this purpose", validate=_NAME)


class CourseQuerySchema(Schema):
    """Which series to show day by day."""

    purpose = text("The purpose", required=True, validate=_NAME)
    model_id = text("The model", required=True, validate=_NAME)
    series = text(
        "`points`, `grade`, an indicator, `points@region:4406`, `coverage.tax` or `override`",
        load_default=POINTS,
        validate=_NAME,
    )
    until = _day("Nothing after this day")


class AlarmQuerySchema(Schema):
    """Which alarms to list."""

    open = ma.fields.Boolean(load_default=True, metadata={"description": "Open ones (default), or closed ones"})


class AlarmCloseSchema(Schema):
    """How an alarm was settled."""

    resolution = text("What was found and done", required=True, validate=ma.validate.Length(1, 2000))


class FreezeLiftSchema(Schema):
    """Why a freeze ends."""

    reason = text("Why; kept with the evidence", required=True, validate=ma.validate.Length(1, 2000))


class DriftFindingSchema(Schema):
    """What was found of one series."""

    day = ma.fields.Date(metadata={"description": "The day that was judged"})
    series = text("Its name")
    label_zh = text("What it is called, in Chinese")
    label_en = text("What it is called, in English")
    level = text("`few` (too few to say), `stable`, `moved` (0.10 and more than chance), `shifted` (0.25)")
    index = _figure("Population stability index against the reference")
    chance = _figure("What chance alone stays below; null: too few to say")
    firms = number("Different firms counted")
    window_days = number("Over how many days, the day the last of them: the window that says most")
    against = text(
        "`training` (the same time of the year where the model was trained), `first_days` (the model's first days in "
        "use), `days_before`, or `nothing` yet"
    )


class GradeShareSchema(Schema):
    """One grade of the mix of the last 30 days."""

    grade = text("The grade")
    profiles = number("Profiles with it")
    share = _figure("Their share")


class SourceShareSchema(Schema):
    """How a category was answered for over the last 30 days."""

    category = text("The category")
    label_zh = text("What it is called, in Chinese")
    label_en = text("What it is called, in English")
    profiles = number("Profiles that asked for it")
    delivered = number("Delivered")
    in_part = number("Delivered in part")
    no_record = number("The source has no record of the firm")
    unavailable = number("Down, denied or too late")
    uploaded = number("Filled by what the firm uploaded")
    missing_share = _figure("Share that was not delivered, not even in part")


class OverrideRateSchema(Schema):
    """How lenders answered where their own overlay had decided, over the last 30 days."""

    answers = number("Answers to which an overlay had said accept or decline")
    as_decided = number("As the overlay decided")
    stricter = number("Declined against it")
    looser = number("Offered against it")
    rate = _figure("Share that was not as decided")


class RipeOutcomeSchema(Schema):
    """How ripe loans compare with what was predicted."""

    day = ma.fields.Date(metadata={"description": "As known on this day"})
    part = text("`all`, or one part of the firms: `region:4406`, `industry:C`, `entity_type:company`")
    loans = number("Loans whose outcome is known")
    bads = number("Of them 90 days past due or written off within twelve months")
    waiting = number("Loans whose outcome is still to come")
    lag_days = number("Median days from the end of the horizon until the outcome was known", allow_none=True)
    mean_pd = _figure("Mean probability given")
    bad_rate = _figure("Share that went bad")
    z = _figure("Observed less predicted, in standard errors of chance; beyond ±4 the probabilities are contradicted")
    auc = _figure("How well the probabilities rank; null: too few went bad")
    auc_error = _figure("Its standard error by chance")


class AlarmSchema(Schema):
    """An alarm of the watch."""

    id = text("Its id")
    purpose = text("The purpose")
    model_id = text("The model that drifted")
    act = text("What was done: `alert`, `freeze` (a person looks at each decision), `fall_back` (another model serves)")
    series = texts("What moved, the strongest first")
    detail = ma.fields.Dict(metadata={"description": "The figures, and what serves now"})
    raised_on = ma.fields.Date(metadata={"description": "The day that was judged"})
    seen_on = ma.fields.Date(metadata={"description": "The last day on which it held"})
    raised_at = instant("When it was raised")
    closed_at = instant("When it was closed", allow_none=True)
    resolution = text("How it was settled", allow_none=True)


class WatchedModelSchema(Schema):
    """A live model under watch."""

    purpose = text("The purpose")
    model_id = text("The model that is live for it")
    since = instant("Since when")
    frozen_since = instant("Since when a person looks at each decision; null: it decides alone", allow_none=True)
    frozen_because = text("Why", allow_none=True)
    score = ma.fields.Nested(
        DriftFindingSchema, allow_none=True, metadata={"description": "What was found of its score"}
    )
    levels = ma.fields.Dict(metadata={"description": "Series by level"})
    series = ma.fields.List(
        ma.fields.Nested(DriftFindingSchema),
        metadata={"description": "Series that moved, the strongest first"},
    )
    grades = ma.fields.List(ma.fields.Nested(GradeShareSchema), metadata={"description": "The mix of grades"})
    sources = ma.fields.List(ma.fields.Nested(SourceShareSchema), metadata={"description": "What was missing"})
    overrides = ma.fields.Nested(
        OverrideRateSchema, allow_none=True, metadata={"description": "Overrides by lenders; null: none was decided"}
    )
    outcomes = ma.fields.List(
        ma.fields.Nested(RipeOutcomeSchema), metadata={"description": "Outcomes, all and by part"}
    )
    alarms = ma.fields.List(ma.fields.Nested(AlarmSchema), metadata={"description": "Open alarms of the purpose"})


class WatchSchema(Schema):
    """The watch on a day."""

    day = ma.fields.Date(allow_none=True, metadata={"description": "The day; null: none was watched yet"})
    models = ma.fields.List(ma.fields.Nested(WatchedModelSchema), metadata={"description": "Each live model"})


class CourseSchema(Schema):
    """A series day by day."""

    items = ma.fields.List(
        ma.fields.Nested(DriftFindingSchema), metadata={"description": "The newest first; 400 at most"}
    )


class AlarmListSchema(Schema):
    """Alarms of the watch."""

    items = ma.fields.List(ma.fields.Nested(AlarmSchema), metadata={"description": "The newest first; 200 at most"})


class FreezeLiftedSchema(Schema):
    """A freeze that has ended."""

    purpose = text("The purpose")
    model_id = text("The model that decides alone again")
