"""Who wraps the keys of the key file, so that a copy of the file opens nothing: a file, an HSM, or Vault.

A key service keeps one master key and never gives it out. It is asked once when a process starts, for all keys at
once, and once at a rotation; sealing and opening need no service.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
BOUND = b"creditlink keys"
"""What every wrapped key is bound to, where the service can bind anything."""


class NotUnwrapped(ValueError):
    """The service is away, or the keys are not wrapped by it; the message is one line and tells no secret."""


class KeyService(Protocol):
    """Wraps and unwraps keys by a master key of its own."""

    name: str
    """As it stands in the key file beside what it has wrapped."""

    def wrap(self, keys: Sequence[bytes]) -> list[str]:
        """Return each key wrapped, as text; `NotUnwrapped` where the service is away."""

    def unwrap(self, wrapped: Sequence[str]) -> list[bytes]:
        """Return each key; `NotUnwrapped` where the service is away or has not wrapped it."""


class MasterFile:
    """A master key in a file of its own, 32 bytes in base64: a copy of the key file alone is then not enough."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def wrap(self, keys: Sequence[bytes]) -> list[str]:
        """Return each key under AES-256-GCM."""
        cipher, nonces = self._cipher(), [os.urandom(NONCE) for _ in keys]
        return [as_text(nonce + cipher.encrypt(nonce, key, BOUND)) for nonce, key in zip(nonces, keys, strict=True)]

    def unwrap(self, wrapped: Sequence[str]) -> list[bytes]:
        """Return each key."""
        cipher = self._cipher()
        try:
            parts = [base64.b64decode(one, validate=True) for one in wrapped]
            return [cipher.decrypt(part[:NONCE], part[NONCE:], BOUND) for part in parts]
        except (InvalidTag, ValueError):
            raise NotUnwrapped(f"{self._path}: it has not wrapped these keys") from None

    def _cipher(self) -> AESGCM:
        try:
            key = base64.b64decode(self._path.read_bytes().strip(), validate=True)
        except OSError as error:
            raise NotUnwrapped(f"{self._path}: {error.strerror}") from None
        except binascii.Error:
            key = b""
        if len(key) != 32:
            raise NotUnwrapped(f"{self._path}: not 32 bytes in base64 (make them with openssl rand -base64 32)")
        return AESGCM(key)


def as_text(wrapped: bytes) -> str:
    """Return wrapped bytes as they stand in the key file."""
    return base64.b64encode(wrapped).decode()


def open_service(address: str, secret: str | None) -> KeyService:
    """Return the key service at an address.

    Parameters
    ----------
    address : `file:/path`, `pkcs11:/path/of/module.so?token=NAME&key=LABEL` or `vault+https://vault.example:8200/transit/KEY`
    secret : the token's PIN, or the token for Vault

    Raises
    ------
    ValueError
        It is no such address, lacks the secret, or its extra is not installed.
    """
    scheme, _, rest = address.partition(":")
    if scheme == "file" and rest:
        return MasterFile(Path(rest))
    if scheme not in ("pkcs11", "vault+https", "vault+http"):
        raise ValueError("must begin with file:, pkcs11: or vault+https:")
    if not secret:
        raise ValueError("needs key_service_secret: the token's PIN, or Vault's token")
    parts = urlsplit(address)
    if scheme == "pkcs11":
        from creditlink.kit.keyring.pkcs11 import Pkcs11Service

        query = parse_qs(parts.query)
        if not parts.path or set(query) != {"token", "key"}:
            raise ValueError("must be pkcs11:/path/of/module.so?token=NAME&key=LABEL")
        return Pkcs11Service(parts.path, query["token"][0], query["key"][0], secret)
    from creditlink.kit.keyring.vault import VaultTransit

    mount, _, key = parts.path.strip("/").rpartition("/")
    if not parts.hostname or not mount or not key or parts.query:
        raise ValueError("must be vault+https://vault.example:8200/transit/KEY")
    return VaultTransit(f"{scheme.removeprefix('vault+')}://{parts.netloc}", mount, key, secret)
