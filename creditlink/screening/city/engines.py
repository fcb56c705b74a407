"""Where partitions are computed: in this process, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from functools import lru_cache
from multiprocessing import get_context
from typing import Protocol

from creditlink.screening.city.partition import ScreenedPartition, screen_partition
from creditlink.screening.city.plan import ScreeningPlan

_WORKER = {
    # One thread each: partitions are the unit of parallelism.
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # Memory of one partition is used again for the next one, and not given back and zeroed again by the system:
    # for glibc's allocator and for that of polars.
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
}
"""Environment of the processes that compute partitions."""


_TRIES = 3
"""How often a partition is given to a cluster that loses the answer."""


class EngineError(RuntimeError):
    """Partitions can no longer be computed; finished ones stay."""


class Engine(Protocol):
    """Computes partitions; results come in any order."""

    def run(self, plan: ScreeningPlan, names: Sequence[str]) -> Iterator[ScreenedPartition]:
        """Yield each partition's outcome."""


class Closable(Protocol):
    """A client or a cluster."""

    def close(self) -> object:
        """Let it go."""


class ClusterTask(Protocol):
    """A partition given to a cluster."""

    def result(self) -> ScreenedPartition:
        """Wait for its outcome."""


class InProcess:
    """One after another, here."""

    def run(self, plan: ScreeningPlan, names: Sequence[str]) -> Iterator[ScreenedPartition]:
        """Yield each partition's outcome."""
        for name in names:
            yield screen_partition(plan, name)


class Processes:
    """Several processes of this machine, one thread each: partitions share nothing but the disk."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> Processes:
        """Start the processes, which load their code while the caller makes the plan."""
        before = {name: os.environ.get(name) for name in _WORKER}
        os.environ.update(_WORKER)  # read by the children when they start
        try:
            self._pool = ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"))
            self._pool.submit(_load)  # the first task starts all processes
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        return self

    def run(self, plan: ScreeningPlan, names: Sequence[str]) -> Iterator[ScreenedPartition]:
        """Yield each partition's outcome.

        Raises
        ------
        EngineError
            A process died, perhaps for lack of memory.
        """
        try:
            pool = self._pool or self.start()._pool
            if pool is None:
                raise EngineError("no process could be started")
            packed = pickle.dumps(plan)
            pending: set[Future[ScreenedPartition]] = {pool.submit(_screen_packed, packed, name) for name in names}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        except OSError as error:
            raise EngineError(str(error)) from error
        except RuntimeError as error:  # BrokenProcessPool is one
            raise EngineError(f"a worker process died ({error}); run again to resume") from error
        finally:
            self.close()

    def close(self) -> None:
        """Let the processes end."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _load() -> None:
    """Do nothing: a process that was given a task has imported the code."""


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> ScreeningPlan:
    """Return the plan of this worker process, which comes with every partition and is made once."""
    plan: ScreeningPlan = pickle.loads(packed)  # noqa: S301 (from the parent process)
    return plan


def _screen_packed(packed: bytes, name: str) -> ScreenedPartition:
    return screen_partition(_unpacked(packed), name)


def _plan_of_the_run(plan: ScreeningPlan) -> ScreeningPlan:
    return plan


class Cluster:
    """A Dask cluster: `tcp://scheduler:8786`, or `local` for one that is started for this run alone.

    A partition whose worker is lost is computed again by another: it leaves behind either nothing
    or the same file.
    """

    def __init__(self, address: str, workers: int) -> None:
        try:
            import distributed
        except ImportError:
            raise EngineError("a cluster needs the extra 'cluster' (pip install creditlink[cluster])") from None
        self._distributed = distributed
        self.address, self.workers = address, workers

    def run(self, plan: ScreeningPlan, names: Sequence[str]) -> Iterator[ScreenedPartition]:
        """Yield each partition's outcome.

        Raises
        ------
        EngineError
            The scheduler cannot be reached, or a partition lost worker after worker.
        """
        distributed = self._distributed
        started: list[Closable] = []
        try:
            if self.address == "local":
                started.append(
                    distributed.LocalCluster(
                        n_workers=self.workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1",
                        env=_WORKER,
                    )
                )  # fmt: skip
            client = distributed.Client(started[0] if started else self.address)
            started.insert(0, client)
            # A task, not scattered data: the cluster keeps one copy of what it can compute, and computes it again when
            # the worker that has it is lost. Scattered data would be lost with that worker.
            shared = client.submit(_plan_of_the_run, plan, pure=False)

            def submit(name: str) -> ClusterTask:
                task: ClusterTask = client.submit(screen_partition, shared, name, pure=False)
                return task

            names_of = {future: name for name in names for future in [submit(name)]}
            tries = dict.fromkeys(names, 1)
            finished = distributed.as_completed(list(names_of))
            for one in finished:
                name = names_of[one]
                try:
                    done = one.result()
                except (RuntimeError, CancelledError) as error:
                    # Its worker was lost before it answered; the partition is there, or is computed again.
                    tries[name] += 1
                    if tries[name] > _TRIES:
                        raise EngineError(f"cluster {self.address}: partition {name}: {error}") from error
                    again = submit(name)
                    names_of[again] = name
                    finished.add(again)
                else:
                    yield done
        except (OSError, distributed.scheduler.KilledWorker) as error:
            raise EngineError(f"cluster {self.address}: {error}") from error
        finally:
            for one in started:
                one.close()
