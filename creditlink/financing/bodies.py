"""What banks send about financing, as the views get it from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class OfferBody:
    """An offer as sent; None: as the product says."""

    amount_fen: int
    term_months: int
    rate_bps: int
    cooling_off_days: int
    conditions: str
    valid_until: datetime
    fee_fen: int | None = None
    repayment: str | None = None


@dataclass(frozen=True)
class DeclineBody:
    """A decline as sent."""

    reasons: Sequence[str]
    note: str
    decided_by_person: bool | None = None


@dataclass(frozen=True)
class SignatureBody:
    """A signature as sent."""

    offer_sha256: str


@dataclass(frozen=True)
class OutcomeBody:
    """An outcome of a loan as sent."""

    kind: str
    on: date
    amount_fen: int
    reference: str
    days_past_due: int | None = None


@dataclass(frozen=True)
class FunnelQuery:
    """Which rows of the funnel, of which period; None: the last one."""

    by: str
    until: datetime | None = None
