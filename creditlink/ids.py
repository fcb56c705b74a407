"""Ids on the wire: a prefix that says what it names, and 32 hex digits."""

from __future__ import annotations

import hashlib
import hmac
import re
from uuid import UUID

from creditlink.errors import NotFound

_DIGITS = re.compile(r"[0-9a-f]{32}")


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
    # One spelling each: UUID() alone would take full-width digits, signs and underscores too.
    if head != prefix or not _DIGITS.fullmatch(digits):
        raise NotFound
    return UUID(hex=digits)


def pairwise(salt: str, enterprise_id: UUID) -> str:
    """Return the firm's id as one institution sees it: two institutions cannot join on it."""
    return f"ent_{hmac.new(salt.encode(), enterprise_id.bytes, hashlib.sha256).hexdigest()[:32]}"
