"""Where anchors are kept, outside the database: a folder, or an address that fsspec knows; files are only added.

The place protects them: another machine's disk, a bucket with object lock, a folder that somebody else copies.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from creditlink.kit.settings import SettingError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Place(Protocol):
    """A folder of small files to which files are added."""

    address: str

    def names(self) -> list[str]:
        """Return the names of the files, in order."""

    def read(self, name: str) -> bytes:
        """Return a whole file."""

    def add(self, name: str, content: bytes) -> None:
        """Add a whole file; FileExistsError if there is one of that name."""


class AnchorFolder:
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._path = path

    def names(self) -> list[str]:
        """Return the names of the files, in order."""
        if not self._path.is_dir():
            return []
        return sorted(p.name for p in self._path.iterdir() if p.is_file() and not p.name.startswith("."))

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        return (self._path / name).read_bytes()

    def add(self, name: str, content: bytes) -> None:
        """Add a whole file: write it under another name, then link it, so that it appears once, whole or not at all."""
        self._path.mkdir(parents=True, exist_ok=True)
        beside = self._path / f".{uuid4().hex}"
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.chmod(0o444)
            os.link(beside, self._path / name)
        finally:
            beside.unlink(missing_ok=True)


class Remote:
    """A folder of a file system that fsspec opens: `s3://bucket/anchors`, `sftp://host/anchors`."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise SettingError(
                f"setting anchors: {address} needs the extra 'anchors' (pip install creditlink[anchors])"
            ) from None
        self.address = address
        self._files: AbstractFileSystem
        try:
            self._files, root = fsspec.core.url_to_fs(address)
        except (ValueError, ImportError) as error:
            raise SettingError(f"setting anchors: {address}: {error}") from error
        self._root = root.rstrip("/")

    def names(self) -> list[str]:
        """Return the names of the files, in order."""
        try:
            entries = self._files.ls(self._root, detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file")

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        content: bytes = self._files.cat_file(f"{self._root}/{name}")
        return content

    def add(self, name: str, content: bytes) -> None:
        """Add a whole file. Only the bucket's object lock can guarantee that none is replaced in a race."""
        if self._files.exists(f"{self._root}/{name}"):
            raise FileExistsError(name)
        self._files.makedirs(self._root, exist_ok=True)
        self._files.pipe_file(f"{self._root}/{name}", content)


def open_place(address: str) -> Place:
    """Return the place at a path or an address with a scheme.

    Raises
    ------
    SettingError
        fsspec is not installed or does not know the scheme.
    """
    return Remote(address) if "://" in address else AnchorFolder(Path(address))
