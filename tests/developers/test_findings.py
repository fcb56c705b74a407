"""Keys that developers hand in: every rule is told by its member, and nothing private is repeated or kept."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from creditlink.portal.developers.findings import LONGEST, check
from creditlink.sandbox.banks.keys import new_key

pytestmark = pytest.mark.pure
EC_KEY = new_key("ES256", "first")
PUBLIC = EC_KEY.as_dict(private=False)
SHORT = rsa.generate_private_key(65537, 1024)


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def rules(text, known=()):
    return [(one.where, one.rule) for one in check(text, known).findings]


P384 = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("", "empty")]),
        ("  \n", [("", "empty")]),
        ("x" * (LONGEST + 1), [("", "too_long")]),
        ("not json", [("", "not_json")]),
        ('{"kty": "EC", "kty": "EC"}', [("", "not_json")]),
        ("[" * 20_000, [("", "not_json")]),
        ("[]", [("", "not_a_key")]),
        ('{"keys": []}', [("keys", "no_keys")]),
        ('{"kid": "a\\u0000"}', [("", "characters")]),
        ('{"kid": "\\ud800"}', [("", "characters")]),
        ('{"kty": "\ud800"}', [("", "characters")]),
        (json.dumps({"kty": "oct", "k": "c2VjcmV0"}), [("k", "private")]),
        (json.dumps({"keys": [{"kty": "XYZ"}, 5]}), [("keys[0].kty", "kty"), ("keys[1]", "not_a_key")]),
        (json.dumps(EC_KEY.as_dict(private=True)), [("d", "private")]),
        (json.dumps(PUBLIC | {"alg": "HS256", "use": "enc", "key_ops": ["sign"]}),
         [("alg", "alg_EC"), ("use", "use"), ("key_ops", "key_ops")]),
        (json.dumps(PUBLIC | {"crv": "P-384"}), [("crv", "crv_EC")]),
        (json.dumps(PUBLIC | {"kid": 5}), [("kid", "kid")]),
        (json.dumps(PUBLIC | {"x": "AAAA"}), [("", "not_valid")]),
        (json.dumps({"keys": [PUBLIC, PUBLIC]}), [("keys[1].kid", "kid_twice")]),
        (json.dumps({"keys": [PUBLIC] * 5}), [("keys", "too_many")]),
        (pem(SHORT), [("n", "short")]),
        (pem(P384), [("crv", "crv_EC")]),
        (private_pem(P384), [("", "private_pem")]),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", [("", "certificate")]),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", [("", "not_a_pem")]),
        ("-----BEGIN \ud800", [("", "not_a_pem")]),
    ],
)  # fmt: skip
def test_each_rule_is_told_by_its_member(text, expected):
    assert rules(text) == expected


def test_a_kid_that_the_client_has_is_not_taken_again():
    assert rules(json.dumps(PUBLIC), {"first"}) == [("kid", "kid_twice")]


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
def test_good_keys_of_every_kind_pass_without_what_does_not_belong(algorithm):
    key = new_key(algorithm, "mine").as_dict(private=False)
    kept = check(json.dumps({"keys": [key | {"x5u": "https://bank.example/", "note": "hello"}]}))
    assert kept.findings == ()
    assert set(kept.keys[0]) <= {"kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"}


def test_a_pem_gets_its_thumbprint_as_kid():
    key = ec.generate_private_key(ec.SECP256R1())
    (kept,) = check(pem(key)).keys
    assert len(kept["kid"]) == 43


def test_nothing_of_a_private_member_is_repeated():
    secret = EC_KEY.as_dict(private=True)
    told = repr(check(json.dumps(secret)))
    assert secret["d"] not in told
