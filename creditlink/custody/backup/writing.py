"""Making a backup: a dump by pg_dump and a signed manifest, both of one snapshot of the database."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from creditlink.custody.backup import picture, streams, tools
from creditlink.kit import keyring
from creditlink.kit.files.textfile import TextUnreadable, read_file
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres.db import Database

TYPE = "backup-manifest+jws"
MANIFEST, DUMP, SEALED_DUMP = "manifest.jws", "database.dump", "database.dump.sealed"
_PART = 1024 * 1024


class BackupRefused(Exception):
    """The backup is damaged, foreign, or not fit for this database; the message is one line."""


@dataclass(frozen=True)
class BackupManifest:
    """What a backup says of itself, verified."""

    folder: Path
    claims: Mapping[str, object]

    @property
    def dump(self) -> Path:
        """The file of the dump, sealed or not."""
        return self.folder / str(self.claims.get("file"))

    @property
    def is_sealed(self) -> bool:
        """Whether the dump is sealed."""
        return self.dump.name == SEALED_DUMP


def make(database: Database, into: Path, *, issuer: str, secret: Secret, now: datetime, sealed: bool) -> BackupManifest:
    """Write a backup into a new folder under `into`; it has its name once it is whole.

    Raises
    ------
    tools.ToolFailed
        pg_dump is not there, or failed.
    OSError
        The folder cannot be written.
    """
    name = f"backup-{now:%Y%m%dT%H%M%S}Z"
    into.mkdir(parents=True, exist_ok=True)
    if (into / name).exists():
        raise BackupRefused(f"{name} is there already")
    beside = into / f".{name}.{os.getpid()}"
    beside.mkdir(mode=0o700)
    try:
        claims = _dump(database, beside / DUMP)
        file = DUMP
        if sealed:
            file = SEALED_DUMP
            claims["key"] = streams.seal_file(beside / DUMP, beside / SEALED_DUMP, secret)
            (beside / DUMP).unlink()
        claims |= {
            "iss": issuer, "iat": int(now.timestamp()), "made_at": now.isoformat(), "database": database.name,
            "file": file, "bytes": (beside / file).stat().st_size, "sha256": sha256_of(beside / file),
        }  # fmt: skip
        (beside / MANIFEST).write_text(keyring.sign(claims, typ=TYPE, secret=secret))
        beside.rename(into / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return BackupManifest(into / name, claims)


def read(folder: Path, keys: Mapping[str, object], *, issuer: str) -> BackupManifest:
    """Return the manifest of a backup whose dump is whole.

    Parameters
    ----------
    keys : the JWK set that may have signed it

    Raises
    ------
    BackupRefused
    """
    try:
        claims = keyring.verify(read_file(folder / MANIFEST).whole(), keys, typ=TYPE).claims
    except (OSError, TextUnreadable):
        raise BackupRefused(f"{folder.name}: {MANIFEST} cannot be read") from None
    except keyring.SignatureRefused as error:
        raise BackupRefused(f"{folder.name}: {MANIFEST}: {error}") from None
    if claims.get("iss") != issuer:
        raise BackupRefused(f"{folder.name}: it is a backup of {claims.get('iss')}, and this is {issuer}")
    manifest = BackupManifest(folder, claims)
    if claims.get("file") not in (DUMP, SEALED_DUMP):
        raise BackupRefused(f"{folder.name}: {MANIFEST} names no dump")
    try:
        digest = sha256_of(manifest.dump)
    except OSError as error:
        raise BackupRefused(f"{folder.name}: {manifest.dump.name}: {error.strerror}") from None
    if digest != claims.get("sha256"):
        raise BackupRefused(f"{folder.name}: {manifest.dump.name} is not the file that the manifest names: damaged")
    return manifest


def newest(folder: Path) -> Path:
    """Return a backup's own folder, or the newest backup in a folder of several.

    Raises
    ------
    BackupRefused
        There is none.
    """
    if (folder / MANIFEST).exists():
        return folder
    found = sorted(one for one in folder.glob("backup-*") if one.is_dir()) if folder.is_dir() else []
    if not found:
        raise BackupRefused(f"{folder}: there is no backup")
    return found[-1]


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _dump(database: Database, path: Path) -> dict[str, object]:
    """Dump the database, and return what the very same snapshot holds."""
    engine = database.engine("owner").execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        version = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0) // 10_000
        arguments = ["--format=custom", "--compress=6", f"--snapshot={snapshot}", f"--file={path}"]
        tools.run(tools.find("pg_dump", server=version), arguments, database.url)
        return {"server": version, **picture.take(connection).as_claims()}
