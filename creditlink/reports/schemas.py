"""What a bank sends and gets of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text
from creditlink.reports.rules import LANGUAGES, MOST_PURPOSE, MOST_RECIPIENT, SECTIONS, STATES


@dataclass(frozen=True)
class ReportRequest:
    """What a bank asks a report to be."""

    profile_id: str
    recipient: str
    purpose: str
    language: str = "zh"
    valid_days: int | None = None
    leave_out: Sequence[str] = ()


class ReportRequestSchema(Schema):
    """Of which profile, for whom and what for."""

    loads_into = ReportRequest
    profile_id = text("A profile that was computed under the token's consent", required=True)
    recipient = text(
        "Who will read it; stands across each page", required=True, validate=ma.validate.Length(1, MOST_RECIPIENT)
    )
    purpose = text(
        "What it is for, in words; stands across each page", required=True, validate=ma.validate.Length(1, MOST_PURPOSE)
    )
    language = text("Language of the pages", load_default="zh", validate=ma.validate.OneOf(LANGUAGES))
    valid_days = number(
        "Days that it is valid; never longer than its profile may be relied on or kept",
        strict=True,
        validate=ma.validate.Range(min=1, max=366),
    )
    leave_out = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(list(SECTIONS))),
        load_default=list,
        metadata={"description": "Sections to leave out; the report says that they were"},
    )


class ReportSchema(Schema):
    """A report: what was signed, and the same to be read."""

    id = text("The report's id")
    consent_id = text("The consent it was made under")
    profile_id = text("The profile it repeats")
    made_at = instant("When it was made")
    valid_until = instant("Until when it is valid, exclusive")
    state = text(f"{', '.join(STATES)}")
    digest = text("SHA-256 of `jws`, in hex: every page shows it")
    verify = text("Where anybody verifies it; the code on each page leads there")
    jws = text("What was signed, a compact JWS; the public keys are at `/v1/receipt-keys`")
    report = ma.fields.Dict(metadata={"description": "What `jws` says"})
