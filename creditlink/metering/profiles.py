"""New profiles of an institution, counted in the transaction that makes them: exactly if it commits, and once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.kit.clock import day_of
from creditlink.metering import postgres
from creditlink.metering.buckets import Charge
from creditlink.metering.contracts import Terms
from creditlink.metering.fields import used_up

WHAT = "profile"


@dataclass(frozen=True)
class ProfileMeter:
    """Counts one profile of a client's institution, as its contract allows."""

    charge: Charge
    now: datetime

    @classmethod
    def of(cls, client_id: str, institution_id: UUID, terms: Terms, now: datetime) -> ProfileMeter:
        """Return the meter of one request."""
        day = day_of(now)
        return cls(Charge(institution_id, client_id, day, "profile", WHAT, per_month=terms.profiles_a_month), now)

    def refuse_used_up(self, session: Session) -> None:
        """Refuse before anything is fetched for a profile that the quota does not cover.

        Raises
        ------
        QuotaUsedUp
        """
        agreed = self.charge.per_month
        if agreed is None:
            return
        charge = self.charge
        used = session.scalar(select(func.creditlink_used(charge.institution_id, charge.unit, charge.day)))
        if int(used or 0) >= agreed:
            raise used_up(self.charge, "month", self.now)

    def count(self, session: Session) -> None:
        """Count the profile; last of all, since two of one institution take turns from here to the commit.

        Raises
        ------
        QuotaUsedUp
            Others were faster: the caller's transaction must be rolled back.
        """
        session.flush()
        period = postgres.charge_within(session, self.charge)
        if period is not None:
            raise used_up(self.charge, period, self.now)
