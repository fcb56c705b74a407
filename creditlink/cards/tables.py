"""Cards, what was shown of them, and how often it was looked at. Content goes when a card ends; that it was, stays."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base

CARD_PREFIX, SHOWN_PREFIX = "crd", "shw"
HOLDERS = ("page", "wallet")
ENDS = ("revoked", "replaced", "consent", "correction", "firm", "expired")
"""Why a card ended: by the firm, by a newer one, with the consent, as a record of it was corrected, with the firm
itself, by its time."""


def _one_of(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


class StatusList(Base):
    """One list of statuses; it says nothing of any firm, and every verifier may read it."""

    __tablename__ = "card_status_lists"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int]
    opened_at: Mapped[datetime]


class CardPlace(Base):
    """A place of a status list that was given out: never again, and to nobody that it names."""

    __tablename__ = "card_places"

    list_id: Mapped[UUID] = mapped_column(ForeignKey("card_status_lists.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)


class CreditCard(Base):
    """One card of one firm, held for it here or in its wallet. Of each kind one is good at a time."""

    __tablename__ = "credit_cards"
    __table_args__ = (
        CheckConstraint(f"holder IN ({_one_of(HOLDERS)})", name="holder"),
        CheckConstraint(f"ended_for IN ({_one_of(ENDS)})", name="ended_for"),
        CheckConstraint("(ended_at IS NULL) = (ended_for IS NULL)", name="ended"),
        CheckConstraint("(sealed IS NOT NULL) = (holder = 'page' AND ended_at IS NULL)", name="content"),
        CheckConstraint("issued_at < expires_at", name="validity"),
        Index(
            "uq_credit_cards_good", "enterprise_id", "holder", unique=True, postgresql_where=text("ended_at IS NULL")
        ),
        UniqueConstraint("list_id", "place"),
        Index("ix_credit_cards_keep_until", "keep_until"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), index=True)
    holder: Mapped[str]
    facts: Mapped[list[str]] = mapped_column(ARRAY(Text))  # their names
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))  # of records that they are made from
    list_id: Mapped[UUID]
    place: Mapped[int]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)  # the card and its holder's key
    issued_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # exclusive
    ended_at: Mapped[datetime | None]
    ended_for: Mapped[str | None]
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(CARD_PREFIX, self.id)


class CardPresentation(Base):
    """Some facts of a card, shown to one recipient by a link until an instant."""

    __tablename__ = "card_presentations"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        UniqueConstraint("nonce_hash"),
        CheckConstraint("shown_at < good_until", name="validity"),
        CheckConstraint("sealed IS NULL OR ended_at IS NULL", name="content"),
        Index("ix_card_presentations_card_id_shown_at", "card_id", "shown_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    card_id: Mapped[UUID] = mapped_column(ForeignKey("credit_cards.id", ondelete="CASCADE"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    token_hash: Mapped[str]
    nonce_hash: Mapped[str | None]  # of the nonce in its proof: its text is known again when somebody pastes it
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)  # what is shown, and the link's token
    facts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    audience: Mapped[str]
    shown_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    shown_at: Mapped[datetime]
    good_until: Mapped[datetime]  # exclusive
    ended_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external(SHOWN_PREFIX, self.id)


class CardView(Base):
    """How often a presentation was opened on one day; by whom is not kept."""

    __tablename__ = "card_views"

    presentation_id: Mapped[UUID] = mapped_column(
        ForeignKey("card_presentations.id", ondelete="CASCADE"), primary_key=True
    )
    viewed_on: Mapped[date] = mapped_column(primary_key=True)
    times: Mapped[int]
