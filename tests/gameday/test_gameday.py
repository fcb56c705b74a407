"""Game days: a real platform under a light load is broken on purpose. `make gameday` plays them all.

Each says what clients may see meanwhile, what must be kept, and within what time all is well again by itself.
Afterwards: `script | clients saw | kept | healed after`. The short ones are part of `make test`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.gameday.load import GOOD, KINDS, Load
from tests.gameday.platform import START_WITHIN, Platform, until
from tests.serving import ROOT

pytestmark = pytest.mark.long

# A request that was on its way when its process was killed; and what a client sees while nobody listens.
IN_FLIGHT = frozenset({"ReadError", "RemoteProtocolError", "WriteError"})
NOBODY_THERE = IN_FLIGHT | {"ConnectError"}

Fault = Callable[[Platform], contextlib.AbstractContextManager[None]]
_rows: list[str] = []
_platform: Platform | None = None


@pytest.fixture
def platform():
    """The platform of the last game day where it healed, else a new one."""
    global _platform
    if _platform is None:
        _platform = Platform()
        _platform.start()
    return _platform


@pytest.fixture(scope="module", autouse=True)
def _afterwards():
    yield
    _throw_away()


@pytest.fixture(autouse=True)
def _told(request):
    """Print each row as soon as it is known, whatever pytest captures."""
    known = len(_rows)
    yield
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for row in ["", *([] if known else ["script | clients saw | kept | healed after"]), *_rows[known:]]:
            sys.stderr.write(row + "\n")


def _throw_away() -> None:
    global _platform
    if _platform is not None:
        _platform.close()
        _platform = None


def play(
    platform: Platform,
    name: str,
    fault: Fault,
    *,
    slowest: float,
    heals: float,
    lost: frozenset[str] = frozenset(),
    dies: tuple[str, ...] = (),
    unharmed: tuple[str, ...] = ("live",),
) -> None:
    """Break the platform under load, and hold it to what is promised.

    `slowest`: seconds that no call may exceed. `heals`: seconds within which all is well after the fault is over.
    `lost`: transport errors that clients may see. `dies`: processes that the fault kills, which whoever runs them
    starts again. `unharmed`: kinds of call that are answered well throughout.
    """
    wrong: list[str] = []
    with Load(platform) as load:
        began = time.monotonic()
        until(lambda: load.good_since(began), START_WITHIN, f"{name}: a good start")
        load.seen.clear()
        with fault(platform):
            pass
        over, over_at = time.monotonic(), time.time()

        def well() -> bool:
            for part in dies:
                platform.look_after(part)
            return load.good_since(over) and platform.ready() and platform.last_good_job() > over_at

        def well_at_last() -> bool:
            with contextlib.suppress(psycopg.Error):
                return well()
            return False

        try:
            until(well_at_last, heals, f"{name}: healing")
            healed = f"{time.monotonic() - over:.1f} s"
        except TimeoutError as error:
            healed = f"not within {heals:.0f} s"
            wrong.append(str(error))
    ended = [part for part, process in platform.processes.items() if process.poll() is not None]
    wrong += [f"{part} ended with exit code {platform.processes[part].returncode}" for part in ended]
    wrong += sorted({seen.wrong for seen in load.seen if seen.wrong})[:10]
    transport = {seen.answer for seen in load.seen if not seen.answer.isdigit()}
    wrong += [f"clients saw {error}" for error in sorted(transport - lost)]
    if load.slowest() > slowest:
        worst = max(load.seen, key=lambda seen: seen.seconds)
        wrong.append(f"{worst.kind} waited {worst.seconds:.1f} s for {worst.answer}, more than {slowest:.0f} s")
    for kind in unharmed:
        bad = sorted({seen.answer for seen in load.seen if seen.kind == kind} - {GOOD[kind]} - lost)
        wrong += [f"{kind} was harmed: {answer}" for answer in bad]
    kept, lacking = _kept(platform, load)
    wrong += lacking
    _rows.append(f"{name} | {load.counts()}, slowest {load.slowest():.1f} s | {kept} | {healed}"
                 + (f" | WRONG: {'; '.join(wrong)}" if wrong else ""))  # fmt: skip
    if wrong:
        logs = "\n".join(f"--- {part}\n{platform.log(part)[-1500:]}" for part in ("holder", *platform.processes))
        _throw_away()
        pytest.fail("\n".join([_rows[-1].replace(" | WRONG: ", "\n"), *wrong, logs]))


def _kept(platform: Platform, load: Load) -> tuple[str, list[str]]:
    """Return in words whether every acknowledged write is there exactly once, and what is wrong."""
    marks = list(load.acknowledged)
    try:
        with platform.connect() as connection:
            rows = connection.execute(
                "SELECT state, count(*) FROM pushed_requests WHERE state = ANY(%s) GROUP BY state", [marks]
            ).fetchall()
    except psycopg.Error as error:
        return "not known", [f"the database does not answer: {error}"]
    times = dict(rows)
    wrong = [f"an acknowledged write is there {times.get(mark, 0)} times" for mark in marks if times.get(mark) != 1]
    check = subprocess.run(
        [sys.executable, "-m", "creditlink", "audit", "check"],
        cwd=ROOT, env=platform.env(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if check.returncode != 0:
        wrong.append(f"the evidence does not verify: {check.stdout}{check.stderr}")
    return f"{len(marks) - len(wrong)} of {len(marks)} writes, once; evidence verifies", wrong[:5]


# --- processes that die


@contextmanager
def _killed(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGKILL)
    yield


def test_a_child_of_the_api_is_killed(platform):
    play(
        platform, "kill -9 of an API child", lambda p: _killed(p.children()[0]),
        lost=IN_FLIGHT, slowest=30, heals=120, unharmed=(),
    )  # fmt: skip


def test_a_backend_is_killed(platform):
    """The server restarts itself when one of its processes is killed: every connection is cut."""

    def fault(p: Platform):
        backend = p.one(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " AND datname = current_database() LIMIT 1"
        )
        return _killed(int(backend))

    play(platform, "kill -9 of a backend", fault, slowest=15, heals=60)


def test_the_database_is_read_only(platform):
    @contextmanager
    def fault(p: Platform):
        with p.connect() as connection:
            connection.execute("ALTER DATABASE gameday SET default_transaction_read_only = on")
            _cut_others(connection)
            time.sleep(8)
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER DATABASE gameday RESET default_transaction_read_only")
            yield
            _cut_others(connection)

    play(platform, "read-only for 8 s", fault, slowest=15, heals=60, unharmed=("live", "products"))


def _cut_others(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


@pytest.mark.gameday
def test_the_api_is_killed(platform):
    play(
        platform, "kill -9 of the API", lambda p: _killed(p.processes["api"].pid),
        lost=NOBODY_THERE, slowest=60, heals=180, dies=("api",), unharmed=(),
    )  # fmt: skip


@pytest.mark.gameday
def test_the_worker_is_killed(platform):
    play(
        platform, "kill -9 of the worker", lambda p: _killed(p.processes["worker"].pid),
        slowest=15, heals=120, dies=("worker",), unharmed=KINDS,
    )  # fmt: skip


def test_the_postmaster_is_killed(platform):
    play(platform, "kill -9 of the postmaster", lambda p: _killed(p.postmaster()), slowest=20, heals=120)


# --- a database that is there and does not answer


@pytest.mark.gameday
def test_the_database_stops_for_35_seconds(platform):
    @contextmanager
    def fault(p: Platform):
        stopped = p.postgres()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(35)
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        yield

    play(platform, "SIGSTOP of the database for 35 s", fault, slowest=50, heals=90)


@pytest.mark.gameday
def test_a_row_is_locked_for_40_seconds(platform):
    """Only the bank whose row it is may notice."""

    @contextmanager
    def fault(p: Platform):
        with psycopg.connect(p.database_url) as holder:
            holder.execute("SELECT 1 FROM clients WHERE client_id = %s FOR UPDATE", [p.banks[0].client_id])
            time.sleep(40)
        yield

    play(
        platform, "a row locked for 40 s", fault, slowest=15, heals=60,
        unharmed=("live", "products", "page", "push_of_another_bank"),
    )  # fmt: skip


@pytest.mark.gameday
def test_the_disk_is_full(platform):
    if not platform.own_disk:
        pytest.skip("a small disk to fill needs the right to mount a tmpfs")

    @contextmanager
    def fault(p: Platform):
        ballast = p.disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        time.sleep(20)
        ballast.unlink()
        yield

    play(platform, "disk full for 20 s", fault, slowest=20, heals=120)


@pytest.mark.gameday
def test_the_connections_are_used_up(platform):
    @contextmanager
    def fault(p: Platform):
        taken: list[psycopg.Connection] = []
        over = threading.Event()

        def take() -> None:
            while not over.is_set():
                try:
                    taken.append(p.connect())
                except psycopg.OperationalError:
                    over.wait(0.02)

        with p.connect() as connection:
            taker = threading.Thread(target=take)
            taker.start()
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND NOT pid = ANY(%s)",
                    [[one.info.backend_pid for one in list(taken)]],
                )
                time.sleep(1)
            over.set()
            taker.join()
        for one in taken:
            one.close()
        yield

    play(platform, "connections used up for 20 s", fault, slowest=20, heals=90)


# --- a clock that is off


@pytest.mark.gameday
@pytest.mark.parametrize("seconds", [600, -600])
def test_a_server_whose_clock_is_off(platform, seconds):
    """It is not ready and says why, so that nobody is sent to it; the others go on unharmed."""
    from creditlink.sandbox.platform.services import free_port

    port, said = free_port(), {}

    @contextmanager
    def fault(p: Platform):
        clock = {"PYTHONPATH": f"{Path(__file__).parent / 'clock'}:{ROOT}", "GAMEDAY_CLOCK_SECONDS": str(seconds)}
        off = p.run("off", "run", "--port", str(port), "--workers", "1", **clock)
        try:
            deadline = time.monotonic() + START_WITHIN
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.HTTPError):
                    answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=10, trust_env=False)
                    said.update(status=answer.status_code, body=answer.json())
                    break
                time.sleep(0.2)
            yield
        finally:
            os.killpg(off.pid, signal.SIGKILL)
            off.wait()
            del p.processes["off"]

    play(platform, f"a clock off by {seconds // 60:+d} min", fault, slowest=30, heals=60, unharmed=KINDS)
    checks = said["body"]["checks"]
    assert said["status"] == 503, checks
    assert [name for name, check in checks.items() if not check["ok"]] == ["clock"], checks
