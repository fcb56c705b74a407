"""Taking up an invitation, at whichever door: a password of one's own, one's own one-time codes, then the sign-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres import db
from creditlink.portal.person import throttle
from creditlink.portal.site import browser, page, see_other, settings


class TakesUp(Protocol):
    """Makes an invited person active, with a password and the secret of their one-time codes."""

    def __call__(
        self, session: Session, secret: str, *, password: str, totp_secret: str, step: int, key: Secret, now: datetime
    ) -> object:
        """Raise NotFound for an invitation that is not open, InvalidRequest for a password that will not do."""


@dataclass(frozen=True)
class InvitationDoor:
    """A door's invitations: its endpoints, what the secret is called in the session, who is invited where."""

    pending: str
    takes: str
    sign_in: str
    invited: Callable[[Session, str, datetime], tuple[Account, str]]  # and whose house it is; empty: the platform's
    take_up: TakesUp

    def show(self, secret: str, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
        """Show who is invited, and a new secret for their authenticator app."""
        with db.transaction() as session:
            account, house = self.invited(session, secret, utc_now())
            totp = browser().get(self.pending)
            if totp is None:
                totp = browser()[self.pending] = accounts.new_totp_secret()
            address = accounts.totp_uri(totp, account)
        return page(
            "person/invitation.html", status=status, action=flask.url_for(self.takes, secret=secret), error=error,
            login=account.login, name=account.display_name, house=house, address=address,
            totp=" ".join(totp[i : i + 4] for i in range(0, len(totp), 4)),
        )  # fmt: skip

    def submit(self, secret: str) -> ResponseReturnValue:
        """Take up an invitation with a password of one's own and a first code; then sign in."""
        form, now = flask.request.form, utc_now()
        totp = str(browser().get(self.pending, ""))
        counters = throttle.keys_for(f"invitation:{secret[:128]}", flask.request.remote_addr or "")
        with db.transaction() as session:
            wait = throttle.admit(session, counters, now)
        if wait is not None:
            return self.show(secret, error=gettext("Too many tries. Wait a while and try again."), status=429)
        password, step = form.get("password", ""), accounts.code_step(totp, form.get("totp", ""), now) if totp else None
        if password != form.get("again", ""):
            return self.show(secret, error=gettext("The two passwords differ."), status=422)
        if step is None:
            return self.show(secret, error=gettext("The one-time code is wrong."), status=422)
        try:
            with db.transaction() as session:
                key = settings().secret_key
                self.take_up(session, secret, password=password, totp_secret=totp, step=step, key=key, now=now)
        except InvalidRequest:
            error = gettext("The password must have at least %(least)d characters.", least=accounts.SHORTEST_PASSWORD)
            return self.show(secret, error=error, status=422)
        browser().pop(self.pending, None)
        return see_other(flask.url_for(self.sign_in))
