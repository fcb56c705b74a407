"""The log of requests tells its owner, and nobody else, which check failed; the answer on the wire says no more."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.access.context import OAuthContext
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.portal.developers import recording
from creditlink.portal.developers.recording import redacted
from creditlink.portal.developers.tables import DeveloperRequest
from creditlink.sandbox.banks.bank import BankError
from creditlink.sandbox.banks.keys import new_key, sign
from tests.developers.conftest import HOME
from tests.oauth import flow

FORM = {"grant_type": "client_credentials", "scope": "consent:read"}
STRANGER = new_key("ES256")


@pytest.fixture
def developer(make_developer):
    return make_developer()


def rows():
    with db.transaction("owner") as session:
        return session.scalars(select(DeveloperRequest).order_by(DeveloperRequest.id)).all()


def with_assertion(assertion):
    return lambda bank: bank.client_parameters() | FORM | {"client_assertion": assertion(bank)}


def _signed(bank, header=None, key=None, **claims):
    now = int(time.time())
    body = {"iss": bank.client_id, "sub": bank.client_id, "aud": bank.issuer, "jti": "1", "iat": now, "exp": now + 60}
    usual = {"alg": "ES256", "kid": bank.key.kid}
    kept = {name: value for name, value in (body | claims).items() if value is not None}
    return sign(usual | (header or {}), kept, key or bank.key)


ASSERTIONS = {
    "aud as a list": (lambda b: b.assertion(aud=[b.issuer]), "aud", "an array"),
    "aud elsewhere": (lambda b: b.assertion(aud=b.issuer + "/oauth/token"), "aud", "another value"),
    "no aud": (lambda b: _signed(b, aud=None), "aud", "absent"),
    "expired": (lambda b: b.assertion(exp=int(time.time()) - 5), "exp", "expired"),
    "exp far ahead": (lambda b: b.assertion(exp=int(time.time()) + 90_000), "exp", "seconds ahead"),
    "exp no number": (lambda b: b.assertion(exp="soon"), "exp", "number of seconds"),
    "iat ahead": (lambda b: b.assertion(iat=int(time.time()) + 500), "iat", "ahead of our clock"),
    "no jti": (lambda b: _signed(b, jti=None), "jti", "must be a string"),
    "iss of another": (lambda b: b.assertion(iss="another"), "iss", "differ"),
    "unknown kid": (lambda b: _signed(b, {"kid": "unknown"}), "kid", "no key has this kid"),
    "wrong key": (lambda b: _signed(b, key=STRANGER), "signature", "no key verifies"),
    "wrong algorithm": (lambda b: _signed(b)[:0] + "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "alg", "not accepted"),
    "no JWT": (lambda b: "nonsense", "jwt", "not a JWT"),
}


def test_says_which_check_of_an_assertion_failed(developer):
    """Every one of them is `invalid_client` to the sender, in the same words."""
    bank, expected, answers = developer.bank, [], set()
    for assertion, check, words in ASSERTIONS.values():
        answer = bank.send("/oauth/token", with_assertion(assertion)(bank), dpop=True)
        answers.add((answer.status_code, answer.text))
        expected.append((check, words))
    assert len(answers) == 1
    noted = rows()
    assert [row.failed_check for row in noted] == [check for check, _ in expected]
    assert [words for row, (_, words) in zip(noted, expected, strict=True) if words not in row.reason] == []
    assert [row[2] for row in developer.log()] == [check for check, _ in reversed(expected)]


def test_says_that_an_assertion_was_used_before(developer):
    bank = developer.bank
    form = bank.client_parameters() | FORM
    assert bank.send("/oauth/token", form, dpop=True).status_code == 200
    assert bank.send("/oauth/token", form, dpop=True).status_code == 401
    assert developer.log()[:2] == [
        ("POST /oauth/token", "401", "jti", "client assertion: jti was used before"),
        ("POST /oauth/token", "200", "", ""),
    ]


PROOFS = {
    "another method": ({"htm": "GET"}, "htm"),
    "another address": ({"htu": "https://bank.example/oauth/token"}, "htu"),
    "too old": ({"iat": 1_700_000_000}, "iat"),
    "no jti": ({"jti": 5}, "jti"),
}


def test_says_which_check_of_a_proof_failed(developer):
    bank = developer.bank
    bank.in_own_name(scope="consent:read")
    for claims, _ in PROOFS.values():
        headers = {"DPoP": bank.proof("POST", "/oauth/token", **claims)}
        bank.http.post("/oauth/token", data=bank.client_parameters() | FORM, headers=headers)
    assert [row.failed_check for row in rows()[-len(PROOFS):]] == [check for _, check in PROOFS.values()]  # fmt: skip


def test_says_that_a_nonce_is_missing(app, developer):
    parts = runtime.of_app(app)
    before = parts.of(OAuthContext)
    parts.put(replace(before, settings=replace(before.settings, dpop_nonce=True)))
    developer.bank.in_own_name(scope="consent:read")
    assert developer.log()[1] == ("POST /oauth/token", "400", "nonce", "DPoP proof: nonce missing or stale")


def test_says_what_was_wrong_at_a_resource(developer):
    bank = developer.bank
    token = bank.in_own_name(scope="consent:read")
    sent = {"Authorization": f"DPoP {token.access_token}"}
    stolen = bank.proof("GET", "/v1/consents", "another token")
    bank.http.get("/v1/consents", headers=sent | {"DPoP": stolen})
    bank.http.get("/v1/consents", headers=sent)
    bank.dpop_key, before = new_key("ES256"), bank.dpop_key
    bank.call("GET", "/v1/consents", token)
    bank.dpop_key = before
    assert bank.call("GET", "/v1/consents?limit=nonsense", token).status_code == 422
    assert bank.call("POST", "/v1/profiles", token, json={}).status_code == 403
    bank.revoke(token.access_token)
    bank.call("GET", "/v1/consents", token)
    said = [(row.status, row.error, row.failed_check) for row in rows() if row.status >= 400]
    assert said == [
        (401, "unauthorized", "ath"),
        (401, "unauthorized", "dpop"),
        (401, "unauthorized", "jkt"),
        (422, "invalid-request", None),
        (403, "insufficient-scope", "token"),
        (401, "unauthorized", "token"),
    ]
    assert "/limit" in next(row.reason for row in rows() if row.status == 422)


def test_says_which_member_of_a_pushed_request_was_wrong(developer):
    bank = developer.bank
    for details, words in (
        ("not json", "authorization_details"),
        (json.dumps(flow.details(purpose="curiosity")), "purpose"),
        (json.dumps(flow.details(categories=["gossip"])), "categories"),
        (json.dumps(flow.details(history_months=900)), "history_months"),
    ):
        form = {
            "response_type": "code", "redirect_uri": bank.redirect_uri, "scope": "profile:read", "state": "s",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
            "authorization_details": details,
        }  # fmt: skip
        assert bank.send("/oauth/par", bank.client_parameters() | form, dpop=True).is_error
        newest = rows()[-1]
        assert words in f"{newest.failed_check} {newest.reason}", newest.reason
        assert newest.error in ("invalid_request", "invalid_authorization_details")


def test_is_never_another_developers(make_developer):
    mine, other = make_developer("one@example.com"), make_developer("two@example.com")
    other.bank.in_own_name(scope="consent:read")
    assert mine.log() == []
    assert len(other.log()) == 1
    with db.transaction("owner") as session:
        account = session.scalar(select(Account.id).where(Account.login == "one@example.com"))
        theirs = session.scalar(select(Client.institution_id).where(Client.client_id == other.bank.client_id))
    with db.transaction(viewer=db.Viewer(account_id=account)) as session:  # the database itself shows nothing
        assert session.scalars(select(DeveloperRequest)).all() == []
        row = {"i": theirs, "at": utc_now()}
        forged = "INSERT INTO developer_requests (institution_id, at, method, route, status, request_id)"
        with pytest.raises(DBAPIError, match="row-level security"):
            session.execute(text(f"{forged} VALUES (:i, :at, 'GET', '/', 200, '')"), row)


def test_holds_no_secret_whatever_is_sent(developer):
    bank = developer.bank
    token = bank.in_own_name(scope="consent:read")
    secret, assertion = token.access_token, bank.assertion()
    bank.call("GET", f"/v1/consents?{secret}=1", token)
    bank.call("POST", "/v1/profiles", token, json={secret: 1})
    bank.call("GET", f"/v1/profiles/{secret}", token)
    bank.http.post("/oauth/token", data={"client_id": bank.client_id, "grant_type": secret, assertion[:90]: "x"})
    bank.http.post(f"/oauth/{secret}", data={"client_id": bank.client_id})
    bank.send("/oauth/introspect", bank.client_parameters() | {"token": secret})
    with db.transaction("owner") as session:
        kept = session.scalar(text("SELECT string_agg(r::text, ' ') FROM developer_requests r"))
    assert len(rows()) == 7
    for part in (secret, secret[4:], assertion[:40], assertion.split(".")[1][:40]):
        assert part not in kept


@pytest.mark.parametrize(
    ("text_", "kept"),
    [
        ("/authorization_details/0/valid_until Not a valid datetime.",) * 2,
        ("the token clt_4f9aK2mPq8R7sT6uV5wX is over", "the token … is over"),
        ("x\0y\ud800", "x\ufffdy\ufffd"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "…"),
        ("a" * 1000, "a" * 300),
    ],
)
@pytest.mark.pure
def test_a_reason_is_cut_and_cleaned(text_, kept):
    assert redacted(text_) == kept


def test_odd_requests_in_a_developers_name_do_no_harm(developer, monkeypatch):
    """Anybody may claim to be a client: that fills its owner's log up to a limit, and nothing else."""
    monkeypatch.setattr(recording, "PER_WINDOW", 4)
    bank = developer.bank
    for client_id in (bank.client_id, bank.client_id + "\0", "dev_" + "\ud800", "dev_" + "x" * 100_000, "dev_unknown"):
        body = b"grant_type=x&client_id=" + client_id.encode("utf-8", "surrogatepass")
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert bank.http.post("/oauth/token", content=body, headers=kind).status_code in (400, 401)
    for _ in range(6):
        bank.http.post("/oauth/token", data={"client_id": bank.client_id, "grant_type": "x"})
    assert len(rows()) == 4
    for odd in ("page=x", "page=" + "9" * 30, "page=٣", "only=%00", "sort=x", "only=refused&page=2", "id=%ED%A0%80"):
        assert developer.get(f"{HOME}/requests?{odd}").status_code in (200, 422, 400), odd


def test_an_answer_goes_out_even_where_nothing_can_be_logged(developer, monkeypatch):
    def broken(*_arguments):
        raise DBAPIError("INSERT", {}, Exception("gone"))

    monkeypatch.setattr(recording, "_write", broken)
    assert developer.bank.in_own_name(scope="consent:read").access_token
    with pytest.raises(BankError, match="invalid_client"):
        developer.bank.post("/oauth/token", FORM, dpop=True)
