"""Characters that no database holds, in what is signed and what is asked: an OAuth refusal, never a 500."""

from __future__ import annotations

import base64
import json
import secrets
import time
from itertools import product

import pytest
from joserfc import jws

from creditlink.sandbox.banks.bank import BankError
from tests.oauth import flow

NASTY = ["a\0b", "\ud800", "x\udfffy", 2**63, 10**400, -(2**63) - 1]


def segment(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(header: dict, claims: dict, key=None) -> str:
    """A compact JWS; without a key its signature is nonsense, as a stranger's would be."""
    text = f"{segment(header)}.{segment(claims)}"
    if key is None:
        return f"{text}.{'A' * 86}"
    # By hand: the library refuses to write such headers.
    signature = jws.JWSRegistry.algorithms["ES256"].sign(text.encode(), key)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class TestClientAssertion:
    @pytest.mark.parametrize("name", ["iss", "sub", "aud", "jti", "exp", "more", "kid", "typ"])
    def test_in_any_claim_or_header_member(self, bank, name):
        for nasty, signed in product(NASTY, (False, True)):
            answer = self.send(bank, name, nasty, signed=signed)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (nasty, answer.text)

    def send(self, bank, name, nasty, *, signed):
        header = {"alg": "ES256", "kid": bank.key.kid}
        claims = {
            "iss": bank.client_id,
            "sub": bank.client_id,
            "aud": bank.issuer,
            "jti": secrets.token_hex(8),
            "exp": int(time.time()) + 60,
        }
        part = header if name in ("kid", "typ") else claims
        part[name] = nasty
        if name == "sub":
            claims["iss"] = nasty  # the two must agree, or the sender is not looked for
        form = bank.client_parameters() | {"token": "x"}
        form["client_assertion"] = token(header, claims, bank.key if signed else None)
        return bank.http.post("/oauth/introspect", data=form)

    def test_the_same_assertion_without_them_passes(self, bank):
        """What is refused above is refused for these characters alone."""
        claims = {"iss": bank.client_id, "sub": bank.client_id, "aud": bank.issuer, "jti": "\u2028\ufeff\x01é😀"}
        claims |= {"exp": int(time.time()) + 60, "more": {"deep": [2**63 - 1, "佛山"]}}
        form = bank.client_parameters() | {"token": "x"}
        form["client_assertion"] = token({"alg": "ES256", "kid": bank.key.kid}, claims, bank.key)
        assert bank.http.post("/oauth/introspect", data=form).status_code == 200


class TestProof:
    def test_in_any_claim_or_header_member(self, bank, authorized):
        authorization = authorized(bank)
        names = ["jti", "htm", "htu", "iat", "ath", "nonce", "more", "kid", "jwk", "x"]
        for name, nasty, (path, method, access_token) in product(
            names,
            NASTY,
            [
                ("/oauth/token", "POST", None),
                ("/v1/resource", "GET", authorization.access_token),
            ],
        ):
            good = bank.proof(method, path, access_token)
            header, claims = (json.loads(base64.urlsafe_b64decode(s + "==")) for s in good.split(".")[:2])
            if name in ("kid", "jwk"):
                header[name] = nasty
            elif name == "x":
                header["jwk"]["x"] = nasty
            else:
                claims[name] = nasty
            headers = {"DPoP": token(header, claims, bank.dpop_key)}
            if access_token:
                answer = bank.http.get(path, headers=headers | {"Authorization": f"DPoP {access_token}"})
                assert answer.status_code == 401, answer.text
            else:
                form = bank.client_parameters() | {"grant_type": "client_credentials", "scope": "consent:read"}
                answer = bank.http.post(path, data=form, headers=headers)
                assert answer.status_code == 400, answer.text


ODD = [
    *("token", "code token", "code  code", " ", "code\u2028", "é", '"', "\\", "none", "x" * 5000, "\x7f", "\ufeffcode"),
    *("code\n", "😀", "id_token", "%00", "{}", "a\0b"),
]


class TestPushedRequest:
    @pytest.mark.parametrize(
        "name", ["response_type", "response_mode", "scope", "redirect_uri", "code_challenge_method", "code_challenge"]
    )
    def test_an_odd_value_is_refused(self, bank, name):
        for value in ODD:
            with pytest.raises(BankError) as refused:
                bank.push(flow.details(), **{"scope": flow.SCOPE} | {name: value})
            assert refused.value.status == 400, value
            said = refused.value.body.get("error_description", "")
            assert all(" " <= c <= "~" and c not in '"\\' for c in said), value
            if name == "response_type" and "\0" not in value:
                assert refused.value.body["error"] == "unsupported_response_type", value
