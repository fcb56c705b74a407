"""The second step of a sign-in by a security key, at whichever door: asked for, answered once, throttled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import flask
import structlog
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.portal.person import devices, throttle
from creditlink.portal.site import browser, page, see_other, settings
from creditlink.staff.authenticators import CHALLENGE_LIFE, AuthenticatorRefused, ask_to_sign_in, verify

log = structlog.get_logger()


@dataclass(frozen=True)
class KeyStep:
    """A door's second step: its endpoints, what it is called in the session, and who may come in by it."""

    pending: str
    asks: str
    takes: str
    sign_in: str
    is_active: Callable[[Session, UUID], bool]

    def join(self, blueprint: flask.Blueprint, path: str) -> None:
        """Add the two views of this door to its blueprint: the page that asks, and what takes the answer."""
        for endpoint, view, method in ((self.asks, self.ask, "GET"), (self.takes, self.take, "POST")):
            blueprint.add_url_rule(path, endpoint.rpartition(".")[2], view, methods=[method])

    def begin(self, session: Session, account: Account, target: str, now: datetime) -> ResponseReturnValue | None:
        """Return the way to the second step for a person whose password is right; None: they have no security key."""
        asked = ask_to_sign_in(session, account.id, issuer=settings().issuer)
        if asked is None:
            return None
        mark = accounts.password_mark(account, key=settings().secret_key)
        browser()[self.pending] = [str(account.id), asked.challenge, asked.options, int(now.timestamp()), mark, target]
        return see_other(flask.url_for(self.asks))

    def ask(self) -> ResponseReturnValue:
        """Ask for the security key."""
        pending = browser().get(self.pending)
        if not pending:
            return see_other(flask.url_for(self.sign_in))
        flask.g.has_script = True
        return page("person/second_step.html", options=pending[2], takes=self.takes, sign_in=self.sign_in)

    def take(self) -> ResponseReturnValue:
        """Sign in with the answer of the security key; each challenge is good for one try."""
        pending, now = browser().pop(self.pending, None), utc_now()
        if not pending or now.timestamp() - pending[3] > CHALLENGE_LIFE / timedelta(seconds=1):
            return see_other(flask.url_for(self.sign_in))
        account_id, credential = UUID(pending[0]), flask.request.form.get("credential", "")
        keys = throttle.keys_for(f"key:{account_id}", flask.request.remote_addr or "")
        with db.transaction() as session:
            wait = throttle.admit(session, keys, now)
        try:
            with db.transaction() as session:
                account = session.get_one(Account, account_id)
                if wait is not None or account.status != "active" or not self.is_active(session, account_id):
                    raise AuthenticatorRefused("too many tries, or nobody active at this door")
                if accounts.password_mark(account, key=settings().secret_key) != pending[4]:
                    raise AuthenticatorRefused("another password was set since")
                verify(session, account_id, credential, challenge=pending[1], issuer=settings().issuer, now=now)
                throttle.forgive(session, keys)
                throttle.forgive(session, throttle.keys_for(account.login, flask.request.remote_addr or ""))
                return devices.let_in(session, account, pending[5], strong_at=now, now=now)
        except AuthenticatorRefused as refused:
            log.info("authenticator_refused", reason=str(refused))
            return see_other(flask.url_for(self.sign_in))
