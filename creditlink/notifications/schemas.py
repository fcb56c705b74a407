"""Webhook deliveries as banks see them."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, text
from creditlink.notifications.tables import STATES


class DeliveryQuerySchema(Schema):
    """Which deliveries to list."""

    state = ma.fields.String(validate=ma.validate.OneOf(STATES), metadata={"description": "Only in this state"})
    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "Deliveries per page"}
    )
    cursor = text("Where the page before ended: its `next_cursor`")


class DeliverySchema(Schema):
    """A webhook on its way to one of your clients."""

    id = text("The delivery")
    webhook_id = text("The `webhook-id` header: the same in every try and replay")
    client_id = text("The client that is told")
    type = text("What happened, e.g. `consent.revoked`")
    state = text("`waiting`, `delivered`, or `failed`: given up after eight tries over about a day")
    tries = ma.fields.Integer(metadata={"description": "Tries so far, since the last replay"})
    replays = ma.fields.Integer(metadata={"description": "How often it was sent anew"})
    created_at = instant("When it happened")
    last_try_at = instant("When it was last tried", allow_none=True)
    next_try_at = instant("When it will be tried next", allow_none=True)
    last_status = ma.fields.Integer(allow_none=True, metadata={"description": "The HTTP status you last answered"})
    last_error = text("Why the last try failed", allow_none=True)
    delivered_at = instant("When you took it (answered 2xx)", allow_none=True)


class DeliveryPageSchema(Schema):
    """A page of deliveries, newest first."""

    items = ma.fields.List(ma.fields.Nested(DeliverySchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
