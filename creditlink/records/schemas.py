"""What the API shows of sources, pulls and the data catalogue."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts


class RejectionCountsSchema(Schema):
    """Rows of an office that did not read, by what became of them."""

    open = number("Nobody has told the office yet")
    sent = number("The office knows")
    corrected = number("The office has put them right")
    dismissed = number("They need no correction")


class SourceSchema(Schema):
    """How one office has answered lately."""

    source = text("The office")
    categories = texts("Data categories it holds")
    state = text("up, degraded, down, or unknown when it was not asked lately")
    since = instant("In this state since", allow_none=True)
    answers = number("Answers within the window")
    success_rate = ma.fields.Float(
        allow_none=True,
        metadata={"description": "Share of answers other than DOWN, TIMEOUT and DENIED"},
    )
    p50_seconds = ma.fields.Float(allow_none=True, metadata={"description": "Median time of an answer"})
    fresh_hours = ma.fields.Float(metadata={"description": "Older facts are fetched again before a profile"})
    rejections = ma.fields.Nested(
        RejectionCountsSchema, metadata={"description": "Rows that did not read, each record once, over all firms"}
    )


class SourcesSchema(Schema):
    """All offices."""

    window_hours = number("What the figures look back on")
    items = ma.fields.List(ma.fields.Nested(SourceSchema))


class PullPartSchema(Schema):
    """The state of one source of a pull."""

    source = text("The office")
    status = text("READY, PENDING, DELIVERED, PARTIAL, NO_RECORD, DENIED, TIMEOUT or DOWN")
    rows = number("Rows read at the source")
    total = number("Rows that the source says it holds", allow_none=True)
    new_rows = number("Facts not known before")
    rejected = number("Rows kept aside because they did not read")
    error = text("What went wrong", allow_none=True)
    finished_at = ma.fields.AwareDateTime(allow_none=True)


class PullSchema(Schema):
    """A pull: the session to poll after a 202."""

    id = text("The pull's id")
    consent_id = text("The consent it belongs to")
    status = text("PENDING, DONE, or STOPPED when the consent no longer allowed it")
    requested_at = ma.fields.AwareDateTime()
    finished_at = ma.fields.AwareDateTime(allow_none=True)
    sources = ma.fields.List(ma.fields.Nested(PullPartSchema))


class CatalogueSchema(Schema):
    """The data catalogue."""

    items = ma.fields.List(ma.fields.Dict(), metadata={"description": "Categories with owner, basis and items"})


class ReliefPolicySchema(Schema):
    """One relief policy; intervals of days are half-open."""

    code = text("Its code, as profiles name it")
    name_zh = text("Name in Chinese")
    name_en = text("Name in English")
    source = text("The authority's document")
    payments = texts("What may be paid late: tax, social_security, housing_fund, utility")
    regions = texts("Beginnings of GB/T 2260 codes of the firms it is for; empty: everywhere")
    industries = texts("Sections or divisions of GB/T 4754 that it is for; empty: all")
    due_from = text("Payments that fell due from this day")
    due_before = text("And before this one")
    extended_to = text("They count as due on this day; null: however late, it does not count", allow_none=True)
    known_on = text("A profile of an earlier day does not know the policy")
    expires_on = text("A profile of this day or a later one does not apply it any more")
    state = text("Today: `not_known`, `in_force` or `expired`")
    text_zh = text("What it does, in Chinese")
    text_en = text("What it does, in English")


class ReliefBookSchema(Schema):
    """All relief policies."""

    sha256 = text("Hash of all policies; evidence names the version that was adopted by it")
    items = ma.fields.List(ma.fields.Nested(ReliefPolicySchema), metadata={"description": "In the order of the file"})
