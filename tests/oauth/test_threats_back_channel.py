"""Threats to client authentication, tokens and their endpoints, one test each, named after the threat."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import text

from creditlink.institutions import service as institutions
from creditlink.kit.clock import utc_now
from creditlink.sandbox.banks.bank import BankError, new_key, public_jwks
from tests.oauth import flow
from tests.oauth.flow import SCOPE, details

ENDPOINTS = ["/oauth/par", "/oauth/bc-authorize", "/oauth/token", "/oauth/introspect", "/oauth/revoke"]


def send(bank, path="/oauth/introspect", **replaced):
    form = bank.client_parameters() | {"token": "x", "grant_type": "refresh_token", "refresh_token": "x"} | replaced
    return bank.http.post(path, data={k: v for k, v in form.items() if v is not None})


def claims(bank, **replaced) -> dict:
    now = int(time.time())
    body = {"iss": bank.client_id, "sub": bank.client_id, "aud": bank.issuer, "jti": "j" + str(now), "exp": now + 60}
    return {k: v for k, v in (body | replaced).items() if v is not None}


def segment(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TestClientAuthentication:
    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_is_needed_everywhere(self, bank, path):
        answer = send(bank, path, client_assertion=None)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "WWW-Authenticate" not in answer.headers

    @pytest.mark.parametrize(
        "replaced",
        [
            {"aud": "http://127.0.0.1:8000/"},
            {"aud": "http://127.0.0.1:8000/oauth/token"},
            {"aud": ["http://127.0.0.1:8000"]},
            {"aud": ["http://127.0.0.1:8000", "https://evil.example"]},
            {"aud": None},
            {"iss": "someone"},
            {"sub": None},
            {"sub": 7},
            {"sub": ["x"]},
            {"jti": None},
            {"jti": ""},
            {"jti": 7},
            {"jti": "j" * 257},
            {"exp": None},
            {"exp": "soon"},
            {"exp": True},
            {"exp": 0},
            {"exp": 9e15},
            {"exp": -1},
        ],
    )
    def test_wrong_claims(self, bank, replaced):
        token = bank.assertion(**{k: v for k, v in replaced.items() if v is not None})
        if None in replaced.values():
            body = claims(bank) | replaced
            token = jwt.encode({"alg": "ES256"}, {k: v for k, v in body.items() if v is not None}, bank.key)
        answer = send(bank, client_assertion=token)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    @pytest.mark.parametrize(
        ("name", "ahead", "accepted"),
        [("nbf", 10, True), ("iat", 10, True), ("nbf", 61, False), ("iat", 61, False), ("exp", 3700, False)],
    )
    def test_clock_skew(self, bank, name, ahead, accepted):
        answer = send(bank, client_assertion=bank.assertion(**{name: int(time.time()) + ahead}))
        assert (answer.status_code == 200) is accepted

    def test_expired_at_the_second(self, bank, clock):
        now = utc_now().replace(microsecond=0)
        token = bank.assertion(exp=int(now.timestamp()) + 60)
        clock(now + timedelta(seconds=60))
        assert send(bank, client_assertion=token).status_code == 401
        clock(now + timedelta(seconds=59))
        assert send(bank, client_assertion=token).status_code == 200

    def test_replayed_assertion_across_processes(self, bank, two_servers):
        form = bank.client_parameters() | {"token": "x"}
        answers = [http.post("/oauth/introspect", data=form).status_code for http in two_servers]
        assert answers == [200, 401]

    def test_race_of_one_assertion_across_processes(self, bank, two_servers):
        form = bank.client_parameters() | {"token": "x"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda i: two_servers[i % 2].post("/oauth/introspect", data=form).status_code, range(8))
            )
        assert sorted(answers) == [200] + [401] * 7

    def test_client_enumeration(self, make_bank, empty_database):
        known, suspended, unknown, wrong_key = (make_bank() for _ in range(4))
        with empty_database.transaction("owner") as session:
            client = institutions.client_of(session, suspended.client_id)
            institutions.set_client_status(session, client, "suspended", now=utc_now())
        unknown.client_id = "nobody"
        wrong_key.key = new_key()
        known.issuer = "https://elsewhere.example"
        answers = [send(bank) for bank in (known, suspended, unknown, wrong_key)]
        assert {(a.status_code, a.text) for a in answers} == {(401, answers[0].text)}

    def test_another_clients_id_in_the_form(self, make_bank):
        one, two = make_bank(), make_bank(key=new_key())
        assert send(one, client_id=two.client_id).status_code == 401

    def test_a_client_signing_for_another(self, make_bank):
        one, two = make_bank(key=new_key()), make_bank(key=new_key())
        assert send(one, client_assertion=one.assertion(iss=two.client_id, sub=two.client_id)).status_code == 401

    @pytest.mark.parametrize("kind", ["bearer", "", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"])
    def test_another_assertion_type(self, bank, kind):
        assert send(bank, client_assertion_type=kind).status_code == 401

    def test_no_passwords(self, bank):
        assert (
            bank.http.post("/oauth/introspect", data={"token": "x"}, auth=(bank.client_id, "secret")).status_code == 401
        )
        form = {"client_id": bank.client_id, "client_secret": "", "token": "x"}
        assert bank.http.post("/oauth/introspect", data=form).status_code == 401


class TestJwtConfusion:
    """`none`, HMAC with the public key, keys of the sender's choice."""

    @pytest.mark.parametrize(
        "alg", ["none", "None", "NONE", "HS256", "RS256", "ES384", "ES256K", "PS512", "", None, 7, []]
    )
    def test_other_algorithms(self, bank, alg):
        token = f"{segment({'alg': alg})}.{segment(claims(bank))}."
        assert send(bank, client_assertion=token).status_code == 401

    def test_hmac_with_the_public_key(self, make_bank):
        bank = make_bank("PS256")
        public = bank.key.as_pem(private=False)
        token = jwt.encode({"alg": "HS256"}, claims(bank), OctKey.import_key(public.replace(b"-----", b"")))
        assert send(bank, client_assertion=token).status_code == 401

    def test_rs256_with_the_right_key(self, make_bank):
        bank = make_bank("PS256")
        key = RSAKey.import_key({k: v for k, v in bank.key.as_dict(private=True).items() if k != "alg"})
        assert send(bank, client_assertion=jwt.encode({"alg": "RS256"}, claims(bank), key)).status_code == 401

    @pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "crit", "b64"])
    def test_keys_and_instructions_in_the_header(self, bank, member):
        evil = new_key()
        value = {
            "jwk": evil.as_dict(private=False),
            "x5c": ["AAAA"],
            "crit": ["exp"],
            "b64": False,
        }.get(member, "https://evil.example/jwks")
        header = {"alg": "ES256", member: value}
        body = f"{segment(header)}.{segment(claims(bank))}"
        from joserfc import jws

        signed = jws.serialize_compact({"alg": "ES256"}, b"", evil).rsplit(".", 1)[1]
        assert send(bank, client_assertion=f"{body}.{signed}").status_code == 401

    def test_a_key_with_another_kid(self, make_bank):
        one, two = new_key(kid="one"), new_key(kid="two")
        bank = make_bank(key=one, jwks=public_jwks(one, two))
        assert send(bank).status_code == 200
        token = jwt.encode({"alg": "ES256", "kid": "two"}, claims(bank, jti="a"), one)
        assert send(bank, client_assertion=token).status_code == 401
        token = jwt.encode({"alg": "ES256"}, claims(bank, jti="b"), two)
        assert send(bank, client_assertion=token).status_code == 200

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "x",
            "a.b",
            "a.b.c",
            "a.b.c.d.e",
            "é.é.é",
            "." * 20000,
            segment(b"[" * 3000) + "." + segment({}) + ".AA",
            segment({"alg": "ES256"}) + "." + segment(b"[" * 5000) + ".AA",
            segment({"alg": "ES256"}) + "." + segment(b'{"sub": "a", "sub": "b"}') + ".AA",
            segment({"alg": "ES256"}) + "." + segment([1]) + ".AA",
            segment([1]) + "." + segment({}) + ".AA",
            segment({"alg": "ES256"}) + "." + segment(b"\xff") + ".AA",
        ],
    )
    def test_malformed(self, bank, token):
        answer = send(bank, client_assertion=token)
        assert answer.status_code == 401


