"""What a command line sends and gets while it signs in."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import text


class StaffLoginRequestSchema(Schema):
    """The key that wants to sign in somebody's name."""

    jwk = ma.fields.Dict(required=True, metadata={"description": "A public Ed25519 key (RFC 8037)"})


class StaffLoginSchema(Schema):
    """What to show the person, and what to poll with (RFC 8628 section 3.2)."""

    device_code = text("Poll with it; a secret")
    user_code = text("Show it: the person types it at `verification_uri`")
    verification_uri = text("The desk of staff")
    verification_uri_complete = text("The same, with the code in it")
    expires_in = ma.fields.Integer(metadata={"description": "Seconds until it is too late"})
    interval = ma.fields.Integer(metadata={"description": "Seconds between two polls"})


class StaffPollRequestSchema(Schema):
    """A poll."""

    device_code = text("What the request was answered with", required=True)


class StaffPollSchema(Schema):
    """Whether the key may sign, and in whose name."""

    state = text(
        "`authorization_pending`, `slow_down`, `access_denied`, `expired_token` (RFC 8628 section 3.5), or `approved`"
    )
    login = text("In whose name the key signs, once approved", allow_none=True)
