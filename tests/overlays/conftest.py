"""Two banks, each with clients to write, to check and to read profiles of one firm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from creditlink.institutions.tables import Institution
from creditlink.sandbox.banks.bank import new_key
from tests import factories as make
from tests.oauth import flow
from tests.profiles.conftest import authorized, city, delivered, firm, http, rich_firm

__all__ = ["authorized", "city", "delivered", "firm", "http", "rich_firm"]
SCOPES = "overlay:read overlay:write overlay:check"
BODY: dict[str, Any] = {
    "name_zh": "甲行小微叠加",
    "name_en": "Bank A overlay",
    "columns": [
        {
            "name": "own_late_days", "kind": "number", "label_zh": "本行逾期天数", "label_en": "Days late with us",
            "unit": "天", "minimum": 0, "direction": 1,
        },
        {
            "name": "own_watch", "kind": "flag", "label_zh": "观察名单", "label_en": "On our watch list",
            "required": True,
        },
    ],
    "weights": [
        {"subject": "indicator.headcount", "form": "standardised", "mean": 20, "deviation": 10, "log_odds": -0.1},
        {
            "subject": "own.own_late_days", "form": "banded", "otherwise": 0.5,
            "bands": [{"below": 1, "log_odds": -0.1}, {"below": 30, "log_odds": 0.2}],
        },
    ],
    "cut_offs": {
        "grade_at_least": "D",
        "rules": [
            {
                "code": "W1", "label_zh": "不在观察名单", "label_en": "not on our watch list",
                "subject": "own.own_watch", "operator": "<=", "limit": 0,
            }
        ],
    },
}  # fmt: skip


@dataclass
class Client:
    """One client of a bank, in its own name."""

    bank: flow.DemoBank
    _token: Any = field(default=None)

    def call(self, method, path="", **kwargs):
        if self._token is None:
            self._token = self.bank.in_own_name(scope=SCOPES)
        return self.bank.call(method, f"/v1/overlays{path}", self._token, **kwargs)

    def check(self, version=1):
        sha = self.call("GET", f"/{version}").json()["terms_sha256"]
        return self.call("POST", f"/{version}/check", json={"terms_sha256": sha})


@dataclass
class OverlayBank:
    """A bank: who writes its overlay, who checks it, and who reads profiles."""

    institution: Institution
    writer: Client
    checker: Client
    reader: flow.DemoBank

    def go_live(self, **changed):
        """Write, check and publish a version."""
        written = self.writer.call("PUT", json=BODY | changed)
        assert written.status_code == 200, written.text
        version = written.json()["version"]
        assert self.checker.check(version).status_code == 200
        assert self.writer.call("POST", f"/{version}/publish", json={}).status_code == 200
        return version


@pytest.fixture
def make_overlay_bank(empty_database, http):
    def run(code):
        with empty_database.transaction("owner") as session:
            institution = make.make_institution(session, code=code)

        def client(scopes):
            return flow.register_bank(
                empty_database, http, key=new_key("ES256"), institution=institution, scopes=scopes
            )

        reader = client([*flow.SCOPE.split(), *SCOPES.split()])
        return OverlayBank(institution, Client(client(SCOPES.split())), Client(client(SCOPES.split())), reader)

    return run


@pytest.fixture
def ours(make_overlay_bank):
    return make_overlay_bank("BANKA")


@pytest.fixture
def theirs(make_overlay_bank):
    return make_overlay_bank("BANKB")