class TestBodies:
    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_wrong_content_types(self, bank, path):
        for sent in (
            {"json": bank.client_parameters()},
            {"content": b"<x/>", "headers": {"Content-Type": "text/xml"}},
            {"content": b"grant_type=x"},
            {"files": {"token": b"x"}},
        ):
            answer = bank.http.post(path, **sent)
            assert (answer.status_code, answer.json()["error"]) == (415, "invalid_request")

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_duplicate_parameters(self, bank, path):
        for name in ("client_id", "client_assertion", "token", "grant_type", "x"):
            parameters = [*bank.client_parameters().items(), (name, "1"), (name, "1")]
            answer = bank.http.post(
                path,
                content="&".join(f"{k}={v}" for k, v in parameters),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_oversize(self, bank, path):
        answer = bank.http.post(path, data={"token": "x" * 300_000})
        assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")
        answer = bank.http.post(path, data={f"p{i}": "x" for i in range(2000)})
        assert answer.status_code in (400, 413)

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_nul_and_bad_utf8(self, bank, path):
        for raw in (b"token=%00", b"token=\xff&client_id=%ff", b"%00=1", b"token=%ed%a0%80"):
            answer = bank.http.post(path, content=raw, headers={"Content-Type": "application/x-www-form-urlencoded"})
            assert answer.status_code in (400, 401)

    def test_parameters_in_the_query_do_not_count(self, bank):
        answer = bank.http.post("/oauth/introspect", params=bank.client_parameters(), data={"token": "x"})
        assert answer.status_code == 401

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_get_is_refused(self, bank, path):
        answer = bank.http.get(path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]

    @pytest.mark.parametrize(
        ("grant_type", "error"),
        [
            (None, "invalid_request"),
            ("password", "unsupported_grant_type"),
            ("client_credentials", "invalid_scope"),
            ("urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"),
            ('"\\\u4e2d', "unsupported_grant_type"),
        ],
    )
    def test_other_grants(self, bank, grant_type, error):
        answer = send(bank, "/oauth/token", grant_type=grant_type)
        assert (answer.status_code, answer.json()["error"]) == (400, error)


class TestTokens:
    def test_bank_as_token_at_bank_b(self, make_bank, authorized):
        one, two = make_bank(key=new_key()), make_bank(key=new_key())
        stolen = authorized(one)
        assert two.call("GET", "/v1/resource", stolen).status_code == 401
        assert two.introspect(stolen.access_token) == {"active": False}
        two.revoke(stolen.access_token)  # RFC 7009: 200, and nothing happens
        two.revoke(stolen.refresh_token)
        assert one.call("GET", "/v1/resource", stolen).status_code == 200
        with pytest.raises(BankError) as refused:
            two.refresh(stolen)
        assert refused.value.body["error"] == "invalid_grant"
        assert one.refresh(stolen)["access_token"]

    def test_introspection_oracle(self, make_bank, authorized):
        one, two = make_bank(key=new_key()), make_bank(key=new_key())
        foreign = authorized(one)
        answers = {
            two.http.post("/oauth/introspect", data=two.client_parameters() | {"token": token}).text
            for token in (foreign.access_token, foreign.refresh_token, "cla_unknown", "é", "x" * 5000)
        }
        assert {json.loads(a)["active"] for a in answers} == {False}
        assert len(answers) == 1

    @pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", "é"])
    def test_a_wrong_hint_changes_nothing(self, bank, authorized, hint):
        authorization = authorized(bank)
        form = {"token": authorization.access_token, "token_type_hint": hint}
        assert bank.post("/oauth/introspect", bank.client_parameters() | form)["active"] is True
        bank.post("/oauth/revoke", bank.client_parameters() | form)
        assert bank.introspect(authorization.access_token) == {"active": False}

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"scope": SCOPE + " financing:write"}, "invalid_scope"),
            ({"scope": "profile:read profile:read"}, "invalid_scope"),
            ({"authorization_details": json.dumps([{"type": "payment"}])}, "invalid_authorization_details"),
            ({"authorization_details": "[]"}, "invalid_authorization_details"),
            ({"authorization_details": "x"}, "invalid_authorization_details"),
            ({"authorization_details": "[" * 5000}, "invalid_authorization_details"),
            (
                {"authorization_details": json.dumps(details(categories=["registration", "tax", "electricity"]))},
                "invalid_authorization_details",
            ),
            (
                {"authorization_details": json.dumps([{"type": "enterprise_credit_profile", "history_months": 36}])},
                "invalid_authorization_details",
            ),
            (
                {"authorization_details": json.dumps([{"type": "enterprise_credit_profile", "history_months": True}])},
                "invalid_authorization_details",
            ),
            (
                {"authorization_details": json.dumps([{"type": "enterprise_credit_profile", "more": 1}])},
                "invalid_authorization_details",
            ),
        ],
    )
    def test_wider_scope_or_details_at_refresh(self, bank, authorized, more, error):
        authorization = authorized(bank)
        with pytest.raises(BankError) as refused:
            bank.refresh(authorization, **more)
        assert refused.value.body["error"] == error
        assert bank.refresh(authorization)["access_token"]

    def test_scope_of_the_first_token_is_the_most(self, bank, authorized):
        authorization = authorized(bank, scope="profile:read")
        with pytest.raises(BankError) as refused:
            bank.refresh(authorization, scope="profile:read profile:create")
        assert refused.value.body["error"] == "invalid_scope"

    def test_refresh_race_in_two_processes(self, bank, authorized, two_servers):
        authorization = authorized(bank)
        forms = [
            (
                bank.client_parameters()
                | {"grant_type": "refresh_token", "refresh_token": authorization.refresh_token},
                {"DPoP": bank.proof("POST", "/oauth/token")},
            )
            for _ in range(8)
        ]
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda i: two_servers[i % 2].post("/oauth/token", data=forms[i][0], headers=forms[i][1]), range(8)
                )
            )
        # Without rotation a race does no harm: each answer is a token, and all of them end together.
        assert [a.status_code for a in answers] == [200] * 8
        tokens = [a.json()["access_token"] for a in answers]
        assert len(set(tokens)) == 8
        bank.revoke(authorization.refresh_token)
        assert {str(bank.introspect(token)) for token in tokens} == {"{'active': False}"}

    def test_revoked_in_one_process_is_dead_in_the_other(self, bank, authorized, two_servers):
        authorization = authorized(bank)
        one, two = two_servers
        bank.http = one
        flow.change_consent(authorization, "revoke")
        bank.http = two
        assert bank.introspect(authorization.access_token) == {"active": False}
        with pytest.raises(BankError) as refused:
            bank.refresh(authorization)
        assert refused.value.body["error"] == "invalid_grant"


