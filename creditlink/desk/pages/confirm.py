"""A fresh one-time code confirms what binds the institution; the desk's views have no transaction of their own."""

from __future__ import annotations

from datetime import datetime

from werkzeug.datastructures import MultiDict

from creditlink.desk.site import LenderHere
from creditlink.enterprises.tables import Account
from creditlink.kit.postgres import db
from creditlink.portal.person import stepup


def lacking(here: LenderHere, form: MultiDict[str, str], now: datetime) -> stepup.Missing | None:
    """Return what is missing for a confirmation, None when it is confirmed; a right code is used up."""
    with db.transaction(viewer=db.Viewer(account_id=here.account.id)) as session:
        return stepup.missing(session, session.get_one(Account, here.account.id), form, now)
