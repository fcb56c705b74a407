"""A bank with a consent for reports, and a firm with a profile of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from creditlink.access.scopes import SCOPES
from creditlink.kit.clock import utc_now
from tests.oauth import flow
from tests.profiles.conftest import (
    authorized,
    city,
    delivered,
    firm,
    http,
    products,
    rich_firm,
)  # fmt: skip

__all__ = ["authorized", "city", "delivered", "firm", "http", "products", "rich_firm"]

SCOPE = f"{flow.SCOPE} report:create report:read"
FOR_REPORTS = {
    "purpose": "report",
    "actions": ["profile", "report"],
    "history_months": 36,
    "pulls_per_month": 1,
    "data_life_days": 1,
}
WANTED = {"recipient": "佛山市顺德区招投标中心", "purpose": "2026 年度供应商入围", "valid_days": 1}


@pytest.fixture
def bank(empty_database, http):
    return flow.register_bank(empty_database, http, scopes=sorted(SCOPES))


@pytest.fixture
def profiled(app, bank, firm, delivered, products):
    """A bank's authorization and a profile made under it."""

    def run(scope=SCOPE, **values):
        until = (utc_now() + timedelta(hours=23)).isoformat(timespec="seconds")
        asked = flow.details(
            **{"categories": ["tax", "social_security", "electricity"], "valid_until": until} | FOR_REPORTS | values
        )
        authorization = bank.push(asked, scope=scope)
        callback = flow.decide(app, firm, flow.open_page(bank, authorization))
        bank.exchange(bank.code_from(callback, authorization), authorization)
        delivered(authorization)
        made = bank.call("POST", "/v1/profiles", authorization, json={})
        assert made.status_code == 201, made.text
        return authorization, made.json()

    return run


@pytest.fixture
def reported(bank, profiled):
    """A bank's authorization and a report made under it."""

    def run(**values):
        authorization, profile = profiled()
        answer = bank.call("POST", "/v1/reports", authorization, json=WANTED | {"profile_id": profile["id"]} | values)
        assert answer.status_code == 201, answer.text
        return authorization, answer.json()

    return run
