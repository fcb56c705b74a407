"""The consent artefact, what happened to it, and how much of it was used."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.limits import OWN
from creditlink.consents.life import rules
from creditlink.consents.life.rules import ConsentTerms
from creditlink.institutions.tables import OWN_ID
from creditlink.kit import ids
from creditlink.kit.postgres.db import Base


class Consent(Base):
    """A firm's permission for one institution: what was asked, what was granted, and its state.

    What was asked never changes; what was granted is written once, when the firm decides; after that
    only the state moves, along `rules.TRANSITIONS`. The database's trigger refuses anything else, so
    that a row proves what was agreed. Widening or renewing adds a new row that `amends` the old one.
    """

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint(
            "state IN ('REQUESTED', 'ACTIVE', 'PAUSED', 'REJECTED', 'REVOKED', 'EXPIRED', 'EXHAUSTED')", name="state"
        ),
        CheckConstraint("access IN ('once', 'recurring')", name="access"),
        CheckConstraint("channel IN ('redirect', 'inbox', 'financing', 'own')", name="channel"),
        CheckConstraint(
            f"(channel = 'own') = (institution_id = '{OWN_ID}') AND (channel = 'own') = (purpose = '{OWN}')",
            name="own_use",
        ),
        CheckConstraint(
            "state IN ('REQUESTED', 'REJECTED') OR (enterprise_id IS NOT NULL AND granted_by IS NOT NULL"
            " AND starts_at IS NOT NULL AND text_sha256 IS NOT NULL AND cardinality(categories) > 0)",
            name="granted_in_full",
        ),
        CheckConstraint("starts_at IS NULL OR starts_at < expires_at", name="validity"),
        CheckConstraint("categories <@ categories_asked", name="never_wider"),
        Index("ix_consents_enterprise_id_requested_at", "enterprise_id", "requested_at"),
        Index("ix_consents_institution_id_requested_at", "institution_id", "requested_at", "id"),
        Index("ix_consents_state_expires_at", "state", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    # redirect: the bank sends the firm's browser; inbox: it waits for the firm; financing: the firm asked for a loan;
    # own: the firm looks at itself
    channel: Mapped[str]
    amends: Mapped[UUID | None] = mapped_column(ForeignKey("consents.id"), index=True)
    version: Mapped[int]  # 1, and one more with each amendment

    # What was asked.
    asked: Mapped[dict[str, object]]
    asked_uscc: Mapped[str | None] = mapped_column(index=True)
    categories_asked: Mapped[list[str]]
    optional_categories: Mapped[list[str]]
    purpose: Mapped[str]
    access: Mapped[str]
    actions: Mapped[list[str]]
    history_months: Mapped[int]
    data_life_days: Mapped[int]
    pulls_per_month: Mapped[int]  # under access `once`: over the whole consent
    pulls_per_day: Mapped[int | None]
    expires_at: Mapped[datetime]  # exclusive
    fair_use_version: Mapped[str]
    requested_at: Mapped[datetime]
    answer_until: Mapped[datetime]  # exclusive; unanswered until then, the request is over

    # What was granted, by whom, on seeing which text.
    enterprise_id: Mapped[UUID | None] = mapped_column(ForeignKey("enterprises.id"))
    categories: Mapped[list[str]]
    starts_at: Mapped[datetime | None]
    granted_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    granted_role: Mapped[str | None]  # legal_representative | agent, at that moment
    text_version: Mapped[str | None]
    text_lang: Mapped[str | None]
    text_sha256: Mapped[str | None]
    # The text itself: a receipt proves what its hash is of.
    text_shown: Mapped[dict[str, object] | None] = mapped_column(JSONB(none_as_null=True))

    state: Mapped[str]
    changed_at: Mapped[datetime]

    @property
    def wire_id(self) -> str:
        """Return the id on the wire; it is the `grant_id` too."""
        return ids.external("cns", self.id)

    def details(self) -> AuthorizationDetails:
        """Return what was asked."""
        return AuthorizationDetails.from_dict(self.asked)

    def granted_details(self, salt: str) -> dict[str, object]:
        """Return what was granted, as banks see it: the firm by the id that is this institution's own."""
        body = self.details().narrowed(self.categories).to_dict()
        if self.enterprise_id is not None:
            body["enterprise"] = ids.pairwise(salt, self.enterprise_id)
        return body

    def terms(self, *, institution_active: bool = True) -> ConsentTerms:
        """Return the part the rules need, free of the session."""
        return ConsentTerms(
            consent_id=self.id,
            institution_id=self.institution_id,
            enterprise_id=self.enterprise_id,
            state=self.state,
            categories=frozenset(self.categories),
            actions=frozenset(self.actions),
            purpose=self.purpose,
            access=self.access,
            history_months=self.history_months,
            starts_at=self.starts_at,
            expires_at=self.expires_at,
            pulls_per_month=self.pulls_per_month,
            pulls_per_day=self.pulls_per_day,
            institution_active=institution_active,
        )

    def state_at(self, now: datetime) -> str:
        """Return the state at `now`, by the clock (`rules.state_at`)."""
        return rules.state_at(self.state, self.expires_at, now)

    def is_final(self) -> bool:
        """Return whether no change can follow."""
        return not rules.TRANSITIONS[self.state]

    def runs_days(self, since: datetime) -> float:
        """Return how many days it runs from an instant on: what an agent's `longest_days` bounds."""
        return (self.expires_at - since).total_seconds() / 86400


