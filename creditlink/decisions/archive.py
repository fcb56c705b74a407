"""The sealed archive: written with each profile, looked at only with evidence, emptied when its time is over."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from cryptography.fernet import InvalidToken
from sqlalchemy import ColumnElement, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, undefer
from sqlalchemy.types import DateTime, LargeBinary, Text, Uuid

from creditlink.audit import chain
from creditlink.decisions import record as records
from creditlink.decisions.classes import DECISION_RECORD, RetentionClasses
from creditlink.decisions.looks.marks import marks_of
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.policy.source import PolicySource
from creditlink.decisions.record import BackfilledNote, DecisionRecord, OverlayKept
from creditlink.decisions.tables import DecisionHead, DecisionRow
from creditlink.engine.profile.basis import DecisionBasis
from creditlink.engine.scoring.model import sha256_of
from creditlink.institutions.tables import OWN_ID
from creditlink.kit import keyring
from creditlink.kit.errors import NotFound

SEALED = "decision records"
_LEVEL = 1  # a record is written in a request: zlib's quickest halves it already
_ARCHIVE = text("SELECT creditlink_archive(:profile, :sealed, :opened_sha256, :kept_until, :marks)").bindparams(
    bindparam("profile", type_=Uuid),
    bindparam("marks", type_=ARRAY(Text)),
    bindparam("sealed", type_=LargeBinary),
    bindparam("opened_sha256", type_=Text),
    bindparam("kept_until", type_=DateTime(timezone=True)),
)
_ARCHIVE_LATER = text("""
    SELECT creditlink_archive_later(:entry, :decision, :sealed, :opened_sha256, :at, :kept_until)""").bindparams(
    *(bindparam(name, type_=Uuid) for name in ("entry", "decision")),
    bindparam("sealed", type_=LargeBinary),
    bindparam("opened_sha256", type_=Text),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("at", "kept_until")),
)
_LOOK = text("""
    SELECT * FROM creditlink_look(
        :decision, :who, :in_role, :why, :doing, :at, :institution, :client, :request)""").bindparams(
    bindparam("decision", type_=Uuid),
    *(bindparam(name, type_=Text) for name in ("who", "in_role", "why", "doing", "client", "request")),
    bindparam("at", type_=DateTime(timezone=True)),
    bindparam("institution", type_=Uuid),
)


class RecordDamaged(Exception):
    """What is archived is not what was written; the message says what was found."""


@dataclass(frozen=True, eq=False)
class Archive:
    """What a process needs to archive: the policy in force, how long records are kept, and the key that seals them."""

    policy: PolicySource
    classes: RetentionClasses
    secret: keyring.Secret

    def keep(
        self,
        session: Session,
        row: Mapping[str, object],
        basis: DecisionBasis,
        *,
        purpose: str,
        now: datetime,
        overlay: OverlayKept | None = None,
        backfilled: BackfilledNote | None = None,
        bundle: str | None = None,
    ) -> str:
        """Seal the record of a stored profile; return the record's hash, for the evidence.

        Parameters
        ----------
        now : when the profile was made, from which the record is kept
        backfilled, bundle : of a record that is sealed afterwards; see `record.record_of`
        """
        record = records.record_of(row, basis, purpose=purpose, overlay=overlay, backfilled=backfilled, bundle=bundle)
        payload = record.payload
        sha256 = sha256_of(payload)
        until = self.classes.of(DECISION_RECORD).until(now)
        values = {"profile": row["id"], "sealed": seal(payload, self.secret), "opened_sha256": sha256}
        session.execute(_ARCHIVE, values | {"kept_until": until, "marks": marks_of(record, self.secret)})
        return sha256


def keep_later(
    session: Session,
    decision_id: UUID,
    payload: bytes,
    *,
    entry_id: UUID,
    classes: RetentionClasses,
    secret: keyring.Secret,
    now: datetime,
) -> str | None:
    """Seal something that happened to a decision later, as a further link of its firm's chain.

    Returns the hash of what is sealed, for the evidence; None where the decision's record is gone or never was. The
    caller's transaction is of the viewer `operator`.
    """
    sha256 = sha256_of(payload)
    values = {
        "entry": entry_id, "decision": decision_id, "sealed": seal(payload, secret), "opened_sha256": sha256, "at": now,
        "kept_until": classes.of(DECISION_RECORD).until(now),
    }  # fmt: skip
    link: str | None = session.scalar(_ARCHIVE_LATER, values)
    return None if link is None else sha256


def seal(payload: bytes, secret: keyring.Secret) -> bytes:
    """Return a payload as it is stored: nobody reads it who has the database alone."""
    return keyring.box(secret, SEALED).encrypt(zlib.compress(payload, _LEVEL))


def open_sealed(row: DecisionRow, secret: keyring.Secret) -> DecisionRecord:
    """Return the record in a row.

    Raises
    ------
    RecordDamaged
        It was not sealed by this server, or is not the one that the chain names.
    NotFound
        Its time is over, and it is gone.
    """
    try:
        record = records.read(opened_payload(row, secret))
    except records.RecordInvalid as error:
        raise RecordDamaged(f"{row.wire_id}: {error}") from None
    return record


def opened_payload(row: DecisionRow, secret: keyring.Secret) -> bytes:
    """Return what a row seals, a decision's record or a later entry; errors as for `open_sealed`."""
    if row.payload is None:
        raise NotFound
    try:
        payload = zlib.decompress(keyring.box(secret, SEALED).decrypt(row.payload))
    except InvalidToken:
        raise RecordDamaged(f"{row.wire_id}: it was not sealed with this server's key, or was changed since") from None
    except zlib.error as error:
        raise RecordDamaged(f"{row.wire_id}: {error}") from None
    if sha256_of(payload) != row.payload_sha256:
        raise RecordDamaged(f"{row.wire_id}: its content is not the one that the chain names: replaced")
    return payload


