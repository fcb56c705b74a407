"""Reading a card's status from a signed status list that was saved. Pure.

Source: draft-ietf-oauth-status-list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from openvc.errors import OpenvcError
from openvc.status.issue import verify_status_list_token
from openvc.status.token_status_list import decode_status_list, get_status

from creditlink.cards.rules.checking import STATUSES, StatusOf, StatusPlace
from creditlink.kit import keyring

LONGEST_LIST = 4_000_000


class StatusListRefused(Exception):
    """A status list that says nothing: not one, not signed by the issuer, or too old; the message says which."""


def of_token(token: str, keys: Mapping[str, object], *, issuer: str, now: datetime) -> StatusOf:
    """Return what looks statuses up in a signed list.

    A card of another list is not in it: that is unknown, and never good.

    Raises
    ------
    StatusListRefused
    """
    text = token.strip()
    if len(text) > LONGEST_LIST or not text.isascii():
        raise StatusListRefused("it is no status list")
    try:
        named = keyring.header_of(text).get("kid")
        entries = keys.get("keys")
        known = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
        key = next((one for one in known if one.get("kid") == named), None)
        if key is None:
            raise StatusListRefused("none of the keys signed it")
        claims = verify_status_list_token(text, public_key_jwk=key, now=now)
        inner = claims.get("status_list")
        if claims.get("iss") != issuer or not isinstance(inner, dict):
            raise StatusListRefused("it is not this issuer's")
        bits, packed = inner["bits"], decode_status_list(inner["lst"])
    except (OpenvcError, keyring.SignatureRefused, ValueError, TypeError, KeyError) as error:
        raise StatusListRefused(str(error)) from None

    def status_of(place: StatusPlace) -> str | None:
        if place.uri != claims.get("sub"):
            return None
        try:
            return STATUSES.get(get_status(packed, place.index, bits=bits))
        except OpenvcError:
            return None

    return status_of


def nothing_known(_: StatusPlace) -> str | None:
    """Return None: there is no list to look into."""
    return None
