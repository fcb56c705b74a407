"""nginx with the configuration that is installed, on ports and folders of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from creditlink.kit.settings import ROOT
from creditlink.sandbox.platform.services import free_port
from tests.certificates import Authority

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def configured(folder: Path, upstreams: Sequence[str], tls: Authority, banks: Authority, port: int) -> Path:
    """Write the configuration with this machine's ports, files and certificates; nothing else of it changes."""
    certificate, key = tls.issue("server")
    text = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
    servers = "\n".join(f"        server {one} max_fails=1 fail_timeout=2s;" for one in upstreams)
    for pattern, new in {
        r"^ +server api:8000.*$": servers,
        r"listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        r"listen 80;": f"listen 127.0.0.1:{free_port()};",
        r"/etc/creditlink/tls/server\.pem": str(certificate),
        r"/etc/creditlink/tls/server\.key": str(key),
        r"/etc/creditlink/tls/banks\.pem": str(banks.root),
        r"/run/nginx/nginx\.pid": str(folder / "nginx.pid"),
        r"/var/cache/nginx": str(folder),
        r"/dev/stdout": str(folder / "access.log"),
        r"error_log stderr": f"error_log {folder / 'error.log'}",
    }.items():
        text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert count, f"the configuration has no {pattern}"
    file = folder / "nginx.conf"
    file.write_text(text)
    return file


@contextmanager
def running(file: Path, address: str, tls: Authority) -> Iterator[None]:
    """Run nginx in the foreground until it answers, and end it afterwards."""
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", str(file), "-g", "daemon off;"], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 10
        with httpx.Client(verify=tls.trusting(), trust_env=False) as http:
            while True:
                try:
                    http.get(f"{address}/health/live", timeout=5)
                    break
                except httpx.HTTPError:
                    assert process.poll() is None, process.stderr.read()
                    assert time.monotonic() < until, (file.parent / "error.log").read_text()
                    time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()
