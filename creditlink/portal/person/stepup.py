"""A fresh one-time code confirms whatever opens or changes something; what only stops something needs none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.portal.person import throttle
from creditlink.portal.site import browser, settings

# A one-time code given this recently counts.
STRONG_FOR = timedelta(minutes=5)


@dataclass(frozen=True)
class Missing:
    """What is missing for a confirmation, in words, and the status of the answer that says so."""

    text: str
    status: int = 422


def needs_code(account: Account, now: datetime) -> bool:
    """Return whether a fresh one-time code is needed: a person who has enrolled confirms with one."""
    strong_at = browser().strong_at
    return account.totp_secret is not None and (strong_at is None or now >= strong_at + STRONG_FOR)


def missing(session: Session, account: Account, form: MultiDict[str, str], now: datetime) -> Missing | None:
    """Return what is missing for a confirmation, None when it is confirmed.

    A right code is used up. Every try is counted before it is judged, so that nobody with a stolen session can try
    code after code.
    """
    if settings().is_production and account.totp_secret is None:
        return Missing(gettext("Set up one-time codes under Security first."))
    if not needs_code(account, now):
        return None
    keys = throttle.keys_for(account.login, flask.request.remote_addr or "")
    if throttle.admit(session, keys, now) is not None:
        return Missing(gettext("Too many tries. Wait a while and try again."), 429)
    if not accounts.spend_totp(session, account, form.get("totp", ""), key=settings().secret_key, now=now):
        return Missing(gettext("The one-time code is wrong or was used."))
    throttle.forgive(session, keys)
    browser().strengthen(now)
    return None
