"""The buckets under attack: at once, at the last token, over processes, and with a clock that goes back."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from creditlink.kit.postgres import db
from creditlink.metering import postgres
from creditlink.metering.buckets import Bucket, Charge, Rate, StoreDown
from creditlink.metering.postgres import PostgresStore

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
SLOW = Rate(5, 5000)


def one(key="institution:a", rate=SLOW):
    return Bucket(key.partition(":")[0], key, rate)


def call(institution_id, **more):
    return Charge(institution_id, "bank-1", date(2026, 12, 1), "call", "profile:read", **more)


def by_day(database, institution_id):
    with database.transaction("owner") as session:
        rows = session.execute(
            text("SELECT day::text, units FROM usage_days WHERE institution_id = :i"), {"i": institution_id}
        )
        return dict(rows.all())


def counted(database, institution_id):
    with database.transaction("owner") as session:
        return session.scalar(
            text("SELECT coalesce(sum(units), 0) FROM usage_counts WHERE institution_id = :i"), {"i": institution_id}
        )


@pytest.fixture
def store(empty_database):
    return PostgresStore()


class TestOneBucket:
    def test_it_gives_its_tokens_and_then_says_how_long_to_wait(self, empty_database):
        store = PostgresStore(lambda: NOON)
        left = [store.admit([one()], None).states[0].left for _ in range(5)]
        assert left == [4, 3, 2, 1, 0]
        refused = store.admit([one()], None)
        assert [(s.bucket.policy, s.wait, s.left) for s in refused.refusing] == [("institution", 1000.0, 0)]

    def test_a_token_comes_back_in_its_time_and_no_sooner(self, empty_database):
        now = NOON
        store = PostgresStore(lambda: now)
        for _ in range(6):
            store.admit([one()], None)
        now = NOON + timedelta(seconds=999)
        assert store.admit([one()], None).refusing
        now = NOON + timedelta(seconds=1000)
        assert not store.admit([one()], None).refusing
        assert store.admit([one()], None).refusing

    def test_a_clock_that_goes_back_costs_one_bucket_at_most(self, empty_database):
        now = NOON + timedelta(days=400)
        store = PostgresStore(lambda: now)
        store.admit([one()], None)
        now = NOON
        assert store.admit([one()], None).refusing[0].wait == 1000.0
        now = NOON + timedelta(seconds=1000)
        assert not store.admit([one()], None).refusing

    def test_a_clock_that_jumps_ahead_gives_one_bucket_at_most(self, empty_database):
        now = NOON
        store = PostgresStore(lambda: now)
        for _ in range(5):
            store.admit([one()], None)
        now = NOON + timedelta(days=400)
        assert [bool(store.admit([one()], None).refusing) for _ in range(6)] == [False] * 5 + [True]


class TestSeveralBuckets:
    def test_all_give_a_token_or_none_does(self, empty_database):
        store = PostgresStore(lambda: NOON)
        narrow, wide = one("client:z", Rate(1, 60)), one("institution:a", Rate(10, 60))
        assert not store.admit([narrow, wide], None).refusing
        for _ in range(20):
            assert [s.bucket.policy for s in store.admit([narrow, wide], None).refusing] == ["client"]
        assert store.admit([wide], None).states[0].left == 8

    def test_states_come_in_the_order_of_the_buckets(self, store):
        names = ["route:b", "client:c", "institution:a"]
        assert [s.bucket.key for s in store.admit([one(n) for n in names], None).states] == names

    def test_opposite_orders_never_wait_for_each_other(self, store):
        first = [one("client:a", Rate(10_000, 1)), one("institution:b", Rate(10_000, 1))]
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(store.admit, first[:: 1 if n % 2 else -1], None) for n in range(200)]
        assert not any(future.result().refusing for future in asked)


def test_two_at_the_last_token_get_one(store):
    for turn in range(20):
        bucket, barrier = one(f"client:{turn}", Rate(1, 3600)), threading.Barrier(2)

        def race(bucket=bucket, barrier=barrier):
            barrier.wait()
            return not store.admit([bucket], None).refusing

        with ThreadPoolExecutor(2) as pool:
            assert sorted(f.result() for f in [pool.submit(race), pool.submit(race)]) == [False, True]


_BURST = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID
from creditlink.kit.postgres import db
from creditlink.metering.buckets import Bucket, Charge, Rate
from creditlink.metering.postgres import PostgresStore
url, institution = sys.argv[1:]
db.configure(db.Database(url, pool_size=8), role="api")
store = PostgresStore()
charge = Charge(UUID(institution), "bank-1", date(2026, 12, 1), "call", "profile:read")
buckets = [Bucket("institution", "institution:burst", Rate(137, 86400)), Bucket("client", "client:1", Rate(9999, 1))]
with ThreadPoolExecutor(8) as pool:
    given = list(pool.map(lambda _: not store.admit(buckets, charge).refusing, range(500)))
print(json.dumps(sum(given)))
"""


