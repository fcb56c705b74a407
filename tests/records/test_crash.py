"""A worker is killed in the middle of a pull: another process takes it over, and nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

from sqlalchemy import func, select, text

from creditlink.kit.postgres import db
from creditlink.records.tables import FactRow, Pull, PullPart
from creditlink.sandbox.platform.services import free_port
from tests.records.conftest import FACTS_OF_A_FIRM
from tests.serving import ROOT, environment

_PATIENCE = 60


@contextmanager
def worker(env, log):
    """Run a worker process; SIGKILL it on leaving, as a power cut would."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "creditlink", "worker", "--concurrency", "2"],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))} | env,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], what: str, log) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen:\n{log.read_text()[-3000:]}"
        time.sleep(0.05)


def parts():
    with db.transaction("owner") as session:
        rows = session.execute(select(PullPart.source, PullPart.status, PullPart.attempt)).all()
        return {row.source: (row.status, row.attempt) for row in rows}


def test_a_killed_worker_loses_nothing_and_doubles_nothing(consent, database, desk, city, tmp_path):
    let_go, log = threading.Event(), tmp_path / "worker.log"
    log.touch()
    bureaus = {f"bureau_{name}_url": desk.url for name in ("tax", "social_security", "electricity")}
    # Public credit is asked too, whatever is granted: nobody is there.
    bureaus["bureau_public_credit_url"] = f"http://127.0.0.1:{free_port()}"
    env = environment(database, tmp_path, **bureaus)

    def hold_the_payroll(source, _asked):
        if source == "social_security":
            let_go.wait(_PATIENCE)

    city.spoil = hold_the_payroll
    try:
        with worker(env, log) as first:
            until(
                lambda: parts().get("tax") == parts().get("electricity") == ("DELIVERED", 1),
                "two sources delivering",
                log,
            )
            assert parts()["social_security"] == ("PENDING", 1)
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
    finally:
        let_go.set()
    asked = [a.path for a in desk.asked]
    stored = FACTS_OF_A_FIRM - 6
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(FactRow)) == stored
        assert session.scalars(select(Pull.status)).one() == "OPEN"
    with worker(env, log):
        until(lambda: parts()["social_security"] == ("DELIVERED", 2), "the second worker taking over", log)

        def done():
            with db.transaction("owner") as session:
                return session.scalars(select(Pull.status)).one() == "DONE"

        until(done, "the pull's end", log)
    assert [a.path for a in desk.asked][len(asked) :] == ["/sbj/payroll"]
    assert parts()["tax"] == parts()["electricity"] == ("DELIVERED", 1)
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(FactRow)) == FACTS_OF_A_FIRM
        doubled = session.scalar(
            text(
                "SELECT count(*) FROM (SELECT 1 FROM facts GROUP BY enterprise_id, frame, period, subkey, version"
                " HAVING count(*) > 1) AS twice"
            )
        )
    assert doubled == 0
