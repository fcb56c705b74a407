"""One's own security keys, at whichever desk: shown, added with a fresh code, removed without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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

Note = Callable[[Session, str, str, datetime], None]
"""Writes the evidence that a key, named by its thumbprint, was added (`authenticator`) or ended."""


@dataclass(frozen=True)
class OwnKeys:
    """A desk's page of one's keys: its endpoints, and what a challenge is called in the session."""

    pending: str
    shows: str
    adds: str
    ends: str
    above: str | None = None  # the desk's own page, where the menu does not lead to it

    def show(
        self, session: Session, account_id: UUID, now: datetime, *, error: str | None = None, status: int = 200
    ) -> ResponseReturnValue:
        """Show one's security keys, and let a new one be registered."""
        account = session.get_one(Account, account_id)
        asked = ask_to_register(session, account, issuer=settings().issuer)
        browser()[self.pending] = asked.challenge
        flask.g.has_script = True
        return page(
            "person/keys.html", status=status, options=asked.options, error=error, here=self,
            keys=[(ids.external("key", one.id), one.name, one.created_at) for one in held(session, account_id)],
            ask_code=stepup.needs_code(account, now),
        )  # fmt: skip

    def add(self, session: Session, account_id: UUID, now: datetime, note: Note) -> ResponseReturnValue:
        """Register a security key; it takes a fresh code, as whoever adds one can sign in with it."""
        form, challenge = flask.request.form, str(browser().pop(self.pending, ""))
        lacking = stepup.missing(session, session.get_one(Account, account_id), form, now)
        if lacking is not None:
            return self.show(session, account_id, now, error=lacking.text, status=lacking.status)
        try:
            made = register(
                session, account_id, form.get("credential", ""), challenge=challenge,
                name=form.get("name", "") or gettext("Security key"), issuer=settings().issuer, now=now,
            )  # fmt: skip
        except AuthenticatorRefused as refused:
            log.info("authenticator_refused", reason=str(refused))
            error = gettext("The security key was not accepted. Try again.")
            return self.show(session, account_id, now, error=error, status=422)
        note(session, "authenticator", made.thumbprint, now)
        return see_other(flask.url_for(self.shows))

    def end(self, session: Session, account_id: UUID, now: datetime, key_id: str, note: Note) -> ResponseReturnValue:
        """End one of one's security keys; stopping takes no code."""
        known = ids.internal("key", key_id)
        found = next((one for one in held(session, account_id) if one.id == known), None)
        if found is None:
            raise NotFound
        found.ended_at = now
        note(session, "end_authenticator", found.thumbprint, now)
        return see_other(flask.url_for(self.shows))
