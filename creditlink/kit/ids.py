"""Ids on the wire: a prefix that says what it names, and 32 hex digits."""

from __future__ import annotations

import hashlib
import hmac
import re
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from creditlink.kit.errors import NotFound

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


def pairwise_digest(salt: str, digest: str) -> str:
    """Return HMAC-SHA-256 (hex) of a digest of a firm's data, with a key that is one institution's.

    The same facts give every institution a different value; with the key, which we have, it can be recomputed.
    """
    return hmac.new(_key(salt, "digest"), digest.encode(), hashlib.sha256).hexdigest()


def pairwise_external(prefix: str, salt: str, value: UUID) -> str:
    """Return the id of something that several institutions see, as one of them sees it (see `pairwise_internal`)."""
    return f"{prefix}_{_permutation(salt).encryptor().update(value.bytes).hex()}"


def pairwise_internal(prefix: str, salt: str, text: str) -> UUID:
    """Return the id behind `pairwise_external`'s result for the institution with this salt.

    Raises
    ------
    NotFound
        It is not an id of that kind. An id of another institution gives one that does not exist.
    """
    return UUID(bytes=_permutation(salt).decryptor().update(internal(prefix, text).bytes))


def _permutation(salt: str) -> Cipher[ECB]:
    # One block, which an id fills exactly: a permutation of all ids, different for each institution.
    return Cipher(AES(_key(salt, "id")), ECB())  # noqa: S305 (there is no second block that could repeat the first)


def _key(salt: str, use: str) -> bytes:
    return hmac.new(salt.encode(), f"creditlink pairwise {use}".encode(), hashlib.sha256).digest()
