"""The file of the server's keys: JSON, private to the user that runs the server, the same on every machine."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from creditlink.kit.files.textfile import json_of, read_file
from creditlink.kit.keyring.ring import CIPHERS, FIRST, SIGNATURES, ServerKey, ServerKeys, keys_of

_NAME = re.compile(r"k[1-9][0-9]{0,5}")
_LEAST = 32
_MEMBERS = {"id", "made_at", "signs_from", "signs", "seals", "secret"}


def read_keys(path: Path, *, beside: str | None = None) -> ServerKeys:
    """Return the keys in a file.

    Parameters
    ----------
    beside : the secret of the settings, if one is set: it must be one of the file's

    Raises
    ------
    ValueError
        It cannot be read, or is not such a file; the message is one line and tells no secret.
    """
    try:
        told = json_of(read_file(path).whole())
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    entries = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError("it has no keys")
    keys = tuple(_key(entry, place) for place, entry in enumerate(entries, start=1))
    if keys[0].id != FIRST or len({key.id for key in keys}) != len(keys):
        raise ValueError(f"the first key must be {FIRST}, and no name may be there twice")
    if beside is not None and all(key.secret != beside for key in keys):
        raise ValueError("secret_key is set too, and is none of its keys")
    return ServerKeys(keys)


def add_key(path: Path, secret: str, key: ServerKey) -> ServerKeys:
    """Add a key to the file; the first time, make the file with the settings' secret as its first key.

    The file is replaced as a whole, or not at all.

    Parameters
    ----------
    secret : of the settings, for a file that is not there yet
    key : its name is given here

    Raises
    ------
    ValueError
        The file is there, and is not such a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        before = read_keys(path) if path.exists() else keys_of(secret)
        number = 1 + max(int(one.id[1:]) for one in before.keys)
        keys = ServerKeys((*before.keys, replace(key, id=f"k{number}")))
        _write(path, keys)
    return keys


def new_key(now: datetime, *, signs_from: datetime, signs: str, seals: str) -> ServerKey:
    """Return a key with a secret of its own; it gets its name in the file."""
    return ServerKey("", secrets.token_urlsafe(48), now, signs_from, signs, seals)


def _key(entry: object, place: int) -> ServerKey:
    if not isinstance(entry, dict) or set(entry) != _MEMBERS:
        raise ValueError(f"key {place} must have {', '.join(sorted(_MEMBERS))}, and nothing else")
    for member in _MEMBERS:
        if not isinstance(entry[member], str):
            raise ValueError(f"key {place}: {member} must be a text")
    if not _NAME.fullmatch(entry["id"]):
        raise ValueError(f"key {place}: id must be k and a number")
    if entry["signs"] not in SIGNATURES or entry["seals"] not in CIPHERS:
        raise ValueError(f"key {place}: it signs by one of {', '.join(SIGNATURES)} and seals by {', '.join(CIPHERS)}")
    if len(entry["secret"]) < _LEAST:
        raise ValueError(f"key {place}: secret must have at least {_LEAST} characters")
    made_at, signs_from = (_instant(entry, member, place) for member in ("made_at", "signs_from"))
    return ServerKey(entry["id"], entry["secret"], made_at, signs_from, entry["signs"], entry["seals"])


def _instant(entry: Mapping[str, str], member: str, place: int) -> datetime:
    try:
        at = datetime.fromisoformat(entry[member])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(f"key {place}: {member} must be an instant with a zone")
    return at


def _entry(key: ServerKey) -> dict[str, object]:
    return {
        "id": key.id, "made_at": key.made_at.isoformat(), "signs_from": key.signs_from.isoformat(),
        "signs": key.signs, "seals": key.seals, "secret": key.secret,
    }  # fmt: skip


def _write(path: Path, keys: ServerKeys) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"keys": [_entry(key) for key in keys.keys]}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time change the file."""
    with path.with_name(f".{path.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
