"""@creditlink/client: compiled in strict mode, and run by node against a running server and a line that misbehaves."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.settings import ROOT
from creditlink.notifications import message
from tests.npm import installed, ran

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SOURCE = ROOT / "clients" / "typescript"


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The package, built as `npm run build` does, with nothing but the compiler beside it."""
    folder = installed(tmp_path_factory.mktemp("package"), SOURCE, "tsconfig.json")
    shutil.copytree(SOURCE / "src", folder / "src")
    ran("node_modules/.bin/tsc", within=folder)
    return folder


def test_its_types_are_those_of_the_document(package):
    document = ROOT / "docs" / "openapi.json"
    ran("node_modules/.bin/openapi-typescript", str(document), "-o", "schema.ts", within=package)
    written = (package / "schema.ts").read_text()
    assert (SOURCE / "src" / "schema.ts").read_text() == written, "run: npm run types in clients/typescript"


def test_it_needs_nothing_at_run_time():
    assert "dependencies" not in json.loads((SOURCE / "package.json").read_text())
    assert "node:" not in "".join(path.read_text() for path in (SOURCE / "src").glob("*.ts"))


def test_first_profile_and_a_line_that_misbehaves(package, signed_up):
    shutil.copy(ROOT / "tests" / "clients" / "typescript_walk.mjs", package)
    secret, body = message.secret_text(b"k" * 32), '{"type":"consent.revoked","data":{"词":"撤回"}}'
    webhook = {"secret": secret, "headers": message.headers_of([secret], "msg_1", utc_now(), body), "body": body}
    environment = signed_up.environment() | {"WEBHOOK": json.dumps(webhook)}
    said = json.loads(ran("node", "typescript_walk.mjs", within=package, **environment))
    assert {"underwriting", "monitoring"} <= set(said.pop("purposes"))
    assert said.pop("grade") in ("A+", "A")
    assert said.pop("matches") > 100
    assert said == {
        "wrong": [True, "invalid_authorization_details", [["/0/purpose", "x"], ["/0/history_months", 0]]],
        "refused": [True, "invalid-request", [["/amount_fen", 1]]],
        "same": True,
        "refreshed": True,
        "resumed": True,
        "active": False,
        "nonces": [None, "n-1"],
        "busy": [[1, 2], [10, 5], "https://credit.example/v1/consents?limit=1&cursor=b%26c"],
        "lost": ["prf_1", 1],
        "acts": ["fetch failed", 2],
        "mixedUp": True,
        "codeSent": 2,
        "webhook": json.loads(body),
        "webhooksRefused": [True] * 7,
        "jwks": ["alg", "crv", "kid", "kty", "use", "x", "y"],
    }


def test_the_readme_is_true(package, signed_up):
    """Its program, with the developer's own values, as TypeScript and run."""
    (program,) = re.findall(r"```ts\n(.*?)```", (SOURCE / "README.md").read_text(), re.DOTALL)
    values = {
        "ISSUER": signed_up.issuer,
        "CLIENT_ID": signed_up.client_id,
        "KID": signed_up.key.kid,
        "USCC": signed_up.uscc,
    }
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    (package / "readme.ts").write_text(constants + program.replace("@creditlink/client", "./dist/index.js"))
    shutil.copy(signed_up.key_file, package / "bank.pem")
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"]
    ran("node_modules/.bin/tsc", *options, "--types", "node", "--skipLibCheck", "readme.ts", within=package)
    assert re.match(r"A\+?\n[A-Z]+-", ran("node", "readme.js", within=package))
