"""`/v1/clients` and `/v1/usage`: an institution's own clients, keys and webhooks, and what it uses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import flask
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.institutions import service as institutions
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.metering.statement import month_of, statement_of
from creditlink.notifications import endpoints
from creditlink.notifications import service as notifications
from creditlink.oauth.institution import clients, usage
from creditlink.oauth.institution.schemas import (
    ClientSchema,
    ClientsSchema,
    NewAddress,
    NewAddressSchema,
    NewClient,
    NewClientSchema,
    NewKeys,
    NewKeysSchema,
    StatementSchema,
    UsageSchema,
    WebhookSecretSchema,
)

blueprint = Blueprint(
    "own_clients",
    __name__,
    url_prefix="/v1/clients",
    description="Your own clients, their keys and webhooks. Changes come from your desk alone, where two people agree",
)
own_usage = Blueprint("usage", __name__, url_prefix="/v1/usage", description="What your institution uses")

own_statements = Blueprint(
    "statements", __name__, url_prefix="/v1/statements", description="What your institution used, month by month"
)

_REFUSALS = (Unauthorized, InsufficientScope, NotFound, Conflict)
_TEST = "webhook.test"


@blueprint.route("", methods=["GET"])
@require_access("client:read")
@blueprint.response(200, ClientsSchema)
@blueprint.problems(Unauthorized, InsufficientScope)
def list_clients() -> dict[str, object]:
    """List your clients, the oldest first."""
    with db.transaction(viewer=_viewer()) as session:
        held = clients.of_institution(session, current_access().institution_id)
    return {"items": [clients.as_wire(one) for one in held]}


@blueprint.route("", methods=["POST"])
@require_access("client:write")
@blueprint.arguments(NewClientSchema)
@blueprint.response(201, ClientSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def register_client(body: NewClient) -> dict[str, object]:
    """Register a client with its public keys; the private ones stay with you."""
    with db.transaction(viewer=_viewer()) as session:
        client = clients.register(
            session, current_access().institution_id, name=body.name, redirect_uris=body.redirect_uris,
            scopes=body.scopes, categories=body.categories, jwks=body.jwks, actor=_actor(), now=utc_now(),
        )  # fmt: skip
    return clients.as_wire(client)


@blueprint.route("/<client_id>/keys", methods=["PUT"])
@require_access("client:write")
@blueprint.arguments(NewKeysSchema)
@blueprint.response(200, ClientSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def rotate_keys(body: NewKeys, client_id: str) -> dict[str, object]:
    """Replace a client's keys; what the old ones signed is refused from the next request on."""
    return _changed(client_id, lambda s, client, now: clients.rotate(s, client, body.jwks, actor=_actor(), now=now))


@blueprint.route("/<client_id>/suspension", methods=["POST"])
@require_access("client:write")
@blueprint.response(200, ClientSchema)
@blueprint.problems(*_REFUSALS)
def suspend_client(client_id: str) -> dict[str, object]:
    """Refuse a client at once, in every process."""
    return _changed(client_id, _to("suspended"))


@blueprint.route("/<client_id>/suspension", methods=["DELETE"])
@require_access("client:write")
@blueprint.response(200, ClientSchema)
@blueprint.problems(*_REFUSALS)
def resume_client(client_id: str) -> dict[str, object]:
    """Let a client work again."""
    return _changed(client_id, _to("active"))


