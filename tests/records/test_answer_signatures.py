"""Signatures of offices: only the configured keys, over exactly this body, by a pinned algorithm."""

import base64
import hashlib
import hmac
import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from creditlink.records.offices.signatures import SignatureFault, SignatureKeys

pytestmark = pytest.mark.pure

BODY = '{"total": 1, "name": "佛山"}'.encode()
KEYS = {
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}, private=True),
    "PS256": RSAKey.generate_key(2048, {"kid": "rsa"}, private=True),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}, private=True),
}
EC = KEYS["ES256"]


def public(*keys):
    return {"keys": [key.as_dict(private=False) for key in keys]}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(body=BODY, algorithm="ES256", key=None, *, b64=None, **more):
    key = key or KEYS[algorithm]
    header = {"alg": algorithm, "kid": key.kid} | more
    if b64 is not None:
        header |= {"b64": b64, "crit": ["b64"]}
    header = {name: value for name, value in header.items() if value is not None}
    protected = encoded(json.dumps(header).encode())
    content = body if b64 is False else encoded(body)
    signature = jws.JWSRegistry.algorithms[algorithm].sign(protected + b"." + content, key)
    return f"{protected.decode()}..{encoded(signature).decode()}"


@pytest.fixture
def keys():
    return SignatureKeys.of(public(*KEYS.values()), ["ES256", "PS256", "EdDSA"])


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("b64", [None, True, False])
def test_a_right_signature_names_its_key(keys, algorithm, b64):
    found = keys.verify(sign(algorithm=algorithm, b64=b64), BODY)
    assert (found.key_id, found.algorithm, len(found.sha256)) == (KEYS[algorithm].kid, algorithm, 64)


def test_the_library_that_signs_for_others_agrees(keys):
    whole = jws.serialize_compact({"alg": "ES256", "kid": "ec"}, BODY, EC)
    assert keys.verify(jws.detach_content(whole), BODY).key_id == "ec"


def test_an_empty_body_is_signed_too(keys):
    assert keys.verify(sign(b""), b"").key_id == "ec"
    with pytest.raises(SignatureFault):
        keys.verify(sign(b""), b" ")


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, "has no X-JWS-Signature"),
        ("", "has no X-JWS-Signature"),
        ("x", "no detached JWS"),
        ("a.b.c", "a body of its own"),
        ("....", "no detached JWS"),
        ("é..x", "no detached JWS"),
        ("x" * 9000, "no detached JWS"),
        ("!!!..x", "header does not read"),
        (f"{encoded(b'[]').decode()}..x", "header is no object"),
        (f"{encoded(b'{').decode()}..x", "header does not read"),
        (sign()[:-8] + "AAAAAAAA", "not right for this body"),
        (sign() + "!", "not right for this body"),
        (sign(BODY + b" "), "not right for this body"),
        (sign(kid="other"), "key 'other' is not known"),
        (sign(kid=None), "key None is not known"),
        (sign(kid=7), "key 7 is not known"),
        (sign(kid="rsa"), "not right for this body"),
        (sign(alg="none"), "algorithm 'none'"),
        (sign(alg=None), "algorithm None"),
        (sign(alg=["ES256"]), "algorithm"),
        (sign(alg="HS256"), "algorithm 'HS256'"),
        (sign(jwk=EC.as_dict(private=False)), "header has jwk"),
        (sign(jku="https://x.test/keys"), "header has jku"),
        (sign(x5c=["x"]), "header has x5c"),
        (sign(crit=["exp"], exp=1), "crit names"),
        (sign(crit=["b64"]), "do not go together"),
        (sign(b64=False).replace("..", "."), "no detached JWS"),
    ],
)
def test_anything_else_is_refused_and_says_why(keys, signature, reason):
    with pytest.raises(SignatureFault, match=reason):
        keys.verify(signature, BODY)


def test_b64_without_crit_is_refused(keys):
    header = encoded(json.dumps({"alg": "ES256", "kid": "ec", "b64": False}).encode())
    signature = jws.JWSRegistry.algorithms["ES256"].sign(header + b"." + BODY, EC)
    with pytest.raises(SignatureFault, match="do not go together"):
        keys.verify(f"{header.decode()}..{encoded(signature).decode()}", BODY)


def test_a_public_key_is_no_secret_of_an_hmac(keys):
    """The old confusion: the public key's text as the secret of a symmetric algorithm."""
    protected = encoded(json.dumps({"alg": "HS256", "kid": "ec"}).encode())
    made = hmac.new(EC.as_pem(private=False), protected + b"." + encoded(BODY), hashlib.sha256).digest()
    with pytest.raises(SignatureFault, match="algorithm 'HS256'"):
        keys.verify(f"{protected.decode()}..{encoded(made).decode()}", BODY)


def test_an_algorithm_that_was_not_agreed_is_refused():
    keys = SignatureKeys.of(public(EC), ["ES256"])
    with pytest.raises(SignatureFault, match="algorithm 'PS256'"):
        keys.verify(sign(algorithm="PS256"), BODY)


@pytest.mark.parametrize(
    ("jwks", "algorithms", "reason"),
    [
        ({"keys": []}, ["ES256"], "non-empty array keys"),
        ({"keys": [EC.as_dict(private=True)]}, ["ES256"], "private"),
        ([], ["ES256"], "non-empty array keys"),
        (public(EC), ["none"], "'none'"),
        (public(EC), ["HS256"], "'HS256'"),
        (public(EC, KEYS["PS256"]), ["ES256"], "'rsa' is of kind RSA"),
        (public(EC, EC), ["ES256"], "share a kid"),
        ({"keys": [{k: v for k, v in EC.as_dict(private=False).items() if k != "kid"}]}, ["ES256"], "no kid"),
    ],
)
def test_keys_that_verify_nothing_stop_the_start(jwks, algorithms, reason):
    with pytest.raises(SignatureFault, match=reason):
        SignatureKeys.of(jwks, algorithms)
