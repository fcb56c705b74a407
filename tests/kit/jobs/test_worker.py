"""The real worker process through everything that goes wrong at once: all ends right by itself, and it says so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from creditlink.consents.tables import Consent
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.jobs import lanes
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db
from creditlink.notifications import endpoints
from creditlink.notifications.tables import WebhookDelivery
from creditlink.records.pulls import pull
from creditlink.records.tables import Pull, PullPart
from tests import factories as make
from tests.cluster import cluster
from tests.records.conftest import City
from tests.records.offices import Reply, office, trickling
from tests.serving import ROOT, SECRET_KEY, environment

pytestmark = pytest.mark.long

_PATIENCE = 90


class Worker:
    """A worker process and what it printed."""

    def __init__(self, env, log, pulls=3):
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "creditlink", "worker", "--concurrency", str(pulls)],
                cwd=ROOT,
                env={k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))} | env,
                stdout=output,
                stderr=output,
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(45)

    @property
    def events(self):
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def said(self, event, **values):
        return [e for e in self.events if e.get("event") == event and values.items() <= e.items()]


@contextmanager
def worker(env, log, pulls=3):
    started = Worker(env, log, pulls)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.kill()


def until(condition, what, log, seconds=_PATIENCE):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen:\n{log.read_text()[-6000:]}"
        time.sleep(0.1)


def shorter(folder, **limits):
    """Copy the configuration with other limits of the offices, and sooner retries."""
    shutil.copytree(ROOT / "config", folder)
    path = folder / "sources.toml"
    body = path.read_text()
    for name, value in limits.items():
        line = next(line for line in body.splitlines() if line.startswith(f"{name} ="))
        body = body.replace(line, f"{name} = {value}")
    path.write_text(body)
    return folder


def all_of(query):
    with db.transaction("owner") as session:
        return session.scalars(query).all()


def consent_to(*categories, client=None, lasts=timedelta(days=20)):
    with db.transaction("owner") as session:
        client = session.merge(client) if client is not None else make.make_client(session)
        made = make.make_consent(
            session,
            client=client,
            now=utc_now() - timedelta(minutes=1),
            categories=categories,
            optional_categories=make.CATEGORIES,
            valid_until=utc_now() + lasts,
        )
        session.expunge_all()
    return made


def ask(consent, now=None):
    """Do what a profile request does: have the records pulled where they are not fresh."""
    with db.transaction("owner") as session:
        return pull.ensure_fresh(session, session.get_one(Consent, consent.id), now or utc_now())


def test_everything_that_goes_wrong_ends_right_by_itself(tmp_path):
    city, refusing = City(), []
    log = tmp_path / "worker.log"
    log.touch()
    city.spoil = lambda source, _asked: Reply(500) if source == "social_security" and len(refusing) < 2 else None

    def hear(asked):
        refusing.append(asked)
        return Reply(500 if len(refusing) < 2 else 204)

    with ExitStack() as stack:
        server, database = stack.enter_context(cluster())
        good = stack.enter_context(office(city.answer))
        slow, slow_calls = stack.enter_context(trickling())
        ear = stack.enter_context(office(hear))
        db.configure(database, role="api")
        env = environment(
            database,
            tmp_path,
            config_dir=str(shorter(tmp_path / "config", total_seconds=3.0, firm_seconds=4.0, slots=1, attempts=1)),
            bureau_tax_url=slow,
            bureau_social_security_url=good.url,
            bureau_electricity_url=good.url,
        )
        with db.transaction("owner") as session:
            client = make.make_client(session)
            endpoints.set_address(
                session,
                client,
                ear.url + "/hooks",
                key=SECRET_KEY,
                allow_loopback=True,
                actor="staff:olga",
                now=utc_now(),
            )
        first = stack.enter_context(worker(env, log))
        until(lambda: first.said("worker_started"), "the start", log)

        # Four firms at an office that trickles, three slots for pulls: the announcement and the clock go on.
        stuck = [consent_to("tax") for _ in range(4)]
        for consent in stuck:
            ask(consent)
        until(lambda: slow_calls, "a call of the trickling office", log)
        expiring = consent_to("electricity", client=client, lasts=timedelta(seconds=2))
        until(lambda: len(ear.asked) >= 1, "the first try of the announcement, while the office trickles", log, 40)
        until(lambda: all_of(select(Consent.state).where(Consent.id == expiring.id)) == ["EXPIRED"], "the expiry", log)

        # A failing office: the pull ends, and is tried again.
        failing = consent_to("social_security", "electricity")
        ask(failing)
        until(
            lambda: {"DOWN", "DELIVERED"} <= set(all_of(select(PullPart.status))) and not _open_pulls(failing),
            "the failing office's part ending",
            log,
        )

        # The database goes away and comes back while all that is under way.
        before = first.process.pid
        server.restart()
        until(
            lambda: first.said("database_is_back") or first.process.poll() is not None or _beats(), "a heartbeat", log
        )
        assert first.process.poll() is None
        assert first.process.pid == before

        # A client polls, so that a twin is queued, while the worker is killed in the middle of its pull.
        polled = _caught_in_a_pull(log)
        first.kill()
        second = stack.enter_context(worker(env, log))
        ask(polled)

        until(lambda: not _open_pulls(), "every pull ending", log)
        until(
            lambda: [row.state for row in all_of(select(WebhookDelivery))] == ["delivered"],
            "the webhook that was refused once arriving",
            log,
        )
        until(lambda: second.said("job_rescued"), "the rescue", log)
        # Of those that ended: what failed is asked again after a while, so a pull may be open once more by now.
        assert set(all_of(select(PullPart.status).join(Pull).where(
            PullPart.source == "tax", Pull.status != "OPEN"))) == {"TIMEOUT"}  # fmt: skip
        assert all_of(select(DeadLetter).where(DeadLetter.resolved_at.is_(None))) == []
        with db.transaction("owner") as session:
            doing = session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'"))
            alive, found = lanes.health(session)
        assert doing <= 4  # nothing but what runs right now
        assert alive >= 3
        assert {lane.lane: lane.state for lane in found} == {"pulls": "well", "webhooks": "well", "system": "well"}
        assert second.stop() == 0
    db.configure(database, role="api")


def _beats():
    with db.transaction("owner") as session:
        return session.scalar(
            text("SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 second'")
        )


def _caught_in_a_pull(log, tries=8):
    """Ask for a firm's records twice, so that one pull runs while its twin waits; a pull that was over before the
    second request, as on a busy machine, is no such case, and another firm is asked for."""
    for _ in range(tries):
        polled = consent_to("tax")
        ask(polled)
        until(lambda: all_of(select(Pull.id).join(PullPart).where(
            Pull.consent_id == polled.id, PullPart.status == "PENDING")), "the pull beginning", log)  # fmt: skip # noqa: B023
        ask(polled)
        if [len(_jobs_of(polled, status)) for status in ("doing", "todo")] == [1, 1]:
            return polled
    raise AssertionError(f"no pull of {tries} was caught under way with its twin waiting")


def _open_pulls(consent=None):
    query = select(Pull.id).where(Pull.status == "OPEN")
    return all_of(query if consent is None else query.where(Pull.consent_id == consent.id))


def _jobs_of(consent, status):
    with db.transaction("owner") as session:
        return session.scalars(
            text("SELECT id FROM procrastinate_jobs WHERE status = CAST(:status AS procrastinate_job_status)"
                 " AND args->>'consent_id' = :consent AND task_name = 'records.pull_consent'"),
            {"status": status, "consent": str(consent.id)},
        ).all()  # fmt: skip


def test_a_worker_whose_database_stays_away_ends_with_an_error(tmp_path):
    log = tmp_path / "worker.log"
    log.touch()
    with cluster() as (server, database):
        env = environment(database, tmp_path, worker_give_up_seconds="2")
        with worker(env, log) as running:
            until(lambda: running.said("worker_started"), "the start", log)
            until(lambda: _alive(database), "a heartbeat", log)
            server.stop()
            try:
                assert running.process.wait(60) == 1
            finally:
                server.start()
            assert running.said("database_is_away")
            assert running.said("worker_gives_up")
            assert "worker_give_up_seconds" in log.read_text()


def _alive(database):
    with database.transaction("owner") as session:
        return lanes.health(session)[0]


def test_a_worker_ends_at_once_when_told_to_while_the_database_is_away(tmp_path):
    log = tmp_path / "worker.log"
    log.touch()
    with cluster() as (server, database), worker(environment(database, tmp_path), log) as running:
        until(lambda: _alive(database), "a heartbeat", log)
        server.stop()
        until(lambda: running.said("database_is_away"), "noticing it", log)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(40) == 0
        assert time.monotonic() - began < 35
        server.start()


def dead_job(session, queue, *, lock=None):
    """A job that a worker was doing when it was killed."""
    job_id = jobs.defer(session, "jobs.nothing", queue=queue, lock=lock)
    worker_id = session.scalar(
        text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id")
    )
    session.execute(
        text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker WHERE id = :id"),
        {"worker": worker_id, "id": job_id},
    )
    return job_id


@contextmanager
def locked(database, job_id):
    """Hold a job's row as somebody does who looks at it in a transaction and goes to lunch."""
    with database.engine("owner").connect() as connection:
        connection.execute(text("SELECT FROM procrastinate_jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        yield


def state_of(job_id):
    with db.transaction("owner") as session:
        return session.scalar(text("SELECT status::text FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})


_BEFORE_THE_LOCK_ENDS = 25  # seconds; before, a lane waited for 30 s at least, and at its start for as long as it took


def test_a_dead_workers_job_whose_row_is_locked_holds_up_neither_the_lanes_nor_the_rescue_of_others(
    empty_database, tmp_path
):
    log = tmp_path / "worker.log"
    log.touch()
    with db.transaction("owner") as session:
        held, other = dead_job(session, "webhooks"), dead_job(session, "webhooks")
    with locked(empty_database, held), worker(environment(empty_database, tmp_path), log) as running:
        until(lambda: running.said("worker_started"), "the start", log)
        until(lambda: running.said("job_rescued", job_id=other), "the rescue of the other", log, _BEFORE_THE_LOCK_ENDS)
        assert running.said("job_not_rescued", job_id=held)
        until(lambda: state_of(other) != "doing", "a lane that works", log, _BEFORE_THE_LOCK_ENDS)
        assert state_of(held) == "doing"


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_worker_whose_clock_is_off_says_so_and_goes_by_the_databases(empty_database, tmp_path, seconds):
    log = tmp_path / "worker.log"
    log.touch()
    off = {"PYTHONPATH": str(ROOT / "tests" / "gameday" / "clock"), "GAMEDAY_CLOCK_SECONDS": str(seconds)}
    with db.transaction("owner") as session:
        dead = dead_job(session, "webhooks")
    with worker(environment(empty_database, tmp_path) | off, log) as running:
        until(lambda: running.said("job_rescued", job_id=dead), "the rescue", log)
        until(lambda: state_of(dead) not in ("doing", "todo"), "its beginning again", log, 30)
        said = running.said("clock_is_off")
        assert said
        assert abs(said[0]["seconds_ahead"] - seconds) < 30


def test_a_job_whose_row_is_locked_while_it_runs_gives_its_slot_back(empty_database, tmp_path):
    log = tmp_path / "worker.log"
    log.touch()
    limits = {"total_seconds": 3.0, "firm_seconds": 4.0, "attempts": 1}
    with trickling() as (slow, slow_calls):
        env = environment(
            empty_database, tmp_path, config_dir=str(shorter(tmp_path / "config", **limits)), bureau_tax_url=slow,
        )  # fmt: skip
        with worker(env, log, pulls=1) as running:
            first, second = consent_to("tax"), consent_to("tax")
            ask(first)
            until(lambda: slow_calls, "a call of the office", log)
            with locked(empty_database, _jobs_of(first, "doing")[0]):
                ask(second)
                until(lambda: not _open_pulls(first), "the end of the pull", log)
                until(lambda: _jobs_of(second, "doing"), "the next one's beginning", log, _BEFORE_THE_LOCK_ENDS)
                assert running.process.poll() is None
            until(lambda: not _open_pulls(), "every pull ending", log)
            assert not running.said("lane_ended")