class ConsentEvent(Base):
    """One change of state: who, why, when. Rows are only ever added."""

    __tablename__ = "consent_events"
    __table_args__ = (Index("ix_consent_events_consent_id_id", "consent_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"))
    at: Mapped[datetime]
    actor: Mapped[str]  # account:<id>, bank:<client_id>, operator, system
    from_state: Mapped[str | None]  # null: the request itself
    to_state: Mapped[str]
    reason: Mapped[str]


class ConsentSignature(Base):
    """One person's yes: to which categories, on which text, by what right. Rows are only ever added.

    Where the firm wants two to sign, the first one's waits here while the consent is REQUESTED.
    """

    __tablename__ = "consent_signatures"
    __table_args__ = (CheckConstraint("role IN ('legal_representative', 'agent')", name="role"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), index=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    role: Mapped[str]
    categories: Mapped[list[str]]
    text_version: Mapped[str]
    text_lang: Mapped[str]
    text_sha256: Mapped[str]
    signed_at: Mapped[datetime]


class ConsentUse(Base):
    """How much of a consent was used in one window: `total`, `2026-08` or `2026-08-24`."""

    __tablename__ = "consent_uses"

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]
    last_at: Mapped[datetime]


class ConsentStage(Base):
    """A stage before the decision that a request reached: `shown`, `signed_in`."""

    __tablename__ = "consent_stages"
    __table_args__ = (CheckConstraint("stage IN ('shown', 'signed_in')", name="stage"),)

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]


class ConsentReading(Base):
    """How one request was read before it was decided: for how long, and whether an optional question was answered.

    It names nobody and no answer's words; it is counted, and never shown one by one.
    """

    __tablename__ = "consent_readings"
    __table_args__ = (
        CheckConstraint("decision IN ('agreed', 'declined')", name="decision"),
        CheckConstraint("seconds >= 0", name="seconds"),
        CheckConstraint("answer IN ('right', 'wrong', 'unsure', 'skipped')", name="answer"),
        CheckConstraint("(question IS NULL) = (answer IS NULL)", name="asked"),
    )

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    decision: Mapped[str]
    seconds: Mapped[int]  # from the first sight of it, signed in, to the decision
    question: Mapped[str | None]  # null: the page asked none
    answer: Mapped[str | None]
    decided_at: Mapped[datetime]
