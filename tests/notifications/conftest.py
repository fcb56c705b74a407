"""A bank's endpoint on a real socket, and consents whose bank listens there."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from creditlink.kit.postgres import db
from creditlink.notifications import delivery, endpoints
from creditlink.notifications.tables import WebhookDelivery
from tests import factories as make
from tests.factories import NOW
from tests.records.offices import Reply, office

KEY = "test-" + "k" * 40


@pytest.fixture
def endpoint():
    """Where the bank listens; `endpoint.answer` may be replaced."""
    with office(lambda _asked: Reply(204)) as state:
        yield state


def listen(client, url, **values):
    """Set where a client is told; return its secret."""
    with db.transaction("owner") as session:
        return endpoints.set_address(
            session,
            session.merge(client),
            url,
            **{"key": KEY, "allow_loopback": True, "actor": "staff:olga", "now": NOW} | values,
        )


@pytest.fixture
def told(empty_database, endpoint):
    """A live consent of a bank that listens: the consent, its client, its secret."""
    with db.transaction("owner") as session:
        client = make.make_client(session)
        consent = make.make_consent(session, client=client)
    return consent, client, listen(client, endpoint.url + "/hooks")


def deliveries() -> list[WebhookDelivery]:
    with db.transaction("owner") as session:
        return list(session.query(WebhookDelivery).order_by(WebhookDelivery.created_at, WebhookDelivery.id))


def try_once(delivery_id, *, now=NOW, allow_loopback=True):
    """Do what the worker does for one queued try: take its job, then try."""
    with db.transaction("owner") as session:
        session.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo' AND queueing_lock = :lock"),
            {"lock": f"webhook:{delivery_id}"},
        )
    delivery.deliver(delivery_id, lambda: now, key=KEY, allow_loopback=allow_loopback)
    with db.transaction("owner") as session:
        return session.get_one(WebhookDelivery, delivery_id)
