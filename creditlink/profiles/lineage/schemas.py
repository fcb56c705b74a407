"""What the answer about an indicator's lineage holds."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts
from creditlink.profiles.lineage.service import MOST_FACTS, LineageQuery


class LineageQuerySchema(Schema):
    """Of which indicator."""

    loads_into = LineageQuery
    indicator = text(
        "Name of an indicator of the profile, as its explanation lists them",
        required=True,
        validate=ma.validate.Length(min=1, max=80),
    )
    limit = number("Facts per page", load_default=200, validate=ma.validate.Range(min=1, max=MOST_FACTS))
    cursor = text("Where the page before ended: its `next_cursor`", validate=ma.validate.Length(max=20))


class LineageIndicatorSchema(Schema):
    """The indicator as it stands in the profile, and its published definition."""

    name = text("Its name")
    label_zh = text("Name in Chinese")
    label_en = text("Name in English")
    category = text("Data category it is explained under")
    categories = texts("All data categories it reads")
    unit = text("Unit of its value")
    window_months = number("Months it looks back; 0 for a state as of the day")
    formula = text("How it is computed")
    source = text("Where the formula stands")
    missing = text("When it has no value")
    version = number("Version of its formula")
    value = ma.fields.Float(allow_none=True, metadata={"description": "Its value in the profile; null: missing"})
    contribution = ma.fields.Float(metadata={"description": "Its share in the log-odds of bad; + is riskier"})
    points_contribution = ma.fields.Float(metadata={"description": "The same in points; + is safer"})


class MonthRangeSchema(Schema):
    """Months that are read, both ends included."""

    first_month = text("First month, YYYY-MM")
    last_month = text("Last month, YYYY-MM")


class FrameReadingSchema(Schema):
    """What the indicator reads of one kind of record that one office holds."""

    frame = text("Kind of record, as the catalogue of data names it")
    category = text("Its data category")
    office = text("The source that holds it; null: none is connected", allow_none=True)
    office_zh = text("Whose it is, in Chinese")
    office_en = text("Whose it is, in English")
    columns = texts("Items that are read of each row; empty: only that there is one")
    kinds = ma.fields.List(
        ma.fields.String(),
        allow_none=True,
        metadata={"description": "Only rows of these kinds (a meter, a direction); null: all"},
    )
    months = ma.fields.List(
        ma.fields.Nested(MonthRangeSchema),
        metadata={"description": "Only rows that cover one of these months; empty: whatever was known on the day"},
    )


class FactPullSchema(Schema):
    """The pull that brought a fact."""

    pull_id = text("The pull")
    finished_at = instant("When the office had answered", allow_none=True)


class FactSchema(Schema):
    """One fact that the indicator read."""

    frame = text("Kind of record")
    period = ma.fields.Date(metadata={"description": "First day of the first month it is about"})
    key = ma.fields.Dict(metadata={"description": "What identifies it besides: kind, direction, day of an event"})
    read_for = text(
        "`value`: its numbers are in a window; `spread`: a declaration of several months is spread over them as these "
        "invoices moved; `bounds`: only that it is there, as the first or last of the record"
    )
    values = ma.fields.Dict(
        metadata={
            "description": "The items that are read, as stored: days as text, money in fen. Meters of one kind are a "
            "row for each service point, and are summed before they are read"
        }
    )
    version = number("The office's version of it; a correction has a higher one")
    complete = ma.fields.Boolean(metadata={"description": "False: rows that belong to this sum were kept aside"})
    known_on = ma.fields.Date(metadata={"description": "Day (Asia/Shanghai) on which the office had this version"})
    office = text("The source that it came from")
    pull = ma.fields.Nested(
        FactPullSchema,
        allow_none=True,
        metadata={"description": "The pull of this consent that brought it; null: the platform had it already"},
    )


class OfficeAnswerSchema(Schema):
    """The answer of an office on which the profile relies."""

    office = text("The source")
    pull_id = text("The pull")
    status = text("DELIVERED, PARTIAL or NO_RECORD")
    finished_at = instant("When it had answered")


class RegisteredValueSchema(Schema):
    """One column of the registration as the profile read it."""

    column = text("Column of the registration")
    value = ma.fields.Raw(allow_none=True, metadata={"description": "Its value in the profile"})


class RegistrationLineageSchema(Schema):
    """What the indicator reads of the register of firms."""

    source = text("Whose it is: `registry`")
    values = ma.fields.List(ma.fields.Nested(RegisteredValueSchema))
    valid_from = ma.fields.Date(
        allow_none=True, metadata={"description": "From when the entry holds; null: the entry is not there any more"}
    )
    known_on = ma.fields.Date(allow_none=True, metadata={"description": "Day on which the entry was first known"})


class ReferenceValueSchema(Schema):
    """A number of the model's industry table."""

    name = text("Which value, and which part of its distribution")
    value = ma.fields.Float(
        allow_none=True, metadata={"description": "Null where another model made the profile than the one in use"}
    )


class LineageSchema(Schema):
    """Where an indicator's value comes from: enough to compute it again."""

    profile_id = text("The profile")
    as_of = ma.fields.Date(metadata={"description": "Day whose knowledge counted"})
    model_id = text("The model that made the contribution, and whose industry table is read")
    code_version = text("Version of the code that computed the profile; definitions here are those of today")
    indicator = ma.fields.Nested(LineageIndicatorSchema)
    reads = ma.fields.List(ma.fields.Nested(FrameReadingSchema), metadata={"description": "Kinds of records it reads"})
    offices = ma.fields.List(
        ma.fields.Nested(OfficeAnswerSchema),
        metadata={"description": "The last usable answer of each office, under this consent, before the profile"},
    )
    registration = ma.fields.Nested(RegistrationLineageSchema, allow_none=True)
    reference = ma.fields.List(
        ma.fields.Nested(ReferenceValueSchema), metadata={"description": "What it is compared with"}
    )
    relief = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": "Relief policies, as `/v1/reference/relief` lists them, under which the profile read the "
            "due days of these facts; the facts themselves have the due days of their offices"
        },
    )
    facts = ma.fields.List(
        ma.fields.Nested(FactSchema), metadata={"description": "By kind of record, the newest month first"}
    )
    facts_total = number("Facts on all pages")
    facts_purged = number(
        "Facts of the whole profile that were deleted since, at the end of their data life: which ones this indicator "
        "read can no longer be told"
    )
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
