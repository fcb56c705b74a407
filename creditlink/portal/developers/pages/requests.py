"""The log of what the client sent, and why what was refused was refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.portal.developers.pages.site import AtBench, blueprint, developer_signed_in
from creditlink.portal.developers.recording import KEPT
from creditlink.portal.developers.tables import DeveloperRequest
from creditlink.portal.sheets.filling import export_of, of_query, status_of
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter
from creditlink.portal.site import page

_A_PAGE = 50


@blueprint.get("/requests")
@developer_signed_in
def requests(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show what the client sent, the newest first, and why what was refused."""
    found = _sheet(session, now)
    return export_of(found, name="requests") or page(
        "developers/requests.html", status=status_of(found), found=found, days=KEPT.days, hints=hints()
    )


def _sheet(session: Session, now: datetime) -> Sheet[DeveloperRequest]:
    answers = [("refused", gettext("only what was refused")), ("taken", gettext("only what was taken"))]
    refused = DeveloperRequest.status >= 400
    return of_query(
        session, select(DeveloperRequest).where(DeveloperRequest.at >= now - KEPT), _columns(), (
            SheetFilter("only", gettext("Answer"), "choice", answers),
            SheetFilter("route", gettext("Request")),
            SheetFilter("check", gettext("Check that failed")),
            SheetFilter("id", gettext("Number of the request")),
        ),
        make=lambda row: row[0],
        by={
            "when": DeveloperRequest.id, "request": DeveloperRequest.route, "answer": DeveloperRequest.status,
            "why": DeveloperRequest.failed_check,
        },
        where={
            "only": lambda which: refused if which == "refused" else ~refused,
            "route": lambda words: DeveloperRequest.route.icontains(str(words), autoescape=True),
            "check": lambda words: DeveloperRequest.failed_check == str(words),
            "id": lambda words: DeveloperRequest.request_id == str(words),
        },
        then=DeveloperRequest.id, label=gettext("Request log"), first="-when", per_page=_A_PAGE,
    )  # fmt: skip


def _columns() -> Sequence[SheetColumn[DeveloperRequest]]:
    return (
        SheetColumn("when", gettext("When"), lambda one: one.at, "own"),
        SheetColumn("request", gettext("Request"), lambda one: f"{one.method} {one.route}", "own"),
        SheetColumn("answer", gettext("Answer"), lambda one: one.status, "own"),
        SheetColumn("error", gettext("Error"), lambda one: one.error, sorts=False),
        SheetColumn("why", gettext("Why"), lambda one: " ".join(filter(None, (one.failed_check, one.reason))), "own"),
        SheetColumn("id", gettext("Number of the request"), lambda one: one.request_id, sorts=False),
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
