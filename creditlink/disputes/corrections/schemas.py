"""Corrections as banks see and acknowledge them."""

from __future__ import annotations

from dataclasses import dataclass

import marshmallow as ma

from creditlink.disputes.corrections.service import ACTIONS
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import TruthValue, instant, number, text, texts


@dataclass(frozen=True)
class CorrectionQuery:
    """Which corrections to list, and a place in their list."""

    limit: int
    open: bool = False
    cursor: str | None = None


@dataclass(frozen=True)
class Acknowledgement:
    """What a bank says it did."""

    action: str


class CorrectionQuerySchema(Schema):
    """Which corrections to list."""

    loads_into = CorrectionQuery
    open = ma.fields.Boolean(
        load_default=False, metadata={"description": "Only those that you have not acknowledged yet"}
    )
    limit = number("Corrections per page", load_default=20, validate=ma.validate.Range(min=1, max=100))
    cursor = text("Where the page before ended: its `next_cursor`")


class AcknowledgementSchema(Schema):
    """That you know, and what you did about it; the firm reads both."""

    loads_into = Acknowledgement
    action = text(
        ", ".join(f"`{name}`: {en.lower()}" for name, (_, en) in ACTIONS.items()),
        required=True,
        validate=ma.validate.OneOf(list(ACTIONS)),
    )


class CorrectionSchema(Schema):
    """That data which your profiles were computed from was corrected; it holds no data itself."""

    correction_id = text("The correction: acknowledge it by this id")
    consent_id = text("The consent that the profiles were computed under")
    enterprise_id = text("The firm's id as your institution sees it")
    profile_ids = texts("Profiles that are not to be relied on any more, also those that are deleted by now")
    rely_on = TruthValue(metadata={"description": "false, always"})
    score_at = text(
        "`profile`: the consent lived when you were told, and `contested` of those profiles says what they are with "
        "the corrected datum; null: no new data is yours, only that the earlier profiles do not hold",
        allow_none=True,
    )
    told_at = instant("Since when you are told")
    acknowledged_at = instant("When you acknowledged it", allow_none=True)
    action = text("What you said you did", allow_none=True)


class CorrectionPageSchema(Schema):
    """A page of corrections, newest first."""

    items = ma.fields.List(ma.fields.Nested(CorrectionSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
