"""Where partitions are read and results written: a local folder, or any file system that fsspec knows.

A file appears whole or not at all: it is written under another name and then moved.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class StorageError(ValueError):
    """A folder's address cannot be used; the message names it."""


class DataFolder(Protocol):
    """A folder of files, by names relative to it."""

    def names(self, under: str) -> list[str]:
        """Return the names of the files in a folder below, in order; none when it is absent."""

    def read(self, name: str) -> bytes:
        """Return a whole file; FileNotFoundError when it is absent."""

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a whole file at once."""

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self, under: str) -> list[str]:
        """Return the names of the files in a folder below."""
        below = self.path / under
        return sorted(p.name for p in below.iterdir() if p.is_file()) if below.is_dir() else []

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a whole file at once."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        return (self.path / name).is_file()


class RemoteFolder:
    """A folder of a file system that fsspec opens: `s3://bucket/city`, `file:///shared/city`, `memory://city`."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise StorageError(f"{address}: needs the extra 'cluster' (pip install creditlink[cluster])") from None
        try:
            self.system: AbstractFileSystem
            self.system, root = fsspec.core.url_to_fs(address)
        except (ValueError, ImportError) as error:
            raise StorageError(f"{address}: {error}") from error
        self.root = root.rstrip("/")

    def names(self, under: str) -> list[str]:
        """Return the names of the files in a folder below."""
        try:
            entries = self.system.ls(f"{self.root}/{under}", detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file")

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        content: bytes = self.system.cat_file(f"{self.root}/{name}")
        return content

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a whole file at once."""
        folder, _, last = f"{self.root}/{name}".rpartition("/")
        unfinished = f"{folder}/.{last}.{uuid4().hex}"
        self.system.makedirs(folder, exist_ok=True)
        self.system.pipe_file(unfinished, bytes(content))
        self.system.mv(unfinished, f"{self.root}/{name}")

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        return bool(self.system.exists(f"{self.root}/{name}"))


def open_folder(address: str) -> DataFolder:
    """Return the folder at a path or an address with a scheme.

    Raises
    ------
    StorageError
        fsspec is not installed or does not know the scheme.
    """
    return RemoteFolder(address) if "://" in address else LocalFolder(Path(address))
