"""The table of threats (docs/threats.md) is true: each threat has a test, and each test named is there."""

from __future__ import annotations

import ast
import re

import pytest

from creditlink.institutions.tables import Client
from creditlink.kit.settings import ROOT

TABLE = (ROOT / "docs" / "threats.md").read_text()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines() if line.startswith("| ")][1:]

# What an authorization server of this kind has to withstand; a row may be added to the table, none taken away.
THREATS = """
    code replay and race
    code injection across clients
    redirect_uri tricks
    PKCE downgrade
    mix-up
    refresh race
    bank A's token at bank B
    token of one consent on another consent of the same bank
    stolen DPoP token
    wider scope or details at refresh
    consent POST tampering
    CSRF
    consent expiry at the second
    DST and UTC+8 midnight
    clock stepping back
    frequency limit race
    revoke during a slow profile build
    IDOR on firm, consent, profile ids
    open redirect after sign-in
    clickjacking
    session fixation
    sign-in brute force
    client enumeration
    JWT confusion
    SSRF through webhook
    SSRF through jwks_uri
    SSRF through logo
    log injection
    secrets in logs or database
    referrer and cache headers
    token in query
    oversize and deep bodies
    duplicate parameters
    wrong content types
    introspection oracle
    mass assignment
    a suspended institution loses access in every process at once
"""


def names_in(path) -> set[str]:
    """Return the ids of the tests in a file, without running it."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.pure
@pytest.mark.parametrize("threat", [line.strip() for line in THREATS.strip().splitlines()])
def test_every_threat_has_a_test(threat):
    assert [row for row in ROWS if row[0] == threat and "::" in row[2]]


@pytest.mark.pure
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_test_named_is_there(row):
    assert row[1] in ("http", "processes", "code")
    named = re.findall(r"`([^`]+)`", row[2])
    assert named
    for test in named:
        file, _, name = test.partition("::")
        assert name in names_in(ROOT / "tests" / file), test


@pytest.mark.pure
def test_most_are_tried_over_http_and_races_between_processes():
    assert sum(row[1] != "code" for row in ROWS) > 0.8 * len(ROWS)
    races = [row for row in ROWS if "race" in row[0]]
    assert {row[1] for row in races} == {"processes"}
    for row in races:
        assert "process" in row[2]


@pytest.mark.pure
def test_every_file_of_threats_is_in_the_table():
    files = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_threats_*.py")}
    assert [file for file in files if file not in TABLE] == []


def test_ssrf_through_logo_has_nothing_to_fetch(client):
    """No client has a logo or another picture, and pages load only their own."""
    assert not [name for name in Client.__table__.columns.keys() if "logo" in name or "image" in name]  # noqa: SIM118
    policy = client.get("/portal/sign-in").headers["Content-Security-Policy"]
    assert "img-src 'self' data:;" in policy
    assert "default-src 'none'" in policy
