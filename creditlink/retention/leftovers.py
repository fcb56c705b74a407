"""What is left over from finished work and needed by nobody.

Beside the purge of a firm's data, so that nothing stays for ever: keys of repeated requests, webhooks that were
delivered or given up, jobs that ended. Tokens, codes and jtis go with `oauth.tasks`, sessions with `portal.tasks`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists
from sqlalchemy.orm import Session

from creditlink.enterprises.registry.tables import RegistryLoad, RegistryRow
from creditlink.kit.http.idempotency import IdempotencyKey
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.notifications.tables import Notification, WebhookDelivery
from creditlink.overlays.tables import OverlayColumns

KEYS_KEPT = timedelta(days=7)
"""A client repeats a request within hours; the draft of the header leaves the time to the server."""

WEBHOOKS_KEPT = timedelta(days=90)
"""How long a bank can look at its webhooks, and replay them."""

LETTERS_KEPT = timedelta(days=90)
"""How long failed work that was settled can be looked up."""

JOBS_KEPT = timedelta(days=7)
"""Ended jobs hold ids of consents and firms in their arguments; a week is enough to look into a failure."""


REFUSED_ROWS_KEPT = timedelta(days=400)
"""How long the operator can see which rows of the registry's feed were kept aside; their excerpts may name persons."""


COLUMNS_KEPT = timedelta(days=400)
"""How long a bank's own columns of a firm are used after their upload; older ones no longer describe it."""


TABLES = ("idempotency_keys", "overlay_columns", "webhook_deliveries", "notifications", "dead_letters", "registry_rows")
"""What is swept, in this order: a notification goes after its deliveries."""


def delete_from(session: Session, table: str, *, now: datetime) -> int:
    """Delete what is left over in one of `TABLES`; return how many rows."""
    statements = {
        "idempotency_keys": delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEYS_KEPT),
        "webhook_deliveries": delete(WebhookDelivery).where(
            WebhookDelivery.created_at < now - WEBHOOKS_KEPT, WebhookDelivery.state != "waiting"
        ),
        "notifications": delete(Notification).where(
            Notification.created_at < now - WEBHOOKS_KEPT,
            ~exists().where(WebhookDelivery.notification_id == Notification.id),
        ),
        "dead_letters": delete(DeadLetter).where(DeadLetter.resolved_at < now - LETTERS_KEPT),
        "overlay_columns": delete(OverlayColumns).where(OverlayColumns.uploaded_at < now - COLUMNS_KEPT),
        # What was taken stays, as a number and a digest: a row of that number must not count again.
        "registry_rows": delete(RegistryRow).where(
            RegistryRow.state.in_(("refused", "repeated")),
            RegistryRow.load_id == RegistryLoad.id,
            RegistryLoad.ended_at < now - REFUSED_ROWS_KEPT,
        ),
    }
    result = session.execute(statements[table].execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a cursor result, by what was executed


def sweep(session: Session, *, now: datetime) -> dict[str, int]:
    """Delete all leftovers but jobs; return how many rows of which table."""
    return {table: delete_from(session, table, now=now) for table in TABLES}
