"""A firm's stored profiles as rows, to compare with the evidence or to export with it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.profiles.tables import Profile

_ALL = [undefer(getattr(Profile, column.key)) for column in Profile.__table__.columns]


def rows_of(session: Session, enterprise_id: UUID) -> Iterator[dict[str, object]]:
    """Yield every profile of a firm, oldest first, every column by name; a few at a time, for each is large."""
    query = select(Profile).where(Profile.enterprise_id == enterprise_id).order_by(Profile.created_at, Profile.id)
    for profile in session.scalars(query.options(*_ALL).execution_options(yield_per=20)):
        yield profile.columns()
        session.expunge(profile)


def firms_with_profiles(session: Session) -> set[UUID]:
    """Return the firms of which a profile is stored."""
    return set(session.scalars(select(Profile.enterprise_id).distinct()))
