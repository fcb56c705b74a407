"""A sole trader whose profile a bank made, and people who review."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.reviews import queue
from tests import factories as make
from tests.oauth import flow
from tests.profiles.conftest import authorized, bank, city, delivered, http, rich_firm

__all__ = ["authorized", "bank", "city", "delivered", "http", "rich_firm"]
STAFF = db.Viewer(actor="operator")
WANTED = {
    "kind": "grade_notch", "reason_code": "new_fact", "reason": "a framework contract was signed",
    "evidence": "contract GZ-2026-118, seen by ben",
}  # fmt: skip


@pytest.fixture
def entity_type():
    return "sole_trader"


@pytest.fixture
def firm(empty_database, entity_type):
    with empty_database.transaction("owner") as session:
        enterprise = make.make_enterprise(session, entity_type=entity_type)
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, enterprise, account)
    return flow.Firm(enterprise, account)


@pytest.fixture
def people(empty_database):
    """Two reviewers, an operator and an auditor."""
    roles = {"ben": "risk", "cleo": "risk", "dan": "operator", "aud": "auditor"}
    with empty_database.transaction("owner") as session:
        return SimpleNamespace(**{login: make.make_staff(session, login, role) for login, role in roles.items()})


@pytest.fixture
def profiled(bank, authorized, delivered):
    """The authorization and the profile as its bank reads it."""
    authorization = authorized(bank)
    delivered(authorization)
    made = bank.call("POST", "/v1/profiles", authorization, json={})
    assert made.status_code == 201, made.text
    return authorization, made.json()


@pytest.fixture
def ask(bank, profiled):
    """Have the bank pass on that the sole trader asks."""

    def run(**body):
        authorization, made = profiled
        return bank.call("POST", f"/v1/profiles/{made['id']}/review", authorization, json=body)

    return run


@pytest.fixture
def claimed(ask, people):
    """A case that ben has claimed: its id."""
    (case,) = ask(refuses_automation=True).json()["cases"]
    with db.transaction("api", viewer=STAFF) as session:
        queue.claim(session, queue.case_of(session, case["id"], lock=True), by=people.ben, now=utc_now())
    return case["id"]


def in_days(days):
    return utc_now() + timedelta(days=days)
