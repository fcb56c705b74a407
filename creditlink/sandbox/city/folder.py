"""A folder that appears complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

MANIFEST = "manifest.json"
"""Written last: a folder without it is no city."""


class FolderRefused(Exception):
    """A city cannot be written to a folder; the message names it and says why."""


class FolderTaken(FolderRefused):
    """The folder is not empty, and may not be replaced."""


def check_target(out: Path, *, overwrite: bool) -> None:
    """Refuse a target with contents that may not be replaced.

    Raises
    ------
    FolderTaken
        `out` is not empty and `overwrite` is not set.
    FolderRefused
        `out` is a file, or has contents that are no city.
    """
    if out.exists() and not out.is_dir():
        raise FolderRefused(f"{out}: there is a file of this name")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not overwrite:
        raise FolderTaken(f"{out}: the folder is not empty")
    if not (out / MANIFEST).is_file():
        raise FolderRefused(f"{out}: the folder holds something that is not a city, which is never replaced")


@contextmanager
def replaced_at_once(out: Path, *, overwrite: bool, needed_bytes: int) -> Iterator[Path]:
    """Yield a new folder beside `out` that takes its place when the block ends well, and is deleted when it fails.

    Raises
    ------
    FolderRefused
        As `check_target`; or the disk has less than `needed_bytes` left; or it cannot be written to.
    """
    check_target(out, overwrite=overwrite)
    out = out.absolute()
    fresh = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        if free < needed_bytes:
            need = f"{needed_bytes / 1e9:.1f} GB"
            raise FolderRefused(f"{out}: about {need} are needed, {free / 1e9:.1f} GB are free on its disk")
        fresh.mkdir()
    except OSError as error:
        raise FolderRefused(f"{out}: cannot be made: {error.strerror}") from error
    try:
        yield fresh
        check_target(out, overwrite=overwrite)
        old = None
        if out.exists():
            old = out.with_name(f".{out.name}.{os.getpid()}.old")
            out.rename(old)
        fresh.rename(out)
        if old:
            shutil.rmtree(old)
    except OSError as error:
        raise FolderRefused(f"{out}: writing failed: {error.strerror or error}; nothing was kept") from error
    except BrokenProcessPool as error:
        raise FolderRefused(f"{out}: a process that wrote it was killed (out of memory?); nothing was kept") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
