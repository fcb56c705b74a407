"""Of the jobs with one queueing lock one waits, whatever sends another back; work that failed is on the list."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.jobs import dead_letters
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db

ONE = {"queue": "pulls", "queueing_lock": "pull:1", "lock": "consent:1"}


def defer(role="worker", task="records.pull_consent", **more):
    with db.transaction(role) as session:
        return jobs.defer(session, task, **{**ONE, **more}, consent_id="1")


def move(job_id, status):
    with db.transaction("worker") as session:
        session.execute(
            text("UPDATE procrastinate_jobs SET status = CAST(:s AS procrastinate_job_status) WHERE id = :id"),
            {"s": status, "id": job_id},
        )


def send_back(job_id, seconds=30):
    """What a retry and a rescue do."""
    with db.transaction("worker") as session:
        session.execute(
            text("SELECT procrastinate_retry_job_v2(:id, now() + make_interval(secs => :seconds), NULL, NULL, NULL)"),
            {"id": job_id, "seconds": seconds},
        )


def rows():
    with db.transaction("owner") as session:
        return session.execute(
            text("SELECT id, status::text, attempts, scheduled_at FROM procrastinate_jobs ORDER BY id")
        ).all()


@pytest.mark.usefixtures("empty_database")
class TestOneWaiting:
    def test_a_double_is_dropped_without_an_error_in_the_database(self):
        with db.transaction("api") as session:
            assert jobs.defer(session, "records.pull_consent", **ONE, consent_id="1")
            assert jobs.defer(session, "records.pull_consent", **ONE, consent_id="1") is None
            assert session.scalar(text("SELECT 1")) == 1  # the transaction is not spoilt
        assert len(rows()) == 1

    def test_of_many_at_once_one_waits(self):
        with ThreadPoolExecutor(8) as pool:
            made = [job for job in pool.map(lambda _: defer("api"), range(16)) if job is not None]
        assert len(made) == len(rows()) == 1

    def test_one_that_goes_back_joins_the_one_that_was_queued_meanwhile(self):
        first = defer()
        move(first, "doing")
        twin = defer()
        assert twin is not None
        send_back(first)
        (former, status, *_), (kept, todo, attempts, scheduled_at) = rows()
        assert (former, status, kept, todo) == (first, "cancelled", twin, "todo")
        assert attempts == 1  # the pause between tries, and their number, hold for the twin
        assert scheduled_at is not None

    def test_one_that_goes_back_alone_waits_itself(self):
        first = defer()
        move(first, "doing")
        send_back(first)
        assert [(row.status, row.attempts) for row in rows()] == [("todo", 1)]
        assert defer() is None

    def test_a_failed_one_that_is_tried_again_joins_too(self):
        first = defer()
        move(first, "doing")
        move(first, "failed")
        twin = defer()
        send_back(first, 0)
        assert [(row.id, row.status) for row in rows()] == [(first, "cancelled"), (twin, "todo")]

    def test_retries_and_new_ones_at_once_leave_one_waiting(self):
        for _ in range(10):
            first = defer()
            move(first, "doing")
            with ThreadPoolExecutor(8) as pool:
                back = pool.submit(send_back, first, 0)
                list(pool.map(lambda _: defer("api"), range(7)))
                back.result()
            waiting = [row for row in rows() if row.status == "todo"]
            assert len(waiting) == 1
            move(waiting[0].id, "succeeded")


@pytest.mark.usefixtures("empty_database")
class TestDeadLetters:
    def letters(self):
        with db.transaction("owner") as session:
            return session.scalars(select(DeadLetter).order_by(DeadLetter.first_failed_at)).all()

    def test_a_job_that_failed_for_good_is_on_the_list_with_what_it_needs(self):
        job_id = defer(priority=-1)
        move(job_id, "doing")
        move(job_id, "failed")
        (letter,) = self.letters()
        assert (letter.kind, letter.task, letter.item, letter.failures) == ("job", "records.pull_consent", "pull:1", 1)
        assert (letter.args, letter.lock, letter.priority) == ({"consent_id": "1"}, "consent:1", -1)

    def test_it_leaves_the_list_when_the_same_work_succeeds_later(self):
        for status in ("failed", "failed", "succeeded"):
            job_id = defer()
            move(job_id, "doing")
            move(job_id, status)
        (letter,) = self.letters()
        assert (letter.failures, letter.resolution) == (2, "succeeded")

    def test_retrying_it_queues_the_work_again_once(self):
        job_id = defer()
        move(job_id, "doing")
        move(job_id, "failed")
        with db.transaction("owner") as session:
            dead_letters.retry(session, self.letters()[0], utc_now())
        assert [row.status for row in rows()] == ["failed", "todo"]
        assert self.letters()[0].resolution == "retried"

    def test_an_error_is_described_without_its_values(self):
        with pytest.raises(DBAPIError) as caught, db.transaction("owner") as session:
            session.execute(text("SELECT CAST(:secret AS integer)"), {"secret": "91440600MA0000001X"})
        assert dead_letters.describe(caught.value) == "DataError: InvalidTextRepresentation (22P02)"

    def test_one_item_that_fails_ends_nothing_for_the_others(self):
        now, done = utc_now(), []

        def work(session, item):
            if item == 2:
                session.execute(text("SELECT 1/0"))
            done.append(item)

        tally = jobs.each("sweep.test", [1, 2, 3], work, now=now)
        assert (tally.done, tally.failed, done) == (2, 1, [1, 3])
        (letter,) = self.letters()
        assert (letter.kind, letter.item, letter.error) == ("item", "2", "DataError: DivisionByZero (22012)")
        assert letter.next_try_at > now
        jobs.each("sweep.test", [2], lambda _session, _item: None, now=now)
        assert self.letters()[0].resolution == "succeeded"

    def test_a_database_that_is_away_is_no_items_fault(self):
        def work(session, _item):
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            with db.transaction("owner") as killing:
                killing.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            session.execute(text("SELECT 1"))

        with pytest.raises(DBAPIError):
            jobs.each("sweep.test", [1, 2], work, now=utc_now())
        assert self.letters() == []
