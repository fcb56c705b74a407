"""Requests that wait in the inbox: what the bank gets for asking and polling, and the threats to it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from creditlink.access.opaque import AUTH_REQ_ID, hash_of, new_secret
from creditlink.access.tables import AccessToken
from creditlink.consents import service as consents
from creditlink.consents.agreement.statement import statement
from creditlink.consents.life import approval, sweep
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Client, Institution
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.oauth.tables import PushedRequest
from creditlink.sandbox.banks.bank import BankError, DemoBank, InboxRequest, new_key
from tests import factories
from tests.oauth.flow import SCOPE, details


@pytest.fixture
def ask(firm):
    """Lay a request into the firm's inbox."""

    def run(
        bank: DemoBank, *, login_hint=None, requested_expiry="3600", scope=SCOPE, wanted=None, **more
    ) -> InboxRequest:
        hint = login_hint or firm.enterprise.uscc
        return bank.ask_in_inbox(
            wanted or details(), scope=scope, login_hint=hint, requested_expiry=requested_expiry, **more
        )

    return run


def consent_of(waiting: InboxRequest) -> Consent:
    with db.transaction("owner") as session:
        pushed = session.scalar(
            select(PushedRequest).where(PushedRequest.request_uri_hash == hash_of(waiting.auth_req_id))
        )
        return session.get_one(Consent, pushed.consent_id)


@pytest.fixture
def answers(firm):
    """Let the firm answer."""

    def run(waiting: InboxRequest, how="approve", *, now=None) -> None:
        now, consent = now or utc_now(), consent_of(waiting)
        with db.transaction("api") as session:
            if how != "approve":
                actor = f"account:{firm.account.id}"
                getattr(consents, how)(session, consent, actor=actor, reason="declined", now=now)
                return
            approval.approve(
                session,
                consent,
                account=session.get_one(Account, firm.account.id),
                enterprise=session.get_one(Enterprise, firm.enterprise.id),
                categories=consent.categories_asked,
                statement=statement(
                    consent.details(), institution_zh="行", institution_en="B", template=None, lang="zh"
                ),
                now=now,
            )

    return run


@pytest.fixture
def later(clock):
    """Let so many seconds pass since the test began."""
    began = utc_now()

    def run(seconds: float):
        clock(began + timedelta(seconds=seconds))
        return began + timedelta(seconds=seconds)

    return run


def refusal(run, *args, **values) -> tuple[int, str]:
    with pytest.raises(BankError) as refused:
        run(*args, **values)
    return refused.value.status, refused.value.code


