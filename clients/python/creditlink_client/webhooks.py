"""Whether what comes to your webhook address is ours (Standard Webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from creditlink_client.errors import WebhookRefused


def verified_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None, tolerance: float = 300.0
) -> dict[str, object]:
    """Return the event in a webhook.

    Give the raw bytes of the body. The same `webhook-id` is the same event, which may come twice: keep the ids that you
    have acted on.

    Raises
    ------
    WebhookRefused
        It is not signed with `secret`, is more than `tolerance` seconds off, or is no event.
    """
    sent = {str(name).lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (_plain(sent.get(f"webhook-{one}")) for one in ("id", "timestamp", "signature"))
    at = time.time() if now is None else now
    # Twelve digits are the year 33658; isdigit() alone would let ² through.
    if not (timestamp.isdigit() and len(timestamp) <= 12) or abs(at - int(timestamp)) > tolerance:
        raise WebhookRefused("it is not of now")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise WebhookRefused("your own secret is not whsec_ and base64")
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    if not message_id or not any(hmac.compare_digest(expected, one.encode()) for one in signatures.split()):
        raise WebhookRefused("it is not signed with your secret")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise WebhookRefused("it is signed, but it is not a JSON object")
    return event


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
