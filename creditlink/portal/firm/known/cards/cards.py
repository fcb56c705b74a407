"""The firm's card: what it says, to whom it is shown; a new one is made, and the card is ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.cards import basis, configuration, service, showing
from creditlink.cards.ending import CLASS
from creditlink.cards.routes import keys_of
from creditlink.cards.rules import kinds
from creditlink.cards.rules.facts import BY_NAME, CATALOGUE, Stated, stated
from creditlink.cards.service import CardHeld
from creditlink.cards.signing import HolderKeyRefused, wallet_key
from creditlink.cards.tables import CardPresentation, CardView, CreditCard
from creditlink.consents import own
from creditlink.consents.tables import Consent
from creditlink.decisions.archive import Archive
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.processes import runtime
from creditlink.portal.firm.firms import chosen_with_right, first_with
from creditlink.portal.firm.known.own import check_right
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, lang, page, see_other, settings, signed_in


@dataclass(frozen=True)
class FactShown:
    """One fact as people read it: what it is called, what it says, of which day, and how it was found."""

    name: str
    label: str
    value: str
    on: str
    says: str


@dataclass(frozen=True)
class PresentationShown:
    """To whom which facts are shown until when, and how often that was opened."""

    row: CardPresentation
    labels: list[str]
    state: str  # open, over or ended
    views: list[CardView]

    @property
    def times(self) -> int:
        """Return how often it was opened in all."""
        return sum(view.times for view in self.views)


def own_words(words: tuple[str, str]) -> str:
    """Return a text in the page's language."""
    return words[0] if lang() == "zh" else words[1]


def facts_shown(facts: Mapping[str, Stated]) -> list[FactShown]:
    """Return facts in the order of the catalogue, in words."""
    return [
        FactShown(one.name, own_words(one.label), own_words(one.text_of(said.value)), said.on.isoformat(),
                  own_words(one.says))
        for one in CATALOGUE if (said := facts.get(one.name)) is not None
    ]  # fmt: skip


def presentations_shown(session: Session, rows: Sequence[CardPresentation], now: datetime) -> list[PresentationShown]:
    """Return presentations as the firm reads them."""
    views = showing.views_of(session, rows)
    return [
        PresentationShown(
            row,
            [own_words(BY_NAME[name].label) for name in row.facts if name in BY_NAME],
            "ended" if row.ended_at is not None else "over" if row.good_until <= now else "open",
            views[row.id],
        )
        for row in rows
    ]