@pytest.mark.long
def test_a_thousand_at_once_over_two_processes_get_what_is_in_the_bucket(database, empty_database):
    institution = uuid4()
    command = [sys.executable, "-c", _BURST, db.conninfo(database.url), str(institution)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    given = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert sum(given) == 137
    assert by_day(database, institution) == {"2026-12-01": 137}
    assert counted(database, institution) == 137


class TestCharges:
    def test_what_is_agreed_is_given_exactly_and_a_refusal_counts_nothing(self, store, empty_database):
        bank = uuid4()
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: store.admit([], call(bank, per_day=50, per_month=60)), range(200)))
        assert sum(one.is_charged for one in made) == 50
        assert {one.used_up for one in made} == {None, "day"}
        assert by_day(empty_database, bank) == {"2026-12-01": 50}
        assert counted(empty_database, bank) == 50

    def test_the_month_ends_what_the_day_would_allow(self, store, empty_database):
        bank = uuid4()
        for n in range(3):
            charge = Charge(bank, "bank-1", date(2026, 12, 1 + n), "call", "x", per_day=9, per_month=2)
            assert store.admit([], charge).used_up == (None if n < 2 else "month")
        assert by_day(empty_database, bank) == {"2026-12-01": 1, "2026-12-02": 1, "2026-12-03": 0}

    def test_without_a_token_nothing_is_counted(self, store, empty_database):
        bank = uuid4()
        narrow = one("client:n", Rate(1, 3600))
        assert [store.admit([narrow], call(bank)).is_charged for _ in range(3)] == [True, False, False]
        assert counted(empty_database, bank) == 1

    def test_what_is_given_back_was_never_used(self, store, empty_database):
        bank = uuid4()
        store.admit([], call(bank))
        for _ in range(3):  # more often than it was counted: never below nothing
            postgres.give_back(call(bank))
        assert set(by_day(empty_database, bank).values()) == {0}
        assert counted(empty_database, bank) == 0

    def test_a_charge_within_a_transaction_is_counted_if_that_commits(self, empty_database):
        bank = uuid4()
        charge = Charge(bank, "bank-1", date(2026, 12, 1), "profile", "profile", per_month=1)
        with db.transaction() as session:
            postgres.charge_within(session, charge)
            session.rollback()
        assert counted(empty_database, bank) == 0
        with db.transaction() as session:
            assert postgres.charge_within(session, charge) is None
            assert postgres.charge_within(session, charge) == "month"
        assert counted(empty_database, bank) == 1


class TestDown:
    def test_a_bucket_that_stays_locked_is_given_up_soon(self, store, empty_database):
        store.admit([one()], None)
        with empty_database.transaction("owner") as session:
            session.execute(text("SELECT FROM limit_buckets FOR UPDATE"))
            began = time.monotonic()
            with pytest.raises(StoreDown):
                store.admit([one()], None)
            assert time.monotonic() - began < 2
        assert not store.admit([one()], None).refusing

    def test_a_connection_is_given_back_as_it_was(self, store, empty_database):
        for _ in range(20):
            store.admit([one("client:many", Rate(100, 1))], None)
            with db.transaction() as session:
                assert session.scalar(text("SHOW lock_timeout")) == "2s"
                assert not session.connection().connection.driver_connection.autocommit


def test_the_role_of_the_api_reaches_no_bucket_but_by_the_function(store, empty_database):
    store.admit([one()], call(uuid4()))
    for table in ("limit_buckets", "usage_counts", "usage_days"):
        with pytest.raises(Exception, match="permission denied"), db.transaction() as session:
            session.execute(text(f"DELETE FROM {table}"))
    with db.transaction() as session:  # and sees no institution's use without being of it
        assert session.scalar(text("SELECT count(*) FROM usage_counts")) == 0
