"""The other store: the same promises, through the library `limits`; against a server where the machine has one."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest

from creditlink.kit.settings import SettingError
from creditlink.metering.buckets import Bucket, Charge, Rate, StoreDown
from creditlink.metering.stores import store_of
from creditlink.sandbox.platform.services import free_port

storages = pytest.importorskip("limits.storage")
SERVER = shutil.which("valkey-server") or shutil.which("redis-server")
SLOW = Rate(5, 3600)


def one(key="institution:a", rate=SLOW):
    return Bucket(key.partition(":")[0], key, rate)


@pytest.fixture(params=["in memory", "a server"])
def store(request, empty_database, tmp_path):
    from creditlink.metering.valkey import ValkeyStore

    if request.param == "in memory":
        yield ValkeyStore(storages.MemoryStorage(wrap_exceptions=True))
        return
    if SERVER is None:
        pytest.skip("this machine has no server")
    port = free_port()
    process = subprocess.Popen([SERVER, "--port", str(port), "--dir", str(tmp_path), "--save", ""], stdout=-3)
    try:
        made = ValkeyStore.at(f"valkey://127.0.0.1:{port}")
        for _ in range(100):
            try:
                made.admit([one("client:probe")], None)
                break
            except StoreDown:
                made._rests_until = 0.0
                time.sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait()


def test_a_burst_gets_what_is_there_and_no_more(store):
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: store.admit([one(rate=Rate(37, 3600))], None), range(200)))
    assert sum(not verdict.refusing for verdict in asked) == 37
    assert asked[-1].states[0].left == 0


def test_a_refusal_by_one_takes_nothing_of_the_others_and_counts_nothing(store, empty_database):
    narrow, wide, bank = one("client:z", Rate(1, 3600)), one("institution:b", Rate(10, 3600)), uuid4()
    charge = Charge(bank, "bank-1", date(2026, 12, 1), "call", "profile:read", per_day=5)
    first = store.admit([narrow, wide], charge)
    assert (first.is_charged, first.day_units) == (True, 1)
    for _ in range(5):
        refused = store.admit([narrow, wide], charge)
        assert [state.bucket.policy for state in refused.refusing] == ["client"]
        assert not refused.is_charged
    last = store.admit([wide], charge)
    assert (last.states[0].left, last.day_units) == (8, 2)


def test_one_that_is_away_is_told_soon_and_then_left_alone(empty_database):
    from creditlink.metering.valkey import ValkeyStore

    away = ValkeyStore.at(f"valkey://127.0.0.1:{free_port()}")
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(StoreDown):
            away.admit([one()], None)
    assert time.monotonic() - began < 3


def test_the_setting_is_checked_at_the_start_and_its_password_is_not_repeated(settings):
    with pytest.raises(SettingError, match="limits_store") as refused:
        store_of(replace(settings, limits_store="http://user:hidden@host"))
    assert "hidden" not in str(refused.value)
