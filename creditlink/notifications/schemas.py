"""Webhook deliveries as banks see them."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.notifications.tables import STATES


def _text(description: str, *, allow_none: bool = False) -> ma.fields.String:
    return ma.fields.String(metadata={"description": description}, allow_none=allow_none)


def _instant(description: str, *, allow_none: bool = False) -> ma.fields.AwareDateTime:
    return ma.fields.AwareDateTime(metadata={"description": description}, allow_none=allow_none)


class DeliveryQuerySchema(Schema):
    """Which deliveries to list."""

    state = ma.fields.String(validate=ma.validate.OneOf(STATES), metadata={"description": "Only in this state"})
    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "Deliveries per page"}
    )
    cursor = _text("Where the page before ended: its `next_cursor`")


class DeliverySchema(Schema):
    """A webhook on its way to one of your clients."""

    id = _text("The delivery")
    webhook_id = _text("The `webhook-id` header: the same in every try and replay")
    client_id = _text("The client that is told")
    type = _text("What happened, e.g. `consent.revoked`")
    state = _text("`waiting`, `delivered`, or `failed`: given up after eight tries over about a day")
    tries = ma.fields.Integer(metadata={"description": "Tries so far, since the last replay"})
    replays = ma.fields.Integer(metadata={"description": "How often it was sent anew"})
    created_at = _instant("When it happened")
    last_try_at = _instant("When it was last tried", allow_none=True)
    next_try_at = _instant("When it will be tried next", allow_none=True)
    last_status = ma.fields.Integer(allow_none=True, metadata={"description": "The HTTP status you last answered"})
    last_error = _text("Why the last try failed", allow_none=True)
    delivered_at = _instant("When you took it (answered 2xx)", allow_none=True)


class DeliveryPageSchema(Schema):
    """A page of deliveries, newest first."""

    items = ma.fields.List(ma.fields.Nested(DeliverySchema))
    next_cursor = _text("Give it as `cursor` for the next page; null on the last", allow_none=True)
