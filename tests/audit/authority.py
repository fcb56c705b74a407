"""A time-stamping authority on this machine: openssl's, behind a small HTTP server."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPENSSL = shutil.which("openssl")
_CONFIG = """
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[signer]
basicConstraints = CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


class LocalAuthority:
    """Makes stamps with keys of its own.

    `answer` may be replaced: it gets the query and returns status and body.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir()
        self._folder, self.roots = folder, folder / "root.pem"
        (folder / "config").write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", folder / "config")
        self._openssl(
            "req", "-x509", *key, "-keyout", folder / "root.key", "-out", self.roots, "-subj", f"/CN=Root of {name}",
            "-days", "3650", "-extensions", "root",
        )  # fmt: skip
        self._openssl("req", *key, "-keyout", folder / "signer.key", "-out", folder / "request", "-subj", f"/CN={name}")
        self._openssl(
            "x509", "-req", "-in", folder / "request", "-CA", self.roots, "-CAkey", folder / "root.key",
            "-CAcreateserial", "-days", "3650", "-extfile", folder / "config", "-extensions", "signer",
            "-out", folder / "signer.pem",
        )  # fmt: skip
        self._lock = threading.Lock()
        self.answer: Callable[[bytes], tuple[int, bytes]] = self.stamped
        self.pause = 0.0
        self.asked = 0

    def stamped(self, query: bytes) -> tuple[int, bytes]:
        """Answer as an authority does."""
        with self._lock:
            (self._folder / "query").write_bytes(query)
            self._openssl(
                "ts", "-reply", "-config", self._folder / "config", "-queryfile", self._folder / "query",
                "-out", self._folder / "reply",
            )  # fmt: skip
            return 200, (self._folder / "reply").read_bytes()

    def over(self, document: bytes) -> bytes:
        """Return a stamp over a document."""
        (self._folder / "document").write_bytes(document)
        self._openssl(
            "ts", "-query", "-data", self._folder / "document", "-sha256", "-cert", "-out", self._folder / "asked"
        )
        return self.stamped((self._folder / "asked").read_bytes())[1]

    @contextmanager
    def served(self):
        """Serve it; yields its address."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                authority.asked += 1
                query = self.rfile.read(int(self.headers["Content-Length"]))
                status, body = authority.answer(query)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    for i in range(len(body) if authority.pause else 0):
                        self.wfile.write(body[i : i + 1])
                        time.sleep(authority.pause)
                    if not authority.pause:
                        self.wfile.write(body)
                except OSError:
                    pass  # who asked went away

            def log_message(self, *_args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/stamp"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _openssl(self, *arguments: object) -> None:
        subprocess.run([str(OPENSSL), *map(str, arguments)], check=True, capture_output=True)
