"""The application in processes of its own, over real HTTP: for races, replays and whatever must hold in every process.

with serving.serve(serving.environment(database, tmp_path), processes=2) as (first, second):
    httpx.get(first + "/health/live")
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from creditlink.kit.postgres import db
from creditlink.sandbox.platform.services import free_port

ROOT = Path(__file__).resolve().parent.parent
ISSUER = "http://127.0.0.1:8000"
SECRET_KEY = "test-" + "k" * 40
_READY_WITHIN = 180


def environment(database: db.Database, var_dir: Path, *, issuer: str = ISSUER, **more: str) -> dict[str, str]:
    """Return the variables of a process on the tests' database; `more` are further settings, e.g. log_level.

    Several processes share one public address, as behind a load balancer, so `issuer` need not be where
    any of them listens.
    """
    return {
        "CREDITLINK_ENVIRONMENT": "test",
        "CREDITLINK_VAR_DIR": str(var_dir),
        "CREDITLINK_SECRET_KEY": SECRET_KEY,
        "CREDITLINK_ISSUER": issuer,
        "DATABASE_URL": db.conninfo(database.url),
    } | {f"CREDITLINK_{name.upper()}": value for name, value in more.items()}


@contextmanager
def serve(env: Mapping[str, str], *, processes: int = 1) -> Iterator[list[str]]:
    """Serve the application in so many processes; yield their addresses."""
    with ExitStack() as stack:
        running = [stack.enter_context(_process(env)) for _ in range(processes)]
        yield [f"http://127.0.0.1:{_port(process)}" for process in running]


@contextmanager
def _process(env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    log = Path(env["CREDITLINK_VAR_DIR"]) / "serving.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.serving"],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))} | dict(env),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    process.log = log  # type: ignore[attr-defined]  # for the message when it does not come up
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextmanager
def serve_whole(env: Mapping[str, str], *, workers: int = 1, threads: int = 4) -> Iterator[str]:
    """Serve as `creditlink run` does, front and all; yield the address."""
    port = free_port()
    log = Path(env["CREDITLINK_VAR_DIR"]) / "serving.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ["-m", "creditlink", "run", "--port", str(port), "--workers", str(workers), "--threads", str(threads)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))}
    with log.open("a") as said:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=clean | dict(env), stdout=said, stderr=said
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + _READY_WITHIN
        while True:
            try:
                httpx.get(f"{address}/health/live", timeout=5, trust_env=False)
                break
            except httpx.HTTPError:
                if time.monotonic() > until or process.poll() is not None:
                    raise AssertionError(f"the server did not start:\n{log.read_text()[-4000:]}") from None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[str]) -> int:
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    try:
        return int(json.loads(lines.get(timeout=_READY_WITHIN))["port"])
    except (queue.Empty, ValueError):
        raise AssertionError(f"the server did not start:\n{process.log.read_text()[-4000:]}") from None


def main() -> None:
    """Serve until terminated; the first line on standard output says on which port."""
    from werkzeug.serving import make_server

    from creditlink.kit.processes.process import open_database
    from creditlink.kit.settings import load_settings
    from creditlink.web.app import create_app

    settings = load_settings()
    server = make_server("127.0.0.1", 0, create_app(settings, open_database(settings)), threaded=True)
    sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
