"""What a lender decided on: the last profile that it made under the application's own consent."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.financing.tables import Application
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile


def last_profile(session: Session, held: Application) -> Profile | None:
    """Return the last profile made under the application's consent.

    None where the bank made no profile, or where its consent is no longer alive: the database then shows none.
    """
    db.enter(session, db.Viewer(consent_id=held.consent_id))
    query = select(Profile).where(Profile.consent_id == held.consent_id).order_by(Profile.created_at.desc()).limit(1)
    return session.scalars(query).first()
