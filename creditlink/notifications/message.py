"""What a webhook says, how it is signed, and when it is tried again. Pure.

Source: Standard Webhooks specification 1.0 (headers `webhook-id`, `webhook-timestamp`, `webhook-signature`;
`v1,` and base64 of HMAC-SHA256 over id, timestamp and body joined by dots; secrets `whsec_` and base64).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from creditlink.kit.clock import to_second

VERSION = 1
SECRET_PREFIX = "whsec_"  # noqa: S105 (the prefix of every secret)
SECRET_BYTES = 32
# A rotated secret keeps signing next to the new one for this long.
OVERLAP = timedelta(days=1)

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=7),
    timedelta(hours=10),
)
"""How long after each failed try the next one comes: eight tries over about a day."""
TRIES = len(DELAYS) + 1
JITTER = 0.1

_USCC = re.compile(r"(?<![0-9A-Za-z])[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])")


def body_of(type_: str, data: Mapping[str, object], now: datetime) -> str:
    """Return the JSON text that is signed and sent.

    Raises
    ------
    ValueError
        It holds a USCC: a bank's endpoint and its logs know a firm by the pairwise id only.
    """
    body = {"type": type_, "version": VERSION, "timestamp": to_second(now).isoformat(), "data": dict(data)}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    if _USCC.search(text):
        raise ValueError(f"a webhook of type {type_} would carry a USCC")
    return text


def secret_text(key: bytes) -> str:
    """Return a key as it is shown to the bank, once."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """Return one signature of the header `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def headers_of(secrets: Sequence[str], message_id: str, now: datetime, body: str) -> dict[str, str]:
    """Return the headers of one try, signed with every secret that is valid at `now`."""
    timestamp = int(now.timestamp())
    return {
        "content-type": "application/json",
        "user-agent": "CreditLink-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in secrets),
    }


def delay_after(tries: int, chance: float) -> timedelta | None:
    """Return how long to wait after the failed try number `tries`; None: it was the last.

    Parameters
    ----------
    tries : number of tries so far, from 1
    chance : in [0, 1): spreads the wait by ±10 %, so that many failures do not come back at once
    """
    if tries > len(DELAYS):
        return None
    return DELAYS[tries - 1] * (1 + JITTER * (2 * chance - 1))
