"""The log of what the client sent, and why what was refused was refused."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.portal.developers.pages.site import AtBench, blueprint, developer_signed_in
from creditlink.portal.developers.recording import KEPT
from creditlink.portal.developers.tables import DeveloperRequest
from creditlink.portal.site import page

PER_PAGE = 50


@blueprint.get("/requests")
@developer_signed_in
def requests(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show what the client sent, the newest first, and why what was refused."""
    only = flask.request.args.get("only", "") == "refused"
    before = flask.request.args.get("before", "")
    query = select(DeveloperRequest).where(DeveloperRequest.at >= now - KEPT).order_by(DeveloperRequest.id.desc())
    if only:
        query = query.where(DeveloperRequest.status >= 400)
    if before.isascii() and before.isdigit() and len(before) < 19:
        query = query.where(DeveloperRequest.id < int(before))
    rows = session.scalars(query.limit(PER_PAGE + 1)).all()
    return page(
        "developers/requests.html",
        rows=rows[:PER_PAGE],
        more=rows[PER_PAGE - 1].id if len(rows) > PER_PAGE else None,
        only=only,
        days=KEPT.days,
        hints=hints(),
    )


def hints() -> dict[str, str]:
    """Return what to do about each check, in words."""
    return {
        "aud": gettext("Put the issuer itself into aud, as one string: not the token endpoint, not an array."),
        "exp": gettext("Make exp a minute from now, in seconds, and set your clock."),
        "iat": gettext("Use the current time in seconds, and set your clock."),
        "jti": gettext("Make a fresh jti for every assertion and every proof: each is good once."),
        "kid": gettext("Sign with a key that is registered, and name its kid in the header."),
        "signature": gettext("The private key does not belong to the registered public key of this kid."),
        "alg": gettext("Sign with PS256, ES256 or EdDSA, as fits the key."),
        "iss": gettext("iss and sub are both your client id."),
        "client_id": gettext("client_id in the form must be the one in the assertion."),
        "client_assertion": gettext("Send client_assertion and client_assertion_type, as the examples do."),
        "htm": gettext("htm is the method of this very request."),
        "htu": gettext("htu is the address of this very request, with the issuer's host and without a query."),
        "nonce": gettext("Take the nonce of the DPoP-Nonce header into the proof and send the request again."),
        "ath": gettext("ath is base64url of SHA-256 of the access token that is sent along."),
        "typ": gettext("The proof's header has typ dpop+jwt and the public key as jwk."),
        "dpop": gettext("Send the token as Authorization: DPoP, and a fresh proof in the DPoP header."),
        "jkt": gettext("Sign proofs with the key that signed the proof when the token was asked for."),
        "token": gettext("Refresh the token, or ask the firm again."),
    }
