"""Cases for a person, overrides beside the model's result with what became of them, and notices of adverse action.

They outlive the profile that they are about, so none has a key to it: what a person decided is kept as long as the
class `reviews` of `config/retention.toml` says, and its bank sees it no longer than the consent lives.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit import ids
from creditlink.kit.postgres.db import Base
from creditlink.reviews.notices.wording import NoticeReason
from creditlink.reviews.rules.causes import ReviewedResult


class ReviewCase(Base):
    """One decision that a person looks at; of each profile one that the platform opened and one that was asked for."""

    __tablename__ = "review_cases"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'claimed', 'decided', 'expired')", name="state"),
        CheckConstraint("cardinality(causes) > 0", name="causes"),
        CheckConstraint("(state = 'open') <= (claimed_by IS NULL)", name="open_is_nobodys"),
        CheckConstraint("state NOT IN ('claimed', 'decided') OR claimed_by IS NOT NULL", name="claimed"),
        CheckConstraint("(state = 'decided') = (decision IS NOT NULL)", name="decided"),
        CheckConstraint("decision IN ('confirmed', 'overridden')", name="decision"),
        CheckConstraint("(asked_by IS NOT NULL) OR NOT refuses_automation", name="refusal_is_asked_for"),
        Index(
            "uq_review_cases_open",
            "profile_id",
            text("(asked_by IS NULL)"),
            unique=True,
            postgresql_where=text("state IN ('open', 'claimed')"),
        ),
        Index("ix_review_cases_state_due_at", "state", "due_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    profile_id: Mapped[UUID] = mapped_column(index=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), index=True)
    causes: Mapped[list[str]]
    asked_by: Mapped[str | None]  # account:… of the firm, or bank:… on its behalf; null: the platform's own rule
    refuses_automation: Mapped[bool]  # the sole trader refuses a decision by automated means alone (PIPL art. 24)
    note: Mapped[str]  # in the words of who asks
    result: Mapped[ReviewedResult] = mapped_column(JSONB)  # the model's, as it stood
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]  # exclusive; undecided by then, it expires
    state: Mapped[str]
    claimed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    claimed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    reason: Mapped[str]  # of the decision
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("rev", self.id)


class ReviewOverride(Base):
    """How a person departs from the model's result, beside it. A trigger refuses any change."""

    __tablename__ = "review_overrides"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('grade_notch', 'scorable_despite', 'knock_out_set_aside', 'decline_automated')", name="kind"
        ),
        # The rule itself: what loosens takes two people.
        CheckConstraint("NOT loosens OR (second_id IS NOT NULL AND second_id <> first_id)", name="two_people"),
        CheckConstraint("kind = 'decline_automated' OR loosens OR notches < 0", name="loosens"),
        CheckConstraint("expires_at > decided_at", name="validity"),
        UniqueConstraint("case_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("review_cases.id"))
    profile_id: Mapped[UUID] = mapped_column(index=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), index=True)
    kind: Mapped[str]
    notches: Mapped[int | None]  # up is better
    grade: Mapped[str | None]  # that the person gives
    knock_out: Mapped[str | None]  # the code that is set aside
    loosens: Mapped[bool]
    reason_code: Mapped[str]
    reason: Mapped[str]
    evidence: Mapped[str]
    first_id: Mapped[UUID] = mapped_column(ForeignKey("staff_members.account_id"))
    second_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff_members.account_id"))
    decided_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # exclusive
    record_sha256: Mapped[str | None]  # of its entry in the firm's chain of decision records
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("ovr", self.id)


class OverrideOutcome(Base):
    """What became of a loan after an override, as far as it is known by now."""

    __tablename__ = "override_outcomes"
    __table_args__ = (CheckConstraint("label IN ('good', 'bad', 'immature', 'unreported', 'not_drawn')", name="label"),)

    override_id: Mapped[UUID] = mapped_column(ForeignKey("review_overrides.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str]
    since_on: Mapped[date]  # the day from which the horizon counts
    known_at: Mapped[datetime]


class AdverseNotice(Base):
    """What a firm is told of a decision against it, in both languages. All but the receipt is fixed, by a trigger."""

    __tablename__ = "adverse_notices"
    __table_args__ = (
        CheckConstraint("event IN ('not_scorable', 'knocked_out', 'declined', 'worse_terms')", name="event"),
        CheckConstraint("(seen_at IS NULL) = (seen_by IS NULL)", name="receipt"),
        Index("ix_adverse_notices_due_at", "due_at", postgresql_where=text("seen_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # made of the event: one event is told once
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"))
    profile_id: Mapped[UUID | None]
    event: Mapped[str]
    reasons: Mapped[list[NoticeReason]] = mapped_column(JSONB)
    text_zh: Mapped[str]
    text_en: Mapped[str]
    text_sha256: Mapped[str]  # over both texts
    sent_at: Mapped[datetime]  # onto the firm's page
    due_at: Mapped[datetime]  # by when the firm should have opened it
    overdue_told_at: Mapped[datetime | None]  # when its bank was told that it was not opened
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    keep_until: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("ntc", self.id)
