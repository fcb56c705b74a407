"""Ids on the wire: a prefix that says what it names, and 32 hex digits."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from creditlink.errors import NotFound


def external(prefix: str, value: UUID) -> str:
    """Return e.g. `prf_0f…` for a profile's id."""
    return f"{prefix}_{value.hex}"


def internal(prefix: str, text: str) -> UUID:
    """Return the id behind `text`.

    Raises
    ------
    NotFound
        It is not an id of that kind: the same answer as for one that does not exist.
    """
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32 or digits != digits.lower():
        raise NotFound
    try:
        return UUID(hex=digits)
    except ValueError:
        raise NotFound from None


def pairwise(salt: str, enterprise_id: UUID) -> str:
    """Return the firm's id as one institution sees it: two institutions cannot join on it."""
    return f"ent_{hmac.new(salt.encode(), enterprise_id.bytes, hashlib.sha256).hexdigest()[:32]}"
