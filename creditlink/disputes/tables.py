"""Disputes with their evidence and history; scores beside a contested profile; who was told of a correction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from creditlink.disputes.rules.datum import CLAIMS, Datum
from creditlink.disputes.rules.states import OPEN, STATES
from creditlink.kit import ids
from creditlink.kit.files.documents import SCANS
from creditlink.kit.files.sealed import SealedFile
from creditlink.kit.postgres.db import Base
from creditlink.records.pulls.delivery import FactValue

PREFIX, FILE_PREFIX, CORRECTION_PREFIX = "dsp", "dsf", "cor"


def _one_of(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


class Dispute(Base):
    """What a firm says of one datum, and what became of it. Of one datum one dispute is open at a time."""

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint(f"state IN ({_one_of(STATES)})", name="state"),
        CheckConstraint(f"claim IN ({_one_of(CLAIMS)})", name="claim"),
        CheckConstraint("verdict IN ('corrected', 'upheld')", name="verdict"),
        CheckConstraint("channel IN ('wire', 'desk')", name="channel"),
        CheckConstraint("level IN (0, 1)", name="level"),
        CheckConstraint(f"(state IN ({_one_of(OPEN)})) = (ended_at IS NULL)", name="ended"),
        # What the register says is no stored fact: its versions are the registry's own.
        CheckConstraint(
            "(frame = 'registration') = (fact_id IS NULL) AND (fact_id IS NULL) = (said_version IS NULL)", name="fact"
        ),
        Index(
            "uq_disputes_open", "enterprise_id", "frame", "period", "subkey", unique=True,
            postgresql_where=text(f"state IN ({_one_of(OPEN)})"),
        ),
        Index("ix_disputes_source_state_opened_at", "source", "state", "opened_at"),
        Index("ix_disputes_enterprise_id_opened_at", "enterprise_id", "opened_at"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    opened_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    claim: Mapped[str]
    statement: Mapped[str]  # in the firm's words
    wanted: Mapped[dict[str, FactValue]] = mapped_column(JSONB)  # column -> what it should say
    category: Mapped[str]
    frame: Mapped[str]
    period: Mapped[date]
    subkey: Mapped[str]  # of the register: which entry
    source: Mapped[str]
    channel: Mapped[str]
    # The version that was in force when it was disputed: what is compared with what comes.
    fact_id: Mapped[int | None]  # null: an entry of the register
    said: Mapped[dict[str, FactValue]] = mapped_column(JSONB)
    said_version: Mapped[int | None]
    said_hash: Mapped[bytes] = mapped_column(LargeBinary)
    held_since_at: Mapped[datetime]  # when the first version of it came in
    state: Mapped[str]
    level: Mapped[int]
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]  # exclusive; by then the source answers
    sent_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]  # the last talk with the source
    tries: Mapped[int]  # since it last answered anything
    trouble: Mapped[str | None]  # what the last talk came to, where it came to nothing
    answered_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    answer: Mapped[str | None]  # in the source's words
    believed_until: Mapped[datetime | None]  # by then a promised row must be there
    appeal_until: Mapped[datetime | None]
    overdue_told_at: Mapped[datetime | None]
    corrected_fact_id: Mapped[int | None]
    now_said: Mapped[dict[str, FactValue] | None] = mapped_column(JSONB(none_as_null=True))
    told_at: Mapped[datetime | None]  # when the recipients of a correction were told
    changed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(PREFIX, self.id)

    @property
    def datum(self) -> Datum:
        """Return what is disputed."""
        return Datum(self.frame, self.period, self.subkey)

    @property
    def is_open(self) -> bool:
        """Whether its datum is contested."""
        return self.state in OPEN


class DisputeEvent(Base):
    """One step of a dispute's life. Rows are only added."""

    __tablename__ = "dispute_events"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    step: Mapped[str]
    to_state: Mapped[str]
    note: Mapped[str | None]


class DisputeFile(SealedFile, Base):
    """A file of evidence: sealed with the server's key, handed out only once it was scanned."""

    __tablename__ = "dispute_files"
    __table_args__ = (
        CheckConstraint(f"scan IN ({_one_of(SCANS)})", name="scan"),
        CheckConstraint("scan <> 'infected' OR sealed IS NULL", name="infected_is_gone"),
        UniqueConstraint("dispute_id", "sha256"),
        Index("ix_dispute_files_waiting", "added_at", postgresql_where=text("scan = 'waiting'")),
    )

    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id", ondelete="CASCADE"))

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(FILE_PREFIX, self.id)


class ContestedScore(Base):
    """What a stored profile's score is without a contested datum, or with the corrected one; it goes with the profile.

    The profile itself never changes: this stands beside it.
    """

    __tablename__ = "contested_scores"
    __table_args__ = (CheckConstraint("which IN ('without', 'corrected')", name="which"),)

    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id", ondelete="CASCADE"), primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)
    which: Mapped[str] = mapped_column(primary_key=True)
    # not_scorable: the rest is too little. null: it could not be computed any more, and nobody is told a number.
    state: Mapped[str | None]
    grade: Mapped[str | None]
    points: Mapped[int | None]
    pd_12m: Mapped[float | None]
    computed_at: Mapped[datetime]


class Correction(Base):
    """That an institution, which relied on a datum under a consent, is told that it was corrected; its receipt."""

    __tablename__ = "corrections"
    __table_args__ = (
        UniqueConstraint("dispute_id", "consent_id"),
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="receipt"),
        CheckConstraint("action IN ('none', 'recomputed', 'decision_reviewed', 'no_longer_held')", name="action"),
        Index("ix_corrections_institution_id_told_at", "institution_id", "told_at", "id"),
        Index("ix_corrections_waiting", "told_at", postgresql_where=text("acknowledged_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id", ondelete="CASCADE"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"))
    profile_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    in_full: Mapped[bool]  # the consent lived: the bank may read the score with the corrected datum
    told_at: Mapped[datetime]
    notification_id: Mapped[UUID | None]  # null: the institution has no address for webhooks, and looks by itself
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    action: Mapped[str | None]
    reminded_at: Mapped[datetime | None]  # once, when it had said nothing for so long

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(CORRECTION_PREFIX, self.id)
