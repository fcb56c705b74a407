"""What the registry's feed brought: loads and their rows, versions of what is registered, codes to be cleared."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class RegistryLoad(Base):
    """One delivery of the registry: the whole list of a region, or changes since the last."""

    __tablename__ = "registry_loads"
    __table_args__ = (
        CheckConstraint("kind IN ('full', 'incremental')", name="kind"),
        CheckConstraint("state IN ('open', 'ready', 'done')", name="state"),
        CheckConstraint("(state = 'done') = (ended_at IS NOT NULL)", name="ended"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    source: Mapped[str]  # which registrar: sequences are its own
    kind: Mapped[str]
    region: Mapped[str]  # of a full list: the first digits of GB/T 2260 that it is complete for; empty: all
    state: Mapped[str]  # open: rows come in; ready: all there; done: taken
    file_sha256: Mapped[str | None]  # of a file, so that an interrupted load of it resumes
    actor: Mapped[str]
    most_unlisted_bps: Mapped[int]  # a full list that lacks more of the known firms marks none
    unlisted: Mapped[int | None]
    not_unlisted_because: Mapped[str | None]
    began_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Its id on the wire."""
        return ids.external("rgl", self.id)


class RegistryRow(Base):
    """A row of a load. Its body is kept until it is taken; of a refused one, what was wrong stays."""

    __tablename__ = "registry_rows"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'applied', 'unchanged', 'repeated', 'refused')", name="state"),
        CheckConstraint("(state = 'refused') = (problems IS NOT NULL)", name="problems"),
        # One number of a registrar counts once.
        Index(
            "uq_registry_rows_taken",
            "source",
            "sequence",
            unique=True,
            postgresql_where=text("state IN ('applied', 'unchanged')"),
        ),
        Index("ix_registry_rows_load_id_state", "load_id", "state", "position"),
        Index("ix_registry_rows_load_id_uscc", "load_id", "uscc"),
    )

    load_id: Mapped[UUID] = mapped_column(ForeignKey("registry_loads.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the file's line
    source: Mapped[str]
    sequence: Mapped[str]
    uscc: Mapped[str | None]  # where it can be read
    sha256: Mapped[str]  # of the body
    body: Mapped[dict[str, object] | None] = mapped_column(JSONB(none_as_null=True))
    state: Mapped[str]
    problems: Mapped[list[dict[str, object]] | None] = mapped_column(JSONB(none_as_null=True))


class RegistryVersion(Base):
    """One thing that the registry says of a firm, from a day on and as known from an instant on; append-only.

    What a score reads has a history of its own (`RegisteredEntry`).
    """

    __tablename__ = "registry_versions"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('name', 'uscc', 'representative', 'address', 'shareholder', 'branch', 'guarantee', 'listing')",
            name="kind",
        ),
        Index("ix_registry_versions_enterprise_id", "enterprise_id", "kind", "valid_from"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    kind: Mapped[str]
    valid_from: Mapped[date]
    known_at: Mapped[datetime]
    load_id: Mapped[UUID | None] = mapped_column(ForeignKey("registry_loads.id"))


class RegistryItem(Base):
    """An entry of a version: the name, the representative, one shareholder of several."""

    __tablename__ = "registry_items"
    __table_args__ = (
        Index("ix_registry_items_uscc", "uscc", postgresql_where=text("uscc IS NOT NULL")),
        Index("ix_registry_items_kind_name", "kind", "name"),
        Index("ix_registry_items_person_key", "person_key", postgresql_where=text("person_key IS NOT NULL")),
    )

    version_id: Mapped[int] = mapped_column(ForeignKey("registry_versions.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    uscc: Mapped[str | None]  # of a firm
    person_key: Mapped[str | None]  # of a person: tells two of one name apart, and says nothing else
    share_bps: Mapped[int | None]
    amount_fen: Mapped[int | None]


class UsccClearing(Base):
    """A code that cannot be right, or that two firms cannot both have, until the registrar has settled it."""

    __tablename__ = "uscc_clearings"
    __table_args__ = (
        CheckConstraint("kind IN ('wrong', 'duplicate', 'near_duplicate')", name="kind"),
        CheckConstraint("state IN ('open', 'exception', 'corrected')", name="state"),
        CheckConstraint(
            "(state = 'exception') = (exception_evidence IS NOT NULL)"
            " AND (exception_evidence IS NULL) = (exception_ends_on IS NULL)",
            name="exception",
        ),
        CheckConstraint("(state = 'corrected') = (resolution IS NOT NULL)", name="corrected"),
        Index(
            "uq_uscc_clearings_unsettled",
            "kind",
            "uscc",
            "other_uscc",
            unique=True,
            postgresql_where=text("state <> 'corrected'"),
        ),
        Index("ix_uscc_clearings_opened_at", "opened_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    uscc: Mapped[str]
    other_uscc: Mapped[str]  # of a near duplicate; else empty
    evidence: Mapped[dict[str, object]]
    owner: Mapped[str | None]  # who clears it
    state: Mapped[str]
    exception_evidence: Mapped[str | None]
    exception_ends_on: Mapped[date | None]  # from this day on it is open again
    resolution: Mapped[str | None]
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Its id on the wire."""
        return ids.external("clr", self.id)
