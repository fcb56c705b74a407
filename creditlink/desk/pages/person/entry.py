"""How people of institutions come in and go: sign-in with a second factor, taking up an invitation, signing out."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk.pages.person import keys
from creditlink.desk.people import people
from creditlink.desk.site import LenderHere, at_desk, blueprint, navigation, show
from creditlink.enterprises import accounts
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.postgres import db
from creditlink.portal.person import signin, throttle
from creditlink.portal.site import browser, lang, see_other, settings

_SECRET = "lender_totp"  # noqa: S105 (a name in the form's session)


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form for people of institutions, who always need a second factor."""
    return signin.form(flask.url_for("portal.bank.home"), door=people.KIND)


@blueprint.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    """Check login, password and code; where the code is left out and there is a security key, ask for that."""
    return signin.submit(flask.url_for("portal.bank.home"), door=people.KIND, second=keys.STEP.begin)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session."""
    browser().end()
    return see_other(flask.url_for("portal.bank.sign_in"))


@blueprint.get("/")
@at_desk()
def home(here: LenderHere, now: object) -> ResponseReturnValue:
    """Lead to the first page of one's roles."""
    del now
    return see_other(flask.url_for(navigation(here.actor)[0][0]))


@blueprint.get("/invitation/<secret>")
def invitation(secret: str) -> ResponseReturnValue:
    """Show who is invited, and a new secret for their authenticator app."""
    return _show(secret)


@blueprint.post("/invitation/<secret>")
def take_up_invitation(secret: str) -> ResponseReturnValue:
    """Take up an invitation with a password of one's own and a first code; then sign in."""
    form, now = flask.request.form, utc_now()
    totp = str(browser().get(_SECRET, ""))
    counters = throttle.keys_for(f"invitation:{secret[:128]}", flask.request.remote_addr or "")
    with db.transaction() as session:
        wait = throttle.admit(session, counters, now)
    if wait is not None:
        return _show(secret, error=gettext("Too many tries. Wait a while and try again."), status=429)
    password, step = form.get("password", ""), accounts.code_step(totp, form.get("totp", ""), now) if totp else None
    if password != form.get("again", ""):
        return _show(secret, error=gettext("The two passwords differ."), status=422)
    if step is None:
        return _show(secret, error=gettext("The one-time code is wrong."), status=422)
    try:
        with db.transaction() as session:
            key = settings().secret_key
            people.take_up(session, secret, password=password, totp_secret=totp, step=step, key=key, now=now)
    except InvalidRequest:
        error = gettext("The password must have at least %(least)d characters.", least=accounts.SHORTEST_PASSWORD)
        return _show(secret, error=error, status=422)
    browser().pop(_SECRET, None)
    return see_other(flask.url_for("portal.bank.sign_in"))


def _show(secret: str, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    with db.transaction() as session:
        _, account, institution = people.invited(session, secret, utc_now())
        login, name = account.login, account.display_name
        totp = browser().get(_SECRET)
        if totp is None:
            totp = browser()[_SECRET] = accounts.new_totp_secret()
        address = accounts.totp_uri(totp, account)
    return show(
        "person/invitation.html", status=status, secret=secret, login=login, name=name, error=error,
        institution=institution.name_zh if lang() == "zh" else institution.name_en,
        totp=" ".join(totp[i : i + 4] for i in range(0, len(totp), 4)), address=address,
    )  # fmt: skip
