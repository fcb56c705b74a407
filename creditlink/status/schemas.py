"""The status as everybody sees it."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema

_STATE = "`up`: at least 99 % of answers good; `degraded`; `down`: less than half; `unknown`: nobody asked"


class RatesSchema(Schema):
    """Answers within some time."""

    success_rate = ma.fields.Float(
        allow_none=True, metadata={"description": "Share of answers that did not fail on our side or the source's"}
    )
    p50_seconds = ma.fields.Float(allow_none=True, metadata={"description": "Median time, in seconds"})


class PartSchema(Schema):
    """What steps and sources share."""

    state = ma.fields.String(metadata={"description": _STATE})
    last_hour = ma.fields.Nested(RatesSchema)
    last_day = ma.fields.Nested(RatesSchema)
    last_failure_at = ma.fields.AwareDateTime(allow_none=True, metadata={"description": "When it last failed"})


class StepSchema(PartSchema):
    """One step of the way."""

    step = ma.fields.String(metadata={"description": "`consent_page`, `token`, `pull` or `profile`"})


class SourceStateSchema(PartSchema):
    """One office."""

    source = ma.fields.String(metadata={"description": "The office"})


class IncidentSchema(Schema):
    """The last failure anywhere."""

    where = ma.fields.String(metadata={"description": "The step or the source"})
    at = ma.fields.AwareDateTime(metadata={"description": "When, to the minute for steps"})


class StatusSchema(Schema):
    """How the platform is doing. Nothing here is about any firm or bank."""

    state = ma.fields.String(metadata={"description": "The worst state of any step"})
    as_of = ma.fields.AwareDateTime(metadata={"description": "Now"})
    steps = ma.fields.List(ma.fields.Nested(StepSchema), metadata={"description": "In the order they are walked"})
    sources = ma.fields.List(ma.fields.Nested(SourceStateSchema), metadata={"description": "The connected offices"})
    last_incident = ma.fields.Nested(IncidentSchema, allow_none=True)
