"""Tokens that are in the making while something is taken back: none is alive after the answer says that it is over."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from creditlink.consents import service as consents
from creditlink.consents.agreement.statement import statement
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.oauth import server as authorization_server
from creditlink.sandbox.banks.bank import BankError
from tests.oauth import flow

PATIENCE = 30.0


@pytest.fixture
def halted(monkeypatch):
    """Hold up every token when it is about to be stored: checked already, not there yet."""

    class Halt:
        reached, go_on = threading.Event(), threading.Event()

    usual = authorization_server.save_token

    def wait_first(*args):
        Halt.reached.set()
        assert Halt.go_on.wait(PATIENCE)
        usual(*args)

    monkeypatch.setattr(authorization_server, "save_token", wait_first)
    yield Halt
    Halt.go_on.set()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads


def waits_for_a_lock(database) -> bool:
    with database.transaction("owner") as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(session.scalar(text(query)))


def done_or_waiting(database, future: Future) -> bool:
    """Wait until the other side has finished or stands in line; return whether it has finished."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if future.done():
            return True
        if waits_for_a_lock(database):
            return False
        time.sleep(0.01)
    raise AssertionError("it neither finished nor waited")


def race(database, pool, halted, issue, take_back) -> Future:
    """Let `take_back` run while the token of `issue` is in the making; return what became of the token."""
    issued = pool.submit(issue)
    assert halted.reached.wait(PATIENCE)
    taken = pool.submit(take_back)
    assert not done_or_waiting(database, taken), "it was taken back while a token was still in the making"
    halted.go_on.set()
    taken.result(PATIENCE)
    return issued


@pytest.mark.parametrize("how", ["revocation", "code_replay"])
def test_a_refresh_in_flight_gives_nothing_that_outlives_the_revocation(
    bank, approve, empty_database, pool, monkeypatch, how, request
):
    authorization = bank.push(flow.details(), scope=flow.SCOPE)
    code = bank.code_from(approve(bank, authorization), authorization)
    bank.exchange(code, authorization)
    refresh_token = authorization.refresh_token
    halted = request.getfixturevalue("halted")

    def take_back():
        if how == "revocation":
            return bank.revoke(refresh_token)
        with pytest.raises(BankError, match="invalid_grant"):
            bank.exchange(code, authorization)
        return None

    answer = race(empty_database, pool, halted, lambda: bank.refresh(authorization), take_back).result(PATIENCE)
    assert bank.introspect(answer["access_token"]) == {"active": False}
    assert bank.introspect(refresh_token) == {"active": False}
    assert bank.call("GET", "/v1/resource", authorization).status_code == 401


@pytest.mark.parametrize("grant", ["code", "refresh", "poll"])
@pytest.mark.parametrize("who", ["firm", "bank"])
def test_a_consent_is_not_taken_back_while_a_token_is_in_the_making(
    app, bank, approve, authorized, firm, empty_database, pool, clock, request, grant, who
):
    former = authorized(bank)  # the bank's own word, for revoking through grant management
    issue, consent_id, grant_id = _issuing(grant, app, bank, approve, authorized, firm, empty_database, clock)
    halted = request.getfixturevalue("halted")

    def take_back():
        if who == "bank":
            assert bank.call("DELETE", f"/oauth/grants/{grant_id}", former).status_code == 204
            return
        with empty_database.transaction("api") as session:
            consent = session.get_one(Consent, consent_id)
            consents.revoke(session, consent, actor="account:test", reason="test", now=utc_now())

    race(empty_database, pool, halted, issue, take_back).result(PATIENCE)
    with empty_database.transaction("owner") as session:
        assert session.get_one(Consent, consent_id).state == "REVOKED"
    assert bank.call("GET", f"/oauth/grants/{grant_id}", former).status_code == 404


@pytest.mark.parametrize("grant", ["code", "refresh", "poll"])
def test_while_a_consent_is_taken_back_no_token_is_made(
    app, bank, approve, authorized, firm, empty_database, pool, clock, grant
):
    issue, consent_id, _ = _issuing(grant, app, bank, approve, authorized, firm, empty_database, clock)
    with empty_database.transaction("api") as session:
        consent = session.get_one(Consent, consent_id)
        consents.revoke(session, consent, actor="account:test", reason="test", now=utc_now())
        issued = pool.submit(issue)
        assert not done_or_waiting(empty_database, issued), "a token was made of a consent that was being taken back"
    with pytest.raises(BankError, match=r"invalid_grant|access_denied"):
        issued.result(PATIENCE)


def test_two_revocations_of_one_grant_at_once_are_one_and_a_grant_that_is_over(bank, authorized, empty_database, pool):
    former, authorization = authorized(bank), authorized(bank)
    consent_id = flow.consent_of(authorization)

    def delete():
        return bank.call("DELETE", f"/oauth/grants/{authorization.grant_id}", former).status_code

    with empty_database.transaction("owner") as session:
        session.execute(text("SELECT 1 FROM consents WHERE id = :id FOR SHARE"), {"id": consent_id})
        both = [pool.submit(delete) for _ in range(2)]
        for one in both:
            assert not done_or_waiting(empty_database, one)
    assert sorted(one.result(PATIENCE) for one in both) == [204, 404]


def _issuing(grant, app, bank, approve, authorized, firm, database, clock):
    """Return what makes a token, the consent it is made of, and the consent's id on the wire."""
    if grant == "refresh":
        authorization = authorized(bank)
        return lambda: bank.refresh(authorization), flow.consent_of(authorization), authorization.grant_id
    if grant == "code":
        authorization = bank.push(flow.details(), scope=flow.SCOPE)
        code = bank.code_from(approve(bank, authorization), authorization)
        with database.transaction("owner") as session:
            consent_id = session.scalar(text("SELECT consent_id FROM authorization_codes WHERE used_at IS NULL"))
            wire_id = session.get_one(Consent, consent_id).wire_id
        return lambda: bank.exchange(code, authorization), consent_id, wire_id
    waiting = bank.ask_in_inbox(
        flow.details(), scope=flow.SCOPE, login_hint=firm.enterprise.uscc, requested_expiry="3600"
    )
    with database.transaction("owner") as session:
        consent_id = session.scalar(text("SELECT id FROM consents WHERE channel = 'inbox'"))
        consent = session.get_one(Consent, consent_id)
        shown = statement(consent.details(), institution_zh="x", institution_en="x", template=None, lang="zh")
        approval.approve(
            session,
            consent,
            account=session.merge(firm.account),
            enterprise=session.merge(firm.enterprise),
            categories=consent.categories_asked,
            statement=shown,
            now=utc_now(),
        )
        wire_id = consent.wire_id

    def poll():
        assert bank.poll(waiting)
        return waiting.answer

    return poll, consent_id, wire_id
