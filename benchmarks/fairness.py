"""A quiet bank alone and beside a noisy one: without and with the fair share, with a rate; and what limits cost.

    python benchmarks/fairness.py [--requests N] [--connections N] [--json]

Starts the sandbox (database, bureaus, worker, one API server with two processes of four threads), and a second server
on the same database in which all callers are one and nobody has a rate. The quiet bank reads one profile after the
other on one connection, alone and while the noisy bank does so on many. Then the noisy bank's contract gets a rate.
What counts are the ratios within one run. At last: how long one admission (three buckets, one call counted) takes,
beside a bare round trip on the same connection.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from profile import agreed
from statistics import median

import _load
import httpx
from sqlalchemy import select
from traffic import prepared

from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.metering.buckets import Bucket, Charge, Rate
from creditlink.metering.contracts import Terms, agree
from creditlink.metering.postgres import PostgresStore, connected
from creditlink.sandbox.platform.services import Services, free_port
from creditlink.sandbox.platform.stack import Ports, start_stack

UNFAIR = (
    "from creditlink.web.front.application import Front;"
    "Front._caller = lambda *_: ('all', 1); Front._learn = lambda *_: ('all', 1);"
    "from creditlink.cli.main import main; main()"
)
RATE = 120  # calls a minute, where the noisy bank has a contract


def unfair_server(env, folder):
    """Start a server in which all callers are one, without rates; return its process and port."""
    port = free_port()
    command = [sys.executable, "-c", UNFAIR, "run", "--port", str(port), "--workers", "2", "--threads", "4"]
    with (Path(folder) / "unfair.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **env, "CREDITLINK_LIMITS_TIMES": "0"}, stdout=log, stderr=log
        )
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False, timeout=5).status_code == 200:
                return process, port
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("the second server did not start")


def reads(bank, made, port, count):
    """Return signed requests; each proof is good once."""
    return [prepared(bank, made, port, "read", n) for n in range(count)]


def beside(quiet, noisy, port, given):
    """Return the figures of the quiet bank while the noisy one asks on many connections, and of the noisy one."""
    for bank, made in (quiet, noisy):  # tokens last for minutes, proofs for one
        for authorization, _ in made:
            bank.refresh(authorization)
    crowd = reads(*noisy, port, 6 * given.requests)
    requests = reads(*quiet, port, given.requests)
    loud = []
    thread = threading.Thread(target=lambda: loud.append(_load.drive(port, crowd, given.connections)))
    thread.start()
    time.sleep(0.7)  # until the crowd is there
    together = _load.drive(port, requests, 1)
    thread.join()
    return together, loud[0]


def cost(database, count=2000):
    """Return the median milliseconds of an admission, and of a bare round trip."""
    db.configure(database, role="api")
    with database.transaction("owner") as session:
        institution = session.scalars(select(Institution.id).limit(1)).one()
    store, wide = PostgresStore(), Rate(1_000_000, 60)
    buckets = [Bucket(name, f"{name}:cost", wide) for name in ("institution", "client", "route")]
    charge = Charge(institution, "cost", day_of(utc_now()), "call", "profile:read")

    def timed(work):
        spent = []
        for _ in range(count):
            began = time.perf_counter()
            work()
            spent.append((time.perf_counter() - began) * 1e3)
        return median(spent[count // 10 :])

    def bare():
        with connected() as connection:
            connection.execute("SELECT 1").fetchone()

    return {
        "admission_ms": timed(lambda: store.admit(buckets, charge)),
        "buckets_alone_ms": timed(lambda: store.admit(buckets, None)),
        "bare_round_trip_ms": timed(bare),
    }


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--connections", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Services(Path(folder) / "log") as services:
        ports = Ports.free()
        stack = start_stack(services, ports, database="creditlink_bench", real=None, say=lambda _text: None)
        env = services._started["api-0"].env
        banks = []
        for index in (0, 1):
            chosen = replace(stack, credentials=replace(stack.credentials, banks=stack.credentials.banks[index:]))
            bank, authorizations = agreed(chosen, 3)
            made = []
            for authorization in authorizations:
                sent = {"Prefer": "wait=20"}
                answer = bank.call("POST", "/v1/profiles", authorization, json={}, headers=sent)
                if answer.status_code == 201:
                    made.append((authorization, answer.json()["id"]))
            banks.append((bank, made))
        noisy, quiet = banks
        process, other = unfair_server(env, folder)
        results = {}
        try:
            for port in (ports.api[0], other):
                _load.drive(port, reads(*quiet, port, 20), 2)
            results["quiet alone"] = _load.drive(ports.api[0], reads(*quiet, ports.api[0], given.requests), 1)
            for name, port in (("without a share", other), ("with its share", ports.api[0])):
                results[f"quiet {name}"], results[f"noisy {name}"] = beside(quiet, noisy, port, given)
            database = db.Database(env["DATABASE_URL"])
            with database.transaction("owner") as session:
                client = session.scalars(select(Client).where(Client.client_id == noisy[0].client_id)).one()
                institution = session.get_one(Institution, client.institution_id)
                agree(session, institution, Terms(calls_a_minute=RATE), actor="operator", now=utc_now())
            time.sleep(11)  # until every process knows it
            port = ports.api[0]
            name = f"with {RATE} a minute"
            results[f"quiet {name}"], results[f"noisy {name}"] = beside(quiet, noisy, port, given)
            results["cost"] = cost(database)
            database.close()
        finally:
            process.terminate()
            process.wait(40)
        for bank, _ in banks:
            bank.http.close()
    if given.json:
        print(json.dumps(results, indent=2))
        return
    alone = results["quiet alone"]["p95_ms"]
    for name, figures in results.items():
        if name == "cost":
            print("   ".join(f"{key} {value:.3f}" for key, value in figures.items()))
            continue
        print(
            f"{name:26} {figures['per_second']:6.0f} req/s   p50 {figures['p50_ms']:7.1f}"
            f"   p95 {figures['p95_ms']:7.1f} ms   p95 / alone {figures['p95_ms'] / alone:5.1f}   {figures['statuses']}"
        )


if __name__ == "__main__":
    main()
