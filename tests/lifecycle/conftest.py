"""Staff enough for a model's whole way: each step takes another account."""

from types import SimpleNamespace

import pytest

from creditlink.kit.postgres import db
from creditlink.lifecycle import service
from creditlink.lifecycle.steps import StepEvidence
from creditlink.staff import acts
from tests import factories as make

NOW = make.NOW
REPORT = {"validated": {"report_sha256": "f" * 64}, "approved": {"conditions": "loans up to 5,000,000 yuan"}}
SIGNS = {"validated": "ben", "approved": "cleo", "shadow": "dan", "live": "eva"}


@pytest.fixture
def session(empty_database):
    with db.transaction("owner") as opened:
        yield opened


@pytest.fixture
def people(session):
    roles = {
        "ada": "model_owner",
        "ben": "risk",
        "cleo": "risk",
        "dan": "operator",
        "eva": "operator",
        "aud": "auditor",
    }
    return SimpleNamespace(**{login: make.make_staff(session, login, role) for login, role in roles.items()})


def registered(session, by, model_id="m1", purposes=("underwriting", "monitoring"), **values):
    return service.register(
        session,
        **{
            "model_id": model_id,
            "manifest_sha256": "a" * 64,
            "purposes": purposes,
            "inputs": ["age_months"],
            "tier": "1",
            "intended_use": "credit of small firms",
            "limits": "no listed companies",
            "by": by,
            "reason": "trained",
            "now": NOW,
        }
        | values,
    )


def proposed(session, by, to, model_id="m1", purposes=None, *, now=NOW, **evidence):
    subject = service.step_subject(session, model_id, to, purposes, StepEvidence(**REPORT.get(to, {}) | evidence))
    return acts.propose(session, service.STEP, subject, by=by, reason=f"to {to}", now=now)


def walked(session, people, model_id="m1", until="live", signs=SIGNS, purposes=None):
    for to in ("validated", "approved", "shadow", "live"):
        act = proposed(session, people.ada, to, model_id, purposes)
        acts.approve(session, act, by=getattr(people, signs[to]), now=NOW)
        if to == until:
            return
