"""A person's notices: the inbox on the site, the addresses where they also go, and which of them."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import links
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import NotFound
from creditlink.kit.processes import runtime
from creditlink.messages import service as messages
from creditlink.messages.kinds import ALWAYS, CHANNELS, KINDS, is_address
from creditlink.messages.providers import MessageProviders
from creditlink.portal.person import stepup, throttle
from creditlink.portal.person.noting import note
from creditlink.portal.site import blueprint, lang, page, see_other, settings, signed_in

_SHOWN = 100
_PER_ACCOUNT, _PER_ADDRESS = 5, 3


@blueprint.get("/messages")
@signed_in
def own_messages(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the notices, the newest first."""
    rows = [(one, KINDS[one.kind]) for one in messages.newest(session, account.id, limit=_SHOWN) if one.kind in KINDS]
    return page("person/messages.html", rows=rows, unread=messages.unread(session, account.id))


@blueprint.post("/messages/read")
@signed_in
def read_messages(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Note that all notices were seen."""
    messages.read_all(session, account.id, now)
    return see_other(flask.url_for("portal.own_messages"))


@blueprint.get("/messages/settings")
@signed_in
def notice_settings(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show where notices go, and which."""
    return _show(session, account, now)


@blueprint.post("/messages/settings")
@signed_in
def prefer_notices(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Say which notices go to which address."""
    wanted = {channel: flask.request.form.getlist(channel) for channel in CHANNELS}
    messages.prefer(session, account.id, wanted)
    return see_other(flask.url_for("portal.notice_settings"))


@blueprint.post("/messages/addresses")
@signed_in
def add_address(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Send a link to an address; once it is opened by the person, signed in, notices go there.

    It takes the password, as a link to set a new one will go there, too.
    """
    form = flask.request.form
    channel, address = form.get("channel", ""), form.get("address", "").strip()
    counters = throttle.keys_for(account.login, flask.request.remote_addr or "")
    if throttle.admit(session, counters, now) is not None:
        return _show(session, account, now, error=gettext("Too many tries. Wait a while and try again."), status=429)
    if channel not in _offered() or not is_address(channel, address):
        return _show(session, account, now, error=gettext("That is no address of this kind."), status=422)
    if not accounts.password_matches(account, form.get("password", "")):
        return _show(session, account, now, error=gettext("The password is wrong."), status=422)
    if account.totp_secret is not None:
        lacking = stepup.missing(session, account, form, now)
        if lacking is not None:
            return _show(session, account, now, error=lacking.text, status=lacking.status)
    throttle.forgive(session, counters)
    sent = [(f"verify:{account.id}", _PER_ACCOUNT), (f"verify:{throttle.hashed(address)}", _PER_ADDRESS)]
    if throttle.count(session, sent, now) is not None:
        return _show(session, account, now, error=gettext("Too many tries. Wait a while and try again."), status=429)
    note(session, account, "address_asked", now, channel=channel)
    secret, expires_at = links.make(session, account, "verify", now, channel=channel, address=address)
    link = f"{settings().issuer}{flask.url_for('portal.confirm_address', secret=secret)}"
    messages.send_letter(
        session, "verify", channel=channel, address=address, language=lang(), link=link, expires_at=expires_at,
        key=settings().secret_key, now=now, account_id=account.id,
    )  # fmt: skip
    return see_other(flask.url_for("portal.notice_settings", sent=channel))


@blueprint.post("/messages/addresses/<any(email, sms, wechat):channel>/end")
@signed_in
def end_address(session: Session, account: Account, now: datetime, channel: str) -> ResponseReturnValue:
    """Forget an address; the person is told there, for the last time, if it goes fast enough: so the site keeps it."""
    note(session, account, "address_ended", now, channel=channel)
    messages.drop_channel(session, account.id, channel)
    links.end(session, account.id, "verify", now, channel=channel)
    if channel == "email":
        links.end(session, account.id, "reset", now)
    return see_other(flask.url_for("portal.notice_settings"))


@blueprint.get("/confirm/<secret>")
@signed_in
def confirm_address(session: Session, account: Account, now: datetime, secret: str) -> ResponseReturnValue:
    """Show which address is to be confirmed; looking at it uses nothing up."""
    link = links.opened(session, secret, "verify", now)
    if link.account_id != account.id:
        raise NotFound
    return page("person/confirm_address.html", secret=secret, address=link.address)


@blueprint.post("/confirm/<secret>")
@signed_in
def confirm_address_submit(session: Session, account: Account, now: datetime, secret: str) -> ResponseReturnValue:
    """Take the address, by whoever asked for it: a stranger who was sent the link by mistake takes over nothing."""
    if links.opened(session, secret, "verify", now).account_id != account.id:
        raise NotFound
    link, _ = links.spend(session, secret, "verify", now)
    channel, address = str(link.channel), str(link.address)
    messages.set_channel(session, account.id, channel, address, language=lang(), now=now)
    note(session, account, "address", now, channel=channel)
    return see_other(flask.url_for("portal.notice_settings"))


def _offered() -> list[str]:
    carried = runtime.part(MessageProviders).by_channel
    return [channel for channel in CHANNELS if channel in carried]


def _show(
    session: Session, account: Account, now: datetime, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    labels = {"email": gettext("E-mail"), "sms": gettext("Text message"), "wechat": gettext("WeChat")}
    return page(
        "person/notice_settings.html",
        status=status,
        error=error,
        channels=messages.channels_of(session, account.id),
        offered=_offered(),
        labels=labels,
        kinds=KINDS,
        always=ALWAYS,
        ask_code=account.totp_secret is not None and stepup.needs_code(account, now),
    )
