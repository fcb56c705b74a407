"""Jobs are queued in the caller's transaction, and a double does not spoil it."""

from datetime import UTC, datetime, timedelta

import pytest
from procrastinate import utils
from procrastinate.jobs import Job
from sqlalchemy import text

from creditlink.kit import clock, jobs


def _waiting(database):
    with database.transaction("owner") as session:
        return session.scalar(text("SELECT count(*) FROM procrastinate_jobs"))


def test_a_double_is_refused_and_the_transaction_goes_on(empty_database):
    with empty_database.transaction("api") as session:
        first = jobs.defer(session, "records.retry_pull", queueing_lock="one", consent_id="x")
        second = jobs.defer(session, "records.retry_pull", queueing_lock="one", consent_id="x")
        assert (first is None, second) == (False, None)
        assert session.scalar(text("SELECT 1")) == 1
    assert _waiting(empty_database) == 1


def test_a_job_exists_exactly_if_the_transaction_commits(empty_database):
    def fails():
        with empty_database.transaction("api") as session:
            jobs.defer(session, "records.retry_pull", consent_id="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert _waiting(empty_database) == 0


def test_a_job_that_failed_comes_again_by_the_databases_clock(monkeypatch):
    monkeypatch.setattr(clock, "wall_clock", lambda: datetime.now(UTC) + timedelta(minutes=10))
    monkeypatch.setattr(utils, "utcnow", lambda: datetime.now(UTC) + timedelta(minutes=10))
    monkeypatch.setattr(clock, "_ahead", timedelta(minutes=10))
    job = Job(id=1, queue="pulls", lock=None, queueing_lock=None, task_name="x", attempts=2)
    again = jobs.AGAIN.get_retry_decision(exception=ValueError(), job=job)
    assert 0 < (again.retry_at - datetime.now(UTC)).total_seconds() <= 8
    assert jobs.AGAIN.get_retry_decision(exception=ValueError(), job=job.evolve(attempts=6)) is None
