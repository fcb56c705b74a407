"""The page of a person's security keys, at whichever door: shown, added to with a fresh code, taken from without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.person import stepup
from creditlink.portal.site import browser, page, see_other, settings
from creditlink.staff.authenticators import AuthenticatorRefused, ask_to_register, held, register

log = structlog.get_logger()

Note = Callable[[str, str], None]
"""Writes the evidence of a step: `authenticator` or `end_authenticator`, and the credential's id."""


@dataclass(frozen=True)
class KeyPage:
    """A door's page of security keys: its endpoints, and what its challenge is called in the session."""

    challenge: str
    shows: str
    adds: str
    ends: str
    above: str | None = None  # the desk's own page, where the menu does not lead to it

    def show(
        self, session: Session, account: Account, now: datetime, *, error: str | None = None, status: int = 200
    ) -> ResponseReturnValue:
        """Show a person's keys, and let a new one be registered."""
        asked = ask_to_register(session, account, issuer=settings().issuer)
        browser()[self.challenge] = asked.challenge
        flask.g.has_script = True
        return page(
            "person/keys.html", status=status, options=asked.options, error=error, here=self,
            keys=[(ids.external("key", one.id), one.name, one.created_at) for one in held(session, account.id)],
            ask_code=stepup.needs_code(account, now), has_codes=account.totp_secret is not None,
        )  # fmt: skip

    def add(self, session: Session, account: Account, now: datetime, note: Note) -> ResponseReturnValue:
        """Register a key; it takes a fresh code, as whoever adds one can sign in with it.

        A key never stands alone: codes confirm what is signed, so they are set up first.
        """
        form, challenge = flask.request.form, str(browser().pop(self.challenge, ""))
        if account.totp_secret is None:
            error = gettext("Set up one-time codes under Security first.")
            return self.show(session, account, now, error=error, status=422)
        lacking = stepup.missing(session, account, form, now)
        if lacking is not None:
            return self.show(session, account, now, error=lacking.text, status=lacking.status)
        name = form.get("name", "") or gettext("Security key")
        try:
            with session.begin_nested():
                made = register(
                    session, account.id, form.get("credential", ""), challenge=challenge, name=name,
                    issuer=settings().issuer, now=now,
                )  # fmt: skip
        except AuthenticatorRefused as refused:
            log.info("authenticator_refused", reason=str(refused))
            error = gettext("The security key was not accepted. Try again.")
            return self.show(session, account, now, error=error, status=422)
        note("authenticator", made.thumbprint)
        return see_other(flask.url_for(self.shows))

    def end(self, session: Session, account: Account, key_id: str, now: datetime, note: Note) -> ResponseReturnValue:
        """End one of a person's keys; stopping takes no code."""
        found = next((one for one in held(session, account.id) if one.id == ids.internal("key", key_id)), None)
        if found is None:
            raise NotFound
        found.ended_at = now
        note("end_authenticator", found.thumbprint)
        return see_other(flask.url_for(self.shows))
