"""A second verifier, written from the RFC in a few lines without the library: both say the same of the same text."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from creditlink.cards import signing
from creditlink.cards.rules import statuses
from creditlink.cards.rules.checking import StatusPlace
from tests.cards.test_attacks import CARD, FACTS, ISSUER, KEYS, NOW, SECRET, bound, check, present

pytestmark = pytest.mark.pure


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def facts_by_rfc_9901(text):
    """Section 7.1 and 7.3 of RFC 9901, for what our cards use of it; raises where anything is wrong."""
    head, *disclosures, proof = text.split("~")
    signed = jws.deserialize_compact(head, KeySet.import_key_set(KEYS), algorithms=["ES256"])
    assert signed.headers()["typ"] == "dc+sd-jwt"
    claims = json.loads(signed.payload)
    assert (claims["iss"], claims["_sd_alg"]) == (ISSUER, "sha-256")
    digests = [digest(one) for one in disclosures]
    assert len(set(digests)) == len(digests)
    assert set(digests) <= set(claims["_sd"])
    holder = jws.deserialize_compact(proof, ECKey.import_key(claims["cnf"]["jwk"]), algorithms=["ES256"])
    assert holder.headers()["typ"] == "kb+jwt"
    said = json.loads(holder.payload)
    assert said["sd_hash"] == digest(text.rpartition("~")[0] + "~")
    assert {"iat", "aud", "nonce"} <= set(said)
    return {name: (value["value"], value["on"]) for _, name, value in (json.loads(decoded(one)) for one in disclosures)}


def status_by_the_draft(token, place):
    """The value at a place of a status list: zlib, two bits each, the lowest first."""
    signed = jws.deserialize_compact(token, KeySet.import_key_set(KEYS), algorithms=["ES256"])
    assert signed.headers()["typ"] == "statuslist+jwt"
    claims = json.loads(signed.payload)
    inner = claims["status_list"]
    packed, each = zlib.decompress(decoded(inner["lst"])), inner["bits"]
    bit = place * each
    return packed[bit // 8] >> (bit % 8) & (2**each - 1), claims


@pytest.mark.parametrize("names", [["grade_band"], ["name", "no_penalties"], list(FACTS)])
def test_both_read_the_same_facts(names):
    text = present(*names)
    assert facts_by_rfc_9901(text) == {one.name: (one.value, one.on) for one in check(text).facts}
    assert set(facts_by_rfc_9901(text)) == set(names)


def test_both_refuse_the_same():
    head, one = signing.chosen(CARD, ["no_penalties"]).split("~")[:2]
    other = present("name").rpartition("~")[2]
    for text in (f"{head}~{one}~{other}", bound(f"{head}~{one}x~"), bound(f"{head}~{one}~{one}~"), present() + "x"):
        assert check(text).verdict == "refused"
        with pytest.raises((AssertionError, ValueError, KeyError, Exception)):
            facts_by_rfc_9901(text)


def test_both_read_the_same_statuses():
    ended = {0: 1, 3: 2, 4: 1, 15: 2}
    token = signing.status_list(
        ended, issuer=ISSUER, list_id="l1", size=16, ttl_seconds=300, stale_seconds=86400, secret=SECRET, now=NOW
    )
    looked = statuses.of_token(token, KEYS, issuer=ISSUER, now=NOW)
    uri = f"{ISSUER}/cards/status/l1"
    words = {0: "valid", 1: "revoked", 2: "suspended"}
    for place in range(16):
        value, claims = status_by_the_draft(token, place)
        assert value == ended.get(place, 0)
        assert looked(StatusPlace(uri, place)) == words[value]
    assert (claims["sub"], claims["iss"], claims["ttl"]) == (uri, ISSUER, 300)
    assert claims["exp"] - claims["iat"] == 86400
    assert looked(StatusPlace(uri, 16)) is None
    assert looked(StatusPlace(f"{ISSUER}/cards/status/l2", 3)) is None
