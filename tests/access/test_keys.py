"""A set of keys as banks publish them: what is none of ours is passed over, and never locks the bank out."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from creditlink.access import keys
from creditlink.access.context import OAuthContext
from creditlink.institutions import jwks
from creditlink.kit.processes import runtime
from creditlink.sandbox.banks.bank import new_key, public_jwks
from tests.oauth import flow

GOOD = flow.KEYS["ES256"].as_dict(private=False)
UNKNOWN = {
    "a kind of tomorrow": {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"},
    "a symmetric key": OctKey.generate_key(256, private=True).as_dict(private=True),
    "another curve": ECKey.generate_key("P-384", private=True).as_dict(private=False),
    "a curve nobody knows": {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
    "X25519": {"kty": "OKP", "crv": "X25519", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"},
    "for encryption": GOOD | {"use": "enc"},
    "for other operations": GOOD | {"key_ops": ["encrypt"]},
    "another algorithm": GOOD | {"alg": "ES256K"},
    "an algorithm of tomorrow": GOOD | {"alg": "XY-1"},
    "a weak key": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "members missing": {"kty": "EC", "crv": "P-256"},
    "a point off the curve": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    "no kty": {"kid": "x"},
    "a kty of another type": {"kty": ["EC"]},
    "a kty that is an object": {"kty": {}},
    "a kid of another type": GOOD | {"kid": ["x"]},
    "a NUL": GOOD | {"kid": "a\0b"},
    "a surrogate": GOOD | {"x": "\ud800"},
    "a huge number": {"kty": "RSA", "n": 10**400, "e": "AQAB"},
    "nothing": {},
    "no object": "key",
    "null": None,
}


@pytest.mark.pure
@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_key_is_passed_over(name):
    for entries in ([UNKNOWN[name], GOOD], [GOOD, UNKNOWN[name]]):
        assert [key.thumbprint() for key in keys.public_keys({"keys": entries})] == [flow.KEYS["ES256"].thumbprint()]
    with pytest.raises(keys.JwtRefused, match=r"keys\[0\]"):
        keys.public_keys({"keys": [UNKNOWN[name]]})


@pytest.mark.pure
def test_a_key_with_one_odd_member_of_its_own_is_still_ours():
    odd = GOOD | {"x5t#S256": "AA", "exp": 1, "issuer": "佛山", "key_ops": ["verify"], "use": "sig", "alg": "ES256"}
    assert len(keys.public_keys({"keys": [odd]})) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "key_ops", "x5c", "d", "keys"])


@pytest.mark.pure
@settings(max_examples=400)
@given(
    st.sampled_from([GOOD, flow.KEYS["PS256"].as_dict(private=False), flow.KEYS["EdDSA"].as_dict(private=False), {}]),
    st.dictionaries(MEMBERS, VALUES, max_size=3),
)
def test_any_key_is_taken_or_passed_over_never_a_crash(base, changed):
    assert len(keys.public_keys({"keys": [base | changed, GOOD]})) in (1, 2)


class TestAtTheServer:
    def send(self, bank):
        return bank.http.post("/oauth/introspect", data=bank.client_parameters() | {"token": "x"}).status_code

    def test_a_registered_set_with_unknown_keys(self, make_bank):
        bank = make_bank(jwks={"keys": [*(k for k in UNKNOWN.values() if storable(k)), GOOD]})
        assert self.send(bank) == 200

    def test_a_fetched_set_with_unknown_keys(self, make_bank, monkeypatch):
        bank = make_bank(jwks=None, jwks_uri="https://bank.example/jwks")
        published = {"keys": [*UNKNOWN.values(), GOOD]}
        monkeypatch.setattr(jwks, "fetch_json", lambda _uri: published)
        assert self.send(bank) == 200
        published["keys"].pop()  # its only good key; asked for again after the pause
        remote_keys = runtime.of_app(bank.http._transport.app).of(OAuthContext).remote_keys
        remote_keys._cached.clear()
        assert self.send(bank) == 401

    @pytest.mark.parametrize("body", [{"keys": 7}, {"keys": {"kid": "a"}}, {"keys": []}, {}, {"keys": [[]]}])
    def test_a_fetched_set_of_another_shape(self, make_bank, monkeypatch, body):
        bank = make_bank(jwks=None, jwks_uri="https://bank.example/jwks")
        monkeypatch.setattr(jwks, "fetch_json", lambda _uri: body)
        assert self.send(bank) == 401

    def test_a_key_of_the_same_kid_but_another_kind(self, make_bank):
        key = new_key(kid="k")
        other = RSAKey.generate_key(2048, {"kid": "k"}, private=True)
        bank = make_bank(key=key, jwks=public_jwks(other, key))
        assert self.send(bank) == 200


def storable(key) -> bool:
    return not list(keys.flaws(key))


@pytest.mark.pure
def test_it_takes_no_time():
    many = {"keys": [GOOD | {"kid": str(n)} for n in range(300)]}
    assert len(json.dumps(many)) < 65_536
    began = time.monotonic()
    keys.public_keys(many)
    assert time.monotonic() - began < 5
