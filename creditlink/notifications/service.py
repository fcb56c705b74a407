"""Telling institutions: `notify` is the one seam. It queues in the caller's transaction, and sends nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict
from uuid import UUID, uuid4

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.institutions.tables import Client
from creditlink.kit import ids, jobs
from creditlink.kit.clock import to_second
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.http import paging
from creditlink.notifications import message
from creditlink.notifications.tables import Notification, WebhookDelivery

# Behind every waiting pull: a slow endpoint must not hold up a firm's records.
PRIORITY = -1

OVERDUE = timedelta(minutes=1)
"""A try that is this late has lost its job and is queued again."""


class DeliveryQuery(TypedDict):
    """Which deliveries to list, as `DeliveryQuerySchema` reads it."""

    state: NotRequired[str]
    cursor: NotRequired[str]
    limit: int


def notify(
    session: Session,
    institution_id: UUID,
    type_: str,
    data: Mapping[str, object],
    now: datetime,
    *,
    only: str | None = None,
) -> UUID | None:
    """Notify every client of an institution that has a webhook address, if and only if the transaction commits.

    `data` is small, names firms by the institution's pairwise id, and never by their USCC. Returns the
    notification's id, or None where no client has an address. `only` names the one client to tell.
    """
    query = select(Client.client_id).where(Client.institution_id == institution_id, Client.webhook_url.is_not(None))
    if only is not None:
        query = query.where(Client.client_id == only)
    clients = session.scalars(query.order_by(Client.client_id)).all()
    if not clients:
        return None
    notification_id = uuid4()
    body = message.body_of(type_, data, now)
    # Plain inserts: the API's role may add these rows, but only their bank can see them.
    session.execute(
        insert(Notification).values(
            id=notification_id, institution_id=institution_id, type=type_, body=body, created_at=now
        )
    )
    for client_id in clients:
        delivery_id = uuid4()
        session.execute(
            insert(WebhookDelivery).values(
                id=delivery_id,
                notification_id=notification_id,
                institution_id=institution_id,
                client_id=client_id,
                state="waiting",
                tries=0,
                replays=0,
                created_at=now,
                next_try_at=now,
            )
        )
        queue(session, delivery_id)
    return notification_id


def queue(session: Session, delivery_id: UUID, *, at: datetime | None = None) -> None:
    """Queue one try, unless one is already waiting."""
    jobs.defer(
        session,
        "notifications.deliver",
        queue="webhooks",
        priority=PRIORITY,
        queueing_lock=f"webhook:{delivery_id}",
        schedule_at=at,
        delivery_id=str(delivery_id),
    )


def replay(session: Session, delivery: WebhookDelivery, *, actor: str, now: datetime) -> None:
    """Send a delivery again, with eight new tries and its old id.

    Raises
    ------
    Conflict
        It is already on its way.
    """
    # The condition decides: of two simultaneous replays one succeeds. One whose try is overdue is not on its way.
    overdue = WebhookDelivery.next_try_at < now - OVERDUE
    changed = session.scalar(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == delivery.id, (WebhookDelivery.state != "waiting") | overdue)
        .values(state="waiting", tries=0, replays=WebhookDelivery.replays + 1, next_try_at=now)
        .returning(WebhookDelivery.id)
    )
    if changed is None:
        raise Conflict("the delivery is on its way already", reason="waiting")
    session.refresh(delivery)
    queue(session, delivery.id)
    audit.record(
        session,
        action="webhook.replay",
        result="done",
        actor=actor,
        now=now,
        institution_id=delivery.institution_id,
        client_id=delivery.client_id,
        detail={"delivery": delivery.wire_id},
    )


def delivery_of(session: Session, institution_id: UUID | None, external: str) -> tuple[WebhookDelivery, Notification]:
    """Return one of an institution's deliveries; None: of anybody's, for the operator.

    Raises
    ------
    NotFound
        Unknown, or another institution's.
    """
    query = _with_message(institution_id).where(WebhookDelivery.id == ids.internal("whd", external))
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1]


def page_of(
    session: Session, institution_id: UUID | None, *, state: str | None, cursor: str | None, limit: int
) -> tuple[list[tuple[WebhookDelivery, Notification]], str | None]:
    """Return one page of an institution's deliveries, newest first, and the cursor of the next; None: of everybody's.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    query = _with_message(institution_id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    own = () if institution_id is None else (WebhookDelivery.institution_id == institution_id,)
    after = paging.row_of(session, WebhookDelivery, "whd", cursor, *own)
    rows, more = paging.newest_first(
        session, query, WebhookDelivery.created_at, WebhookDelivery.id, after=after, limit=limit
    )
    page = [(delivery, message) for delivery, message in rows]
    return page, page[-1][0].wire_id if more else None


def as_json(delivery: WebhookDelivery, notification: Notification) -> dict[str, object]:
    """Return a delivery as banks and operators see it."""
    return {
        "id": delivery.wire_id,
        "webhook_id": notification.wire_id,
        "client_id": delivery.client_id,
        "type": notification.type,
        "state": delivery.state,
        "tries": delivery.tries,
        "replays": delivery.replays,
        "created_at": to_second(delivery.created_at),
        "last_try_at": _second(delivery.last_try_at),
        "next_try_at": _second(delivery.next_try_at) if delivery.state == "waiting" else None,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "delivered_at": _second(delivery.delivered_at),
    }


def _second(instant: datetime | None) -> datetime | None:
    return None if instant is None else to_second(instant)


def _with_message(institution_id: UUID | None) -> Select[WebhookDelivery, Notification]:
    wanted = select(WebhookDelivery, Notification).join(
        Notification, Notification.id == WebhookDelivery.notification_id
    )
    return wanted if institution_id is None else wanted.where(WebhookDelivery.institution_id == institution_id)
