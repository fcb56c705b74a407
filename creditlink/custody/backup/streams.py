"""A file sealed in parts of a mebibyte, so that one of any size is sealed and opened in little memory.

Each part is AES-256-GCM under a key of this file alone, bound to its place and to whether it is the last: parts that
were swapped, left out or cut off do not open.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from creditlink.kit.keyring import Secret, stream_key

PURPOSE = "creditlink backups"
_MAGIC = b"creditlink-sealed-1\n"
_PART, _TAG, _SALT = 1024 * 1024, 16, 16


class StreamDamaged(Exception):
    """The file was not sealed by one of our keys, or was changed since; the message is one line."""


def seal_file(plain: Path, sealed: Path, secret: Secret) -> str:
    """Seal a file with the key in force; return the key's name."""
    salt = os.urandom(_SALT)
    found = stream_key(secret, PURPOSE, salt)
    assert found is not None  # noqa: S101 (one key is always in force)
    name, key = found
    cipher = AESGCM(key)
    with plain.open("rb") as source, sealed.open("xb") as target:
        target.write(_MAGIC + name.encode() + b"\n" + salt)
        place, part = 0, source.read(_PART)
        while True:
            following = source.read(_PART)
            target.write(cipher.encrypt(_nonce(place), part, b"" if following else b"last"))
            if not following:
                break
            place, part = place + 1, following
        target.flush()
        os.fsync(target.fileno())
    return name


def open_file(sealed: Path, plain: Path, secret: Secret) -> None:
    """Open a sealed file.

    Raises
    ------
    StreamDamaged
    """
    with sealed.open("rb") as source, plain.open("xb") as target:
        cipher = _cipher(source, sealed.name, secret)
        place, part = 0, source.read(_PART + _TAG)
        while True:
            following = source.read(_PART + _TAG)
            try:
                target.write(cipher.decrypt(_nonce(place), part, b"" if following else b"last"))
            except InvalidTag:
                raise StreamDamaged(f"{sealed.name}: part {place + 1} does not open: changed or cut off") from None
            if not following:
                return
            place, part = place + 1, following


def _cipher(source: BinaryIO, name: str, secret: Secret) -> AESGCM:
    if source.readline(64) != _MAGIC:
        raise StreamDamaged(f"{name}: not a sealed file")
    key_id, salt = source.readline(64).decode("ascii", "replace").strip(), source.read(_SALT)
    found = stream_key(secret, PURPOSE, salt, key_id)
    if found is None or len(salt) != _SALT:
        raise StreamDamaged(f"{name}: sealed by a key that is not among ours")
    return AESGCM(found[1])


def _nonce(place: int) -> bytes:
    return place.to_bytes(12, "big")  # the key is this file's own, so that a count never repeats
