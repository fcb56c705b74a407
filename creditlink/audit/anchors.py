"""Anchors: the heads of the chains, signed and written outside the database, each naming the anchor before it.

An anchor holds the heads that moved since the last one, so its size follows how busy the hour was. It holds the list
itself, not a hash over it: the check can name the chain and the entry even if the database has lost them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text, Uuid

from creditlink.audit.chain import GENESIS
from creditlink.audit.places import Place
from creditlink.audit.stamps import Examination
from creditlink.audit.tables import AuditAnchor, AuditAnchored
from creditlink.kit import keyring

TYPE = "audit-anchor+jws"
MOST_HEADS = 20_000
"""Heads in one anchor: some 3 MB. A busier hour makes several."""
_NAME = re.compile(r"anchor-(\d{10})\.jws")
_MOVED = text("""
    SELECT h.chain_id, h.seq, h.digest FROM audit_heads h LEFT JOIN audit_anchored a USING (chain_id)
    WHERE h.seq > 0 AND (a.chain_id IS NULL OR h.seq > a.seq OR (h.seq = a.seq AND h.digest <> a.digest))
    ORDER BY h.chain_id LIMIT :most""")
_REWOUND = text("""
    SELECT a.chain_id, a.seq, h.seq AS held FROM audit_anchored a LEFT JOIN audit_heads h USING (chain_id)
    WHERE h.chain_id IS NULL OR h.seq < a.seq OR (h.seq = a.seq AND h.digest <> a.digest)
    ORDER BY a.chain_id LIMIT 100""")
_COMPARED = text("""
    SELECT a.chain_id, a.seq, a.digest, e.digest AS held, h.seq AS ends
    FROM unnest(:chains, :seqs, :digests) AS a(chain_id, seq, digest)
    LEFT JOIN audit_entries e ON e.chain_id = a.chain_id AND e.seq = a.seq
    LEFT JOIN audit_heads h ON h.chain_id = a.chain_id
    WHERE e.digest IS DISTINCT FROM a.digest OR h.seq IS NULL OR h.seq < a.seq
    ORDER BY a.chain_id, a.seq""").bindparams(
    bindparam("chains", type_=ARRAY(Uuid)), bindparam("seqs", type_=ARRAY(BigInteger)),
    bindparam("digests", type_=ARRAY(Text)),
)  # fmt: skip
OpenTransaction = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class Anchor:
    """One anchor as it was written."""

    number: int
    sha256: str  # of the signed document: the next anchor names it
    previous: str
    issued_at: str
    heads: Sequence[tuple[str, int, str]]  # chain, seq, digest


def anchor(
    open_transaction: OpenTransaction, place: Place, *, issuer: str, secret: keyring.Secret, now: datetime
) -> list[Anchor]:
    """Write the heads that moved since the last anchor to `place`; return the anchors that were written.

    Heads that were written but could not be noted in the database are anchored again next time, which does no harm.

    Raises
    ------
    FileExistsError
        Another process is anchoring at this moment.
    """
    anchors: list[Anchor] = []
    while True:
        with open_transaction() as session:
            moved = session.execute(_MOVED, {"most": MOST_HEADS}).all()
            number, previous = session.execute(
                select(AuditAnchor.number, AuditAnchor.sha256).order_by(AuditAnchor.number.desc()).limit(1)
            ).one_or_none() or (0, GENESIS)
        if not moved:
            return anchors
        if (newest := _newest(place)) is not None and newest[0] > number:
            number, previous = newest
        heads = [(str(chain_id), seq, digest) for chain_id, seq, digest in moved]
        claims: dict[str, object] = {
            "iss": issuer,
            "iat": int(now.timestamp()),
            "number": number + 1,
            "previous": previous,
            "issued_at": now.isoformat(),
            "heads": heads,
        }
        document = keyring.sign(claims, typ=TYPE, secret=secret).encode()
        place.add(f"anchor-{number + 1:010d}.jws", document)
        anchors.append(Anchor(number + 1, _hash(document), previous, now.isoformat(), heads))
        with open_transaction() as session:
            _note(session, anchors[-1], now)


def _note(session: Session, written: Anchor, now: datetime) -> None:
    values = {"number": written.number, "sha256": written.sha256, "issued_at": now, "heads": len(written.heads)}
    session.execute(insert(AuditAnchor).values(**values))
    new = insert(AuditAnchored)
    rows = [{"chain_id": UUID(chain), "seq": seq, "digest": digest} for chain, seq, digest in written.heads]
    for first in range(0, len(rows), 1000):
        session.execute(
            new.values(rows[first : first + 1000]).on_conflict_do_update(
                index_elements=[AuditAnchored.chain_id], set_={"seq": new.excluded.seq, "digest": new.excluded.digest}
            )
        )


@dataclass(frozen=True)
class AnchorAges:
    """How long ago the evidence was last anchored, and time-stamped; None: never."""

    anchored_seconds: float | None
    stamped_seconds: float | None


def ages(session: Session, now: datetime) -> AnchorAges:
    """Return how old the last anchor and the last time stamp are: what an operator's alert looks at."""
    query = select(func.max(AuditAnchor.issued_at), func.max(AuditAnchor.stamped_at))
    anchored, stamped = session.execute(query).one()
    return AnchorAges(*(None if at is None else (now - at).total_seconds() for at in (anchored, stamped)))


