"""Requests for financing, their applications to lenders, offers, what happened, and what was lent and repaid."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.financing.applications.declines import ReasonVerdict
from creditlink.financing.applications.states import ACCEPTED, STATES
from creditlink.financing.requests.ask import FinancingAsk
from creditlink.kit import ids
from creditlink.kit.postgres.db import Base

_STATES = ", ".join(f"'{state}'" for state in STATES)
_ACCEPTED = ", ".join(f"'{state}'" for state in sorted(ACCEPTED))


class FinancingRequest(Base):
    """What one firm asks for. Amending it makes a new version; the events keep every version."""

    __tablename__ = "financing_requests"
    __table_args__ = (
        CheckConstraint("amount_fen > 0 AND term_months > 0", name="positive"),
        CheckConstraint("end_reason IN ('withdrawn', 'expired', 'accepted')", name="end_reason"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        Index("ix_financing_requests_enterprise_id_made_at", "enterprise_id", "made_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    amount_fen: Mapped[int]
    term_months: Mapped[int]
    use: Mapped[str]
    collateral: Mapped[str]
    version: Mapped[int]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # exclusive; without an accepted offer by then it ends
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("fin", self.id)

    def ask(self) -> FinancingAsk:
        """Return what is asked for now."""
        return FinancingAsk(self.amount_fen, self.term_months, self.use, self.collateral)


class Application(Base):
    """One request before one lender, for one of its products, under a consent of its own.

    That a request finds at most one lender is the database's promise: a unique index over its accepted states.
    """

    __tablename__ = "financing_applications"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("(state = 'declined') = (cardinality(decline_codes) > 0)", name="decline_has_reasons"),
        UniqueConstraint("request_id", "institution_id", "product_code"),
        Index(
            "uq_financing_applications_accepted",
            "request_id",
            unique=True,
            postgresql_where=text(f"state IN ({_ACCEPTED})"),
        ),
        Index("ix_financing_applications_institution_id_made_at", "institution_id", "made_at", "id"),
        Index("ix_financing_applications_state_answer_due_at", "state", "answer_due_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("financing_requests.id"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), unique=True)
    product_code: Mapped[str]
    product_version: Mapped[int]
    referred_from: Mapped[UUID | None] = mapped_column(ForeignKey("financing_applications.id"))
    state: Mapped[str]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    answer_due_at: Mapped[datetime]  # exclusive; unanswered by then, it expires
    escalated_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]  # the first offer, or the decline
    decline_codes: Mapped[list[str]]
    decline_note: Mapped[str]
    decline_weighed: Mapped[list[ReasonVerdict]] = mapped_column(JSONB)
    # What the firm was warned of before it sent the request, and the lender is told with it.
    warnings: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    first_loan: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    due_at: Mapped[datetime | None]  # exclusive: until when the accepted offer is signed, then drawn
    signed_at: Mapped[datetime | None]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("app", self.id)


class Offer(Base):
    """What a lender promised, frozen by its hash: a trigger refuses any change."""

    __tablename__ = "financing_offers"
    __table_args__ = (UniqueConstraint("application_id", "revision"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("financing_applications.id"))
    enterprise_id: Mapped[UUID]
    institution_id: Mapped[UUID]
    revision: Mapped[int]  # the highest is the open one
    terms: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    made_at: Mapped[datetime]
    valid_until: Mapped[datetime]  # exclusive

    @property
    def wire_id(self) -> str:
        """Return the id on the wire."""
        return ids.external("off", self.id)


class FinancingEvent(Base):
    """One thing that happened to a request or an application. Rows are only ever added."""

    __tablename__ = "financing_events"
    __table_args__ = (
        Index("ix_financing_events_application_id_id", "application_id", "id"),
        Index("ix_financing_events_request_id_id", "request_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("financing_requests.id"))
    application_id: Mapped[UUID | None] = mapped_column(ForeignKey("financing_applications.id"))
    enterprise_id: Mapped[UUID]
    institution_id: Mapped[UUID | None]
    at: Mapped[datetime]
    actor: Mapped[str]  # account:<id>, bank:<client_id>, system
    event: Mapped[str]
    from_state: Mapped[str | None]
    to_state: Mapped[str | None]
    detail: Mapped[dict[str, object]] = mapped_column(JSONB)


class LoanFact(Base):
    """What became of a loan, on two clocks: the day it is about, and when we learned it. Corrections add rows.

    Of the rows of one key (application, kind, day, reference) the one known last counts.
    """

    __tablename__ = "loan_facts"
    __table_args__ = (
        CheckConstraint("kind IN ('draw', 'repayment', 'closure', 'write_off')", name="kind"),
        CheckConstraint("(kind = 'repayment') = (days_past_due IS NOT NULL)", name="days_past_due"),
        CheckConstraint("amount_fen >= 0", name="amount"),
        UniqueConstraint("application_id", "kind", "about_on", "reference", "known_at"),
        Index("ix_loan_facts_institution_id_known_at", "institution_id", "known_at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("financing_applications.id"))
    enterprise_id: Mapped[UUID]
    institution_id: Mapped[UUID]
    kind: Mapped[str]
    about_on: Mapped[date]  # of a repayment: the first day of its month
    reference: Mapped[str]  # the bank's own, where one day may hold several draws
    amount_fen: Mapped[int]  # drawn, outstanding at the month's end, or written off
    days_past_due: Mapped[int | None]  # the worst of the month
    known_at: Mapped[datetime]
    reported_by: Mapped[str]


class FunnelRow(Base):
    """One group of the funnel in one period, as it is published, never of fewer than ten firms.

    The worker computes it when the period is over; a row never changes.
    """

    __tablename__ = "financing_funnel"
    __table_args__ = (CheckConstraint("firms >= 10", name="firms"),)

    period_until: Mapped[datetime] = mapped_column(primary_key=True)  # exclusive, the first moment of a month
    period_from: Mapped[datetime | None]  # None: from the beginning
    dimension: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    firms: Mapped[int]
    applied: Mapped[int]
    approved: Mapped[int]
    declined: Mapped[int]
    drawn: Mapped[int]
    repaid: Mapped[int]
    written_off: Mapped[int]
    overdue_90: Mapped[int]
    asked_fen: Mapped[int | None]
    approved_fen: Mapped[int | None]
    drawn_fen: Mapped[int | None]
    answered: Mapped[int]
    median_answer_hours: Mapped[float | None]
    computed_at: Mapped[datetime]


class ApprovalCase(Base):
    """One lender's first answer with the numbers it had, rounded: no firm, no consent, no institution."""

    __tablename__ = "approval_cases"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    product_kind: Mapped[str]
    pd_12m: Mapped[float]
    amount_fen: Mapped[int]
    sales_12_fen: Mapped[int | None]
    approved: Mapped[bool]
    answered_on: Mapped[date]  # the first day of its month