class TestSuspension:
    @pytest.mark.parametrize("what", ["client", "institution"])
    def test_is_felt_in_every_process_at_once(self, bank, authorized, two_servers, empty_database, what):
        authorization = authorized(bank)

        def set_status(status):
            with empty_database.transaction("owner") as session:
                client = institutions.client_of(session, bank.client_id)
                if what == "client":
                    institutions.set_client_status(session, client, status, now=utc_now())
                else:
                    row = session.get_one(institutions.Institution, client.institution_id)
                    institutions.set_institution_status(session, row, status, now=utc_now())

        def seen(http) -> tuple[int, int]:
            bank.http = http
            resource = bank.call("GET", f"/oauth/grants/{authorization.grant_id}", authorization)
            return send(bank).status_code, resource.status_code

        assert [seen(http) for http in two_servers] == [(200, 200)] * 2
        set_status("suspended")
        assert [seen(http) for http in two_servers] == [(401, 401)] * 2
        set_status("active")
        assert [seen(http) for http in two_servers] == [(200, 200)] * 2

    def test_rotated_keys_are_refused_in_every_process_at_once(self, bank, two_servers, empty_database):
        def seen() -> list[int]:
            return [
                http.post("/oauth/introspect", data=bank.client_parameters() | {"token": "x"}).status_code
                for http in two_servers
            ]

        assert seen() == [200, 200]
        fresh = new_key()
        with empty_database.transaction("owner") as session:
            client = institutions.client_of(session, bank.client_id)
            institutions.rotate_keys(session, client, jwks=public_jwks(fresh), now=utc_now())
        assert seen() == [401, 401]
        bank.key = fresh
        assert seen() == [200, 200]


