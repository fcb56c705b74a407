"""Files that people hand in, at rest: sealed on the way in, scanned by the worker, opened once they may be handed out.

One home for all of them. A table of such files takes its columns from `SealedFile`; what its rows belong to, who may
see them and when they end is the slice's own.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from cryptography.fernet import InvalidToken
from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import keyring
from creditlink.kit.files.documents import SERVED, TakenFile
from creditlink.kit.files.scanning import Scanner, ScannerAway
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings


class SealedFile:
    """The columns of a file at rest; its content is loaded only where it is asked for."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    kind: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)  # null: its time is over, or infected
    scan: Mapped[str]
    scan_said: Mapped[str | None]
    scanned_at: Mapped[datetime | None]
    added_at: Mapped[datetime]


class HeldFile(Protocol):
    """What of such a row decides whether it is handed out."""

    @property
    def sealed(self) -> bytes | None:
        """The sealed content."""

    @property
    def scan(self) -> str:
        """How far its scan is."""


def values_of(one: TakenFile, *, purpose: str, now: datetime) -> dict[str, object]:
    """Return the columns of a file that is taken in, sealed for one purpose; it waits for a scanner if there is one."""
    settings = runtime.part(Settings)
    return {
        "id": uuid4(),
        "name": one.name,
        "kind": one.kind,
        "size_bytes": len(one.content),
        "sha256": hashlib.sha256(one.content).hexdigest(),
        "sealed": keyring.box(settings.secret_key, purpose).encrypt(one.content),
        "scan": "waiting" if settings.clamd else "unscanned",
        "added_at": now,
    }


def content_of(row: HeldFile, *, purpose: str, scanned: bool = True) -> bytes | None:
    """Return a file's content; None: it is gone, not scanned or infected, or the server's key has changed.

    With `scanned=False` also what still waits for the scanner: for the scanner alone.
    """
    if row.sealed is None or (scanned and row.scan not in SERVED):
        return None
    try:
        return keyring.box(runtime.part(Settings).secret_key, purpose).decrypt(row.sealed)
    except InvalidToken:
        return None


def scanned(content: bytes | None) -> tuple[str | None, str | None]:
    """Have content scanned, outside of any transaction; return the new state and what the scanner said.

    None as the state: it goes on waiting. Without a scanner that is connected any more it is unscanned.
    """
    address = runtime.part(Settings).clamd
    if content is None:
        return None, None
    if address is None:
        return "unscanned", None
    try:
        found = Scanner(address).scan(content)
    except ScannerAway as away:
        return None, str(away)
    return ("clean", None) if found.is_clean else ("infected", found.found)


def note_scan(row: SealedFile, state: str, said: str | None, now: datetime) -> None:
    """Note what the scanner said of a file; an infected one's content goes at once."""
    row.scan, row.scan_said, row.scanned_at = state, said, now
    if state == "infected":
        row.sealed = None
