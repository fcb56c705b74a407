"""gunicorn against granian: the same bare Flask route, the same processes and threads, in turn.

    python benchmarks/server.py [--requests N] [--rounds R] [--json]

Prints requests a second and latency for each, and the ratio round by round (machines are noisy:
the ratio within one round is what counts).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import _load
import httpx

from creditlink.sandbox.platform.services import free_port

BARE = """
import time
import flask
app = flask.Flask(__name__)

@app.get("/bare")
def bare():
    return {"ok": True}

@app.get("/busy")
def busy():
    # As a profile request does: some waiting for the database, some work in Python.
    time.sleep(0.003)
    return {"sum": sum(range(50_000))}
"""


def servers(port, processes, threads):
    """Return the command of each server."""
    return {
        "gunicorn": [
            "-m", "gunicorn", "bare:app", "-b", f"127.0.0.1:{port}", "-w", str(processes), "-k", "gthread",
            "--threads", str(threads), "--log-level", "warning", "--keep-alive", "30",
        ],
        "granian": [
            "-m", "granian", "bare:app", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
            "--workers", str(processes), "--blocking-threads", str(threads), "--log-level", "warning",
        ],
    }  # fmt: skip


def measure(name, folder, processes, threads, requests, path):
    """Start a server, warm it, drive it, stop it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *servers(port, processes, threads)[name]],
        cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/bare", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        request = _load.request_bytes("GET", path, f"127.0.0.1:{port}", {})
        _load.drive(port, [request] * max(requests // 10, 50))
        return _load.drive(port, [request] * requests)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def main():
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bare.py").write_text(BARE)
        for path in ("/bare", "/busy"):
            rounds = []
            for _ in range(given.rounds):
                rounds.append(
                    {
                        name: measure(name, folder, given.processes, given.threads, given.requests, path)
                        for name in ("gunicorn", "granian")
                    }
                )
            ratios = [r["granian"]["per_second"] / r["gunicorn"]["per_second"] for r in rounds]
            results[path] = {"rounds": rounds, "granian_over_gunicorn": median(ratios)}
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for path, result in results.items():
        for r in result["rounds"]:
            for name, figures in r.items():
                print(
                    f"{path:6} {name:9} {figures['per_second']:8.0f} req/s   p50 {figures['p50_ms']:6.2f} ms"
                    f"   p95 {figures['p95_ms']:6.2f} ms   {figures['statuses']}"
                )
        print(f"{path:6} granian / gunicorn: {result['granian_over_gunicorn']:.2f} × the rate")


if __name__ == "__main__":
    main()