@blueprint.get("/card")
@signed_in
def card(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the firm's card, and to whom its facts are shown; or what a card would say."""
    firms = represented_by(session, account, now)
    if not firms:
        return page("firm/card.html", firms=[], firm=None)
    firm, right = chosen_with_right(session, firms, flask.request.args.get("enterprise"))
    return show_card(session, account, firm, right, now)


@blueprint.post("/card")
@signed_in
def make_card(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Make the firm's card of today, which the platform holds for it; the one before ends."""
    firm, right, consent = allowed(session, account, now)
    facts = facts_of(session, account, firm, consent, right, now)
    lacking = stepup.missing(session, account, flask.request.form, now)
    if lacking is not None:
        return show_card(session, account, firm, right, now, error=lacking.text, status=lacking.status)
    _issue(session, firm, consent, account, facts, now, wallet=None)
    return see_other(flask.url_for("portal.card", enterprise=firm.id))


@blueprint.post("/card/wallet")
@signed_in
def wallet_card(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Make a card for the firm's own wallet, bound to its key; it is handed out this once and not kept here."""
    firm, right, consent = allowed(session, account, now)
    form = flask.request.form
    try:
        key = wallet_key(form.get("key", ""))
    except HolderKeyRefused:
        error = gettext("This is not the public P-256 key of a wallet, as a JWK.")
        return show_card(session, account, firm, right, now, error=error, status=422)
    facts = facts_of(session, account, firm, consent, right, now)
    lacking = stepup.missing(session, account, form, now)
    if lacking is not None:
        return show_card(session, account, firm, right, now, error=lacking.text, status=lacking.status)
    document = _issue(session, firm, consent, account, facts, now, wallet=key)
    answer = flask.Response(document, content_type=kinds.MEDIA_TYPE)
    answer.headers["Content-Disposition"] = f'attachment; filename="credit-card-{day_of(now)}.sd-jwt"'
    return answer


@blueprint.post("/card/<card_id>/end")
@signed_in
def end_card(session: Session, account: Account, now: datetime, card_id: str) -> ResponseReturnValue:
    """Revoke a card, which takes one person and no code: all that is shown of it ends."""
    firm, row = first_with(session, account, now, lambda one: service.card_of(session, one, card_id))
    service.end(session, row, account, now)
    return see_other(flask.url_for("portal.card", enterprise=firm.id))


def allowed(session: Session, account: Account, now: datetime) -> tuple[Enterprise, Representation, Consent]:
    """Return the firm that a form names, the person's right in it, and its consent to itself.

    Raises
    ------
    ConsentRefused
        The person may not decide that much.
    Conflict
        The consent is not in force.
    """
    firms = represented_by(session, account, now)
    named = flask.request.form.get("enterprise", None if len(firms) == 1 else "")
    firm, right = chosen_with_right(session, firms, named)
    consent = own.alive(session, firm.id, now)
    if consent is None or consent.state != "ACTIVE":
        raise Conflict("the firm's consent to itself is not in force", reason="not_active")
    check_right(right, consent)
    return firm, right, consent


def facts_of(
    session: Session, account: Account, firm: Enterprise, consent: Consent, right: Representation, now: datetime
) -> dict[str, Stated]:
    """Return what a card of this firm would say now."""
    check_right(right, consent)
    access = own.access_of(session, consent, account)
    return stated(basis.basis_of(session, firm, access, configuration.current(), now=now))


def held_card(session: Session, cards: Sequence[CreditCard], now: datetime) -> tuple[CreditCard | None, str | None]:
    """Return that of a firm's cards which the platform holds for it, and what is wrong with it."""
    row = next((one for one in cards if one.holder == "page"), None)
    return row, None if row is None else service.trouble_of(session, row, now)


def show_card(
    session: Session,
    account: Account,
    firm: Enterprise,
    right: Representation,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """Return the page; a form that is shown again keeps what was written."""
    consent = own.alive(session, firm.id, now)
    cards = service.good_ones(session, firm)
    row, trouble = held_card(session, cards, now)
    found: CardHeld | None = None
    if row is not None and trouble is None:
        try:
            found = service.held(session, row, keys_of(settings()))
        except NotFound:
            trouble = "unreadable"
    preview: Mapping[str, Stated] = {}
    if consent is not None and consent.state == "ACTIVE":
        preview = facts_of(session, account, firm, consent, right, now)
    facts = found.facts if found is not None else preview
    known = configuration.current()
    sent = flask.request.form if flask.request.method == "POST" else {}
    return page(
        "firm/card.html", status=status, error=error, firm=firm,
        firms=[one for one, _ in represented_by(session, account, now)],
        consent=consent, row=row if found is not None else None, trouble=trouble, facts=facts_shown(facts),
        unknown=[own_words(one.label) for one in CATALOGUE if one.name not in facts],
        changed=found is not None and bool(preview) and _differs(found.facts, preview),
        wallet=next((one for one in cards if one.holder == "wallet"), None),
        presentations=presentations_shown(session, showing.shown_of(session, row), now) if row is not None else [],
        ask_code=stepup.needs_code(account, now), days=known.shown_days, most_days=known.longest_shown_days,
        card_days=known.card_days, kept=_kept(sent), now=now,
    )  # fmt: skip


def _kept(sent: Mapping[str, str]) -> dict[str, object]:
    names = flask.request.form.getlist("fact") if sent else []
    return {"facts": names, "audience": sent.get("audience", ""), "days": sent.get("days", "")}


def _differs(held: Mapping[str, Stated], today: Mapping[str, Stated]) -> bool:
    """Return whether a card made today would say something else; that a day has passed is no difference."""
    return {name: one.value for name, one in held.items()} != {name: one.value for name, one in today.items()}


def _issue(
    session: Session,
    firm: Enterprise,
    consent: Consent,
    account: Account,
    facts: Mapping[str, Stated],
    now: datetime,
    *,
    wallet: Mapping[str, object] | None,
) -> str:
    keep_until = runtime.part(Archive).classes.of(CLASS).until(now)
    if keep_until is None:
        raise InvalidRequest
    _, document = service.issue(
        session, firm, consent, account, facts, keys=keys_of(settings()), settings=configuration.current(),
        keep_until=keep_until, now=now, wallet=wallet,
    )  # fmt: skip
    return document
