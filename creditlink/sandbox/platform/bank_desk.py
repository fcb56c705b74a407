"""A demo bank's desk of pages, and two people who work at it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.desk.people import people
from creditlink.desk.people.roles import ROLES
from creditlink.desk.tables import DeskClient
from creditlink.desk.wire.opening import open_desk
from creditlink.enterprises import accounts
from creditlink.institutions import service as institutions
from creditlink.kit.settings import Settings
from creditlink.sandbox.platform.credentials import DeskLogin

BANK = "CLB"
PEOPLE = {"mei": "林美", "jun": "何俊"}
"""Two, each with every role: what takes two people can be tried."""

_YOUNGER = timedelta(seconds=1)
"""A firm's request goes to a bank's oldest client. That stays its own software."""


def seed_desk(session: Session, settings: Settings, *, password: str, now: datetime) -> list[DeskLogin]:
    """Open the desk, and let its people take up their invitations, each once; return how they sign in."""
    bank = institutions.institution_of(session, BANK)
    if session.scalar(select(DeskClient.hand).where(DeskClient.institution_id == bank.id).limit(1)) is None:
        open_desk(
            session, bank, issuer=settings.issuer, secret=settings.secret_key, actor="sandbox", now=now + _YOUNGER
        )
    logins = []
    for login, name in PEOPLE.items():
        account = accounts.by_login(session, login)
        if account is None:
            invitation = people.invite_first(
                session, bank, login=login, display_name=name, roles=list(ROLES), actor="sandbox", now=now
            )
            secret = accounts.new_totp_secret()
            people.take_up(
                session, invitation, password=password, totp_secret=secret, step=0, key=settings.secret_key, now=now
            )
            account = accounts.by_login(session, login)
        codes = (account and accounts.totp_secret(account, key=settings.secret_key)) or ""
        logins.append(DeskLogin(login, password, codes, list(ROLES), BANK))
    return logins
