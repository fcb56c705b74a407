"""Resources: the token, the key it is bound to, and how a refusal is said. Threats are named in the tests."""

from __future__ import annotations

import json
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.util import urlsafe_b64encode
from sqlalchemy import text

from creditlink.kit.clock import utc_now
from creditlink.sandbox.banks.bank import new_key
from tests.oauth import flow

PATH = "/v1/resource"


def challenge(answer) -> str:
    return answer.headers["WWW-Authenticate"]


def get(bank, token, *, http=None, path=PATH, scheme="DPoP", proof=None, method="GET"):
    headers = {"Authorization": f"{scheme} {token}"}
    if proof is not None:
        headers["DPoP"] = proof
    return (http or bank.http).request(method, path, headers=headers)


@pytest.fixture
def held(bank, authorized):
    return authorized(bank)


class TestStolenToken:
    def test_as_bearer(self, bank, held):
        for scheme in ("Bearer", "bearer"):
            answer = get(bank, held.access_token, scheme=scheme, proof=bank.proof("GET", PATH, held.access_token))
            assert answer.status_code == 401
            assert challenge(answer).startswith("DPoP ")
            assert 'error="invalid_token"' in challenge(answer)

    def test_without_proof(self, bank, held):
        answer = get(bank, held.access_token)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == "/problems/unauthorized"

    def test_with_another_key(self, bank, held):
        bank.dpop_key = new_key()
        assert bank.call("GET", PATH, held).status_code == 401

    @pytest.mark.parametrize(
        "replaced",
        [
            {"htm": "POST"},
            {"htm": "get"},
            {"htm": None},
            {"htu": "https://evil.example/v1/resource"},
            {"htu": "http://127.0.0.1:8000/v1/resource/"},
            {"htu": "http://127.0.0.1:8000/v1/other"},
            {"htu": "http://127.0.0.1:8001/v1/resource"},
            {"htu": "https://127.0.0.1:8000/v1/resource"},
            {"htu": "http://127.0.0.1:8000@evil.example/v1/resource"},
            {"htu": "http://u@127.0.0.1:8000/v1/resource"},
            {"htu": "http://127.0.0.1:99999/v1/resource"},
            {"htu": "http://[::1/v1/resource"},
            {"htu": 7},
            {"ath": "x" * 43},
            {"ath": None},
            {"ath": 7},
            {"ath": "é"},
            {"jti": ""},
            {"jti": None},
            {"jti": 7},
            {"jti": "j" * 257},
            {"iat": None},
            {"iat": "now"},
            {"iat": True},
            {"iat": 0},
            {"iat": 1e300},
        ],
        ids=str,
    )
    def test_wrong_proof_claims(self, bank, held, replaced):
        answer = get(bank, held.access_token, proof=bank.proof("GET", PATH, held.access_token, **replaced))
        assert answer.status_code == 401
        assert 'error="invalid_dpop_proof"' in challenge(answer)

    def test_equal_addresses_written_otherwise_are_the_same(self, bank, held):
        for htu in ("HTTP://127.0.0.1:8000/v1/resource", "http://127.0.0.1:8000/v1/resource?x=1#y"):
            proof = bank.proof("GET", PATH, held.access_token, htu=htu)
            assert get(bank, held.access_token, proof=proof).status_code == 200

    @pytest.mark.parametrize(("offset", "accepted"), [(-61, False), (-50, True), (10, True), (61, False)])
    def test_proof_age(self, bank, held, offset, accepted):
        proof = bank.proof("GET", PATH, held.access_token, iat=int(time.time()) + offset)
        assert (get(bank, held.access_token, proof=proof).status_code == 200) is accepted

    def test_replayed_jti(self, bank, held):
        proof = bank.proof("GET", PATH, held.access_token)
        assert get(bank, held.access_token, proof=proof).status_code == 200
        answer = get(bank, held.access_token, proof=proof)
        assert answer.status_code == 401
        assert 'error="invalid_dpop_proof"' in challenge(answer)

    def test_replayed_jti_across_processes(self, bank, held, two_servers):
        path = f"/oauth/grants/{held.grant_id}"
        proof = bank.proof("GET", path, held.access_token)

        def attempt(number):
            return get(bank, held.access_token, http=two_servers[number % 2], path=path, proof=proof).status_code

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(attempt, range(8))) == [200] + [401] * 7

    def test_proof_of_another_purpose(self, bank, held):
        """A client assertion, or a proof for the token endpoint, is no proof for a resource."""
        for proof in (bank.assertion(), bank.proof("POST", "/oauth/token"), "x", "", "a, b"):
            assert get(bank, held.access_token, proof=proof).status_code == 401

    def test_two_proofs(self, bank, held, two_servers):
        path = f"/oauth/grants/{held.grant_id}"
        headers = [("Authorization", f"DPoP {held.access_token}")]
        headers += [("DPoP", bank.proof("GET", path, held.access_token)) for _ in range(2)]
        assert two_servers[0].get(path, headers=headers[:2]).status_code == 200
        assert two_servers[0].get(path, headers=headers).status_code == 401

    @pytest.mark.parametrize("kind", ["private", "symmetric", "absent", "small", "list", "other curve"])
    def test_wrong_key_in_the_proof(self, bank, held, kind):
        good = bank.proof("GET", PATH, held.access_token)
        payload = jws.extract_compact(good.encode(), registry=AnyAlgorithm).payload
        key, algorithm = bank.dpop_key, "ES256"
        if kind == "symmetric":
            key, algorithm = OctKey.generate_key(256), "HS256"
        elif kind == "other curve":
            key, algorithm = ECKey.generate_key("P-384", private=True), "ES384"
        elif kind == "small":
            algorithm = "PS256"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)
                key = RSAKey.generate_key(1024, private=True)
        header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.as_dict(private=kind == "private")}
        if kind == "absent":
            del header["jwk"]
        proof = jws.serialize_compact(header, payload, key, registry=AnyAlgorithm)
        if kind == "list":
            head = json.dumps(header | {"jwk": [header["jwk"]]}).encode()
            proof = ".".join([urlsafe_b64encode(head).decode(), *proof.split(".")[1:]])
        assert get(bank, held.access_token, proof=proof).status_code == 401


