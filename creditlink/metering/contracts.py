"""What is agreed with an institution: set by the operator, kept in evidence, known to every process within seconds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.institutions.tables import Institution
from creditlink.kit.postgres import db
from creditlink.metering.tables import UsageContract

log = structlog.get_logger()

KNOWN_SECONDS = 10.0
"""A change reaches every process within this time."""

MOST = {"calls_a_minute": 1_000_000, "calls_a_day": 10**9, "calls_a_month": 10**9, "profiles_a_month": 10**9}
_MOST_WEIGHT = 10


@dataclass(frozen=True)
class Terms:
    """What is agreed; None: the platform's usual rate, or no limit of that kind.

    `weight` is the institution's share of a busy server beside others: one of weight 2 gets twice that of weight 1.
    """

    calls_a_minute: int | None = None
    calls_a_day: int | None = None
    calls_a_month: int | None = None
    profiles_a_month: int | None = None
    weight: int = 1


USUAL = Terms()


class TermsRefused(Exception):
    """A number is out of range; the message names it."""


def terms_of(session: Session, institution_id: UUID) -> Terms:
    """Return what is agreed with an institution; without a contract, the usual terms."""
    row = session.get(UsageContract, institution_id)
    return USUAL if row is None else Terms(**{one.name: getattr(row, one.name) for one in fields(Terms)})


def agree(session: Session, institution: Institution, terms: Terms, *, actor: str, now: datetime) -> None:
    """Set what is agreed with an institution from now on, with its evidence.

    Raises
    ------
    TermsRefused
    """
    for name, most in MOST.items():
        value = getattr(terms, name)
        if value is not None and not 1 <= value <= most:
            raise TermsRefused(f"{name} must be from 1 to {most}, or none, got {value}")
    if not 1 <= terms.weight <= _MOST_WEIGHT:
        raise TermsRefused(f"weight must be from 1 to {_MOST_WEIGHT}, got {terms.weight}")
    before = terms_of(session, institution.id)
    if before == terms and session.get(UsageContract, institution.id) is not None:
        return
    session.merge(UsageContract(institution_id=institution.id, changed_at=now, changed_by=actor, **asdict(terms)))
    audit.record(
        session, action="institution.contract", result="done", actor=actor, now=now, institution_id=institution.id,
        detail={"before": asdict(before), "after": asdict(terms)},
    )  # fmt: skip


class Contracts:
    """The terms of the institutions that asked lately, as this process knows them."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, Terms]] = {}

    def of(self, institution_id: UUID) -> Terms:
        """Return an institution's terms, not older than `KNOWN_SECONDS` while the database answers."""
        known = self._known.get(institution_id)
        if known is not None and time.monotonic() - known[0] < KNOWN_SECONDS:
            return known[1]
        try:
            with db.transaction(viewer=db.Viewer(institution_id=institution_id)) as session:
                terms = terms_of(session, institution_id)
        except SQLAlchemyError as error:
            log.warning("contract_not_read", error=type(error).__name__)
            return USUAL if known is None else known[1]
        self._known[institution_id] = (time.monotonic(), terms)
        return terms