class TestTheWay:
    def test_ask_poll_approve_tokens(self, bank, ask, answers, later):
        waiting = ask(bank, binding_message="合同 0042")
        assert waiting.auth_req_id.startswith(AUTH_REQ_ID)
        assert waiting.interval == 5
        assert 1800 <= waiting.expires_in <= 3600
        assert not bank.poll(waiting)
        answers(waiting)
        later(6)
        assert bank.poll(waiting)
        assert waiting.answer["token_type"] == "DPoP"
        assert waiting.answer["authorization_details"][0]["categories"] == ["registration", "tax"]
        assert waiting.grant_id == consent_of(waiting).wire_id
        read = bank.call("GET", "/v1/resource", waiting)
        assert read.status_code == 200
        assert bank.refresh(waiting)["access_token"]

    def test_the_firm_by_the_id_that_the_bank_knows_and_never_by_more(self, bank, ask, answers, later, firm):
        first = ask(bank)
        answers(first)
        bank.poll(first)
        known = first.answer["authorization_details"][0]["enterprise"]
        again = ask(bank, login_hint=known)
        answers(again)
        later(6)
        assert bank.poll(again)
        assert firm.enterprise.uscc not in str(again.answer)
        assert again.answer["authorization_details"][0]["enterprise"] == known

    def test_too_soon_is_slow_down_and_begins_the_interval_anew(self, bank, ask, later):
        waiting = ask(bank)

        def error():
            form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id}
            return refusal(bank.post, "/oauth/token", bank.client_parameters() | form, dpop=True)

        later(0)
        assert error() == (400, "authorization_pending")
        later(3)
        assert error() == (400, "slow_down")
        later(6)
        assert error() == (400, "slow_down")
        later(11)
        assert error() == (400, "authorization_pending")

    def test_declined_is_access_denied(self, bank, ask, answers, later):
        waiting = ask(bank)
        answers(waiting, "reject")
        assert refusal(bank.poll, waiting) == (400, "access_denied")

    def test_withdrawn_before_it_was_fetched(self, bank, ask, answers):
        waiting = ask(bank)
        answers(waiting)
        answers(waiting, "revoke")
        assert refusal(bank.poll, waiting) == (400, "access_denied")

    def test_paused_before_it_was_fetched_gives_nothing_until_it_is_resumed(self, bank, ask, answers, later):
        waiting = ask(bank)
        answers(waiting)
        answers(waiting, "pause")
        assert not bank.poll(waiting)
        answers(waiting, "resume")
        later(6)
        assert bank.poll(waiting)

    def test_unanswered_ends_by_the_clock_and_then_by_the_system(self, bank, ask, later):
        waiting = ask(bank)
        now = later(consent_of(waiting).answer_until.timestamp() - utc_now().timestamp() + 1)
        assert refusal(bank.poll, waiting) == (400, "expired_token")
        assert sweep.sweep(now)["REJECTED"] == 1
        later(4000)
        assert refusal(bank.poll, waiting) == (400, "expired_token")
        assert consent_of(waiting).state == "REJECTED"

    def test_an_answer_in_the_last_second_can_be_fetched(self, bank, ask, answers, later):
        waiting = ask(bank)
        last = consent_of(waiting).answer_until - timedelta(seconds=1)
        answers(waiting, now=last)
        later(waiting.expires_in - 2)
        assert bank.poll(waiting)

    @pytest.mark.parametrize(("asked", "given"), [("1", 2100), ("7200", 7200), ("999999999", 86700), (None, 86700)])
    def test_the_firm_has_half_an_hour_whatever_is_asked(self, bank, ask, asked, given):
        waiting = bank.ask_in_inbox(
            details(), scope=SCOPE, login_hint=factories.make_uscc(), **({"requested_expiry": asked} if asked else {})
        )
        assert given - 1 <= waiting.expires_in <= given

    def test_more_is_asked_under_a_grant_that_exists(self, bank, ask, answers, later):
        first = ask(bank)
        answers(first)
        bank.poll(first)
        more = ask(
            bank,
            wanted=details(categories=["electricity"]),
            grant_management_action="merge",
            grant_id=first.grant_id,
        )
        assert set(consent_of(more).categories_asked) == {"registration", "tax", "electricity"}
        answers(more)
        later(6)
        assert bank.poll(more)
        assert consent_of(first).state == "REVOKED"


class TestMalformed:
    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({"login_hint": ""}, "invalid_request"),
            ({"login_hint": "not a code"}, "invalid_request"),
            ({"login_hint": "９１440600MA0000001X"}, "invalid_request"),
            ({"login_hint_token": "x"}, "invalid_request"),
            ({"id_token_hint": "x"}, "invalid_request"),
            ({"request": "x"}, "request_not_supported"),
            ({"scope": ""}, "invalid_scope"),
            ({"scope": "profile:create unknown"}, "invalid_scope"),
            ({"scope": "profile:create  profile:read"}, "invalid_scope"),
            ({"requested_expiry": "0"}, "invalid_request"),
            ({"requested_expiry": "-5"}, "invalid_request"),
            ({"requested_expiry": "1e3"}, "invalid_request"),
            ({"requested_expiry": "²"}, "invalid_request"),
            ({"requested_expiry": "9" * 40}, "invalid_request"),
            ({"binding_message": "x" * 65}, "invalid_binding_message"),
            ({"binding_message": "a\u202eb"}, "invalid_binding_message"),
            ({"binding_message": "a\nb"}, "invalid_binding_message"),
            ({"authorization_details": ""}, "invalid_request"),
            ({"authorization_details": "[{}]"}, "invalid_request"),
            ({"grant_management_action": "merge"}, "invalid_request"),
            ({"grant_management_action": "merge", "grant_id": "cns_x"}, "invalid_grant_id"),
        ],
    )
    def test_is_refused_by_name(self, bank, firm, form, error):
        usual = {"login_hint": firm.enterprise.uscc, "scope": SCOPE, "authorization_details": json.dumps(details())}
        sent = bank.client_parameters() | usual | form
        assert refusal(bank.post, "/oauth/bc-authorize", sent, dpop=True) == (400, error)

    def test_a_consent_that_would_end_before_it_can_be_answered(self, bank, ask):
        soon = (utc_now() + timedelta(minutes=20)).isoformat(timespec="seconds")
        assert refusal(ask, bank, wanted=details(valid_until=soon)) == (400, "invalid_authorization_details")

    def test_beyond_fair_use(self, bank, ask):
        assert refusal(ask, bank, wanted=details(history_months=99)) == (412, "invalid_authorization_details")

    @pytest.mark.parametrize("value", ["", "clq_unknown", "x" * 5000, "clq_\0"])
    def test_an_auth_req_id_that_is_none(self, bank, value):
        waiting = InboxRequest(value, 0, 0)
        status, error = refusal(bank.poll, waiting)
        assert status == 400
        assert error in ("invalid_request", "invalid_grant")