class TestLeaks:
    def test_secrets_in_the_database(self, bank, approve, empty_database):
        asked = bank.push(details(), scope=SCOPE)
        handle = flow.open_page(bank, asked)
        code = bank.code_from(approve(bank, asked), asked)
        bank.exchange(code, asked)
        secrets = [asked.request_uri.rsplit(":", 1)[1], code, asked.access_token, asked.refresh_token, asked.verifier]
        assert handle
        with empty_database.transaction("owner") as session:
            tables = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
            dump = "\n".join(
                row for table in tables for row in session.scalars(text(f'SELECT t::text FROM "{table}" t'))
            )
        assert asked.state in dump  # the dump does hold what was stored in clear
        assert [secret for secret in secrets if secret in dump] == []

    def test_secrets_in_logs(self, app, bank, approve, caplog):
        caplog.set_level("DEBUG")
        asked = bank.push(details(), scope=SCOPE)
        code = bank.code_from(approve(bank, asked), asked)
        bank.exchange(code, asked)
        bank.call("GET", "/v1/resource", asked)
        send(bank, client_assertion="x\nFAKE line")
        assert "oauth_refused" in caplog.text
        for secret in (
            asked.request_uri.rsplit(":", 1)[1],
            code,
            asked.access_token,
            asked.refresh_token,
            asked.verifier,
        ):
            assert secret not in caplog.text
        assert "FAKE" not in caplog.text

    def test_errors_repeat_nothing_of_the_request(self, bank):
        """What an attacker puts into a request is not carried by us to whoever reads the answer or its log."""
        mark, said = "Zq7marker", {}
        whole = {
            "response_type": "code", "redirect_uri": bank.redirect_uri, "scope": SCOPE, "state": "s",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
        }  # fmt: skip
        for member, value in details()[0].items():
            odd = [mark] if isinstance(value, list) else mark
            asked = json.dumps(details(**{member: odd}))
            said[member] = send(bank, "/oauth/par", **whole | {"authorization_details": asked})
        asked = json.dumps(details(**{mark: 1}))
        said["unknown"] = send(bank, "/oauth/par", **whole | {"authorization_details": asked})
        for name in ("response_type", "redirect_uri", "scope", "code_challenge", "dpop_jkt", "grant_management_action"):
            said[name] = send(
                bank, "/oauth/par", **whole | {"authorization_details": json.dumps(details()), name: f"{mark} {mark}"}
            )
        for name in ("grant_type", "client_assertion", "client_assertion_type", "client_id"):
            said[name] = send(
                bank, "/oauth/token", **{"grant_type": "refresh_token", "refresh_token": mark, name: mark}
            )
        said["login_hint"] = send(
            bank, "/oauth/bc-authorize", scope=SCOPE, login_hint=mark, authorization_details=json.dumps(details())
        )
        for where, answer in said.items():
            assert 400 <= answer.status_code < 500, where
            assert mark not in answer.text + str(answer.headers), where

    def test_log_injection_through_the_client_id(self, bank, caplog):
        send(bank, client_id='x\n{"event": "forged"}')
        bank.http.get("/oauth/authorize", params={"client_id": "x\nforged", "request_uri": "urn:x"})
        assert "forged" not in caplog.text

    def test_referrer_and_cache_headers(self, bank):
        asked = bank.push(details(), scope=SCOPE)
        url = bank.authorize_url(asked)
        for answer in (
            bank.http.get(url),
            bank.http.get("/oauth/authorize"),
            send(bank),
            send(bank, client_assertion="x"),
        ):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
