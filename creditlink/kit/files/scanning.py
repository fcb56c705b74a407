"""Scanning a file with ClamAV's daemon: INSTREAM over a socket, and what it answers.

Source: clamd(8), `zINSTREAM`: the command ends with a zero byte; chunks are their length in four bytes, the most
significant first, and the bytes; a length of zero ends them; the answer ends with a zero byte.
"""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from creditlink.kit.files.text import printable

_CHUNK = 64 * 1024
_LONGEST_ANSWER = 4096
_SECONDS = 30.0


class ScannerAway(Exception):
    """The daemon did not say whether the file is clean: it is away, busy, or answers something else."""


@dataclass(frozen=True)
class ScanResult:
    """What the daemon says of a file."""

    found: str | None  # the name of what it found; None: nothing

    @property
    def is_clean(self) -> bool:
        """Whether it found nothing."""
        return self.found is None


@dataclass(frozen=True)
class Scanner:
    """A daemon: `tcp://host:port` or `unix:///path`."""

    address: str

    def scan(self, content: bytes, *, seconds: float = _SECONDS) -> ScanResult:
        """Have a file scanned.

        Raises
        ------
        ScannerAway
        """
        try:
            with closing(_connected(self.address, seconds)) as wire:
                wire.sendall(b"zINSTREAM\0")
                for start in range(0, len(content), _CHUNK):
                    chunk = content[start : start + _CHUNK]
                    wire.sendall(struct.pack("!L", len(chunk)) + chunk)
                wire.sendall(struct.pack("!L", 0))
                return _read(_answer(wire))
        except OSError as error:
            raise ScannerAway(f"{type(error).__name__}") from None


def is_address(text: str) -> bool:
    """Return whether a text is an address of a daemon."""
    try:
        parts = urlsplit(text)
        if parts.scheme == "unix":
            return parts.path.startswith("/") and not parts.netloc
        return parts.scheme == "tcp" and bool(parts.hostname) and bool(parts.port) and parts.path in ("", "/")
    except ValueError:
        return False


def _connected(address: str, seconds: float) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme == "tcp":
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds)
    wire = socket.socket(socket.AF_UNIX)
    wire.settimeout(seconds)
    try:
        wire.connect(parts.path)
    except OSError:
        wire.close()
        raise
    return wire


def _answer(wire: socket.socket) -> bytes:
    said = b""
    while not said.endswith(b"\0") and len(said) < _LONGEST_ANSWER:
        more = wire.recv(_LONGEST_ANSWER)
        if not more:
            break
        said += more
    return said


def _read(said: bytes) -> ScanResult:
    # Only the two whole answers count: one that is cut off could be the beginning of either.
    if not said.endswith(b"\0"):
        raise ScannerAway("the answer is cut off")
    text = said[:-1].decode("utf-8", "replace").strip()
    if text == "stream: OK":
        return ScanResult(None)
    if text.startswith("stream: ") and text.endswith(" FOUND"):
        return ScanResult(printable(text.removeprefix("stream: ").removesuffix(" FOUND"))[:120] or "unnamed")
    raise ScannerAway(printable(text)[:120])