class TestThreats:
    def test_who_has_an_account_is_not_told(self, bank, ask, later):
        """Unknown firm, a firm without account and one that will answer: the same answers all the way."""
        with db.transaction("owner") as session:
            nobody = factories.make_enterprise(session)
        hints = (None, nobody.uscc, factories.make_uscc(), "ent_" + "0" * 32)
        waiting = [ask(bank, login_hint=hint) for hint in hints]
        assert len({(w.expires_in, w.interval) for w in waiting}) == 1
        assert [bank.poll(w) for w in waiting] == [False] * 4
        later(4000)
        assert {refusal(bank.poll, w) for w in waiting} == {(400, "expired_token")}

    def test_an_id_that_another_bank_knows_reaches_nobody(self, bank, make_bank, ask, answers, firm):
        first = ask(bank)
        answers(first)
        bank.poll(first)
        known = first.answer["authorization_details"][0]["enterprise"]
        stray = ask(make_bank(), login_hint=known)
        assert consent_of(stray).asked_uscc == known

    def test_an_id_and_a_code_are_not_compared_for_the_bank(self, bank, ask, firm):
        with db.transaction("owner") as session:
            client = session.scalar(select(Client).where(Client.client_id == bank.client_id))
            salt = session.get_one(Institution, client.institution_id).pairwise_salt
        own = ids.pairwise(salt, firm.enterprise.id)
        for code in (firm.enterprise.uscc, factories.make_uscc()):
            assert refusal(ask, bank, login_hint=own, wanted=details(uscc=code)) == (400, "invalid_request")
        assert refusal(ask, bank, wanted=details(uscc=factories.make_uscc())) == (400, "invalid_request")

    def test_another_client_polls(self, bank, make_bank, ask, answers, later):
        waiting = ask(bank)
        answers(waiting)
        thief = make_bank()
        assert refusal(thief.poll, InboxRequest(waiting.auth_req_id, 0, 0)) == (400, "invalid_grant")
        assert bank.poll(waiting)

    def test_a_poll_with_another_key(self, bank, ask, answers):
        waiting = ask(bank)
        answers(waiting)
        own, bank.dpop_key = bank.dpop_key, new_key("ES256")
        assert refusal(bank.poll, waiting) == (400, "invalid_dpop_proof")
        bank.dpop_key = own
        assert bank.poll(waiting)

    def test_a_poll_without_a_proof(self, bank, ask):
        waiting = ask(bank)
        form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id}
        assert refusal(bank.post, "/oauth/token", bank.client_parameters() | form) == (400, "invalid_dpop_proof")

    def test_asking_without_authentication_or_proof(self, bank, firm):
        form = {"scope": SCOPE, "login_hint": firm.enterprise.uscc, "authorization_details": "[]"}
        assert bank.http.post("/oauth/bc-authorize", data=form).status_code == 401

    def test_an_auth_req_id_is_used_once(self, bank, ask, answers, later):
        waiting = ask(bank)
        answers(waiting)
        assert bank.poll(waiting)
        later(6)
        assert refusal(bank.poll, waiting) == (400, "invalid_grant")
        assert bank.call("GET", "/v1/resource", waiting).status_code == 200

    def test_guessing(self, bank, ask):
        """The id is 256 bits, only its hash is stored, and one of the other kind does not fit."""
        waiting = ask(bank)
        assert len(waiting.auth_req_id) >= len(AUTH_REQ_ID) + 43
        with db.transaction("owner") as session:
            rows = session.execute(select(PushedRequest.__table__)).all()
            assert waiting.auth_req_id not in str(rows)
        assert refusal(bank.poll, InboxRequest(new_secret(AUTH_REQ_ID), 0, 0)) == (400, "invalid_grant")
        pushed = bank.push(details(), scope=SCOPE)
        assert refusal(bank.poll, InboxRequest(pushed.request_uri, 0, 0)) == (400, "invalid_grant")

    def test_an_auth_req_id_opens_no_page(self, bank, ask):
        waiting = ask(bank)
        query = {"client_id": bank.client_id, "request_uri": waiting.auth_req_id}
        assert bank.http.get("/oauth/authorize", params=query).status_code == 400

    def test_an_inbox_is_no_place_to_advertise(self, bank, make_bank, ask):
        for _ in range(5):
            ask(bank)
        assert refusal(ask, bank) == (429, "temporarily_unavailable")
        ask(make_bank())  # of another institution

    def test_requests_that_come_together_are_counted_one_after_the_other(self, bank, firm, two_servers):
        form = {
            "scope": SCOPE,
            "login_hint": firm.enterprise.uscc,
            "authorization_details": json.dumps(details()),
            "requested_expiry": "3600",
        }
        sent = [
            (two_servers[n % 2], bank.client_parameters() | form, {"DPoP": bank.proof("POST", "/oauth/bc-authorize")})
            for n in range(12)
        ]

        def ask(one):
            http, body, headers = one
            return http.post("/oauth/bc-authorize", data=body, headers=headers).status_code

        with ThreadPoolExecutor(12) as threads:
            assert sorted(threads.map(ask, sent)) == [200] * 5 + [429] * 7

    def test_a_suspended_institution_gets_nothing(self, bank, ask, answers):
        waiting = ask(bank)
        answers(waiting)
        with db.transaction("owner") as session:
            client = session.scalar(select(Client).where(Client.client_id == bank.client_id))
            session.get_one(Institution, client.institution_id).status = "suspended"
        assert refusal(bank.poll, waiting) == (401, "invalid_client")
        assert refusal(ask, bank) == (401, "invalid_client")

    def test_eight_polls_at_once_in_two_processes_give_tokens_once(self, bank, ask, answers, two_servers):
        waiting = ask(bank)
        answers(waiting)
        form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id}
        sent = [
            (two_servers[n % 2], bank.client_parameters() | form, {"DPoP": bank.proof("POST", "/oauth/token")})
            for n in range(8)
        ]

        def poll(one):
            http, body, headers = one
            return http.post("/oauth/token", data=body, headers=headers).json()

        with ThreadPoolExecutor(8) as threads:
            seen = list(threads.map(poll, sent))
        assert sum("access_token" in body for body in seen) == 1
        assert {body.get("error") for body in seen} <= {None, "slow_down", "invalid_grant"}
        with db.transaction("owner") as session:
            assert session.scalar(select(func.count()).select_from(AccessToken)) == 1

    def test_the_claim_holds_where_the_interval_would_not(self, bank, ask, answers, later, monkeypatch):
        """Polls that both passed the interval: the second finds the request used up."""
        waiting = ask(bank)
        answers(waiting)
        monkeypatch.setattr("creditlink.oauth.grants.poll.PollGrant._wait_your_turn", lambda self, pushed: None)
        assert bank.poll(waiting)
        assert refusal(bank.poll, waiting) == (400, "invalid_grant")


def test_the_metadata_names_what_there_is(bank):
    said = bank.http.get("/.well-known/oauth-authorization-server").json()
    assert said["backchannel_authentication_endpoint"] == bank.issuer + "/oauth/bc-authorize"
    assert said["backchannel_token_delivery_modes_supported"] == ["poll"]
    assert said["backchannel_user_code_parameter_supported"] is False
    assert "urn:openid:params:grant-type:ciba" in said["grant_types_supported"]
