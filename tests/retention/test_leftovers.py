"""What is over goes: keys, webhooks and jobs; what may still be needed stays."""

from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import procrastinate
import pytest
from sqlalchemy import func, select, text

from creditlink.enterprises.registry.tables import RegistryLoad, RegistryRow
from creditlink.kit import jobs
from creditlink.kit.http.idempotency import IdempotencyKey
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification, WebhookDelivery
from creditlink.retention import leftovers, tasks
from tests import factories as make
from tests.factories import NOW
from tests.rows import add_row

SECOND = timedelta(seconds=1)


@pytest.fixture
def client(empty_database):
    with empty_database.transaction("owner") as session:
        made = make.make_client(session)
        session.flush()
        return SimpleNamespace(client_id=made.client_id, institution_id=made.institution_id)


def told(session, client, *, at, state="delivered"):
    notification = uuid4()
    add_row(
        session, Notification.__table__, id=notification, institution_id=client.institution_id, created_at=at,
        body="{}", type="consent.revoked",
    )  # fmt: skip
    add_row(
        session, WebhookDelivery.__table__, notification_id=notification, institution_id=client.institution_id,
        client_id=client.client_id, state=state, created_at=at,
    )  # fmt: skip


def left(session, table):
    return session.scalar(select(func.count()).select_from(table))


def test_keys_go_after_a_week_and_not_before(empty_database, client):
    with empty_database.transaction("owner") as session:
        for at in (NOW - leftovers.KEYS_KEPT - SECOND, NOW - leftovers.KEYS_KEPT + SECOND):
            add_row(
                session, IdempotencyKey.__table__, institution_id=client.institution_id, key=str(uuid4()), created_at=at
            )
    with empty_database.transaction("worker") as session:
        assert leftovers.sweep(session, now=NOW)["idempotency_keys"] == 1
    with empty_database.transaction("owner") as session:
        assert left(session, IdempotencyKey) == 1


def test_webhooks_go_once_told_or_given_up_but_never_while_they_wait(empty_database, client):
    old = NOW - leftovers.WEBHOOKS_KEPT - SECOND
    with empty_database.transaction("owner") as session:
        told(session, client, at=old)
        told(session, client, at=old, state="failed")
        told(session, client, at=old, state="waiting")
        told(session, client, at=NOW)
    with empty_database.transaction("worker") as session:
        gone = leftovers.sweep(session, now=NOW)
    assert (gone["webhook_deliveries"], gone["notifications"]) == (2, 2)
    with empty_database.transaction("owner") as session:
        assert left(session, WebhookDelivery) == left(session, Notification) == 2


async def _swept(database):
    connector = procrastinate.PsycopgConnector(conninfo=db.conninfo(database.url))
    with jobs.app.replace_connector(connector) as live:
        async with live.open_async():
            await tasks.sweep_leftovers.func(SimpleNamespace(app=live), timestamp=0)


def test_jobs_that_ended_go_after_a_week_and_those_that_wait_stay(empty_database, socket_enabled):
    import asyncio

    with empty_database.transaction("owner") as session:
        for _ in range(3):
            jobs.defer(session, "records.retry_pull", consent_id="x")
        first, second, _third = session.scalars(text("SELECT id FROM procrastinate_jobs ORDER BY id")).all()
        # Two ended, one of them long ago.
        for job, status in ((first, "succeeded"), (second, "failed")):
            session.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = :id"), {"id": job})
            session.execute(
                text("UPDATE procrastinate_jobs SET status = CAST(:s AS procrastinate_job_status) WHERE id = :id"),
                {"s": status, "id": job},
            )
        session.execute(
            text("UPDATE procrastinate_events SET at = now() - interval '8 days' WHERE job_id = :id"), {"id": second}
        )
    asyncio.run(_swept(empty_database))
    with empty_database.transaction("owner") as session:
        kept = session.scalars(text("SELECT id FROM procrastinate_jobs ORDER BY id")).all()
    assert kept == [first, _third]


def test_nothing_is_swept_twice(empty_database):
    with empty_database.transaction("worker") as session:
        assert set(leftovers.sweep(session, now=NOW).values()) == {0}


def test_refused_rows_of_the_registry_go_and_what_was_taken_stays(empty_database):
    rows = {
        "refused": {"problems": [{"field": "name"}]}, "repeated": {}, "applied": {}, "unchanged": {},
    }  # fmt: skip
    with empty_database.transaction("owner") as session:
        for sooner, at in enumerate((NOW - leftovers.REFUSED_ROWS_KEPT - SECOND, NOW - leftovers.REFUSED_ROWS_KEPT)):
            load = RegistryLoad(
                source="reg", kind="incremental", region="", state="done", actor="x", most_unlisted_bps=0,
                began_at=at, ended_at=at,
            )  # fmt: skip
            session.add(load)
            session.flush()
            session.add_all(
                RegistryRow(
                    load_id=load.id, position=n, source="reg", sequence=f"{sooner}{n}", sha256="x", state=state, **more
                )
                for n, (state, more) in enumerate(rows.items())
            )
    with empty_database.transaction("worker") as session:
        assert leftovers.sweep(session, now=NOW)["registry_rows"] == 2
    with empty_database.transaction("owner") as session:
        assert left(session, RegistryRow) == 6
