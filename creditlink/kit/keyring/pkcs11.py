"""A hardware security module as a key service, through PKCS #11: an AES key that never leaves it, in GCM.

Source: PKCS #11 Cryptographic Token Interface 2.40, CKM_AES_GCM. The module is the vendor's library (.so).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

from creditlink.kit.keyring.wrapping import BOUND, NONCE, NotUnwrapped, as_text

_TAG_BITS = 128


class _Master(Protocol):
    def encrypt(self, data: bytes, **how: object) -> bytes: ...
    def decrypt(self, data: bytes, **how: object) -> bytes: ...


class Pkcs11Service:
    """A secret key of a token, found by its label."""

    name = "pkcs11"

    def __init__(self, module: str, token: str, label: str, pin: str) -> None:
        try:
            import pkcs11
        except ImportError:
            raise ValueError("pkcs11 needs the extra 'hsm' (pip install creditlink[hsm])") from None
        self._library = pkcs11
        self._module, self._token, self._label, self._pin = module, token, label, pin

    def wrap(self, keys: Sequence[bytes]) -> list[str]:
        """Return each key encrypted in the token."""
        with self._master() as master:
            nonces = [os.urandom(NONCE) for _ in keys]
            return [
                as_text(nonce + master.encrypt(key, **self._gcm(nonce)))
                for nonce, key in zip(nonces, keys, strict=True)
            ]

    def unwrap(self, wrapped: Sequence[str]) -> list[bytes]:
        """Return each key, decrypted in the token."""
        with self._master() as master:
            parts = [base64.b64decode(one, validate=True) for one in wrapped]
            return [bytes(master.decrypt(part[NONCE:], **self._gcm(part[:NONCE]))) for part in parts]

    def _gcm(self, nonce: bytes) -> dict[str, object]:
        parameters = self._library.GCMParams(nonce, BOUND, _TAG_BITS)
        return {"mechanism": self._library.Mechanism.AES_GCM, "mechanism_param": parameters}

    @contextmanager
    def _master(self) -> Iterator[_Master]:
        """Open a session and find the key; whatever fails is told as one line."""
        try:
            token = self._library.lib(self._module).get_token(token_label=self._token)
            with token.open(user_pin=self._pin) as session:
                found = session.get_key(object_class=self._library.ObjectClass.SECRET_KEY, label=self._label)
                yield cast("_Master", found)
        except (self._library.PKCS11Error, RuntimeError, ValueError) as error:
            raise NotUnwrapped(f"{self._module}, token {self._token}: {type(error).__name__}") from None