def look(
    session: Session, decision_id: UUID, reader: Reader, *, doing: str, classes: RetentionClasses, now: datetime
) -> DecisionRow:
    """Return a row of the archive, with the evidence in the firm's log that somebody looked: both or neither.

    The caller's transaction is of the viewer `audit` or `operator`.

    Raises
    ------
    NotFound
        There is no such decision, or its time is over.
    InsufficientRole
        The reader's role may not look, or not for this purpose.
    """
    reader.check(classes.of(DECISION_RECORD))
    found: DecisionRow | None = session.scalars(
        select(DecisionRow)
        .options(undefer(DecisionRow.payload))
        .from_statement(_LOOK)
        .execution_options(populate_existing=True),
        {
            "decision": decision_id, "who": reader.actor, "in_role": reader.role, "why": reader.purpose, "doing": doing,
            "at": now, "institution": reader.institution_id, "client": reader.client_id, "request": reader.request_id,
        },
    ).one_or_none()  # fmt: skip
    if found is None or found.payload is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class DecisionQuery:
    """Which decisions to find; None: any."""

    decision_id: UUID | None = None
    enterprise_id: UUID | None = None
    institution_id: UUID | None = None
    consent_id: UUID | None = None
    since: date | None = None
    until: date | None = None
    grade: str | None = None
    model_id: str | None = None
    bundle_sha256: str | None = None
    marks: tuple[str, ...] = ()  # all of them: `looks.marks`
    limit: int = 100


def find(session: Session, query: DecisionQuery) -> Sequence[DecisionRow]:
    """Return rows without what they say, newest first; for the owner's role and the viewer `audit`."""
    wanted = select(DecisionRow).where(*conditions(query))
    return session.scalars(wanted.order_by(DecisionRow.decided_at.desc(), DecisionRow.id).limit(query.limit)).all()


def conditions(query: DecisionQuery) -> Iterator[ColumnElement[bool]]:
    """Yield what the rows of a query meet."""
    yield DecisionRow.expired_at.is_(None)
    yield DecisionRow.about.is_(None)  # a later link is found by what it is about
    if query.decision_id is None:  # what a firm looked up of itself is in no list: who is told its number may ask
        yield DecisionRow.institution_id != OWN_ID
    if query.decision_id is not None:
        yield DecisionRow.id == query.decision_id
    for column in ("enterprise_id", "institution_id", "consent_id", "grade", "model_id", "bundle_sha256"):
        if (value := getattr(query, column)) is not None:
            yield getattr(DecisionRow, column) == value
    if query.marks:
        yield DecisionRow.marks.contains(list(query.marks))
    if query.since is not None:
        yield DecisionRow.as_of >= query.since
    if query.until is not None:
        yield DecisionRow.as_of <= query.until