class _AnyAlgorithm(jws.JWSRegistry):
    max_header_length = 8192

    def get_alg(self, name):
        return self.algorithms[name]


AnyAlgorithm = _AnyAlgorithm(strict_check_header=False)


class TestRefusals:
    def test_no_token_is_told_the_scheme_and_no_error(self, bank):
        for headers in ({}, {"Authorization": "DPoP"}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}):
            answer = bank.http.get(PATH, headers=headers)
            assert answer.status_code == 401
            assert challenge(answer) == 'DPoP algs="PS256 ES256 EdDSA"'

    @pytest.mark.parametrize("token", ["x", "cla_" + "x" * 43, "x" * 5000, "a b"])
    def test_unknown_tokens(self, bank, token):
        answer = get(bank, token, proof=bank.proof("GET", PATH, token))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in challenge(answer)

    def test_token_in_the_query(self, bank, held):
        answer = get(bank, held.access_token, path=f"{PATH}?access_token={held.access_token}")
        assert answer.status_code == 400
        assert 'error="invalid_request"' in challenge(answer)
        assert held.access_token not in answer.text

    def test_token_in_the_body(self, bank, held):
        assert bank.http.post(PATH, data={"access_token": held.access_token}).status_code == 401

    def test_a_refresh_token_is_no_access_token(self, bank, held):
        proof = bank.proof("GET", PATH, held.refresh_token)
        assert get(bank, held.refresh_token, proof=proof).status_code == 401

    def test_missing_scope(self, bank, authorized):
        held = authorized(bank, scope="profile:create")
        answer = bank.call("GET", PATH, held)
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/insufficient-scope"
        assert 'error="insufficient_scope"' in challenge(answer)
        assert 'scope="profile:read"' in challenge(answer)

    def test_expires_at_the_second(self, bank, held, empty_database, clock):
        with empty_database.transaction("owner") as session:
            expires_at = session.scalar(text("SELECT expires_at FROM access_tokens"))
        clock(expires_at - timedelta(seconds=1))
        assert bank.call("GET", PATH, held).status_code == 200
        clock(expires_at)
        assert bank.call("GET", PATH, held).status_code == 401

    def test_never_outlives_the_consent(self, bank, authorized):
        until = utc_now() + timedelta(seconds=100)
        held = authorized(bank, valid_until=until.isoformat(timespec="seconds"))
        assert held.answer["expires_in"] <= 100


class TestAccess:
    def test_says_who_calls(self, bank, held):
        body = bank.call("GET", PATH, held).json()
        assert body == {"client_id": bank.client_id, "consent_id": str(flow.consent_of(held))}
        assert bank.call("POST", PATH, held).status_code == 200

    def test_is_written_into_openapi(self, app):
        view = app.view_functions["resource.read"]
        assert view.required_scope == "profile:read"
