"""What a profile is told of its firm's ties, read under the consent that it is made under."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.engine.profile.ties import ToldRelations
from creditlink.enterprises.relations.reading import around_mine
from creditlink.enterprises.relations.told import GUARANTEES, told_of
from creditlink.kit.clock import last_known_at


def ties_of(
    session: Session, enterprise_id: UUID, categories: Collection[str], *, as_of: date, now: datetime
) -> ToldRelations:
    """Return what is told of a firm's ties as they were known on a day; guarantees only where contracts are opened."""
    around = around_mine(session, enterprise_id, day=as_of, known_at=last_known_at(as_of, now))
    return told_of(around, with_guarantees=GUARANTEES in categories)
