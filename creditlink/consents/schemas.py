"""Consents as banks see them."""

from __future__ import annotations

import marshmallow as ma

from creditlink.consents.life.rules import STATES
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import text


class ConsentQuerySchema(Schema):
    """Which consents to list."""

    state = ma.fields.String(validate=ma.validate.OneOf(STATES), metadata={"description": "Only in this state"})
    enterprise = text("Only of this firm: the id that you see it under (`ent_…`)")
    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "Consents per page"}
    )
    cursor = text("Where the page before ended: its `next_cursor`")


class ConsentEventSchema(Schema):
    """One change of state."""

    at = ma.fields.AwareDateTime(metadata={"description": "When"})
    from_state = text("Before; null for the request itself", allow_none=True)
    to_state = text("After")
    by = text("Who: `firm`, `bank`, `operator` or `system`; never which person")
    reason = text("Why, in a word")


class UsesSchema(Schema):
    """How much of a limit is used in the current window."""

    window = text("`total`, `month` or `day`; calendar windows of Asia/Shanghai")
    used = ma.fields.Integer(metadata={"description": "Profiles made in it"})
    allowed = ma.fields.Integer(metadata={"description": "Profiles that may be made in it"})
    left = ma.fields.Integer(metadata={"description": "How many more may be made; those made stay readable at 0 too"})


class ConsentSchema(Schema):
    """A consent of your institution, whatever its state."""

    id = text("The consent; also the `grant_id`")
    state = text("REQUESTED, ACTIVE, PAUSED, REJECTED, REVOKED, EXPIRED or EXHAUSTED")
    enterprise = text("The firm, by an id that only your institution sees; null until it decided", allow_none=True)
    purpose = text("The purpose, as in the fair-use limits")
    categories_asked = ma.fields.List(text("A category"), metadata={"description": "What you asked for"})
    categories = ma.fields.List(text("A category"), metadata={"description": "What the firm granted"})
    access = text("`once` or `recurring`")
    actions = ma.fields.List(text("An action"), metadata={"description": "What may be done"})
    history_months = ma.fields.Integer(metadata={"description": "How far back"})
    data_life_days = ma.fields.Integer(metadata={"description": "How long what is made from it is kept"})
    version = ma.fields.Integer(metadata={"description": "1, and one more with each amendment"})
    amends = text("The consent it takes the place of", allow_none=True)
    requested_at = ma.fields.AwareDateTime(metadata={"description": "When you asked"})
    answer_until = ma.fields.AwareDateTime(metadata={"description": "Until when the firm can answer, exclusive"})
    starts_at = ma.fields.AwareDateTime(allow_none=True, metadata={"description": "When the firm agreed"})
    expires_at = ma.fields.AwareDateTime(metadata={"description": "When it ends, exclusive"})
    changed_at = ma.fields.AwareDateTime(metadata={"description": "When the state last changed"})
    uses = ma.fields.List(ma.fields.Nested(UsesSchema))


class ConsentInFullSchema(ConsentSchema):
    """A consent with its history."""

    text_version = text("Version of the text that the firm agreed to", allow_none=True)
    text_sha256 = text("Hash of the text that the firm agreed to", allow_none=True)
    fair_use_version = text("Version of the limits it was judged by")
    events = ma.fields.List(ma.fields.Nested(ConsentEventSchema), metadata={"description": "Oldest first"})


class ConsentPageSchema(Schema):
    """A page of consents, newest first."""

    items = ma.fields.List(ma.fields.Nested(ConsentSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class PurposeSchema(Schema):
    """The most that may be asked of a firm for one purpose."""

    purpose = text("What `authorization_details` name")
    label_zh = text("In Chinese")
    label_en = text("In English")
    access = text("`once`: uses are counted over the whole consent; `recurring`: by calendar month")
    consent_days = ma.fields.Integer(metadata={"description": "How far ahead `valid_until` may be"})
    history_months = ma.fields.Integer(metadata={"description": "How far back the data may go"})
    data_life_days = ma.fields.Integer(metadata={"description": "How long what was computed may be kept"})
    pulls = ma.fields.Integer(metadata={"description": "The most of `pulls_per_month`"})
    usual_pulls = ma.fields.Integer(
        metadata={"description": "What it is where it is absent; more is shown to the firm"}
    )
    actions = ma.fields.List(
        ma.fields.String(), metadata={"description": "What `actions` are where they are absent; see the consent page"}
    )


class PurposesSchema(Schema):
    """Fair-use limits by purpose."""

    version = text("The version of the limits: a consent keeps the one that it was judged by")
    items = ma.fields.List(ma.fields.Nested(PurposeSchema))
    next_cursor = text("Always null: there is one page", allow_none=True)


class KeySetSchema(Schema):
    """A JWK set (RFC 7517)."""

    keys = ma.fields.List(ma.fields.Dict(), metadata={"description": "Public keys; each with its `kid`"})
