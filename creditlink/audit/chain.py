"""The hash chain: pure, so that an export can be verified without the database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from creditlink.kit.files.textfile import canonical_json

GENESIS = "0" * 64
_LINK_FIELDS = ("digest",)


def canonical(entry: Mapping[str, object]) -> bytes:
    """Return the one JSON text of an entry: sorted names, no spaces, UTF-8, without its digest."""
    body = {k: v for k, v in entry.items() if k not in _LINK_FIELDS}
    return canonical_json(body).encode()


def digest(entry: Mapping[str, object]) -> str:
    """Return SHA-256 (hex) over the entry, which contains `previous` and thereby the whole past."""
    return hashlib.sha256(canonical(entry)).hexdigest()


@dataclass(frozen=True)
class Break:
    """The first place where a chain is broken."""

    line: int
    reason: str


@dataclass(frozen=True)
class Head:
    """The last link of a chain: it pins the end, so that a cut-off tail shows."""

    seq: int
    digest: str


def verify(entries: Iterable[Mapping[str, object]], head: Head | None = None) -> Break | None:
    """Return the first break in an export of one chain, or None if it is intact from its genesis.

    A chain alone cannot show that its last lines were cut off: with a `head` from a place that a forger cannot
    write to, it must end exactly there.
    """
    previous, expected_seq, chain_id, line = GENESIS, 1, None, 0
    for line, entry in enumerate(entries, start=1):
        if entry.get("seq") != expected_seq:
            return Break(line, f"expected seq {expected_seq}, found {entry.get('seq')}: removed or reordered")
        if entry.get("previous") != previous:
            return Break(line, f"seq {expected_seq} does not follow the line before it")
        computed = digest(entry)
        if entry.get("digest") != computed:
            return Break(line, f"seq {expected_seq} was changed after it was written")
        if line > 1 and entry.get("chain_id") != chain_id:
            return Break(line, f"seq {expected_seq} belongs to another chain")
        previous, expected_seq, chain_id = computed, expected_seq + 1, entry.get("chain_id")
    if head is not None and (head.seq, head.digest) != (expected_seq - 1, previous):
        return Break(line + 1, f"the chain ends at seq {expected_seq - 1}, its head is at seq {head.seq}: cut off")
    return None
