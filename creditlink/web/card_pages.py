"""Where anybody looks at what a firm shows of its card, and verifies one: no sign-in, no script, nothing stored.

That a link was opened is counted by day; from where is kept for a quarter of an hour, hashed, to slow down guessing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from creditlink.cards import lists, showing
from creditlink.cards.routes import keys_of
from creditlink.cards.rules import checking
from creditlink.cards.rules.checking import CheckedPresentation, StatusPlace
from creditlink.cards.rules.facts import BY_NAME, Stated
from creditlink.kit import keyring
from creditlink.kit.clock import day_from, day_of, utc_now
from creditlink.kit.errors import NotFound, Problem
from creditlink.kit.files.textfile import decode
from creditlink.kit.http.api import public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.portal import site
from creditlink.portal.firm.known.cards.cards import facts_shown, own_words
from creditlink.portal.person import throttle

log = structlog.get_logger()
blueprint = flask.Blueprint("cards", __name__, url_prefix="/cards")
blueprint.register_error_handler(Problem, site.show_problem)
blueprint.register_error_handler(HTTPException, site.show_http_error)
blueprint.register_error_handler(Exception, site.show_failure)
_LINK = "/cards/"


@blueprint.after_request
def harden(response: flask.Response) -> flask.Response:
    """Set the headers of every page; a link's token goes to nobody else."""
    hardened = site.harden(response)
    hardened.headers["Referrer-Policy"] = "no-referrer"
    hardened.headers["X-Robots-Tag"] = "noindex, nofollow"
    return hardened


@blueprint.get("/verify")
@public
def verify() -> ResponseReturnValue:
    """Show where a card is pasted or uploaded."""
    return _page()


@blueprint.post("/verify")
@public
def verify_submit() -> ResponseReturnValue:
    """Say whether what was pasted or uploaded is a genuine card, and what it states."""
    now = utc_now()
    wait = _count(now)
    if wait is not None:
        return _busy(wait)
    sent = flask.request.files.get("file")
    pasted = flask.request.form.get("card", "")
    if not pasted.strip() and sent is not None:
        pasted = decode(sent.read(2 * checking.LONGEST + 1)).text  # with a byte order mark, or of two bytes a sign
    token = _token_in(pasted.strip())
    if token is not None:
        return site.see_other(flask.url_for("cards.shown", token=token))
    return _page(_unless_ended(_checked(pasted, now)), now=now)


@blueprint.get("/<token>")
@public
def shown(token: str) -> ResponseReturnValue:
    """Show what a firm shows by this link, checked now."""
    now = utc_now()
    wait = _count(now)
    if wait is not None:
        return _busy(wait)
    settings = runtime.part(Settings)
    counted = flask.request.method == "GET"
    try:
        with db.transaction() as session:
            document = showing.opened(session, token, keys_of(settings), now=now, today=day_of(now), counted=counted)
    except NotFound:
        flask.abort(404)
    if document is None:  # it was ended: what it showed is not kept
        return _page(CheckedPresentation(checking.REVOKED), now=now, is_link=True, status=410)
    found = _checked(document, now)
    return _page(found, now=now, is_link=True, document=document)


def _unless_ended(found: CheckedPresentation) -> CheckedPresentation:
    """Return what is to be said of a pasted text: its firm may have ended it, and its card be good all the same."""
    if found.verdict != checking.VALID:
        return found
    try:
        with db.transaction() as session:
            ended = showing.was_ended(session, found)
    except SQLAlchemyError:
        log.warning("card_end_unknown", exc_info=True)
        return replace(found, verdict="unknown")
    return replace(found, verdict="ended") if ended else found


def _checked(text: str, now: datetime) -> CheckedPresentation:
    """Check a presentation by our own keys and lists; a database that is away leaves its status unknown."""
    settings = runtime.part(Settings)

    def status_of(place: StatusPlace) -> str | None:
        try:
            with db.transaction() as session:
                return lists.status_at(session, place, issuer=settings.issuer, now=now)
        except SQLAlchemyError:
            log.warning("card_status_unknown", exc_info=True)
            return None

    keys = keyring.public_keys(settings.secret_key)
    return checking.check(text, keys, issuer=settings.issuer, status_of=status_of, now=now)


def _count(now: datetime) -> timedelta | None:
    """Count a look from an address; without a database nothing is counted, and nothing of it can be guessed."""
    try:
        with db.transaction() as session:
            return throttle.look(session, "cards", flask.request.remote_addr, now)
    except SQLAlchemyError:
        return None


def _token_in(pasted: str) -> str | None:
    """Return the token of one of our links, where that is what was pasted."""
    start = runtime.part(Settings).issuer.rstrip("/") + _LINK
    token = pasted.removeprefix(start)
    return token if pasted.startswith(start) and token.replace("_", "").replace("-", "").isalnum() else None


def _busy(wait: timedelta) -> ResponseReturnValue:
    shown = flask.make_response(_page(error=gettext("Too many tries. Wait a while and try again."), status=429))
    return throttle.ask_to_wait(shown, wait)


def _page(
    found: CheckedPresentation | None = None,
    *,
    now: datetime | None = None,
    is_link: bool = False,
    document: str | None = None,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    # Facts that nobody stands by any more are not shown as if they were.
    is_told = found is not None and found.verdict in (checking.VALID, "unknown")
    facts = {one.name: Stated(one.value, day_from(one.on)) for one in found.facts} if found and is_told else {}
    reason = None if found is None or found.reason is None else own_words(checking.REASONS[found.reason])
    return site.page(
        "cards/verify.html", status=status, found=found, facts=facts_shown(facts), reason=reason, is_link=is_link,
        document=document if is_told else None, now=now, error=error, count=len(BY_NAME),
    )  # fmt: skip