@blueprint.route("/<client_id>/webhook", methods=["PUT"])
@require_access("client:write")
@blueprint.arguments(NewAddressSchema)
@blueprint.response(200, WebhookSecretSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def set_webhook(body: NewAddress, client_id: str) -> dict[str, object]:
    """Set where a client's webhooks go, or stop them; the first address comes with the secret that signs them."""
    settings, now, secret = runtime.part(Settings), utc_now(), None
    try:
        if body.url is not None:
            endpoints.check_address(body.url, allow_loopback=not settings.is_production)
        with db.transaction(viewer=_viewer()) as session:
            client = clients.own(session, current_access().institution_id, client_id, for_change=True)
            if body.url is None:
                endpoints.remove_address(session, client, actor=_actor(), now=now)
            else:
                secret = endpoints.set_address(
                    session, client, body.url, key=settings.secret_key, allow_loopback=None, actor=_actor(), now=now
                )
    except RegistrationRefused as refused:
        raise InvalidRequest(errors=[{"pointer": "/url", "detail": str(refused)}]) from None
    return {"webhook_url": body.url, "secret": secret}


@blueprint.route("/<client_id>/webhook/secret", methods=["POST"])
@require_access("client:write")
@blueprint.response(200, WebhookSecretSchema)
@blueprint.problems(*_REFUSALS)
def rotate_secret(client_id: str) -> dict[str, object]:
    """Get a new secret; the old one signs next to it for a day."""
    with db.transaction(viewer=_viewer()) as session:
        client = clients.own(session, current_access().institution_id, client_id, for_change=True)
        key = runtime.part(Settings).secret_key
        secret = endpoints.rotate_secret(session, client, key=key, actor=_actor(), now=utc_now())
    return {"webhook_url": client.webhook_url, "secret": secret}


@blueprint.route("/<client_id>/webhook/test", methods=["POST"])
@require_access("client:write")
@blueprint.response(202, ClientSchema)
@blueprint.problems(*_REFUSALS)
def send_test(client_id: str) -> dict[str, object]:
    """Send a client the event `webhook.test`, signed like any other; `/v1/webhook-deliveries` says what came of it."""
    institution_id, now = current_access().institution_id, utc_now()
    with db.transaction(viewer=_viewer()) as session:
        client = clients.own(session, institution_id, client_id, for_change=True)
        data = {"client_id": client.client_id}
        if notifications.notify(session, institution_id, _TEST, data, now, only=client.client_id) is None:
            raise Conflict("the client has no webhook address", reason="no_webhook")
    return clients.as_wire(client)


@own_usage.route("", methods=["GET"])
@require_access("usage:read")
@own_usage.response(200, UsageSchema)
@own_usage.problems(Unauthorized, InsufficientScope)
def show_usage() -> dict[str, object]:
    """Show what your institution uses and how much is left."""
    with db.transaction(viewer=_viewer()) as session:
        return usage.of_institution_now(session, current_access().institution_id, utc_now())


@own_statements.route("/<month>", methods=["GET"])
@require_access("usage:read")
@own_statements.response(200, StatementSchema)
@own_statements.problems(Unauthorized, InsufficientScope, InvalidRequest)
@own_statements.reads("Accept")
def read_statement(month: str) -> dict[str, object] | flask.Response:
    """Read what your institution used in a month (`YYYY-MM`): calls by client, day and scope, and new profiles.

    With `Accept: text/csv` the lines come as CSV.
    """
    try:
        first = month_of(month)
    except ValueError as error:
        raise InvalidRequest(errors=[{"pointer": "/month", "detail": str(error)}]) from None
    with db.transaction(viewer=_viewer()) as session:
        statement = statement_of(session, current_access().institution_id, first, utc_now())
    if flask.request.accept_mimetypes.best_match(["application/json", "text/csv"]) != "text/csv":
        return statement.as_json()
    name = f'attachment; filename="statement-{statement.month}.csv"'
    headers = {"Content-Disposition": name}
    return flask.Response(statement.as_csv(), content_type="text/csv; charset=utf-8", headers=headers)


_Change = Callable[[Session, Client, datetime], None]


def _changed(client_id: str, change: _Change) -> dict[str, object]:
    with db.transaction(viewer=_viewer()) as session:
        client = clients.own(session, current_access().institution_id, client_id, for_change=True)
        change(session, client, utc_now())
    return clients.as_wire(client)


def _to(status: str) -> _Change:
    def change(session: Session, client: Client, now: datetime) -> None:
        institutions.set_client_status(session, client, status, actor=_actor(), now=now)

    return change


def _viewer() -> db.Viewer:
    return db.Viewer(institution_id=current_access().institution_id)


def _actor() -> str:
    return f"bank:{current_access().client_id}"
