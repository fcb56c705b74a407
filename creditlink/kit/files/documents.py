"""Which files are taken from people: told by their bytes, whatever they are called. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from creditlink.kit.files.text import printable

KINDS = {"pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg"}
"""Kind -> its media type."""

REFUSALS = {
    "empty": ("文件是空的", "The file is empty"),
    "too_large": ("文件超过大小上限", "The file is too large"),
    "unknown_kind": ("只接受PDF、PNG和JPEG文件", "Only PDF, PNG and JPEG files are taken"),
    "other_kind": ("文件内容与扩展名不符", "The file is not what its name says"),
    "damaged": ("文件不完整", "The file is cut off"),
    "too_many": ("文件数量超过上限", "These are too many files"),
    "repeated": ("同一文件重复上传", "The same file is there twice"),
}
"""Why a file is not taken, in zh and en."""

SCANS = {
    "waiting": ("待查毒", "Waits to be scanned"),
    "clean": ("查毒通过", "Scanned, nothing found"),
    "infected": ("发现恶意内容，已删除", "Malicious content was found; it was deleted"),
    "unscanned": ("未查毒", "Not scanned"),
}
"""State of a file's scan -> its label; `unscanned`: no scanner is connected, its kind alone was checked."""

SERVED = ("clean", "unscanned")
"""Only these are ever handed out."""

_SPELLINGS = {"pdf": "pdf", "png": "png", "jpg": "jpg", "jpeg": "jpg"}
_TAIL = 2048
_LONGEST_NAME = 100


class HandedFileRefused(ValueError):
    """A file that is not taken; `reason` is one of `REFUSALS`."""

    def __init__(self, reason: str, name: str = "") -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason, self.name = reason, name


@dataclass(frozen=True)
class TakenFile:
    """A file that is taken."""

    name: str
    kind: str
    content: bytes


def file_from(name: str, content: bytes, *, most_bytes: int) -> TakenFile:
    """Return a file as it is kept: under a name without a path, of the kind that its bytes are.

    Raises
    ------
    HandedFileRefused
    """
    shown = plain_name(name)
    if not content:
        raise HandedFileRefused("empty", shown)
    if len(content) > most_bytes:
        raise HandedFileRefused("too_large", shown)
    kind = _kind_of(content)
    if kind is None:
        raise HandedFileRefused("unknown_kind", shown)
    stem, dot, ending = shown.rpartition(".")
    if dot and _SPELLINGS.get(ending.lower()) != kind:
        raise HandedFileRefused("other_kind", shown)
    if not _is_whole(kind, content):
        raise HandedFileRefused("damaged", shown)
    return TakenFile(f"{stem if dot else shown}.{kind}", kind, content)


def plain_name(name: str) -> str:
    """Return a file's name without path, control characters and marks of direction, and not too long."""
    last = re.split(r"[/\\]", printable(name))[-1]
    kept = "".join(c for c in last if c.isprintable() and c not in "\"'<>|:*?;")
    stem, dot, ending = kept.strip(". ").rpartition(".")
    short = f"{stem[:_LONGEST_NAME]}{dot}{ending[:10]}" if dot else ending[:_LONGEST_NAME]
    return short or "file"


def _kind_of(content: bytes) -> str | None:
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return "jpg" if content.startswith(b"\xff\xd8\xff") else None


def _is_whole(kind: str, content: bytes) -> bool:
    tail = content[-_TAIL:]
    if kind == "pdf":
        return b"%%EOF" in tail
    # Nothing hangs on after the end of a picture: an archive there would be two files in one.
    return tail.endswith(b"IEND\xaeB`\x82") if kind == "png" else tail.endswith(b"\xff\xd9")
