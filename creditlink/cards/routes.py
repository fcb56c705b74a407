"""What a verifier asks for, without any sign-in: who issues, what a card is, and which cards are good no more."""

from __future__ import annotations

from uuid import UUID

import flask

from creditlink.cards import configuration, lists
from creditlink.cards.rules import kinds
from creditlink.cards.sealing import CardKeys
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.http.api import public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

blueprint = flask.Blueprint("card_keys", __name__)


def keys_of(settings: Settings) -> CardKeys:
    """Return what signs and seals cards here."""
    return CardKeys(settings.issuer, settings.secret_key)


@blueprint.get(kinds.ISSUER_PATH)
@public
def issuer() -> flask.Response:
    """Say where the keys are that verify our cards (draft-ietf-oauth-sd-jwt-vc, section 5)."""
    return _cached(flask.jsonify(kinds.issuer_metadata(runtime.part(Settings).issuer)), 300)


@blueprint.get(kinds.TYPE_PATH)
@public
def card_type() -> flask.Response:
    """Describe what a card is, byte by byte what the digest in each card is of."""
    body = kinds.type_metadata(runtime.part(Settings).issuer)
    return _cached(flask.Response(body, content_type="application/json"), 3600)


@blueprint.get(kinds.LISTS_PATH + "<uuid:list_id>")
@public
def status_list(list_id: UUID) -> flask.Response:
    """Return a status list, signed now; it may be kept for its `ttl`, and is worth nothing after its `exp`."""
    settings, terms = runtime.part(Settings), configuration.current()
    try:
        with db.transaction() as session:
            token = lists.token_of(session, list_id, keys_of(settings), terms, now=utc_now())
    except NotFound:
        flask.abort(404)
    return _cached(flask.Response(token, content_type=kinds.LIST_MEDIA_TYPE), terms.ttl_seconds)


def _cached(response: flask.Response, seconds: int) -> flask.Response:
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    response.headers["Access-Control-Allow-Origin"] = "*"  # a verifier's page in a browser may ask, too
    return response
