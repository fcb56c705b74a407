"""The whole sandbox in its own processes: the demo's walk, the README's examples, revocation everywhere."""

from __future__ import annotations

import io
import os
import re
import subprocess
import time
from contextlib import closing

import httpx
import pytest
from rich.console import Console

from creditlink.config import ROOT
from creditlink.sandbox.officer import Officer, Representative
from creditlink.sandbox.services import Services
from creditlink.sandbox.stack import Ports, start_stack
from creditlink.sandbox.walk import Walk

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README.split("## Worked examples")[1].split("\n## ")[0], re.DOTALL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory, postgres_url):
    """Two API processes, a worker, three bureaus and two banks on a database of their own."""
    from creditlink import db

    folder = tmp_path_factory.mktemp("stack")
    kept = {name: os.environ.get(name) for name in ("CREDITLINK_VAR_DIR", "DATABASE_URL", "CREDITLINK_SECRET_KEY")}
    os.environ["CREDITLINK_VAR_DIR"] = str(folder)
    os.environ["DATABASE_URL"] = db.ensure_database(postgres_url, f"stack_{os.getpid()}")
    try:
        with Services(folder / "log") as services:
            yield start_stack(services, Ports.free(2), database="stack", real=None, say=lambda _text: None)
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture
def meet():
    """A loan officer and a firm's representative, who hang up at the end."""
    met = []

    def together(stack, firm, bank=0):
        met.extend([Officer(stack.bank_urls[bank]), Representative(firm, stack.issuer)])
        return met[-2], met[-1]

    yield together
    for one in met:
        one.close()


def test_the_walk_of_the_demo(stack):
    """Consent, pull, profile, explanation, products, partial data, revocation: each step checks itself."""
    out = io.StringIO()
    with closing(Walk(Console(file=out, width=120), stack, began=time.monotonic())) as walk:
        walk.synthetic_firms()
    said = out.getvalue()
    assert "grade" in said
    assert "(revoked)" in said
    assert "invalid_grant" in said
    assert "source_down" in said
    assert "not_granted" in said


def test_revocation_reaches_every_process(stack, meet):
    """The next read is refused by each API process, whichever took the revocation."""
    firm = next(f for f in stack.credentials.firms if f.kind == "growing")
    officer, person = meet(stack, firm, bank=1)
    asked = officer.ask(firm.uscc, required=["tax"], optional=[])
    person.decide(asked["send_the_firm_to"])
    made = officer.call(asked["case"], "POST", "/v1/profiles", json={}, headers={"Prefer": "wait=20"})
    assert made.status == 201, made.body
    person.revoke(made.body["consent_id"])
    for _ in range(4):  # both processes answer on their own ports; the token's proofs name the issuer
        refused = officer.call(asked["case"], "GET", f"/v1/profiles/{made.body['id']}")
        assert (refused.status, refused.body["reason"]) == (403, "revoked")
    other = httpx.get(f"{stack.api_urls[1]}/health/ready", trust_env=False)
    assert other.json()["checks"]["database"]["ok"]


def test_the_firm_can_decline(stack, meet):
    firm = next(f for f in stack.credentials.firms if f.kind == "seasonal")
    officer, person = meet(stack, firm)
    asked = officer.ask(firm.uscc, required=["tax"], optional=[])
    person.decide(asked["send_the_firm_to"], approve=False)
    assert officer.case(asked["case"])["state"] == "declined"


def test_the_readme_examples_run(stack, meet, tmp_path):
    """Every shell block of the README, in order, as a reader would paste it."""
    firm = next(f for f in stack.credentials.firms if f.kind == "healthy")
    env = {
        "PATH": os.environ["PATH"],
        "API": stack.issuer,
        "BANK": stack.bank_urls[0],
        "USCC": firm.uscc,
        "no_proxy": "*",
    }
    assert len(BLOCKS) == 4
    for block in BLOCKS:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=90
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        if '"case"' in done.stdout:
            case = re.search(r'"case": *"(\w+)"', done.stdout).group(1)
            address = re.search(r'"send_the_firm_to": *"([^"]+)"', done.stdout).group(1)
            meet(stack, firm)[1].decide(address.replace("\\u0026", "&"))
            env["CASE"] = case
    assert '"margin"' in done.stdout
    assert '"eligible"' in done.stdout
