"""The Bruno collection: every operation of the document, and a script whose signatures the server takes."""

from __future__ import annotations

import json
import sys

import httpx
import pytest

from creditlink.kit.settings import ROOT
from tests.npm import ran

FOLDER = ROOT / "clients" / "bruno"
sys.path.append(str(FOLDER))

import generate  # noqa: E402 (beside the collection)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
STAGE = """
const told = JSON.parse(process.env.TOLD), headers = {}, set = {};
const setVar = (name, value) => (set[name] = value);
const bru = { getVar: (name) => set[name], getEnvVar: (name) => told.vars[name], setVar };
const req = { getUrl: () => told.url, getMethod: () => "POST", setHeader: (name, value) => (headers[name] = value) };
"""


def test_it_is_that_of_the_document():
    files = generate.written(DOCUMENT)
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in (".bru", ".json")}
    assert there == set(files)
    stale = [name for name, text in files.items() if (FOLDER / name).read_text() != text]
    assert stale == [], "run: python clients/bruno/generate.py"
    operations = [one for item in DOCUMENT["paths"].values() for name, one in item.items() if name != "parameters"]
    assert sum(name.endswith(".bru") for name in files) == len(operations) + 2
    assert generate.SCRIPT.strip().split("\n")[-2].strip() in (FOLDER / "collection.bru").read_text()


def test_what_its_script_signs_is_taken(signed_up, tmp_path):
    """The form of `askInInbox` with the script's assertion and proof, at a running server."""
    details = {
        "type": "enterprise_credit_profile", "categories": ["tax"], "purpose": "prequalification", "history_months": 12,
        "valid_until": "2000-01-01T00:00:00Z",
    }  # fmt: skip
    variables = {
        "private_jwk": json.dumps(signed_up.key.as_dict(private=True)), "issuer": signed_up.issuer,
        "client_id": signed_up.client_id, "kid": signed_up.key.kid,
    }  # fmt: skip
    told = {"url": "{{issuer}}/oauth/bc-authorize", "vars": variables}
    (tmp_path / "stage.cjs").write_text(
        STAGE + generate.SCRIPT + "console.log(JSON.stringify({ headers, set }));", encoding="utf-8"
    )
    said = json.loads(ran("node", "stage.cjs", within=tmp_path, TOLD=json.dumps(told)))
    form = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": said["set"]["client_assertion"], "scope": "profile:read", "login_hint": signed_up.uscc,
        "authorization_details": json.dumps([details]),
    }  # fmt: skip
    answer = httpx.post(f"{signed_up.issuer}/oauth/bc-authorize", data=form, headers=said["headers"], trust_env=False)
    # The client is known; what is wrong is the day alone.
    assert answer.json()["errors"] == [{"pointer": "/0/valid_until", "detail": "valid_until is not in the future"}]
