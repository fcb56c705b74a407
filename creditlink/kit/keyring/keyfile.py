"""The file of the server's keys: JSON, private to the user that runs the server, the same on every machine.

With a key service every secret in it is wrapped, and each purpose of sealing has a data key of its own.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

from creditlink.kit.files.textfile import json_of, read_file
from creditlink.kit.keyring.ring import CIPHERS, FIRST, SIGNATURES, ServerKey, ServerKeys, keys_of
from creditlink.kit.keyring.wrapping import KeyService, as_text

_NAME = re.compile(r"k[1-9][0-9]{0,5}")
_LEAST = 32
_MEMBERS = {"id", "made_at", "signs_from", "signs", "seals", "secret"}
_WRAPPED = _MEMBERS | {"service", "data"}
_DATA_BYTES = 32
Entry = dict[str, object]


def read_keys(path: Path, *, beside: str | None = None, service: KeyService | None = None) -> ServerKeys:
    """Return the keys in a file.

    Parameters
    ----------
    beside : the secret of the settings, if one is set: it must be one of the file's
    service : what unwraps those that are wrapped

    Raises
    ------
    ValueError
        It cannot be read, is not such a file, or is not unwrapped; the message is one line and tells no secret.
    """
    entries = _entries(path)
    keys = tuple(_key(entry, place) for place, entry in enumerate(_unwrapped(entries, service), start=1))
    if keys[0].id != FIRST or len({key.id for key in keys}) != len(keys):
        raise ValueError(f"the first key must be {FIRST}, and no name may be there twice")
    if beside is not None and all(key.secret != beside for key in keys):
        raise ValueError("secret_key is set too, and is none of its keys")
    return ServerKeys(keys)


def add_key(path: Path, secret: str, key: ServerKey, service: KeyService | None = None) -> ServerKeys:
    """Add a key to the file; the first time, make the file with the settings' secret as its first key.

    The file is replaced as a whole, or not at all. With a service whatever is not wrapped yet is wrapped now.

    Parameters
    ----------
    secret : of the settings, for a file that is not there yet
    key : its name is given here

    Raises
    ------
    ValueError
        The file is there and is not such a file, or the service does not answer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        entries = _entries(path) if path.exists() else [_entry(key) for key in keys_of(secret).keys]
        if path.exists():
            read_keys(path, service=service)  # nothing is added to a file that does not open
        number = 1 + max(int(str(one["id"])[1:]) for one in entries)
        entries.append(_entry(replace(key, id=f"k{number}", data=key.data if service is not None else {})))
        if service is not None:
            entries = [one if "service" in one else _wrapped(one, service) for one in entries]
        _write(path, entries)
        return read_keys(path, service=service)


def new_key(now: datetime, *, signs_from: datetime, signs: str, seals: str, purposes: Iterable[str] = ()) -> ServerKey:
    """Return a key with a secret of its own, and a data key for each purpose; it gets its name in the file."""
    data = {purpose: os.urandom(_DATA_BYTES) for purpose in purposes}
    return ServerKey("", secrets.token_urlsafe(48), now, signs_from, signs, seals, data)


def _entries(path: Path) -> list[Entry]:
    try:
        told = json_of(read_file(path).whole())
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    entries = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError("it has no keys")
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or set(entry) not in (_MEMBERS, _WRAPPED):
            raise ValueError(f"key {place} must have {', '.join(sorted(_MEMBERS))}, and nothing else")
        texts = [entry[member] for member in sorted(set(entry) - {"data"})]
        data = entry.get("data", {})
        if not isinstance(data, dict) or not all(isinstance(one, str) for one in (*texts, *data.values())):
            raise ValueError(f"key {place}: every member must be a text")
        if not _NAME.fullmatch(entry["id"]):
            raise ValueError(f"key {place}: id must be k and a number")
    return entries


def _unwrapped(entries: Sequence[Entry], service: KeyService | None) -> list[Entry]:
    """Return the entries with their secrets in the clear: one question to the service for all of them."""
    wrapped = [entry for entry in entries if "service" in entry]
    if not wrapped:
        return list(entries)
    names = {str(entry["service"]) for entry in wrapped}
    if service is None or names != {service.name}:
        raise ValueError(f"keys are wrapped by {', '.join(sorted(names))}, and key_service is not that")
    texts = [text for entry in wrapped for text in (str(entry["secret"]), *_data(entry).values())]
    opened = iter(service.unwrap(texts))
    return [_opened(entry, opened) if "service" in entry else entry for entry in entries]


def _opened(entry: Entry, opened: Iterator[bytes]) -> Entry:
    secret = next(opened).decode("ascii", "replace")
    return entry | {"secret": secret, "data": {purpose: next(opened) for purpose in _data(entry)}}


def _wrapped(entry: Entry, service: KeyService) -> Entry:
    data = _data(entry)
    secret, *others = service.wrap([str(entry["secret"]).encode(), *(base64.b64decode(one) for one in data.values())])
    return entry | {"service": service.name, "secret": secret, "data": dict(zip(data, others, strict=True))}


def _data(entry: Entry) -> dict[str, str]:
    return cast("dict[str, str]", entry.get("data", {}))


def _key(told: Entry, place: int) -> ServerKey:
    entry = cast("dict[str, str]", told)
    data = cast("dict[str, bytes]", told.get("data", {}))
    if any(len(one) != _DATA_BYTES for one in data.values()):
        raise ValueError(f"key {place}: a data key must have {_DATA_BYTES} bytes")
    if entry["signs"] not in SIGNATURES or entry["seals"] not in CIPHERS:
        raise ValueError(f"key {place}: it signs by one of {', '.join(SIGNATURES)} and seals by {', '.join(CIPHERS)}")
    if len(entry["secret"]) < _LEAST:
        raise ValueError(f"key {place}: secret must have at least {_LEAST} characters")
    made_at, signs_from = (_instant(entry, member, place) for member in ("made_at", "signs_from"))
    return ServerKey(entry["id"], entry["secret"], made_at, signs_from, entry["signs"], entry["seals"], data)


def _instant(entry: Mapping[str, str], member: str, place: int) -> datetime:
    try:
        at = datetime.fromisoformat(entry[member])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(f"key {place}: {member} must be an instant with a zone")
    return at


def _entry(key: ServerKey) -> Entry:
    entry: Entry = {
        "id": key.id, "made_at": key.made_at.isoformat(), "signs_from": key.signs_from.isoformat(),
        "signs": key.signs, "seals": key.seals, "secret": key.secret,
    }  # fmt: skip
    # Only a service makes data keys worth their while, and then they never come to the disk in the clear.
    return entry | {"data": {name: as_text(one) for name, one in key.data.items()}} if key.data else entry


def _write(path: Path, entries: Sequence[Entry]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"keys": entries}, file, indent=1)
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
