"""A warm profile request over HTTP: latency and throughput, beside a bare route on the same server.

    python benchmarks/profile.py [--consents N] [--reads N] [--json]

Starts the sandbox (database, bureaus, worker, one API server with two processes), lets N firms agree, pulls their
records, and then times POST /v1/profiles (computed anew, three per consent) and GET /v1/profiles/{id}.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _load
from server import BARE, servers

from creditlink.sandbox.bank import DemoBank, load_key
from creditlink.sandbox.browser import PageError
from creditlink.sandbox.officer import SCOPE, Representative, underwriting
from creditlink.sandbox.services import Services, free_port
from creditlink.sandbox.stack import Ports, start_stack


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
        wanted = underwriting(firm.uscc, required=["tax", "social_security", "utility"], optional=[], pulls=3)
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
        posts = [prepared(bank, a, "POST", "/v1/profiles", port, b"{}") for _ in range(2) for a, _ in made]
        results = {"POST /v1/profiles": _load.drive(port, posts, given.connections)}
        reads = [
            prepared(bank, made[i % len(made)][0], "GET", f"/v1/profiles/{made[i % len(made)][1]}", port)
            for i in range(given.reads)
        ]
        results["GET /v1/profiles/{id}"] = _load.drive(port, reads, given.connections)
        Path(folder, "bare.py").write_text(BARE)
        bare_port = free_port()
        bare = subprocess.Popen(
            [sys.executable, *servers(bare_port, 2, 4)["granian"]], cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(2)
            request = _load.request_bytes("GET", "/bare", f"127.0.0.1:{bare_port}", {})
            _load.drive(bare_port, [request] * 100, given.connections)
            results["bare route"] = _load.drive(bare_port, [request] * given.reads, given.connections)
        finally:
            bare.terminate()
            bare.wait()
        bank.http.close()
    for name, figures in results.items():
        figures["ratio_to_bare"] = figures["per_second"] / results["bare route"]["per_second"]
        if not given.json:
            print(
                f"{name:24} {figures['per_second']:7.0f} req/s   p50 {figures['p50_ms']:6.1f} ms"
                f"   p95 {figures['p95_ms']:6.1f} ms   {figures['ratio_to_bare']:.3f} × bare   {figures['statuses']}"
            )
    if given.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
