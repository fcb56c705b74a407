"""Boxes that seal and open what only we may read, and digests that only we can make.

What is sealed is ASCII. By the key that a set begins with: a Fernet token. By any later one: its name, a dot, and a
Fernet token or, base64url, nonce and ciphertext with tag.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from creditlink.kit.keyring.ring import FIRST, Secret, ServerKey, ServerKeys, keys_of

_NONCE, _TAG = 12, 16


class Box:
    """Seals with the key in force, for one purpose; opens what any key of the set has sealed for it."""

    def __init__(self, keys: ServerKeys, purpose: str) -> None:
        self._keys, self._purpose = keys, purpose

    @property
    def mark(self) -> bytes:
        """What everything begins with that the key in force seals; empty where that is the first key."""
        return _mark(self._keys.current())

    def encrypt(self, content: bytes) -> bytes:
        """Return content sealed."""
        key = self._keys.current()
        own = _data_key(key, self._purpose)
        if key.seals == "Fernet":
            return _mark(key) + _fernet(own).encrypt(content)
        return _mark(key) + base64.urlsafe_b64encode(_gcm_sealed(key, own, content, self._bound(key)))

    def decrypt(self, sealed: bytes | str) -> bytes:
        """Return what was sealed.

        Raises
        ------
        cryptography.fernet.InvalidToken
            None of the keys sealed it for this purpose, or it was changed.
        """
        name, dot, rest = (sealed.encode() if isinstance(sealed, str) else bytes(sealed)).partition(b".")
        key = self._keys.of(name.decode("ascii", "replace")) if dot else self._keys.of(FIRST)
        if key is None:
            raise InvalidToken
        own = _data_key(key, self._purpose)
        if not dot or key.seals == "Fernet":
            return _fernet(own).decrypt(rest if dot else name)
        try:
            return _gcm_opened(key, own, base64.b64decode(rest, b"-_", validate=True), self._bound(key))
        except (binascii.Error, InvalidTag, ValueError):
            raise InvalidToken from None

    def _bound(self, key: ServerKey) -> bytes:
        """Return what a seal is bound to beside its content: it opens as nothing else."""
        return f"{key.id}\0{self._purpose}".encode()


def box(secret: Secret, purpose: str) -> Box:
    """Return the box that seals and opens secrets of one purpose, so that a copy of the database alone reveals none."""
    return Box(keys_of(secret), purpose)


def fingerprint(secret: Secret, purpose: str, text: str) -> str:
    """Return a digest by which equal texts are known again for one purpose, and which nobody else can make or try.

    It is made with the first key for ever: the texts are not kept, so that no rotation could make it anew.
    """
    derived = _derived(keys_of(secret).first.secret, purpose)
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


def stream_key(secret: Secret, purpose: str, salt: bytes, key_id: str | None = None) -> tuple[str, bytes] | None:
    """Return the name of a key and 32 bytes derived from it for one stream; None: there is no such key.

    Parameters
    ----------
    salt : drawn at random for each stream
    key_id : the name of the key that another stream was sealed by; default the key in force
    """
    keys = keys_of(secret)
    key = keys.current() if key_id is None else keys.of(key_id)
    if key is None:
        return None
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=purpose.encode())
    return key.id, derived.derive(_data_key(key, purpose))


def _derived(secret: str, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())


def _data_key(key: ServerKey, purpose: str) -> bytes:
    return key.data.get(purpose) or _derived(key.secret, purpose)


def _mark(key: ServerKey) -> bytes:
    return b"" if key.id == FIRST else f"{key.id}.".encode()


def _fernet(own: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(own))


def _gcm_sealed(key: ServerKey, own: bytes, content: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    if key.seals == "AES-256-GCM":
        return nonce + AESGCM(own).encrypt(nonce, content, bound)
    made = Cipher(algorithms.SM4(own[:16]), modes.GCM(nonce)).encryptor()
    made.authenticate_additional_data(bound)
    return nonce + made.update(content) + made.finalize() + made.tag


def _gcm_opened(key: ServerKey, own: bytes, sealed: bytes, bound: bytes) -> bytes:
    nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
    if key.seals == "AES-256-GCM":
        return AESGCM(own).decrypt(nonce, rest, bound)
    if len(rest) < _TAG:
        raise InvalidToken
    opened = Cipher(algorithms.SM4(own[:16]), modes.GCM(nonce, rest[-_TAG:])).decryptor()
    opened.authenticate_additional_data(bound)
    return opened.update(rest[:-_TAG]) + opened.finalize()
