"""What row-level security costs: the same statements with the policies on (the API's role) and off (the owner's).

    python benchmarks/row_security.py [--rounds N] [--json]

Starts the sandbox, lets one firm agree, and computes one profile. Then, in this process and turn by turn under both
roles, with the same settings in the transaction: the facts of the firm as a profile reads them, the stored profile, and
the whole read with consent and evidence. Reported are medians in milliseconds and their ratio.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from profile import agreed
from statistics import median

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import select

from creditlink.access.guard import Access
from creditlink.consents.tables import Consent
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.ids import internal
from creditlink.kit.postgres import db
from creditlink.profiles.disclosures import disclosure
from creditlink.profiles.tables import Profile
from creditlink.records.pulls import pull
from creditlink.records.store import read_inputs
from creditlink.sandbox.platform.services import Services
from creditlink.sandbox.platform.stack import Ports, start_stack


def timed(role, settings, work):
    """Run `work(session)` under a role with the settings of a live consent; return its milliseconds."""
    with db.transaction(role) as session:
        db.enter(session, db.Viewer(**settings))
        began = time.perf_counter()
        work(session)
        return (time.perf_counter() - began) * 1e3


def measure(rounds, folder, services, progress):
    """Return medians and ratios."""
    stack = start_stack(services, Ports.free(), database="creditlink_bench", real=None, say=lambda _text: None)
    bank, (authorization,) = agreed(stack, 1)
    made = bank.call("POST", "/v1/profiles", authorization, json={}, headers={"Prefer": "wait=20"})
    profile_id = internal("prf", made.json()["id"])
    bank.http.close()
    now = utc_now()
    with db.transaction("owner") as session:
        consent = session.get_one(Consent, internal("cns", authorization.grant_id))
        salt = session.get_one(Institution, consent.institution_id).pairwise_salt
        since, _ = pull.look_back(consent, now)
    settings = {"consent_id": consent.id, "institution_id": consent.institution_id}
    access = Access(
        client_id=consent.client_id,
        institution_id=consent.institution_id,
        pairwise_salt=salt,
        consent_id=consent.id,
        scopes=frozenset(),
        authorization_details=(),
        token_id=consent.id,
    )
    kinds = {
        "the firm's facts": lambda s: read_inputs(
            s, [consent.enterprise_id], categories=consent.categories, since=since, as_of=day_of(now)
        ),
        "the stored profile": lambda s: s.scalars(select(Profile).where(Profile.id == profile_id)).one(),
        "a whole read": lambda s: disclosure.read_profile(s, access, profile_id, action="profile.read", now=utc_now()),
    }
    results = {}
    task = progress.add_task("rounds", total=rounds * len(kinds))
    for name, work in kinds.items():
        found = {"api": [], "owner": []}
        for number in range(rounds + 5):
            for role in ("api", "owner") if number % 2 else ("owner", "api"):
                took = timed(role, settings, work)
                if number >= 5:  # the first ones open connections and fill caches
                    found[role].append(took)
            progress.advance(task)
        on, off = median(found["api"]), median(found["owner"])
        results[name] = {"policies_on_ms": on, "policies_off_ms": off, "ratio": on / off}
    return results


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Services(Path(folder) / "log") as services,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        results = measure(given.rounds, folder, services, progress)
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for name, figures in results.items():
        on, off = figures["policies_on_ms"], figures["policies_off_ms"]
        print(f"{name:20} policies on {on:7.3f} ms   off {off:7.3f} ms   {figures['ratio']:.2f} ×")


if __name__ == "__main__":
    main()
