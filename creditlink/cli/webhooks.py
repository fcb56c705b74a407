"""`creditlink webhooks …`: the clients' addresses and secrets, what failed, sending it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import refusing
from creditlink.cli.output import iso, print_json
from creditlink.institutions import service as institutions
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings
from creditlink.notifications import endpoints, service
from creditlink.notifications.tables import STATES, Notification, WebhookDelivery


@contextmanager
def _transaction() -> Iterator[tuple[Session, Settings]]:
    """Open the operator's transaction, with the settings that hold the key of the secrets."""
    settings, database = start("owner")
    with refusing(RegistrationRefused), database.transaction("owner") as session:
        yield session, settings


def _name(session: Session, who: str | None) -> str:
    return name_of(actor_for(session, who, "operator", now=utc_now()))


@click.group()
def webhooks() -> None:
    """Set the clients' addresses, rotate their secrets, see what failed and send it again."""


@webhooks.command("set")
@click.argument("client_id")
@click.option("--url", required=True, help="Where webhooks are posted: https on the public internet.")
@named
def set_address(client_id: str, url: str, who: str | None) -> None:
    """Set a client's address. Its first secret is printed, once: give it to the bank."""
    with _transaction() as (session, settings):
        client = institutions.client_of(session, client_id)
        actor = _name(session, who)
        secret = endpoints.set_address(
            session, client, url, key=settings.secret_key, allow_loopback=not settings.is_production, actor=actor,
            now=utc_now(),
        )  # fmt: skip
        print_json({"client_id": client_id, "webhook_url": url, "webhook_secret": secret})


@webhooks.command("remove")
@click.argument("client_id")
@named
def remove_address(client_id: str, who: str | None) -> None:
    """Stop a client's webhooks."""
    with _transaction() as (session, _):
        client = institutions.client_of(session, client_id)
        endpoints.remove_address(session, client, actor=_name(session, who), now=utc_now())
        print_json({"client_id": client_id, "webhook_url": None})


@webhooks.command("rotate-secret")
@click.argument("client_id")
@click.option("--at-once", is_flag=True, help="The old secret has leaked: it stops signing now, not in a day.")
@named
def rotate_secret(client_id: str, at_once: bool, who: str | None) -> None:
    """Print a new secret, once. For a day every webhook is signed with both, the old one and the new one."""
    with _transaction() as (session, settings):
        client = institutions.client_of(session, client_id)
        actor = _name(session, who)
        secret = endpoints.rotate_secret(
            session, client, key=settings.secret_key, actor=actor, now=utc_now(), overlap=not at_once
        )
        print_json({"client_id": client_id, "webhook_secret": secret})


@webhooks.command("list")
@click.option(
    "--state",
    type=click.Choice(["undelivered", *STATES]),
    default="undelivered",
    show_default=True,
    help="undelivered: failed, and waiting after a try that failed.",
)
@click.option("--institution", "code", help="Only of this institution.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
def list_deliveries(state: str, code: str | None, limit: int) -> None:
    """List deliveries, the newest first: by default those that did not arrive, given up or still to be retried."""
    with _transaction() as (session, _):
        query = (
            select(WebhookDelivery, Notification, Institution.code)
            .join(Notification, Notification.id == WebhookDelivery.notification_id)
            .join(Institution, Institution.id == WebhookDelivery.institution_id)
            .where(WebhookDelivery.state.in_(("failed", "waiting") if state == "undelivered" else (state,)))
        )
        if state == "undelivered":
            query = query.where((WebhookDelivery.state == "failed") | (WebhookDelivery.tries > 0))
        if code is not None:
            query = query.where(Institution.id == institutions.institution_of(session, code).id)
        rows = session.execute(query.order_by(WebhookDelivery.created_at.desc()).limit(limit))
        print_json([{"institution": row[2], **service.as_json(row[0], row[1])} for row in rows], default=iso)


@webhooks.command("replay")
@click.argument("delivery_ids", nargs=-1, required=True)
@named
def replay(delivery_ids: tuple[str, ...], who: str | None) -> None:
    """Send deliveries again, each under its old webhook-id and with eight new tries."""
    with _transaction() as (session, _):
        done, actor = [], _name(session, who)
        for given in delivery_ids:
            try:
                delivery = session.get(WebhookDelivery, ids.internal("whd", given))
            except NotFound:
                delivery = None
            if delivery is None:
                raise click.ClickException(f"there is no delivery {given!r}; nothing was sent")
            try:
                service.replay(session, delivery, actor=actor, now=utc_now())
            except Conflict as conflict:
                raise click.ClickException(f"{given}: {conflict.detail}; nothing was sent") from None
            done.append(given)
        print_json({"queued": done})
