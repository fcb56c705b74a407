"""A warm profile request over HTTP: latency and throughput, beside a bare route on the same server.

    python benchmarks/profile.py [--consents N] [--reads N] [--json]

Starts the sandbox (database, bureaus, worker, one API server with two processes), lets N firms agree, pulls their
records, and then times POST /v1/profiles (computed anew, two per consent), and reads: the profile, its explanation, all
its matches, the list. On a busy machine latency says little; the processor time that the server's processes spend on a
request, and its ratio to the bare route's, holds better (the database's own processes are not in it).
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _load
from server import BARE, servers

from creditlink.sandbox.banks.bank import DemoBank, load_key
from creditlink.sandbox.banks.officer import SCOPE, underwriting
from creditlink.sandbox.people.browser import PageError
from creditlink.sandbox.people.representative import Representative
from creditlink.sandbox.platform.services import Services, free_port
from creditlink.sandbox.platform.stack import Ports, start_stack


def agreed(stack, count):
    """Let firms agree with a bank of ours; return the bank and its authorizations, records pulled."""
    client = stack.credentials.banks[0]
    bank = DemoBank(
        client_id=client.client_id, redirect_uri=client.redirect_uri, issuer=stack.issuer,
        key=load_key(Path(client.key_file).read_text()),
    )  # fmt: skip
    firms = [f for f in stack.credentials.firms if f.kind not in ("thin", "dormant")]
    people = {f.login: Representative(f, stack.issuer) for f in firms}
    found = []
    for i in range(count):
        firm = firms[i % len(firms)]
        wanted = underwriting(firm.uscc, required=["tax", "social_security", "electricity"], optional=[], pulls=3)
        authorization = bank.push([wanted], scope=SCOPE)
        # The demo bank's desk does not know our state; the code is in the address.
        with contextlib.suppress(PageError):
            people[firm.login].decide(bank.authorize_url(authorization))
        bank.exchange(bank.code_from(people[firm.login].browser.url, authorization), authorization)
        found.append(authorization)
    for person in people.values():
        person.close()
    return bank, found


def prepared(bank, authorization, method, path, port, body=b""):
    """Return one signed request as bytes."""
    headers = {
        "Authorization": f"DPoP {authorization.access_token}",
        "DPoP": bank.proof(method, path, authorization.access_token),
        "Content-Type": "application/json",
    }
    return _load.request_bytes(method, path, f"127.0.0.1:{port}", headers, body)


def cpu_seconds(leader):
    """Return the processor time so far of the processes in a session, by its leader's id (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measured(port, requests, connections, leader):
    """Drive a server and return the figures, with the processor time of its processes per request."""
    before = cpu_seconds(leader)
    figures = _load.drive(port, requests, connections)
    figures["server_cpu_ms"] = (cpu_seconds(leader) - before) * 1e3 / figures["requests"]
    return figures


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--consents", type=int, default=40)
    parser.add_argument("--reads", type=int, default=600)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Services(Path(folder) / "log") as services:
        ports = Ports.free()
        stack = start_stack(services, ports, database="creditlink_bench", real=None, say=lambda _text: None)
        bank, authorizations = agreed(stack, given.consents)
        first = [bank.call("POST", "/v1/profiles", a, json={}, headers={"Prefer": "wait=20"}) for a in authorizations]
        made = [(a, r.json()["id"]) for a, r in zip(authorizations, first, strict=True) if r.status_code == 201]
        port = ports.api[0]
        results = {}
        (leader,) = (process.pid for name, process in services.running if name == "api-0")

        def drive(name, method, path, body=b"", count=given.reads):
            chosen = [made[i % len(made)] for i in range(count)]
            requests = [prepared(bank, a, method, path.format(id=made_id), port, body) for a, made_id in chosen]
            results[name] = measured(port, requests, given.connections, leader)

        drive("POST /v1/profiles", "POST", "/v1/profiles", b"{}", 2 * len(made))
        drive("GET …/{id}", "GET", "/v1/profiles/{id}")
        drive("GET …/{id}/explanation", "GET", "/v1/profiles/{id}/explanation", count=given.reads // 2)
        drive("GET …/{id}/matches", "GET", "/v1/profiles/{id}/matches", count=given.reads // 4)
        drive("GET /v1/profiles", "GET", "/v1/profiles", count=given.reads // 4)
        Path(folder, "bare.py").write_text(BARE)
        bare_port = free_port()
        bare = subprocess.Popen(
            [sys.executable, *servers(bare_port, 2, 4)["granian"]], cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            time.sleep(2)
            request = _load.request_bytes("GET", "/bare", f"127.0.0.1:{bare_port}", {})
            _load.drive(bare_port, [request] * 100, given.connections)
            results["bare route"] = measured(bare_port, [request] * 10 * given.reads, given.connections, bare.pid)
        finally:
            os.killpg(bare.pid, signal.SIGTERM)
            bare.wait()
        bank.http.close()
    for name, figures in results.items():
        figures["ratio_to_bare"] = figures["per_second"] / results["bare route"]["per_second"]
        figures["cpu_ratio_to_bare"] = results["bare route"]["server_cpu_ms"] / max(figures["server_cpu_ms"], 1e-9)
        if not given.json:
            print(
                f"{name:24} {figures['per_second']:7.0f} req/s   p50 {figures['p50_ms']:6.1f} ms"
                f"   p95 {figures['p95_ms']:6.1f} ms   {figures['ratio_to_bare']:.3f} × bare"
                f"   cpu {figures['server_cpu_ms']:6.2f} ms ({figures['cpu_ratio_to_bare']:.3f} × bare)"
                f"   {figures['statuses']}"
            )
    if given.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
