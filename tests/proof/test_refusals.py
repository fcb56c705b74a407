"""Every refusal of a known token is in its firm's evidence, whatever was wrong with it."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, text

from creditlink.audit import chain
from creditlink.audit import service as audit
from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.sandbox.banks.bank import BankError, new_key
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


# Refusals at the authorization server: each is about a consent that we know; who asked is told no more than before.


def refresh_when_withdrawn(bank, held, stranger):
    flow.change_consent(held, "revoke")
    return bank.send("/oauth/token", _refresh(bank, held), dpop=True)


def refresh_when_paused(bank, held, stranger):
    flow.change_consent(held, "pause")
    return bank.send("/oauth/token", _refresh(bank, held), dpop=True)


def refresh_by_another_bank(bank, held, stranger):
    return stranger.send("/oauth/token", _refresh(stranger, held), dpop=True)


def refresh_by_nobody(bank, held, stranger):
    return bank.send("/oauth/token", _refresh(bank, held) | {"client_assertion": "e30.e30.e30"}, dpop=True)


def refresh_for_more(bank, held, stranger):
    return bank.send("/oauth/token", _refresh(bank, held) | {"scope": "product:write"}, dpop=True)


def refresh_without_proof(bank, held, stranger):
    return bank.send("/oauth/token", _refresh(bank, held))


def refresh_of_a_revoked_token(bank, held, stranger):
    bank.revoke(held.refresh_token)
    return bank.send("/oauth/token", _refresh(bank, held), dpop=True)


def refresh_by_a_suspended_bank(bank, held, stranger):
    suspended_bank(bank, held, db.current())
    return bank.send("/oauth/token", _refresh(bank, held), dpop=True)


def introspection_when_withdrawn(bank, held, stranger):
    flow.change_consent(held, "revoke")
    return bank.send("/oauth/introspect", bank.client_parameters() | {"token": held.refresh_token})


def introspection_by_another_bank(bank, held, stranger):
    return stranger.send("/oauth/introspect", stranger.client_parameters() | {"token": held.access_token})


def revocation_by_another_bank(bank, held, stranger):
    return stranger.send("/oauth/revoke", stranger.client_parameters() | {"token": held.access_token})


def push_under_a_grant_of_another_bank(bank, held, stranger):
    with pytest.raises(BankError) as refused:
        stranger.push(flow.details(), scope=flow.SCOPE, grant_management_action="merge", grant_id=held.grant_id)
    return httpx.Response(refused.value.status, json=refused.value.body)


def _refresh(bank, held):
    return bank.client_parameters() | {"grant_type": "refresh_token", "refresh_token": held.refresh_token}


@pytest.mark.parametrize(
    ("attempt", "status", "reason", "by"),
    [
        (refresh_when_withdrawn, 400, "revoked", "bank"),
        (refresh_when_paused, 400, "paused", "bank"),
        (refresh_by_another_bank, 400, "another_client", "stranger"),
        (refresh_by_nobody, 401, "client_not_authenticated", None),
        (refresh_for_more, 400, "invalid_scope", "bank"),
        (refresh_without_proof, 400, "invalid_dpop_proof", "bank"),
        (refresh_of_a_revoked_token, 400, "token_revoked", "bank"),
        (refresh_by_a_suspended_bank, 401, "institution_suspended", None),
        (introspection_when_withdrawn, 200, "revoked", "bank"),
        (introspection_by_another_bank, 200, "another_client", "stranger"),
        (revocation_by_another_bank, 200, "another_client", "stranger"),
        (push_under_a_grant_of_another_bank, 400, "another_client", "stranger"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_the_authorization_server_refuses_is_evidence_too(
    bank, held, empty_database, firm, make_bank, attempt, status, reason, by
):
    stranger = make_bank()
    answers = [attempt(bank, held, stranger)]
    if "by_" in attempt.__name__:  # may be tried without changing anything once more
        answers += [attempt(bank, held, stranger) for _ in range(3)]
    assert {a.status_code for a in answers} == {status}
    assert all(reason == a.json().get("error") or reason not in a.text for a in answers)
    [line] = _refusals(empty_database, firm)[:1]
    assert line["action"] == "token.refused"
    assert line["detail"]["reason"] == reason
    assert line["detail"]["status"] == status
    assert line["consent_id"] == str(flow.consent_of(held))
    assert line["client_id"] == {"bank": bank.client_id, "stranger": stranger.client_id, None: None}[by]
    assert 1 <= len(_refusals(empty_database, firm)) <= 2  # two where the minute turned meanwhile
    for secret in (held.access_token, held.refresh_token):
        assert secret not in str(line)


def test_a_code_used_twice_is_evidence(app, bank, firm, empty_database):
    authorization = bank.push(flow.details(), scope=flow.SCOPE)
    code = bank.code_from(flow.decide(app, firm, flow.open_page(bank, authorization)), authorization)
    bank.exchange(code, authorization)
    with pytest.raises(BankError):
        bank.exchange(code, authorization)
    [line] = _refusals(empty_database, firm)
    assert (line["detail"]["reason"], line["detail"]["grant_type"]) == ("code_used", "authorization_code")


def test_a_poll_that_is_refused_is_evidence_and_one_that_waits_is_not(bank, firm, empty_database):
    waiting = bank.ask_in_inbox(flow.details(), scope=flow.SCOPE, login_hint=firm.enterprise.uscc)
    assert not bank.poll(waiting)
    assert _refusals(empty_database, firm) == []
    with empty_database.transaction("owner") as session:
        asked = session.scalars(select(Consent)).one()
        consents.reject(session, asked, actor="account:test", reason="declined", now=utc_now())
        session.execute(text("UPDATE pushed_requests SET polled_at = NULL"))  # as if the interval were over
    with pytest.raises(BankError) as refused:
        bank.poll(waiting)
    assert refused.value.code == "access_denied"
    # The firm is known from what was asked, although it never agreed.
    [line] = _refusals(empty_database, firm)
    assert (line["detail"]["reason"], line["consent_id"]) == ("rejected", str(asked.id))


def test_a_refusal_that_is_about_no_firm_is_counted_for_the_operator(bank, client, empty_database):
    """Nobody's chain: `creditlink_oauth_refusals_total` and the log line `oauth_refused` have it."""

    def counted(error):
        labels = {"route": "POST /oauth/token", "error": error}
        return REGISTRY.get_sample_value("creditlink_oauth_refusals_total", labels) or 0

    before = {
        error: counted(error) for error in ("invalid_scope", "invalid_client", "invalid_grant", "invalid_request")
    }
    with pytest.raises(BankError):
        bank.in_own_name(scope="profile:read")
    suspended_bank(bank, None, empty_database)
    with pytest.raises(BankError):
        bank.in_own_name(scope="consent:read")
    client.post("/oauth/token", data={"grant_type": ["x", "y"]})
    assert {error: counted(error) - was for error, was in before.items()} == {
        "invalid_scope": 1,
        "invalid_client": 1,
        "invalid_grant": 0,
        "invalid_request": 1,
    }
    with empty_database.transaction("owner") as session:
        assert not [x for x in session.scalars(select(AuditEntry)) if x.result == "refused"]


def _refusals(database, firm):
    with database.transaction("owner") as session:
        lines = list(audit.export(session, firm.enterprise.id))
    assert chain.verify(lines) is None
    return [line for line in lines if line["result"] == "refused"]
