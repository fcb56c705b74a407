"""A small HTTP/1.1 load generator: prepared requests over kept-alive loopback connections.

It runs in a process of its own, so that it takes no time from the server's interpreter. The
number of requests is bounded by the list it is given.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


async def _one_connection(host, port, requests, latencies, statuses):
    reader, writer = await asyncio.open_connection(host, port)
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        statuses.append(int(head[9:12]))
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        if length:
            await reader.readexactly(length)
        latencies.append(time.perf_counter() - began)
        if b"connection: close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
    writer.close()


async def _drive(host, port, requests, connections):
    latencies, statuses = [], []
    began = time.perf_counter()
    await asyncio.gather(
        *(_one_connection(host, port, requests[i::connections], latencies, statuses) for i in range(connections))
    )
    return latencies, statuses, time.perf_counter() - began


def request_bytes(method, path, host, headers, body=b""):
    """Return one request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drive(port, requests, connections=4):
    """Send every request once; return rate and latencies in milliseconds, by status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.json"
        path.write_text(json.dumps([r.decode("latin-1") for r in requests]))
        out = subprocess.run(
            [sys.executable, __file__, str(port), str(connections), str(path)], check=True, capture_output=True
        ).stdout
    return json.loads(out)


if __name__ == "__main__":
    port, connections, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    requests = [r.encode("latin-1") for r in json.loads(path.read_text())]
    latencies, statuses, seconds = asyncio.run(_drive("127.0.0.1", port, requests, connections))
    latencies.sort()
    n = len(latencies)
    print(
        json.dumps(
            {
                "requests": n,
                "seconds": seconds,
                "per_second": n / seconds,
                "p50_ms": latencies[n // 2] * 1e3,
                "p95_ms": latencies[int(n * 0.95)] * 1e3,
                "p99_ms": latencies[int(n * 0.99)] * 1e3,
                "statuses": {s: statuses.count(s) for s in sorted(set(statuses))},
            }
        )
    )