def links(session: Session, chain_id: UUID) -> list[DecisionRow]:
    """Return every link of a firm's chain, oldest first, expired ones too."""
    return list(session.scalars(select(DecisionRow).where(DecisionRow.chain_id == chain_id).order_by(DecisionRow.seq)))


def head_of(session: Session, chain_id: UUID) -> chain.Head:
    """Return the last link of a firm's chain."""
    head = session.get(DecisionHead, chain_id, populate_existing=True)
    return chain.Head(head.seq, head.digest) if head else chain.Head(0, chain.GENESIS)


def expire(session: Session, enterprise_id: UUID, *, now: datetime) -> list[tuple[UUID, str]]:
    """Empty the records of a firm whose time is over; return the consent and the hash of each."""
    over = select(DecisionRow.id, DecisionRow.consent_id, DecisionRow.payload_sha256).where(
        DecisionRow.enterprise_id == enterprise_id, DecisionRow.keep_until <= now, DecisionRow.expired_at.is_(None)
    )
    gone = session.execute(over).all()
    if gone:
        cleared: dict[str, object] = dict.fromkeys(
            ("payload", "enterprise_id", "institution_id", "consent_id", "as_of", "grade", "model_id", "bundle_sha256")
        )
        session.execute(
            update(DecisionRow)
            .where(DecisionRow.id.in_([row.id for row in gone]))
            .values(**cleared, expired_at=now)
            .execution_options(synchronize_session=False)
        )
    return [(row.consent_id, row.payload_sha256) for row in gone]


@dataclass(frozen=True)
class SealedCount:
    """How many records of a consent stay sealed, and until when the last of them does."""

    rows: int
    until: datetime


def sealed_of(session: Session, consent_id: UUID) -> SealedCount | None:
    """Return what of a consent stays in the archive; None: nothing."""
    count, until = session.execute(
        select(func.count(DecisionRow.id), func.max(DecisionRow.keep_until)).where(
            DecisionRow.consent_id == consent_id, DecisionRow.expired_at.is_(None)
        )
    ).one()
    return SealedCount(count, until) if count else None


def faults(session: Session, chain_id: UUID, evidence: Mapping[str, str], *, secret: keyring.Secret) -> Iterator[str]:
    """Yield what is wrong with a firm's archive, a sentence each.

    Parameters
    ----------
    evidence : decision (`dec_…`) -> hash of its record, as the firm's chain of evidence names it
    """
    rows = links(session, chain_id)
    broken = chain.verify([row.link() for row in rows], head_of(session, chain_id))
    if broken:
        yield f"the chain of records, link {broken.line}: {broken.reason}"
    for row in rows:
        named = evidence.get(row.wire_id)
        if named != row.payload_sha256:
            told = "nothing" if named is None else f"{named[:16]}…"
            yield f"{row.wire_id}: the evidence names {told} as its record, the archive {row.payload_sha256[:16]}…"
        if row.expired_at is None:
            yield from _unlike(row, secret)
    for decision in evidence.keys() - {row.wire_id for row in rows}:
        yield f"{decision}: the evidence names its record, and the archive has none: removed"


def _unlike(row: DecisionRow, secret: keyring.Secret) -> Iterator[str]:
    try:
        if row.about is not None:
            opened_payload(row, secret)
            return
        record = open_sealed(row, secret)
    except RecordDamaged as error:
        yield str(error)
        return
    profile = record.profile
    for name in ("id", "enterprise_id", "institution_id", "consent_id", "as_of", "grade", "model_id", "bundle_sha256"):
        if (says := getattr(row, name)) != profile[name] and str(says) != profile[name]:
            yield f"{row.wire_id}: it is found by {name} {says}, its record says {profile[name]}"
    if row.marks is not None and row.marks != marks_of(record, secret):
        yield f"{row.wire_id}: it is found by other reasons or indicators than its record has"
