"""A platform of its own for a game day: database cluster, API with two children, worker, each in its own process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg

from creditlink.kit.postgres import db, schema
from creditlink.sandbox.platform.services import free_port
from tests.oauth import flow
from tests.serving import ISSUER, ROOT, SECRET_KEY

START_WITHIN = 180.0  # loading takes seconds of CPU in each process, and machines may be busy
DISK_MB = 600

_HOLDER = """
import sys
from pathlib import Path
from creditlink.kit.postgres import embedded
print(embedded.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def until(condition: Callable[[], bool], within: float, what: str) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within:.0f} s")
        time.sleep(0.1)


class Platform:
    """`start()`, then break it, then `close()`."""

    def __init__(self) -> None:
        # Not under the tests' own folder: the server's user must be able to enter it, and sockets have short names.
        self.folder = Path(tempfile.mkdtemp(prefix="gameday-"))
        self.folder.chmod(0o755)
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "gameday", str(self.disk)]
        # A small disk of its own, to fill. Where mounting is not permitted, `disk_full` says so and is left out.
        self.own_disk = shutil.which("mount") is not None and _succeeds(mount)
        self.data = self.disk / "pg"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    # --- the parts

    def start(self) -> None:
        with (self.folder / "holder.log").open("ab") as log:
            self.holder = subprocess.Popen(
                [sys.executable, "-c", _HOLDER, str(self.data)],
                cwd=ROOT, env=self.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        server = self.holder.stdout.readline().strip()
        self.database_url = db.ensure_database(server, "gameday")
        opened = db.Database(self.database_url)
        schema.upgrade(opened)
        db.configure(opened, role="owner")
        self.banks = [
            flow.register_bank(opened, httpx.Client(base_url=self.url, timeout=120, trust_env=False)) for _ in range(2)
        ]
        opened.close()
        self.start_api()
        self.start_worker()
        until(self.ready, START_WITHIN, "the platform's start")

    def env(self, **more: str) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))}
        return plain | {
            "CREDITLINK_ENVIRONMENT": "test",
            "CREDITLINK_VAR_DIR": str(self.folder / "var"),
            "CREDITLINK_SECRET_KEY": SECRET_KEY,
            "CREDITLINK_ISSUER": ISSUER,
            "DATABASE_URL": getattr(self, "database_url", ""),
            "PYTHONPATH": str(ROOT),
        } | more  # fmt: skip

    def run(self, name: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "creditlink", *arguments],
                cwd=ROOT, env=self.env(**env), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self.processes[name]

    def start_api(self) -> None:
        self.run("api", "run", "--port", str(self.port), "--workers", "2")

    def start_worker(self) -> None:
        self.run("worker", "worker", "--concurrency", "4")

    def look_after(self, name: str) -> None:
        """Start a part that has ended again, as the operator's process manager does."""
        if self.processes[name].poll() is not None:
            {"api": self.start_api, "worker": self.start_worker}[name]()

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for pid in self.postgres():
            os.kill(pid, signal.SIGCONT)
        self.holder.stdin.close()
        try:
            self.holder.wait(30)
        except subprocess.TimeoutExpired:
            self.holder.kill()
            self.holder.wait()
        for bank in self.banks:
            bank.http.close()
        for pid in self.postgres():
            os.kill(pid, signal.SIGKILL)
        self.holder.stdout.close()
        if self.own_disk:
            until(lambda: _succeeds(["umount", str(self.disk)]), 30, "unmounting")
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- looking

    def ready(self) -> bool:
        try:
            return httpx.get(self.url + "/health/ready", timeout=10, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def children(self) -> list[int]:
        pid = self.processes["api"].pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def postgres(self) -> list[int]:
        """Every process of the cluster: they work in its data folder."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "cwd").resolve() == self.data and (folder / "comm").read_text().startswith("postgres"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database_url, autocommit=True, connect_timeout=10)

    def one(self, sql: str, *values: object) -> object:
        with self.connect() as connection:
            return connection.execute(sql, values or None).fetchone()[0]

    def last_good_job(self) -> float:
        """When the worker last finished a job, in seconds since 1970."""
        return float(self.one("SELECT extract(epoch FROM coalesce(max(at), 'epoch')) FROM procrastinate_events"
                              " WHERE type = 'succeeded'"))  # fmt: skip

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
