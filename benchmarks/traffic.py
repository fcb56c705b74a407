"""Mixed traffic over HTTP at 1, 4, 16 and 64 clients, and a quiet bank beside a noisy one.

    python benchmarks/traffic.py [--consents N] [--requests N] [--json]

Starts the sandbox (database, bureaus, worker, one API server with two processes of four threads). Of ten requests four
read a profile, two list, one reads matches, one an explanation, one repeats a POST under its Idempotency-Key, one is
anonymous. Then a quiet bank reads one profile after the other on one connection, alone and while another bank does so
on 64. Memory is the server's processes' together. A busy machine says little: compare runs side by side.
"""

import argparse
import json
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from profile import agreed

import _load

from creditlink.sandbox.platform.services import Services
from creditlink.sandbox.platform.stack import Ports, start_stack

CLIENTS = (1, 4, 16, 64)
MIX = ("read", "list", "read", "matches", "read", "anonymous", "list", "explanation", "read", "repeat")


def resident(leader):
    """Return the megabytes that the processes of a session hold in memory (Linux)."""
    kilobytes = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            session = int(status.with_name("stat").read_text().rpartition(")")[2].split()[3])
            if session == leader:
                lines = status.read_text().splitlines()
                kilobytes += next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
        except OSError:
            continue
    return kilobytes / 1024


def prepared(bank, made, port, kind, number):
    """Return one request as bytes; a proof is good once, and for a minute."""
    if kind == "anonymous":
        return _load.request_bytes("GET", "/v1/reason-codes", f"127.0.0.1:{port}", {})
    authorization, profile = made[number % len(made)]
    more = {"list": "", "repeat": "", "read": f"/{profile}"}.get(kind, f"/{profile}/{kind}")
    path, method = f"/v1/profiles{more}", "POST" if kind == "repeat" else "GET"
    headers = {
        "Authorization": f"DPoP {authorization.access_token}",
        "DPoP": bank.proof(method, path, authorization.access_token),
    }
    if kind != "repeat":
        return _load.request_bytes(method, path, f"127.0.0.1:{port}", headers)
    headers |= {"Content-Type": "application/json", "Idempotency-Key": f"again-{profile[:40]}"}
    return _load.request_bytes(method, path, f"127.0.0.1:{port}", headers, b"{}")


def beside(quiet, noisy, port, count):
    """Return the figures of a quiet bank alone, and beside a noisy one."""

    def reads(bank, made, count):
        return [prepared(bank, made, port, "read", n) for n in range(count)]

    alone = _load.drive(port, reads(*quiet, count), 1)
    crowd = reads(*noisy, 20 * count)
    loud = []
    thread = threading.Thread(target=lambda: loud.append(_load.drive(port, crowd, 64)))
    requests = reads(*quiet, count)
    thread.start()
    together = _load.drive(port, requests, 1)
    thread.join()
    return {"quiet alone": alone, "quiet beside noisy": together, "noisy": loud[0]}


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--consents", type=int, default=10)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder, Services(Path(folder) / "log") as services:
        ports = Ports.free()
        stack = start_stack(services, ports, database="creditlink_bench", real=None, say=lambda _text: None)
        port = ports.api[0]
        banks = []
        for index in (0, 1):
            chosen = replace(stack, credentials=replace(stack.credentials, banks=stack.credentials.banks[index:]))
            bank, authorizations = agreed(chosen, given.consents)
            made = []
            for authorization in authorizations:
                sent = {"Prefer": "wait=20"}
                answer = bank.call("POST", "/v1/profiles", authorization, json={}, headers=sent)
                if answer.status_code == 201:
                    profile = answer.json()["id"]
                    again = {"Idempotency-Key": f"again-{profile[:40]}"}
                    bank.call("POST", "/v1/profiles", authorization, json={}, headers=again)
                    made.append((authorization, profile))
            banks.append((bank, made))
        (leader,) = (process.pid for name, process in services.running if name == "api-0")
        for clients in CLIENTS:
            requests = [prepared(*banks[n % 2], port, MIX[n % 10], n // 2) for n in range(given.requests)]
            results[f"{clients} clients"] = _load.drive(port, requests, clients)
            results[f"{clients} clients"]["resident_mb"] = resident(leader)
        results |= beside(banks[1], banks[0], port, max(given.requests // 20, 20))
        for bank, _ in banks:
            bank.http.close()
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for name, figures in results.items():
        memory = f"   {figures['resident_mb']:.0f} MB" if "resident_mb" in figures else ""
        print(
            f"{name:20} {figures['per_second']:6.0f} req/s   p50 {figures['p50_ms']:7.1f}"
            f"   p95 {figures['p95_ms']:7.1f}   p99 {figures['p99_ms']:7.1f} ms   {figures['statuses']}{memory}"
        )


if __name__ == "__main__":
    main()
