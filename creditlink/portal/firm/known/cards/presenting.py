"""Some facts of the card are shown to somebody: chosen one by one, with a link and its picture, and ended."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.cards import configuration, service, showing
from creditlink.cards.routes import keys_of
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files import qr
from creditlink.portal.firm.firms import first_with
from creditlink.portal.firm.known.cards.cards import allowed, facts_shown, held_card, presentations_shown, show_card
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, page, see_other, settings, signed_in

_LONGEST_NUMBER = 4


@blueprint.post("/card/shown")
@signed_in
def show_facts(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show some facts to one recipient until a day: makes the link."""
    firm, right, _ = allowed(session, account, now)
    form = flask.request.form

    def again(error: str, status: int = 422) -> ResponseReturnValue:
        return show_card(session, account, firm, right, now, error=error, status=status)

    row, trouble = held_card(session, service.good_ones(session, firm), now)
    keys, known = keys_of(settings()), configuration.current()
    try:
        held = None if row is None or trouble is not None else service.held(session, row, keys)
    except NotFound:
        held = None
    if held is None:
        return again(gettext("The card is not good any more. Make a new one."), 409)
    names, days = form.getlist("fact"), form.get("days", "")
    if not names:
        return again(gettext("Choose at least one fact."))
    if not form.get("audience", "").strip():
        return again(gettext("Say for whom it is."))
    if not (days.isascii() and days.isdigit() and len(days) <= _LONGEST_NUMBER):
        return again(gettext("Say for how many days, as a whole number."))
    lacking = stepup.missing(session, account, form, now)
    if lacking is not None:
        return again(lacking.text, lacking.status)
    try:
        made = showing.show(
            session, held, account, names, audience=form["audience"], days=int(days), keys=keys, settings=known,
            now=now,
        )  # fmt: skip
    except InvalidRequest:
        return again(gettext("Choose facts of the card, a name of at most 200 characters and 1 to %(n)d days.",
                             n=known.longest_shown_days))  # fmt: skip
    except Conflict as conflict:
        if conflict.extra.get("reason") == "ended":
            return again(gettext("The card is not good any more. Make a new one."), 409)
        return again(gettext("Too many are open at once. End one first."), 409)
    return see_other(flask.url_for("portal.shown_facts", shown_id=made.wire_id))


@blueprint.get("/card/shown/<shown_id>")
@signed_in
def shown_facts(session: Session, account: Account, now: datetime, shown_id: str) -> ResponseReturnValue:
    """Show one presentation: the link to hand on, its picture, until when, and how often it was opened."""
    firm, (row, card) = first_with(session, account, now, lambda one: showing.shown(session, one, shown_id))
    (one,) = presentations_shown(session, [row], now)
    trouble = service.trouble_of(session, card, now)
    keys = keys_of(settings())
    token = showing.link_of(session, row, keys) if one.state == "open" else None
    told = service.held(session, card, keys).facts if token is not None else {}
    link = None if token is None else f"{settings().issuer.rstrip('/')}/cards/{token}"
    picture = None if link is None else qr.picture_of(link)
    return page(
        "firm/card_shown.html", firm=firm, one=one, link=link, picture=picture, trouble=trouble,
        may_end=one.state == "open", facts=facts_shown({name: told[name] for name in row.facts if name in told}),
    )  # fmt: skip


@blueprint.post("/card/shown/<shown_id>/end")
@signed_in
def end_shown_facts(session: Session, account: Account, now: datetime, shown_id: str) -> ResponseReturnValue:
    """End one presentation, which takes one person and no code; the card stays good."""
    _, (row, card) = first_with(session, account, now, lambda one: showing.shown(session, one, shown_id))
    showing.end_shown(session, row, card, account, now)
    return see_other(flask.url_for("portal.shown_facts", shown_id=shown_id))
