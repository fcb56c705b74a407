"""The whole sandbox in its own processes: the demo's walk, the README's examples, revocation everywhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from sqlalchemy import text

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres.db import Database
from creditlink.kit.settings import ROOT
from creditlink.sandbox.banks.bank import DemoBank, load_key, new_key, public_jwks
from creditlink.sandbox.banks.officer import Officer, underwriting
from creditlink.sandbox.people.browser import PageError
from creditlink.sandbox.people.representative import Representative
from creditlink.sandbox.platform.services import Services
from creditlink.sandbox.platform.stack import Ports, start_stack
from creditlink.sandbox.walk.walk import Walk

pytestmark = pytest.mark.long

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README.split("## Worked examples")[1].split("\n## ")[0], re.DOTALL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory, postgres_url):
    """Three API processes, a worker, three bureaus and four banks on a database of their own."""
    from creditlink.kit.postgres import db

    folder = tmp_path_factory.mktemp("stack")
    kept = {name: os.environ.get(name) for name in ("CREDITLINK_VAR_DIR", "DATABASE_URL", "CREDITLINK_SECRET_KEY")}
    os.environ["CREDITLINK_VAR_DIR"] = str(folder)
    os.environ["DATABASE_URL"] = db.ensure_database(postgres_url, f"stack_{os.getpid()}")
    try:
        with Services(folder / "log") as services:
            yield start_stack(services, Ports.free(3), database="stack", real=None, say=lambda _text: None)
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
        met.extend(
            [
                Officer(stack.credentials.banks[bank].institution, stack.bank_urls[bank]),
                Representative(firm, stack.issuer),
            ]
        )
        return met[-2], met[-1]

    yield together
    for one in met:
        one.close()


def test_the_walk_of_the_demo(stack):
    """Consent, pull, profile, products, a loan from asking to repaid at four banks, partial data, revocation.

    Each step checks itself.
    """
    out = io.StringIO()
    with closing(Walk(Console(file=out, width=120), stack, began=time.monotonic())) as walk:
        walk.synthetic_firms()
    said = " ".join(out.getvalue().split())
    assert "grade" in said
    assert "(revoked)" in said
    assert "invalid_grant" in said
    assert "source_down" in said
    assert "not_granted" in said
    for category in ("housing_fund", "contract", "intellectual_property", "logistics", "import_export"):
        assert re.search(rf"│ {category} │ (delivered|no_record) │", said), category
    life = ["requested", "received", "reviewing", "offered", "accepted", "signed", "drawn", "repaying", "closed"]
    assert " → ".join(life) in said
    assert "409, its allowed steps: ['revise']" in said
    assert "contradicts 1×" in said
    assert "steps was a signed webhook, once" in said
    assert "nothing is told: fewer than ten firms" in said


def test_revocation_reaches_every_process(stack, meet):
    """The next read is refused by each API process, whichever took the revocation."""
    firm = next(f for f in stack.credentials.firms if f.kind == "growing")
    officer, person = meet(stack, firm, bank=1)
    asked = officer.ask(firm.uscc, required=["tax"], optional=[])
    person.decide(asked["send_the_firm_to"])
    made = officer.call(asked["case"], "POST", "/v1/profiles", json={}, headers={"Prefer": "wait=20"})
    assert made.status == 201, made.body
    person.revoke(made.body["consent_id"])
    for _ in range(4):  # the processes answer on their own ports; the token's proofs name the issuer
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
            ["bash", "-euo", "pipefail", "-c", block],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=env,
            timeout=300,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        if '"case"' in done.stdout:
            case = re.search(r'"case": *"(\w+)"', done.stdout).group(1)
            address = re.search(r'"send_the_firm_to": *"([^"]+)"', done.stdout).group(1)
            meet(stack, firm)[1].decide(address.replace("\\u0026", "&"))
            env["CASE"] = case
    assert '"margin"' in done.stdout
    assert '"eligible"' in done.stdout


CLIENT = ROOT / "tests" / "clients"


@pytest.fixture(scope="session")
def certified_client(tmp_path_factory):
    """The folder in which `openid-client`, at its locked version, is installed with our script."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs node and npm: the certified client must not be skipped there")
        pytest.skip("node and npm are not installed: the certified client cannot run")
    folder = tmp_path_factory.mktemp("client")
    for name in ("package.json", "package-lock.json", "walk.mjs"):
        shutil.copy(CLIENT / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def operate(*arguments: str) -> str:
    """Run an operator's command as docs/integrate.md has it; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "creditlink", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def register(folder, code: str, kind: str, algorithm: str, redirect_uri: str) -> dict:
    """Onboard an institution with one client; return the client's side of it."""
    key = new_key(algorithm)
    jwks = folder / f"{code}.jwks.json"
    jwks.write_text(json.dumps(public_jwks(key)))
    operate("institutions", "add", "--code", code, "--name-zh", code, "--name-en", code, "--kind", kind)
    printed = operate(
        "clients", "register", "--institution", code, "--name", "Lending desk", "--jwks", str(jwks),
        "--redirect-uri", redirect_uri, "--scope", "profile:create profile:read consent:read",
    )  # fmt: skip
    client_id = json.loads(printed)["client_id"]
    return {"client_id": client_id, "redirect_uri": redirect_uri, "alg": algorithm, "jwk": key.as_dict(private=True)}


def test_a_certified_client_completes_the_whole_flow(stack, certified_client, tmp_path):
    """openid-client knows nothing of us: PAR, PKCE, private_key_jwt (ES256, PS256), DPoP, RAR over three processes."""
    firm = next(f for f in stack.credentials.firms if f.kind == "growing")
    given = {
        "issuer": stack.issuer,
        "api_urls": stack.api_urls,
        "banks": [
            register(tmp_path, "FSRCB", "bank", "ES256", "https://127.0.0.1:9443/callback"),
            register(tmp_path, "NHLEASE", "leasing", "PS256", "http://127.0.0.1:9000/callback"),
        ],
        "firm": {"uscc": firm.uscc, "login": firm.login, "password": firm.password},
        "scope": "profile:create profile:read consent:read",
        "authorization_details": {
            "type": "enterprise_credit_profile",
            "categories": ["tax", "social_security"],
            "purpose": "underwriting",
            "history_months": 24,
            "valid_until": (utc_now() + timedelta(days=20)).isoformat(timespec="seconds"),
            "actions": ["profile", "match"],
        },
    }
    done = subprocess.run(
        ["node", "walk.mjs"], cwd=certified_client, input=json.dumps(given), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    pairwise = [said[algorithm].pop("enterprise") for algorithm in ("ES256", "PS256")]
    assert len(set(pairwise)) == 2
    for algorithm in ("ES256", "PS256"):
        assert said[algorithm] == {
            "token_type": "dpop",
            "granted": ["tax", "social_security"],
            "created": 201,
            "read": 200,
            "refreshed": True,
            "active": True,
            "code_again": "invalid_grant",
        }
    assert said["stolen"] == {
        "profile_of_the_other_bank": 404,
        "token_of_the_other_bank": 401,
        "introspected_by_the_other_bank": {"active": False},
        "refreshed_by_the_other_bank": "invalid_grant",
    }
    assert said["revoked"] == {"read": 401, "active": False, "refresh": "invalid_grant"}
    assert said["processes_reached"] == 3


def test_a_killed_api_process_loses_nothing_of_a_pull(stack):
    """It dies while a bank waits: the pull goes on, and the same request to another process finds what it brought.

    The last test of this file: the process that it kills stays dead.
    """
    # A firm that nobody has asked about: what was fetched for another living consent would be used again.
    firm = [f for f in stack.credentials.firms if f.kind == "healthy"][-1]
    login = stack.credentials.banks[1]
    bank = DemoBank(
        client_id=login.client_id, redirect_uri=login.redirect_uri, issuer=stack.issuer,
        key=load_key(Path(login.key_file).read_text()),
    )  # fmt: skip
    slow = {"uscc": firm.uscc, "mode": "latency", "times": 1, "seconds": 4, "resource": "fapiao"}
    faults = f"{stack.bureau_urls['tax']}/_faults"
    assert httpx.post(faults, json=slow, trust_env=False).status_code == 201
    wanted = underwriting(firm.uscc, required=["tax", "electricity"], optional=[], pulls=1)
    authorization = bank.push([wanted], scope="profile:create profile:read consent:read")
    with closing(Representative(firm, stack.issuer)) as person:
        # The demo bank's desk does not know our state; the code is in the address.
        with contextlib.suppress(PageError):
            person.decide(bank.authorize_url(authorization))
        bank.exchange(bank.code_from(person.browser.url, authorization), authorization)
    headers = {"Idempotency-Key": "killed-in-the-middle", "Prefer": "wait=20", "Content-Type": "application/json"}
    proof = {
        "Authorization": f"DPoP {authorization.access_token}",
        "DPoP": bank.proof("POST", "/v1/profiles", authorization.access_token),
    }
    (process,) = (process for name, process in stack.services.running if name == "api-2")
    with socket.create_connection(("127.0.0.1", httpx.URL(stack.api_urls[2]).port), timeout=30) as wire:
        lines = [f"{name}: {value}" for name, value in (headers | proof | {"Host": "x", "Content-Length": "2"}).items()]
        wire.sendall("\r\n".join(["POST /v1/profiles HTTP/1.1", *lines, "", "{}"]).encode())
        # Another process says that nothing is there yet: the first one waits for it.
        pending = bank.call("POST", "/v1/profiles", authorization, json={})
        assert pending.status_code == 202, pending.text
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(ConnectionResetError):
            assert wire.recv(1) == b""  # no answer ever came
    answers = [bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers) for _ in range(2)]
    assert [a.status_code for a in answers] == [201, 201], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert {answers[0].json()["coverage"][name]["status"] for name in ("tax", "electricity")} == {"delivered"}
    assert len(bank.call("GET", "/v1/profiles", authorization).json()["items"]) == 1
    once_more = bank.call("POST", "/v1/profiles", authorization, json={})
    assert (once_more.status_code, once_more.json()["reason"]) == (403, "exhausted")  # one use, counted once
    bank.http.close()
    database = Database(os.environ["DATABASE_URL"])
    with closing(database), database.transaction("owner") as session:
        # A correction is a further row, known later; the same telling twice would be a pull that was stored twice.
        told = "SELECT enterprise_id, frame, period, subkey, version, known_at FROM facts"
        assert len(rows := session.execute(text(told)).all()) == len(set(rows)) > 100
