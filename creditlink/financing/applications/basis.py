"""What a lender decided on: the last profile that it computed under the application's own consent."""

from __future__ import annotations

from sqlalchemy.orm import Session

from creditlink.financing.tables import Application
from creditlink.kit.postgres import db
from creditlink.profiles.service import newest_under
from creditlink.profiles.tables import Profile


def last_profile(session: Session, application: Application) -> Profile | None:
    """Return the last profile computed under the application's consent.

    None where the bank computed no profile, or where its consent is no longer alive: the database then shows none.
    """
    db.enter(session, db.Viewer(consent_id=application.consent_id))
    return newest_under(session, application.consent_id)
