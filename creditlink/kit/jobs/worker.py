"""The worker process: lanes side by side, each restarted when it ends, as long as the database comes back in time."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import LiteralString, TypeVar

import psycopg
import psycopg_pool
import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from creditlink.kit.clock import utc_now
from creditlink.kit.jobs.lanes import Lane, lanes_of, queue_connections
from creditlink.kit.jobs.queue import HEARTBEAT_SECONDS, app
from creditlink.kit.jobs.watch import Watch
from creditlink.kit.postgres import db

log = structlog.get_logger()

R = TypeVar("R")

# Statements wait this long for a database that is away, and no lane notices: a restart, a failover.
_PATIENCE_SECONDS = 20.0
# After SIGTERM running jobs have this long to finish; what is left goes to another worker.
_GRACE_SECONDS = 20.0
# A job that the table gives to us, and that none of our lanes runs, lost its acknowledgement in an outage.
_ORPHANED_AFTER_SECONDS = 60.0
_LOOK_SECONDS = 5.0
# The queue's statements are short, and so are its row locks: a locked row costs the slot that waits for it at most
# this much time, tried twice, and never stops a lane.
_STATEMENT_SECONDS, _LOCK_SECONDS = 30.0, 5.0
# Forgetting a dead worker touches its jobs' rows, and a lane does it first when it starts. So it forgets only
# yesterday's: heartbeats show which jobs are orphaned, and `jobs.rescue` gives them to others.
_FORGOTTEN_AFTER_SECONDS = 86_400.0


class WorkerGaveUp(Exception):
    """The database did not come back in time."""


class PatientConnector(PsycopgConnector):
    """The queue's connections: a statement that met a database going down or coming up is sent again.

    Every statement of the queue is safe to repeat: a second time it changes nothing, or it fails and one job's
    acknowledgement is lost, which `_reclaim` repairs.
    """

    patience_seconds = _PATIENCE_SECONDS

    async def execute_query_async(self, query: LiteralString, **arguments: object) -> None:
        """Send a statement."""
        await self._patiently(lambda: super(PatientConnector, self).execute_query_async(query, **arguments))

    async def execute_query_one_async(self, query: LiteralString, **arguments: object) -> dict[str, object]:
        """Send a query for one row."""
        return await self._patiently(lambda: super(PatientConnector, self).execute_query_one_async(query, **arguments))

    async def execute_query_all_async(self, query: LiteralString, **arguments: object) -> list[dict[str, object]]:
        """Send a query for rows."""
        return await self._patiently(lambda: super(PatientConnector, self).execute_query_all_async(query, **arguments))

    async def _patiently(self, send: Callable[[], Awaitable[R]]) -> R:
        began, pause = time.monotonic(), 0.1
        while True:
            try:
                return await send()
            except (ConnectorException, psycopg.OperationalError) as error:
                cause = error if isinstance(error, psycopg.Error) else error.__cause__
                is_locked = isinstance(cause, psycopg.errors.LockNotAvailable)
                patience = min(self.patience_seconds, _LOCK_SECONDS) if is_locked else self.patience_seconds
                is_over = time.monotonic() - began > patience
                if is_over or not isinstance(cause, psycopg.OperationalError):
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)


def run_worker(database: db.Database, *, pulls: int, give_up_seconds: float) -> None:
    """Work until stopped; SIGTERM and SIGINT let running jobs finish.

    Raises
    ------
    WorkerGaveUp
        The database was away for longer than `give_up_seconds`.
    """
    asyncio.run(_Process(database, lanes_of(pulls), give_up_seconds).run())


class _Process:
    """One worker process."""

    def __init__(self, database: db.Database, lanes: Sequence[Lane], give_up_seconds: float) -> None:
        self._database = database
        self._lanes = lanes
        self._give_up_seconds = give_up_seconds
        self._watch = Watch()
        self._workers: dict[str, Worker] = {}
        self._orphans: dict[int, float] = {}
        self._seen_at = time.monotonic()

    async def run(self) -> None:
        self._stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        # Jobs are ordinary functions, each in a thread: as many as there are slots, and a few more for the rest.
        slots = sum(lane.slots for lane in self._lanes)
        loop.set_default_executor(ThreadPoolExecutor(slots + 8, thread_name_prefix="job"))
        app.perform_import_paths()  # type: ignore[no-untyped-call]
        log.info("worker_started", lanes={lane.name: lane.slots for lane in self._lanes})
        try:
            await self._until_stopped()
        finally:
            await asyncio.to_thread(self._database.close)
        log.info("worker_stopped")

    async def _until_stopped(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        watchdog = asyncio.create_task(self._watchdog(), name="watchdog")
        pool = self._pool()
        connector = PatientConnector()
        # The database need not be there yet: statements wait for it.
        await pool.open(wait=False)
        await connector.open_async(pool)
        with app.replace_connector(connector):
            lanes = [asyncio.create_task(self._lane(lane), name=lane.name) for lane in self._lanes]
            beside = [watchdog, asyncio.create_task(self._reclaim(), name="reclaim")]
            await asyncio.wait([stopped, *beside, *lanes], return_when=asyncio.FIRST_COMPLETED)
            _leave_within(_GRACE_SECONDS + 10.0, code=1 if watchdog.done() else 0)
            self._stop.set()
            connector.patience_seconds = 0.0  # from now on nothing waits for the database
            for worker in self._workers.values():
                worker.stop()  # type: ignore[no-untyped-call]
            for task in beside:
                task.cancel()
            ended = await asyncio.gather(*lanes, *beside, return_exceptions=True)
            await pool.close(timeout=5)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def _pool(self) -> psycopg_pool.AsyncConnectionPool:
        usual = self._database.limits("worker")
        limits = replace(
            usual,
            statement=min(usual.statement or _STATEMENT_SECONDS, _STATEMENT_SECONDS),
            lock=min(usual.lock or _LOCK_SECONDS, _LOCK_SECONDS),
        )
        return psycopg_pool.AsyncConnectionPool(
            db.conninfo(self._database.url),
            kwargs={
                "options": limits.options(db.ROLE_NAMES["worker"]),
                "connect_timeout": 5,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
            },
            min_size=2,
            max_size=queue_connections(self._lanes),
            timeout=5.0,
            reconnect_timeout=5.0,
            check=psycopg_pool.AsyncConnectionPool.check_connection,
            open=False,
        )

    async def _lane(self, lane: Lane) -> None:
        """Run a lane until the process stops; if anything else ends it, start it again."""
        pause = 0.2
        while not self._stop.is_set():
            began = time.monotonic()
            worker = self._workers[lane.name] = Worker(
                app=app,
                queues=list(lane.queues),
                name=lane.name,
                concurrency=lane.slots,
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=_FORGOTTEN_AFTER_SECONDS,
                worker_middleware=[self._watch],
            )
            try:
                await worker.run()  # type: ignore[no-untyped-call]
            except Exception as error:
                log.warning("lane_ended", lane=lane.name, error=type(error.__cause__ or error).__name__, exc_info=True)
            else:
                if not self._stop.is_set():
                    log.warning("lane_ended", lane=lane.name)
            if self._stop.is_set():
                return
            pause = 0.2 if time.monotonic() - began > 30 else min(pause * 2, 5.0)
            await _until(self._stop, pause)
            log.info("lane_begins_again", lane=lane.name)

    async def _watchdog(self) -> None:
        """Ask the database over a separate connection whether it answers; give up when it has been silent for too long.

        Raises
        ------
        WorkerGaveUp
        """
        away_since: float | None = None
        while True:
            try:
                async with asyncio.timeout(10):
                    connection = await psycopg.AsyncConnection.connect(
                        db.conninfo(self._database.url), autocommit=True, connect_timeout=5
                    )
                    async with connection:
                        await connection.execute("SELECT 1")
                if away_since is not None:
                    log.info("database_is_back", away_seconds=round(time.monotonic() - away_since, 1))
                away_since = None
            except (psycopg.Error, TimeoutError, OSError) as error:
                if away_since is None:
                    away_since = time.monotonic()
                    log.warning("database_is_away", error=type(error).__name__)
                if time.monotonic() - away_since > self._give_up_seconds:
                    log.error("worker_gives_up", away_seconds=round(time.monotonic() - away_since))
                    raise WorkerGaveUp(
                        f"the database has not answered for {self._give_up_seconds:.0f} s (worker_give_up_seconds)"
                    ) from None
            await asyncio.sleep(_LOOK_SECONDS if away_since is None else 1.0)

    async def _reclaim(self) -> None:
        """Give back jobs that the table gives to us and no lane runs: their acknowledgement was lost in an outage."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            ours = [worker.worker_id for worker in self._workers.values() if worker.worker_id is not None]
            try:
                rows = await app.connector.execute_query_all_async(
                    "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY(%(ours)s::bigint[])",
                    ours=ours,
                )
                lost = {row["id"] for row in rows} - self._watch.running
                now = time.monotonic()
                self._orphans = {job_id: self._orphans.get(job_id, now) for job_id in lost}
                for job_id, since in self._orphans.items():
                    if now - since > _ORPHANED_AFTER_SECONDS:
                        log.warning("job_reclaimed", job_id=job_id)
                        await app.job_manager.retry_job_by_id_async(job_id, retry_at=utc_now())
            except ConnectorException:
                log.warning("reclaim_failed", exc_info=True)


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _leave_within(seconds: float, *, code: int) -> None:
    """End the process by force if a job's thread does not end: every job is safe to run again, elsewhere."""

    def leave() -> None:
        log.warning("worker_left_jobs_behind")
        os._exit(code)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
