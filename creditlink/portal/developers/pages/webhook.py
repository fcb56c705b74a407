"""Where the client's webhooks go: an address of one's own, its secret, a test event, and what came of each delivery."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.institutions.service import RegistrationRefused
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.postgres import db
from creditlink.notifications import endpoints, service
from creditlink.notifications.tables import STATES, Notification, WebhookDelivery
from creditlink.portal.developers.pages.site import AtBench, blueprint, developer_signed_in, unless_developer
from creditlink.portal.person import throttle
from creditlink.portal.sheets.filling import export_of, of_query, status_of
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter
from creditlink.portal.site import page, see_other, settings

TESTS = 20
"""Test events and repetitions of one developer in a throttle's window."""
_TEST = "webhook.test"
_LONGEST = 2000

Sent = tuple[WebhookDelivery, Notification]


@blueprint.get("/webhook")
@developer_signed_in
def webhook(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show where webhooks go, and the deliveries."""
    return _show(session, here)


@blueprint.post("/webhook")
def set_webhook() -> ResponseReturnValue:
    """Set the address; its name is looked up first, outside any transaction. The first one comes with a secret."""
    elsewhere = unless_developer()
    if elsewhere is not None:
        return elsewhere
    url = flask.request.form.get("url", "").strip()
    try:
        if len(url) > _LONGEST:
            raise RegistrationRefused(f"webhook_url: at most {_LONGEST} characters")
        endpoints.check_address(url, allow_loopback=is_own_machine(settings().issuer))
        refused = None
    except RegistrationRefused as why:
        refused = gettext("This address cannot be used: %(why)s", why=str(why))

    @developer_signed_in
    def finish(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
        if refused is not None:
            return _show(session, here, error=refused, url=url[:_LONGEST])
        _enter(session, here)
        secret = endpoints.set_address(
            session, here.client, url, key=settings().secret_key, allow_loopback=None, actor=_actor(here), now=now
        )
        return _show(session, here, secret=secret) if secret else see_other(flask.url_for("developers.webhook"))

    return finish()


@blueprint.post("/webhook/<any(stop, secret, test):what>")
@developer_signed_in
def change_webhook(session: Session, here: AtBench, now: datetime, what: str) -> ResponseReturnValue:
    """Stop the webhooks, get a new secret, or have a test event sent."""
    _enter(session, here)
    if what == "stop":
        endpoints.remove_address(session, here.client, actor=_actor(here), now=now)
    elif here.client.webhook_url is None:
        return _show(session, here, error=gettext("Set an address first."), status=409)
    elif what == "secret":
        secret = endpoints.rotate_secret(session, here.client, key=settings().secret_key, actor=_actor(here), now=now)
        return _show(session, here, secret=secret)
    elif _too_many(session, here, now):
        return _show(session, here, error=gettext("Too many tries. Wait a while and try again."), status=429)
    else:
        data = {"client_id": here.client.client_id}
        service.notify(session, here.client.institution_id, _TEST, data, now, only=here.client.client_id)
    return see_other(flask.url_for("developers.webhook"))


@blueprint.post("/webhook/deliveries/<delivery_id>")
@developer_signed_in
def replay_webhook(session: Session, here: AtBench, now: datetime, delivery_id: str) -> ResponseReturnValue:
    """Have a delivery sent again, under its old `webhook-id`."""
    _enter(session, here)
    delivery, _ = service.delivery_of(session, here.client.institution_id, delivery_id)
    if delivery.client_id != here.client.client_id:
        raise NotFound
    if _too_many(session, here, now):
        return _show(session, here, error=gettext("Too many tries. Wait a while and try again."), status=429)
    try:
        service.replay(session, delivery, actor=_actor(here), now=now)
    except Conflict:
        return _show(session, here, error=gettext("It is on its way already."), status=409)
    return see_other(flask.url_for("developers.webhook"))


def is_own_machine(issuer: str) -> bool:
    """Return whether a sandbox serves nobody but its own machine: only there a webhook may go to that machine.

    Anybody may join a sandbox on the internet; an address of its own network would be a way into that.
    """
    host = urlsplit(issuer).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _show(
    session: Session,
    here: AtBench,
    *,
    error: str | None = None,
    secret: str | None = None,
    url: str | None = None,
    status: int = 422,
) -> ResponseReturnValue:
    _enter(session, here)
    found = _sheet(session, here)
    return export_of(found, name="webhooks") or page(
        "developers/webhook.html", status=status if error else status_of(found), client=here.client, error=error,
        secret=secret, url=here.client.webhook_url or "" if url is None else url, found=found,
    )  # fmt: skip


def _sheet(session: Session, here: AtBench) -> Sheet[Sent]:
    wanted = (
        select(WebhookDelivery, Notification)
        .join(Notification, Notification.id == WebhookDelivery.notification_id)
        .where(WebhookDelivery.client_id == here.client.client_id)
    )
    words = _state_words()
    return of_query(
        session, wanted, _columns(), (
            SheetFilter("state", gettext("State"), "choice", [(state, words[state]) for state in STATES]),
            SheetFilter("event", gettext("Event")),
        ),
        make=lambda row: (row[0], row[1]),
        by={
            "when": WebhookDelivery.created_at, "event": Notification.type, "state": WebhookDelivery.state,
            "tries": WebhookDelivery.tries,
        },
        where={
            "state": lambda state: WebhookDelivery.state == state,
            "event": lambda words: Notification.type.icontains(str(words), autoescape=True),
        },
        then=WebhookDelivery.id, label=gettext("Deliveries"), first="-when",
        empty=gettext("Nothing was sent yet."),
    )  # fmt: skip


def _columns() -> Sequence[SheetColumn[Sent]]:
    words, tones = _state_words(), {"delivered": "active", "failed": "revoked"}
    return (
        SheetColumn("when", gettext("When"), lambda one: one[0].created_at, "instant"),
        SheetColumn("event", gettext("Event"), lambda one: one[1].type, note=lambda one: one[1].wire_id,
                    note_label="webhook-id"),
        SheetColumn("state", gettext("State"), lambda one: one[0].state, text=lambda one: words[one[0].state],
                    tone=lambda one: tones.get(one[0].state, "requested")),
        SheetColumn("tries", gettext("Tries"), lambda one: one[0].tries, "number"),
        SheetColumn("answer", gettext("Last answer"),
                    lambda one: str(one[0].last_status or one[0].last_error or ""), sorts=False),
        SheetColumn("again", gettext("Again"), lambda one: one[0].wire_id, "own", sorts=False),
    )  # fmt: skip


def _state_words() -> dict[str, str]:
    return {"waiting": gettext("on its way"), "delivered": gettext("delivered"), "failed": gettext("failed")}


def _enter(session: Session, here: AtBench) -> None:
    """See, from here on, what is the developer's institution's."""
    db.enter(session, db.Viewer(institution_id=here.client.institution_id))


def _too_many(session: Session, here: AtBench, now: datetime) -> bool:
    """Count one event that a press causes; whoever presses on floods the owner of the address."""
    return throttle.count(session, [(f"webhook:{here.client.client_id}", TESTS)], now) is not None


def _actor(here: AtBench) -> str:
    return f"developer:{here.account.id}"
