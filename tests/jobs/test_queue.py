"""Jobs are queued in the caller's transaction, and a double does not spoil it."""

import pytest
from sqlalchemy import text

from creditlink import jobs


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
