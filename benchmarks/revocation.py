"""How soon a revocation is felt in another process, and what refusing and serving reads cost.

    python benchmarks/revocation.py [--trials N] [--readers N] [--requests N] [--json]

Starts the sandbox with two API processes and lets firms agree with a bank. Each trial revokes one consent in this
process, as the portal does, while readers keep both API processes busy with another consent; from the moment that the
commit has returned, the second process is asked again and again until it refuses. Reported: the time from the commit to
the end of the first refused answer, how long the revocation itself took, and how many reads begun after the commit were
served (it must be none). Then served and refused reads per second, beside each other on one server. Between two trials
the consent is brought back with the database's triggers off, which no part of the platform can do.
"""

import argparse
import contextlib
import json
import tempfile
import threading
import time
from pathlib import Path
from profile import agreed, prepared

import _load
import httpx
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import text

from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.kit.ids import internal
from creditlink.kit.postgres import db
from creditlink.sandbox.platform.services import Services
from creditlink.sandbox.platform.stack import Ports, start_stack


def percentile(values, share):
    """Return the value below which `share` of the values lie, by rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def revoke(grant_id):
    """Revoke a consent as the firm does; return when the commit came back."""
    with db.transaction("api") as session:
        held = session.get_one(Consent, internal("cns", grant_id))
        consents.revoke(session, held, actor="account:benchmark", reason="benchmark", now=utc_now())
    return time.perf_counter()


def bring_back(grant_id):
    """Undo a revocation, for the next trial."""
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE consents SET state = 'ACTIVE' WHERE id = :id"), {"id": internal("cns", grant_id)})


def one_trial(bank, authorization, path, url):
    """Revoke and ask the other process until it refuses; return seconds to it, seconds to the commit, late reads."""
    asked = time.perf_counter()
    committed = revoke(authorization.grant_id)
    late = 0
    while True:
        proof = bank.proof("GET", path, authorization.access_token)
        headers = {"Authorization": f"DPoP {authorization.access_token}", "DPoP": proof}
        answer = bank.http.get(url + path, headers=headers)
        if answer.status_code == 403:
            return time.perf_counter() - committed, committed - asked, late
        late += 1


@contextlib.contextmanager
def busy(bank, authorization, path, ports, readers):
    """Keep all processes reading, with connections of their own, until the block ends; yields a counter."""
    over, served = threading.Event(), [0] * readers

    def read(number):
        with httpx.Client(trust_env=False, timeout=30) as http:
            while not over.is_set():
                proof = bank.proof("GET", path, authorization.access_token)
                headers = {"Authorization": f"DPoP {authorization.access_token}", "DPoP": proof}
                answer = http.get(f"http://127.0.0.1:{ports[number % len(ports)]}{path}", headers=headers)
                if answer.status_code == 401:
                    return  # the token of the load is over
                served[number] += answer.status_code == 200

    threads = [threading.Thread(target=read, args=(i,)) for i in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield served
    finally:
        over.set()
        for thread in threads:
            thread.join()


def measure(given, folder, services, progress):
    """Return all figures."""
    ports = Ports.free(2)
    stack = start_stack(services, ports, database="creditlink_bench", real=None, say=lambda _text: None)
    bank, authorizations = agreed(stack, 3)
    made = [bank.call("POST", "/v1/profiles", a, json={}, headers={"Prefer": "wait=20"}) for a in authorizations]
    held = [(a, f"/v1/profiles/{r.json()['id']}") for a, r in zip(authorizations, made, strict=True) if r.is_success]
    (load, load_path), (target, target_path) = held[0], held[1]
    other = stack.api_urls[1]
    felt, waited, late = [], [], 0
    task = progress.add_task("trials", total=given.trials)
    began = time.perf_counter()
    with busy(bank, load, load_path, ports.api, given.readers) as served:
        for number in range(given.trials):
            if number % 60 == 0:
                bank.refresh(target)
            seconds, took, more = one_trial(bank, target, target_path, other)
            felt.append(seconds)
            waited.append(took)
            late += more
            if number < given.trials - 1:
                bring_back(target.grant_id)
            progress.advance(task)
    elapsed = time.perf_counter() - began
    results = {
        "trials": given.trials,
        "reads_per_second_meanwhile": sum(served) / elapsed,
        "commit_to_first_refusal_p50_ms": percentile(felt, 0.5) * 1e3,
        "commit_to_first_refusal_p99_ms": percentile(felt, 0.99) * 1e3,
        "commit_to_first_refusal_max_ms": max(felt) * 1e3,
        "revocation_took_p50_ms": percentile(waited, 0.5) * 1e3,
        "revocation_took_p99_ms": percentile(waited, 0.99) * 1e3,
        "served_after_commit": late,
    }
    reads = {}
    for name, (authorization, path) in {"served": (load, load_path), "refused": (target, target_path)}.items():
        requests = [prepared(bank, authorization, "GET", path, ports.api[1]) for _ in range(given.requests)]
        reads[name] = _load.drive(ports.api[1], requests, 2)
    for name, figures in reads.items():
        results[f"{name}_per_second"] = figures["per_second"]
        results[f"{name}_p95_ms"] = figures["p95_ms"]
        results[f"{name}_statuses"] = figures["statuses"]
    results["refused_to_served"] = reads["refused"]["per_second"] / reads["served"]["per_second"]
    bank.http.close()
    return results


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, help="how often the consent is taken away (report: 200)")
    parser.add_argument("--readers", type=int, default=4, help="connections that read meanwhile, over both processes")
    parser.add_argument("--requests", type=int, default=300, help="served and refused reads each, for the rates")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Services(Path(folder) / "log") as services,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        results = measure(given, folder, services, progress)
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for name, value in results.items():
        print(f"{name:34} {value:.2f}" if isinstance(value, float) else f"{name:34} {value}")


if __name__ == "__main__":
    main()
