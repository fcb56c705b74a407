"""What is told of sources, pulls and the data catalogue."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from creditlink.kit.http.api import Schema


def _text(description: str, **options: Any) -> ma.fields.String:
    return ma.fields.String(metadata={"description": description}, **options)


class SourceSchema(Schema):
    """How one office has answered lately."""

    source = _text("The office")
    categories = ma.fields.List(ma.fields.String(), metadata={"description": "Data categories it holds"})
    state = _text("up, degraded, down, or unknown when it was not asked lately")
    since = ma.fields.AwareDateTime(allow_none=True, metadata={"description": "In this state since"})
    answers = ma.fields.Integer(metadata={"description": "Answers within the window"})
    success_rate = ma.fields.Float(
        allow_none=True,
        metadata={"description": "Share of answers other than DOWN, TIMEOUT and DENIED"},
    )
    p50_seconds = ma.fields.Float(allow_none=True, metadata={"description": "Median time of an answer"})
    fresh_hours = ma.fields.Float(metadata={"description": "Older facts are fetched again before a profile"})


class SourcesSchema(Schema):
    """All offices."""

    window_hours = ma.fields.Integer(metadata={"description": "What the figures look back on"})
    items = ma.fields.List(ma.fields.Nested(SourceSchema))


class PullPartSchema(Schema):
    """How one source of a pull stands."""

    source = _text("The office")
    status = _text("READY, PENDING, DELIVERED, PARTIAL, NO_RECORD, DENIED, TIMEOUT or DOWN")
    rows = ma.fields.Integer(metadata={"description": "Rows read at the source"})
    total = ma.fields.Integer(allow_none=True, metadata={"description": "Rows that the source says it holds"})
    new_rows = ma.fields.Integer(metadata={"description": "Facts not known before"})
    rejected = ma.fields.Integer(metadata={"description": "Rows kept aside because they did not read"})
    error = _text("What went wrong", allow_none=True)
    finished_at = ma.fields.AwareDateTime(allow_none=True)


class PullSchema(Schema):
    """A pull: the session to poll after a 202."""

    id = _text("The pull's id")
    consent_id = _text("The consent it belongs to")
    status = _text("PENDING, DONE, or STOPPED when the consent no longer allowed it")
    requested_at = ma.fields.AwareDateTime()
    finished_at = ma.fields.AwareDateTime(allow_none=True)
    sources = ma.fields.List(ma.fields.Nested(PullPartSchema))


class CatalogueSchema(Schema):
    """The data catalogue."""

    items = ma.fields.List(ma.fields.Dict(), metadata={"description": "Categories with owner, basis and items"})
