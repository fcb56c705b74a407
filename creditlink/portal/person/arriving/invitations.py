"""Agents by invitation: the legal representative makes a link, the person takes it up with an account of their own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import invitations
from creditlink.enterprises.identity.invitations import OpenInvitation
from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.postgres import db
from creditlink.messages import service as messages
from creditlink.messages.kinds import is_address
from creditlink.portal.firm import acts, representatives
from creditlink.portal.firm.firms import enter
from creditlink.portal.person import devices, stepup, throttle
from creditlink.portal.site import blueprint, browser, lang, page, see_other, settings, signed_in

_PER_ACCOUNT = 20


@blueprint.post("/representatives/invite")
@signed_in
def invite_agent(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Make an invitation, confirmed like an appointment; its link is shown this once, and sent where wanted."""
    form = flask.request.form
    firm, right = representatives.firm_led_by(session, account, now)
    email = form.get("email", "").strip()
    try:
        limits, until = representatives.limits_in(form), representatives.end_in(form)
        if email and not is_address("email", email):
            raise InvalidRequest(gettext("That is no address of this kind."))
        if throttle.count(session, [(f"invite:{account.id}", _PER_ACCOUNT)], now) is not None:
            raise InvalidRequest(gettext("Too many tries. Wait a while and try again."))
        lacking = stepup.missing(session, account, form, now)
        if lacking is not None:
            return representatives.show(session, account, firm, right, now, error=lacking.text, status=lacking.status)
        secret, expires_at = invitations.invite(
            session, firm, by=account, name=form.get("name", ""), limits=limits, valid_until=until,
            reason=form.get("reason", ""), now=now,
        )  # fmt: skip
    except (InvalidRequest, Conflict) as wrong:
        text = representatives.problem_text(wrong)
        return representatives.show(session, account, firm, right, now, error=text, status=422)
    link = f"{settings().issuer}{flask.url_for('portal.firm_invitation', secret=secret)}"
    if email:
        messages.send_letter(
            session, "invite", channel="email", address=email, language=lang(), link=link, expires_at=expires_at,
            key=settings().secret_key, now=now,
        )  # fmt: skip
    return page("firm/invited.html", firm=firm, link=link, until=expires_at, email=email)


@blueprint.post("/representatives/invitations/<invitation_id>/withdraw")
@signed_in
def withdraw_invitation(session: Session, account: Account, now: datetime, invitation_id: str) -> ResponseReturnValue:
    """Take an invitation back; stopping takes no code."""
    firm, _ = representatives.firm_led_by(session, account, now)
    invitations.withdraw(session, firm, ids.internal("inv", invitation_id), by=account, now=now)
    return representatives.back_to(firm)


@blueprint.get("/invited/<secret>")
def firm_invitation(secret: str) -> ResponseReturnValue:
    """Show who invites, for which firm and within which limits; looking at it uses nothing up."""
    with _visit() as session:
        return _show(session, invitations.opened(session, secret, utc_now()), secret)


@blueprint.post("/invited/<secret>")
def take_up_firm_invitation(secret: str) -> ResponseReturnValue:
    """Take an invitation up: with the account that is signed in, or with a new one."""
    form, now = flask.request.form, utc_now()
    counters = throttle.keys_for(f"invited:{secret[:128]}", flask.request.remote_addr or "")
    with db.transaction() as session:
        wait = throttle.admit(session, counters, now)
    error, status = gettext("Too many tries. Wait a while and try again."), 429
    if wait is None:
        try:
            with _visit() as session:
                return _take_up(session, secret, form.get("doing", ""), now)
        except (InvalidRequest, Conflict) as wrong:
            error, status = account_in_words(wrong), 422
    with _visit() as session:
        return _show(session, invitations.opened(session, secret, now), secret, error=error, status=status)


def _visit() -> AbstractContextManager[Session]:
    account_id = browser().account_id
    return db.transaction(viewer=db.Viewer(account_id=account_id) if account_id else None)


def _take_up(session: Session, secret: str, doing: str, now: datetime) -> ResponseReturnValue:
    form, account = flask.request.form, signed_in_account(session)
    is_new = account is None
    if account is None:
        if doing != "join":
            raise NotFound
        invitations.opened(session, secret, now)  # before anything is made
        if form.get("new", "") != form.get("again", ""):
            raise InvalidRequest(errors=[{"pointer": "/again", "detail": "differs"}])
        account = accounts.add_person(
            session, login=form.get("login", ""), display_name=form.get("name", ""), password=form.get("new", ""),
            now=now,
        )  # fmt: skip
    found = invitations.take_up(session, secret, account, now)
    # The appointment is the inviter's act, signed when they invited; where two must sign, a second person still does.
    db.enter(session, db.Viewer(account_id=found.inviter.id))
    enter(session, found.firm)
    is_done = acts.carry_out(session, found.inviter, found.firm, "appoint", found.subject(account), now)
    target = flask.url_for("portal.representatives" if is_done else "portal.home")
    if is_new:
        return devices.let_in(session, account, flask.url_for("portal.security"), strong_at=None, now=now)
    return see_other(target)


def signed_in_account(session: Session) -> Account | None:
    """Return the account of a firm's person who is signed in, None: nobody of a firm is."""
    account_id = browser().account_id
    account = session.get(Account, account_id) if account_id is not None else None
    return account if account is not None and account.status == "active" and account.role == "enterprise" else None


def _show(
    session: Session, found: OpenInvitation, secret: str, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    account = signed_in_account(session)
    flask.g.person = account.display_name if account is not None else None
    return page(
        "person/invited.html",
        status=status,
        error=error,
        secret=secret,
        firm=found.firm,
        inviter=found.inviter.display_name,
        invited=found.row,
        terms=acts.agent_terms(found.row.limits, found.row.valid_until, proposed=True),
        kept=flask.request.form if error else {},
        is_signed_in=account is not None,
    )


def account_in_words(wrong: InvalidRequest | Conflict) -> str:
    """Return why a sign-in could not be set up."""
    fields = {
        "/login": gettext("The login must have 3 to 128 characters, and no spaces."),
        "/name": gettext("The name must have 1 to 64 characters."),
        "/again": gettext("The two passwords differ."),
    }
    for error in wrong.errors:
        if error["pointer"] in fields:
            return str(fields[error["pointer"]])
    reasons = {
        "duplicate_login": gettext("This login is taken. If it is yours, sign in first."),
        "legal_representative": gettext("The legal representative needs no appointment."),
    }
    least = gettext("The password must have at least %(least)d characters.", least=accounts.SHORTEST_PASSWORD)
    return str(reasons.get(str(wrong.extra.get("reason", "")), least))
