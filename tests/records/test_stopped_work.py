"""A revocation in one process stops the pull that a worker process is in the middle of."""

from __future__ import annotations

import threading

from sqlalchemy import func, select

from creditlink.consents import service as consents
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.records.tables import FactRow, Pull
from tests.records.test_crash import parts, until, worker
from tests.serving import environment

SOURCES = ("tax", "social_security", "electricity", "public_credit")  # the last is read by law


def test_a_revocation_stops_a_worker_in_the_middle_of_a_pull(consent, database, desk, city, tmp_path):
    let_go, log = threading.Event(), tmp_path / "worker.log"
    log.touch()
    bureaus = {f"bureau_{name}_url": desk.url for name in SOURCES}
    held = threading.Event()

    def hold_everything(_source, _asked):
        held.set()
        let_go.wait(60)

    def status():
        with db.transaction("owner") as session:
            return session.scalars(select(Pull.status)).all()

    city.spoil = hold_everything
    try:
        with worker(environment(database, tmp_path, **bureaus), log):
            until(held.is_set, "the first question to an office", log)
            assert set(parts()) == set(SOURCES)
            with db.transaction("api") as session:
                consents.revoke(session, consent, actor="account:x", reason="by_the_firm", now=utc_now())
            let_go.set()  # the offices answer now, too late
            until(lambda: status() == ["STOPPED"], "the pull being stopped", log)
    finally:
        let_go.set()
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(FactRow)) == 0
