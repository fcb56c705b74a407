"""What is left over of work that is done: told and finished, nobody needs it any more.

Beside the purge of a firm's data, so that nothing lies about for ever: keys of repeated requests, webhooks that were
told or given up, jobs that ended. Tokens, codes and jtis go with `oauth.tasks`, sessions with `portal.tasks`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists
from sqlalchemy.orm import Session

from creditlink.idempotency import IdempotencyKey
from creditlink.notifications.tables import Notification, WebhookDelivery

KEYS_KEPT = timedelta(days=7)
"""A client repeats a request within hours; the draft of the header leaves the time to the server."""

WEBHOOKS_KEPT = timedelta(days=90)
"""How long a bank can look at, and replay, what it was told."""

JOBS_KEPT = timedelta(days=7)
"""Ended jobs hold ids of consents and firms in their arguments; a week is enough to look into a failure."""


def sweep(session: Session, *, now: datetime) -> dict[str, int]:
    """Delete what is left over but for jobs; return how many rows of which table."""
    statements = {
        "idempotency_keys": delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEYS_KEPT),
        "webhook_deliveries": delete(WebhookDelivery).where(
            WebhookDelivery.created_at < now - WEBHOOKS_KEPT, WebhookDelivery.state != "waiting"
        ),
        "notifications": delete(Notification).where(
            Notification.created_at < now - WEBHOOKS_KEPT,
            ~exists().where(WebhookDelivery.notification_id == Notification.id),
        ),
    }
    gone = {}
    for table, statement in statements.items():
        result = session.execute(statement.execution_options(synchronize_session=False))
        gone[table] = result.rowcount  # type: ignore[attr-defined]  # a cursor result, by what was executed
    return gone