def rewound_chains(session: Session) -> list[UUID]:
    """Return chains (100 at most) that were longer when last anchored: what the hourly job looks at.

    It compares with the database's own note of the last anchors; `faults` compares with the anchors themselves.
    """
    return [row.chain_id for row in session.execute(_REWOUND)]


def faults(
    session: Session,
    place: Place,
    keys: Mapping[str, object],
    *,
    last: str | None = None,
    stamps: Examination | None = None,
) -> Iterator[str]:
    """Yield each disagreement between the anchors and the database as a sentence.

    Parameters
    ----------
    keys : the JWK set that signed them
    last : an anchor noted elsewhere, NUMBER:SHA256, which must be among them
    stamps : their time stamps, checked too
    """
    previous, expected, reported = GENESIS, 1, set[UUID]()
    digests: dict[int, str] = {}
    for name in place.names():
        if not (match := _NAME.fullmatch(name)):
            continue
        document, number = place.read(name), int(match[1])
        try:
            anchor = _read(document, keys)
        except (keyring.SignatureRefused, KeyError, TypeError, ValueError) as error:
            yield f"{name}: {error}"
            if stamps is not None:
                yield from stamps.of_anchor(name, number, document, None)
            previous, expected = _hash(document), number + 1
            continue
        if (anchor.number, anchor.number) != (number, expected):
            yield f"{name}: expected anchor {expected}, it is anchor {anchor.number}: removed or renamed"
        elif anchor.previous != previous:
            yield f"{name}: it does not follow the anchor before it"
        previous, expected = anchor.sha256, number + 1
        digests[number] = anchor.sha256
        if stamps is not None:
            yield from stamps.of_anchor(name, number, document, datetime.fromisoformat(anchor.issued_at))
        yield from _differing(session, anchor, reported)
    known = session.execute(select(AuditAnchor.number, AuditAnchor.sha256).order_by(AuditAnchor.number)).all()
    wanted = {row.number: row.sha256 for row in known}
    if last is not None:
        noted_number, _, noted_sha256 = last.partition(":")
        wanted[int(noted_number)] = noted_sha256
    for number, sha256 in wanted.items():
        if digests.get(number) != sha256:
            yield f"anchor {number} is not at {place.address} as it was written: removed or replaced"
    if stamps is not None:
        yield from stamps.of_all()


def _differing(session: Session, anchor: Anchor, reported: set[UUID]) -> Iterator[str]:
    for first in range(0, len(anchor.heads), 10_000):
        part = anchor.heads[first : first + 10_000]
        chains, seqs, digests = zip(*part, strict=True)
        given = {"chains": [UUID(chain) for chain in chains], "seqs": list(seqs), "digests": list(digests)}
        for row in session.execute(_COMPARED, given):
            if row.chain_id in reported:
                continue  # the first entry that differs says it
            reported.add(row.chain_id)
            if row.ends is None:
                what = "the chain is gone: removed"
            elif row.ends < row.seq:
                what = f"it ends at seq {row.ends}: rewound"
            elif row.held is None:
                what = "that entry is gone: removed"
            else:
                what = f"that entry has digest {row.held[:16]}…: rewritten"
            yield (
                f"chain {row.chain_id}{_whose(session, row.chain_id)}: anchor {anchor.number} of {anchor.issued_at} "
                f"holds seq {row.seq} with digest {row.digest[:16]}…; {what}"
            )


def _whose(session: Session, chain_id: UUID) -> str:
    uscc = session.scalar(text("SELECT uscc FROM enterprises WHERE id = :id"), {"id": chain_id})
    return f" (firm {uscc})" if uscc else ""


def _newest(place: Place) -> tuple[int, str] | None:
    names = [name for name in place.names() if _NAME.fullmatch(name)]
    if not names:
        return None
    match = _NAME.fullmatch(names[-1])
    assert match is not None  # noqa: S101 (just filtered; for the type checker)
    return int(match[1]), _hash(place.read(names[-1]))


def _read(document: bytes, keys: Mapping[str, object]) -> Anchor:
    claims = keyring.verify(document.decode(), keys, typ=TYPE).claims
    number, heads = claims["number"], claims["heads"]
    if not isinstance(number, int) or not isinstance(heads, list):
        raise ValueError("it is signed, but it is not an anchor")
    return Anchor(
        number,
        _hash(document),
        str(claims["previous"]),
        str(claims["issued_at"]),
        [(str(chain), int(seq), str(digest)) for chain, seq, digest in heads],
    )


def _hash(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()
