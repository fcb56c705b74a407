"""What a firm's phone sees after it scanned a code: who asks; then the consent page, and its way back. No sign-in."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, select

from creditlink.access.opaque import hash_of
from creditlink.desk import asking
from creditlink.desk.people.roles import DeskActor
from creditlink.desk.site import blueprint, in_words, show
from creditlink.desk.tables import DeskRequest
from creditlink.desk.wire.sending import DeskApi, api_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.portal.person import throttle
from creditlink.portal.site import lang, see_other


@dataclass(frozen=True)
class Scanned:
    """A request that somebody holds the code or the state of, and the API in the name of who asked."""

    request: DeskRequest
    api: DeskApi
    institution: str


@blueprint.get("/scan/<code>/<secret>")
def scanned(code: str, secret: str) -> ResponseReturnValue:
    """Say who asks; nothing begins before the button is pressed, so that a look at the address does nothing."""
    found = _find(code, DeskRequest.scan_hash == hash_of(secret))
    if found.request.state != "waiting" or utc_now() >= found.request.expires_at:
        return show("firms/scanned.html", status=410, institution=found.institution, is_open=False)
    return show("firms/scanned.html", institution=found.institution, is_open=True)


@blueprint.post("/scan/<code>/<secret>")
def scanned_on(code: str, secret: str) -> ResponseReturnValue:
    """Push the request and send the firm's browser to its consent page."""
    found, now = _find(code, DeskRequest.scan_hash == hash_of(secret)), utc_now()
    counters = throttle.keys_for(f"scan:{secret[:128]}", flask.request.remote_addr or "")
    with db.transaction() as session:
        wait = throttle.admit(session, counters, now)
    if found.request.state != "waiting" or now >= found.request.expires_at or wait is not None:
        return show("firms/scanned.html", status=410, institution=found.institution, is_open=False)
    return see_other(asking.begin_scanned(found.api, found.request))


@blueprint.get("/back/<code>")
def came_back(code: str) -> ResponseReturnValue:
    """Take the answer that a firm's browser brings from its consent page, once; its phone is told how it ended."""
    sent = flask.request.args
    found = _find(code, DeskRequest.state_hash == hash_of(sent.get("state", "")))
    title, detail = gettext("You declined"), gettext("The lender was told, and sees nothing of your firm.")
    if "code" in sent:
        try:
            asking.finish_scanned(found.api, found.request, sent["code"][:512])
        except ApiRefused as refused:
            return show("firms/answered.html", status=400, title=gettext("Please try again"), detail=in_words(refused))
        title = gettext("Thank you: %(name)s was told", name=found.institution)
        detail = gettext("You can withdraw your consent at any time, on your own page.")
    else:
        asking.declined(found.request)
    return show("firms/answered.html", title=title, detail=detail)


def _find(code: str, which: ColumnElement[bool]) -> Scanned:
    """Return a request of the institution in the address.

    Raises
    ------
    NotFound
        There is none, or the institution is suspended: the same answer.
    """
    with db.transaction() as session:
        institution = session.scalar(
            select(Institution).where(Institution.code == code[:32], Institution.status == "active")
        )
    if institution is None:
        raise NotFound
    with db.transaction(viewer=db.Viewer(institution_id=institution.id)) as session:
        request = session.scalar(select(DeskRequest).where(which, DeskRequest.institution_id == institution.id))
        if request is None:
            raise NotFound
        account = session.get_one(Account, request.asked_by)
    actor = DeskActor(
        account.id, account.login, account.display_name, frozenset({"lender"}), institution.id, institution.code
    )
    return Scanned(request, api_of(actor), institution.name_zh if lang() == "zh" else institution.name_en)
