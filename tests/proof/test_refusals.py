"""Every refusal of a known token is in its firm's evidence, whatever was wrong with it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from creditlink.audit import chain
from creditlink.audit import service as audit
from creditlink.clock import utc_now
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Institution
from creditlink.sandbox.bank import new_key
from tests.oauth import flow

PATH = "/v1/profiles"


@pytest.fixture
def bank(make_bank):
    return make_bank()


@pytest.fixture
def held(app, firm, bank):
    authorization = bank.push(flow.details(), scope=flow.SCOPE)
    callback = flow.decide(app, firm, flow.open_page(bank, authorization))
    bank.exchange(bank.code_from(callback, authorization), authorization)
    return authorization


def another_key(bank, held, database):
    bank.dpop_key = new_key()


def a_scope_less(bank, held, database):
    bank.refresh(held, scope="consent:read")


def revoked_token(bank, held, database):
    bank.revoke(held.access_token)


def expired_token(bank, held, database):
    with database.transaction("owner") as session:
        session.execute(text("UPDATE access_tokens SET expires_at = now()"))


def suspended_client(bank, held, database):
    with database.transaction("owner") as session:
        institutions.set_client_status(
            session, institutions.client_of(session, bank.client_id), "suspended", now=utc_now()
        )


def suspended_bank(bank, held, database):
    with database.transaction("owner") as session:
        client = institutions.client_of(session, bank.client_id)
        row = session.get_one(Institution, client.institution_id)
        institutions.set_institution_status(session, row, "suspended", now=utc_now())


@pytest.mark.parametrize(
    ("wrong", "status", "reason"),
    [
        (another_key, 401, "wrong_key"),
        (a_scope_less, 403, "insufficient_scope"),
        (revoked_token, 401, "token_revoked"),
        (expired_token, 401, "token_expired"),
        (suspended_client, 401, "client_suspended"),
        (suspended_bank, 401, "institution_suspended"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_refused_token_leaves_evidence_once_a_minute(bank, held, empty_database, firm, wrong, status, reason):
    """The firm learns which way it was wrong, the sender does not; and nobody fills the chain with a dead token."""
    wrong(bank, held, empty_database)
    answers = [bank.call("GET", PATH, held) for _ in range(5)]
    assert {a.status_code for a in answers} == {status}
    assert reason == "insufficient_scope" or all(reason not in a.text for a in answers)
    with empty_database.transaction("owner") as session:
        lines = list(audit.export(session, firm.enterprise.id))
    assert chain.verify(lines) is None
    refused = [line for line in lines if line["result"] == "refused"]
    assert 1 <= len(refused) <= 2  # two where the minute turned meanwhile
    assert refused[0]["detail"] == {"route": f"GET {PATH}", "reason": reason, "status": status}
    assert refused[0]["client_id"] == bank.client_id
    assert refused[0]["consent_id"] == str(flow.consent_of(held))


def test_an_unknown_token_is_nobodys_evidence(bank, held, empty_database, firm):
    held.access_token = "cla_" + "x" * 43
    assert bank.call("GET", PATH, held).status_code == 401
    with empty_database.transaction("owner") as session:
        assert not [x for x in audit.export(session, firm.enterprise.id) if x["result"] == "refused"]
