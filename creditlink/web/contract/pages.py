"""Pages that explain the API's errors: the address in a problem's `type` is one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.portal import site
from creditlink.web.contract.problems import example, kinds

blueprint = flask.Blueprint("problems", __name__)


@blueprint.get("/problems")
def page() -> ResponseReturnValue:
    """Return the list of every problem type."""
    said = words()
    shown = [(kind.status, kind.slug, said[kind.slug][0]) for kind in kinds()]
    return site.harden(flask.make_response(site.page("reference/problems.html", problems=sorted(shown))))


@blueprint.get("/problems/<slug>")
def problem(slug: str) -> ResponseReturnValue:
    """Return what one problem type means, what to do, and how its answer looks."""
    known = {kind.slug: kind for kind in kinds()}
    if slug in known:
        kind = known[slug]
        title, advice = words()[slug]
        sample = json.dumps(example(kind), ensure_ascii=False, indent=2)
        shown = site.page(
            "reference/problem.html", slug=slug, code=kind.status, title=title, advice=advice, sample=sample
        )
        return site.harden(flask.make_response(shown))
    plain = {status.phrase.lower().replace(" ", "-"): status for status in HTTPStatus if status >= 400}
    if slug not in plain:
        flask.abort(404)
    about = gettext("It is a status of HTTP itself; the request never came to the API.")
    shown = site.page(
        "reference/problem.html",
        slug=slug,
        code=plain[slug].value,
        title=plain[slug].phrase,
        advice=" ".join((about, gettext("Check the request against the reference."))),
        sample="",
    )
    return site.harden(flask.make_response(shown))


def words() -> Mapping[str, tuple[str, str]]:
    """Return slug -> title and what to do, in the reader's language."""
    return {
        "audit-unavailable": (
            gettext("The evidence cannot be written, so nothing is disclosed"),
            gettext("Nothing was changed. Send the same request again after the seconds in Retry-After."),
        ),
        "body-too-large": (
            gettext("The request body is too large"),
            gettext("Send less at once: a file in parts, a list in several requests."),
        ),
        "conflict": (
            gettext("The state of the resource forbids this"),
            gettext(
                "Read the resource anew. The members of the answer, such as state, allowed or reason, "
                "say what is possible now."
            ),
        ),
        "consent-refused": (
            gettext("No live consent covers this read"),
            gettext(
                "The member reason says which condition failed, for example revoked, paused, expired "
                "or exhausted. Ask the firm again if you still need its data."
            ),
        ),
        "database-busy": (
            gettext("The database did not come to this request in time"),
            gettext(
                "Nothing was changed. Send the same request again after the seconds in Retry-After, "
                "with the same Idempotency-Key."
            ),
        ),
        "database-unavailable": (
            gettext("The database cannot serve this request now"),
            gettext(
                "Send the same request again after the seconds in Retry-After, with the same "
                "Idempotency-Key. The page of the platform's state says how long it has been so."
            ),
        ),
        "idempotency-in-progress": (
            gettext("The first request with this key is still running"),
            gettext("Wait a second and send the same request again: you will get the answer of the first."),
        ),
        "idempotency-mismatch": (
            gettext("The idempotency key belongs to another request"),
            gettext("Use a new key for a new request, and the old key only with exactly the same body."),
        ),
        "insufficient-role": (
            gettext("Your role does not allow this, or not for this purpose"),
            gettext("For the platform's own people: sign in with the role that the work needs."),
        ),
        "insufficient-scope": (
            gettext("The access token lacks the scope"),
            gettext(
                "WWW-Authenticate names the scope. Ask for it when you push the request, or have the "
                "operator add it to your client."
            ),
        ),
        "internal-error": (
            gettext("Something failed on our side"),
            gettext("Tell us the request_id. It is safe to send a request with an Idempotency-Key again."),
        ),
        "invalid-request": (
            gettext("The request has invalid fields"),
            gettext(
                "The member errors names every field by a JSON pointer and says what it must be. "
                "Correct them all and send it again."
            ),
        ),
        "invalid-token-request": (
            gettext("The access token must be sent in the Authorization header, and only there"),
            gettext(
                "Take the token out of the address: addresses end up in logs. Revoke the token that was sent in one."
            ),
        ),
        "limit-exceeded": (
            gettext("A limit of the consent is reached"),
            gettext(
                "The member attribute names the limit. Computing is possible again when a new day or "
                "month begins; stored profiles stay readable."
            ),
        ),
        "malformed-body": (
            gettext("The request body cannot be read"),
            gettext("Send valid JSON in UTF-8, in which no member is there twice."),
        ),
        "method-not-allowed": (
            gettext("The method is not allowed here"),
            gettext("The header Allow lists the methods."),
        ),
        "model-purpose": (
            gettext("No model is in use for the purpose of this consent"),
            gettext("Ask the operator which purposes are served now. No use of the consent was spent."),
        ),
        "not-found": (
            gettext("There is no such resource for you"),
            gettext("Check the id. What is unknown and what is another institution's look the same, on purpose."),
        ),
        "overloaded": (
            gettext("Too many requests wait already"),
            gettext(
                "Nothing was done. Send the same request again after the seconds in Retry-After, and fewer at once."
            ),
        ),
        "records-unavailable": (
            gettext("The records that a profile needs were not delivered"),
            gettext(
                "The members sources and missing say which. Try again later, or name the categories "
                "in accept_partial. No use of the consent was spent."
            ),
        ),
        "request-timeout": (
            gettext("The request body did not arrive in time"),
            gettext("Send it again over a connection that carries it faster, or send less at once."),
        ),
        "quota-used-up": (
            gettext("The quota of the contract is used up"),
            gettext(
                "The member violated-policies says which: of the day or of the month. It begins anew after the "
                "seconds in Retry-After; the operator can agree on a larger one with you."
            ),
        ),
        "too-many-requests": (
            gettext("Too many requests"),
            gettext("Wait for the seconds in Retry-After, then go on more slowly."),
        ),
        "unauthorized": (
            gettext("A valid access token is needed"),
            gettext(
                "WWW-Authenticate says what is wrong. Refresh the token, sign a fresh proof with its "
                "key, and use the nonce of DPoP-Nonce if there is one. In a sandbox, the developers' "
                "log of requests names the check that failed."
            ),
        ),
        "unsupported-media-type": (
            gettext("The content type is not accepted"),
            gettext("Send application/json, or the type that the reference names for this address."),
        ),
    }
