"""One try of a delivery: claimed in a transaction, sent outside of any, settled in another.

If a worker dies in between, nothing is lost: its job goes to another, which sends again under the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from uuid import UUID

import httpx
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.institutions import targets
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import WEBHOOKS
from creditlink.kit.processes.slots import Slots
from creditlink.notifications import endpoints, message, service
from creditlink.notifications.tables import Notification, WebhookDelivery

log = structlog.get_logger()

# The whole of a try, from the look-up of the name to the status line: a slow endpoint occupies a job this long at most.
TRY_SECONDS = 10.0
# A try that died with its worker and lost its job is repeated after this long.
_LEASE = timedelta(seconds=3 * TRY_SECONDS)
# A client with a slow endpoint occupies at most this many jobs of a worker; its other deliveries come a little later.
_SLOTS = Slots(2)
_BUSY = timedelta(seconds=2)
_LATE_AT_ONCE = 500

_chance = SystemRandom().random


@dataclass(frozen=True)
class Try:
    """One try: what is sent, and where."""

    delivery_id: UUID
    number: int
    url: str | None
    headers: dict[str, str]
    body: str
    refused: str | None = None  # why it is not sent at all


@dataclass(frozen=True)
class DeliveryOutcome:
    """The result of a try: an HTTP status, or why there is none."""

    status: int | None = None
    error: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether the client accepted it."""
        return self.status is not None and 200 <= self.status < 300


def deliver(delivery_id: UUID, clock: Callable[[], datetime], *, key: Secret, allow_loopback: bool) -> None:
    """Make one try of a delivery and queue the next if it fails; safe to run again at any time."""
    with db.transaction("worker") as session:
        client_id = session.scalar(select(WebhookDelivery.client_id).where(WebhookDelivery.id == delivery_id))
    if client_id is None:
        return
    with _SLOTS.take(client_id) as free:
        if free:
            _try(delivery_id, clock, key=key, allow_loopback=allow_loopback)
        else:
            with db.transaction("worker") as session:
                service.queue(session, delivery_id, at=clock() + _BUSY)


def _try(delivery_id: UUID, clock: Callable[[], datetime], *, key: Secret, allow_loopback: bool) -> None:
    with db.transaction("worker") as session:
        claimed = claim(session, delivery_id, key=key, now=clock())
    if claimed is None:
        return
    outcome = (
        DeliveryOutcome(error=claimed.refused) if claimed.refused else send(claimed, allow_loopback=allow_loopback)
    )
    with db.transaction("worker") as session:
        state = settle(session, claimed, outcome, clock())
    WEBHOOKS.labels("delivered" if outcome.is_good else "failed").inc()
    log.info(
        "webhook_tried",
        delivery_id=str(delivery_id),
        number=claimed.number,
        status=outcome.status,
        error=outcome.error,
        state=state,
    )


def late(session: Session, now: datetime) -> list[UUID]:
    """Return deliveries whose try is overdue, the oldest first."""
    query = select(WebhookDelivery.id).where(
        WebhookDelivery.state == "waiting", WebhookDelivery.next_try_at < now - service.OVERDUE
    )
    return list(session.scalars(query.order_by(WebhookDelivery.next_try_at).limit(_LATE_AT_ONCE)))


def claim(session: Session, delivery_id: UUID, *, key: Secret, now: datetime) -> Try | None:
    """Count one try and return what to send; None when nothing is to be sent (any more)."""
    row = session.execute(
        select(WebhookDelivery, Notification, Client, Institution.status)
        .join(Notification, Notification.id == WebhookDelivery.notification_id)
        .join(Client, Client.client_id == WebhookDelivery.client_id)
        .join(Institution, Institution.id == Client.institution_id)
        .where(WebhookDelivery.id == delivery_id)
        .with_for_update(of=WebhookDelivery)
    ).one_or_none()
    if row is None or row[0].state != "waiting":
        return None
    delivery, notification, client, institution_status = row
    if delivery.tries >= message.TRIES:  # the last try died with its worker
        delivery.state = "failed"
        return None
    delivery.tries, delivery.last_try_at = delivery.tries + 1, now
    delivery.next_try_at = now + _LEASE
    secrets = endpoints.signing_secrets(session, client.client_id, key=key, now=now)
    refused = None
    if client.webhook_url is None:
        refused = "the client has no address for webhooks"
    elif client.status != "active" or institution_status != "active":
        refused = "the client is suspended"
    elif not secrets:
        refused = "there is no secret to sign with"
    headers = message.headers_of(secrets, notification.wire_id, now, notification.body)
    return Try(delivery.id, delivery.tries, client.webhook_url, headers, notification.body, refused)


def send(attempt: Try, *, allow_loopback: bool) -> DeliveryOutcome:
    """Post to the client: to the address just checked, without following redirects, within a short time.

    Only the status line and the headers of the answer are read, so its body may be of any length.
    """
    try:
        target = targets.resolve(attempt.url or "", allow_loopback=allow_loopback)
        return DeliveryOutcome(status=asyncio.run(_post(target, attempt)))
    except targets.TargetRefused as refused:
        return DeliveryOutcome(error=str(refused))
    except TimeoutError:
        return DeliveryOutcome(error=f"no answer within {TRY_SECONDS:.0f} s")
    except (httpx.HTTPError, OSError) as error:
        return DeliveryOutcome(error=f"no answer: {type(error).__name__}")


async def _post(target: targets.Target, attempt: Try) -> int:
    async with (
        asyncio.timeout(TRY_SECONDS),
        httpx.AsyncClient(timeout=TRY_SECONDS, follow_redirects=False, trust_env=False) as client,
        client.stream(
            "POST",
            target.pinned_url,
            headers=attempt.headers | {"host": target.host_header()},
            content=attempt.body.encode(),
            extensions={"sni_hostname": target.host},
        ) as response,
    ):
        return response.status_code


def settle(session: Session, tried: Try, outcome: DeliveryOutcome, now: datetime) -> str:
    """Record the outcome of a try; queue the next one, or give up. Returns the delivery's state."""
    delivery = session.scalars(
        select(WebhookDelivery).where(WebhookDelivery.id == tried.delivery_id).with_for_update()
    ).one()
    delivery.last_status = outcome.status
    delivery.last_error = outcome.error if outcome.status is None else _error_of(outcome.status)
    if outcome.is_good:
        delivery.state, delivery.delivered_at, delivery.next_try_at = "delivered", now, None
    elif delivery.state == "waiting" and delivery.tries == tried.number:
        delay = message.delay_after(tried.number, _chance())
        if delay is None:
            delivery.state, delivery.next_try_at = "failed", None
            log.warning("webhook_given_up", delivery_id=str(delivery.id), client_id=delivery.client_id)
        else:
            delivery.next_try_at = now + delay
            service.queue(session, delivery.id, at=delivery.next_try_at)
    return delivery.state


def _error_of(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return "it answered with a redirect, which is not followed" if 300 <= status < 400 else f"it answered {status}"
