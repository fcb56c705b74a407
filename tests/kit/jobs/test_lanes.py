"""A starved lane is told from a well one, and slots keep one office from holding a whole lane."""

from sqlalchemy import text

from creditlink.kit import jobs
from creditlink.kit.jobs import lanes
from creditlink.kit.postgres import db
from creditlink.kit.processes.slots import Slots


def beat():
    with db.transaction("owner") as session:
        session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))


def queue(queue_name, *, waits_seconds=0, **more):
    with db.transaction("worker") as session:
        job_id = jobs.defer(session, "some.task", queue=queue_name, **more)
    with db.transaction("owner") as session:
        session.execute(
            text("UPDATE procrastinate_events SET at = at - make_interval(secs => :seconds) WHERE job_id = :id"),
            {"seconds": waits_seconds, "id": job_id},
        )
    return job_id


def states():
    with db.transaction() as session:
        return {lane.lane: (lane.state, lane.waiting) for lane in lanes.health(session)[1]}


def test_a_lane_whose_jobs_do_not_begin_is_starved(empty_database):
    beat()
    queue("pulls", waits_seconds=90)
    queue("webhooks", waits_seconds=5)
    idle = {"messages": ("well", 0), "system": ("well", 0)}
    assert states() == {"pulls": ("starved", 1), "webhooks": ("well", 1), **idle}


def test_without_a_worker_every_lane_is_dead(empty_database):
    queue("pulls")
    assert {state for state, _ in states().values()} == {"dead"}


def test_a_job_that_waits_for_its_own_kind_or_its_time_does_not_starve(empty_database):
    beat()
    first = queue("pulls", waits_seconds=90, lock="consent:1")
    with db.transaction("worker") as session:
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = :id"), {"id": first})
    queue("pulls", waits_seconds=90, lock="consent:1")
    assert states()["pulls"] == ("well", 0)


def test_readiness_shows_the_lanes(client, empty_database):
    beat()
    queue("pulls", waits_seconds=90)
    worker = client.get("/health/ready").json["checks"]["worker"]
    assert worker["ok"]
    assert worker["lanes"]["pulls"]["state"] == "starved"
    assert worker["lanes"]["pulls"]["oldest_seconds"] >= 90


def test_slots_are_per_name_and_come_free():
    slots = Slots(2)
    with slots.take("tax") as first, slots.take("tax") as second, slots.take("tax") as third:
        assert (first, second, third) == (True, True, False)
        with slots.take("utility") as other:
            assert other
    with slots.take("tax") as again:
        assert again
