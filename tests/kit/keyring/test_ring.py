"""A set of keys: what was signed and sealed under the one secret holds, and a change of key breaks nothing."""

from __future__ import annotations

import json
import multiprocessing
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import InvalidToken
from itsdangerous import BadSignature, URLSafeTimedSerializer

from creditlink.access import dpop
from creditlink.kit import keyring
from creditlink.kit.keyring import keyfile
from creditlink.kit.keyring.ring import CIPHERS, ServerKey, ServerKeys
from creditlink.kit.settings import SettingError, load_settings

pytestmark = pytest.mark.pure

# Made by the code from before there were sets of keys.
OLD = "the one secret from before " + "s" * 20
RECEIPT = (
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImNvbnNlbnQtcmVjZWlwdCtqd3MiLCJraWQiOiJKRHNLaWtrN25weGJlS0ZsQ3FwblBneHFqci1ZRC05bVl3"
    "YjYwaXhjZHNZIn0.eyJjb25zZW50IjoiY29uXzEifQ.yjGHN9eSMnyeJmj4vxPfJ1fx0Fx-cOS-wJZ5pn5ARPXCvDIvQcKwfdqewut2R3ERO5ruc"
    "sjq15jaRMLwWFqqIw"
)
SEALED = (
    "gAAAAABrDpSPBX3w9B8RUD7FQRY4xwP_bk9gU7qo85-cGyjel66SP7LGh_yCGDgLwDkAZ7wq7Mk88fEQtfAviq2lhsuDnh78UBjYjZaCHv3dDr2y2D"
    "OmG4U="
)
PURPOSE, TYPE = "creditlink totp secrets", "consent-receipt+jws"
NOW = datetime.now(UTC)
PAST, SOON = NOW - timedelta(days=1), NOW + timedelta(hours=1)


def ring(*more: ServerKey) -> ServerKeys:
    return ServerKeys((ServerKey("k1", OLD), *more))


def key(number=2, since=PAST, **values) -> ServerKey:
    return ServerKey(f"k{number}", f"secret {number} " + "x" * 40, PAST, since, **values)


class TestWhatIsOld:
    @pytest.mark.parametrize("keys", [OLD, ring(), ring(key()), ring(key(), key(3, signs="Ed25519"))])
    def test_verifies_opens_and_is_known_again(self, keys):
        assert keyring.verify(RECEIPT, keyring.public_keys(keys), typ=TYPE).claims == {"consent": "con_1"}
        assert keyring.box(keys, PURPOSE).decrypt(SEALED) == b"JBSWY3DPEHPK3PXP"
        assert keyring.fingerprint(keys, "creditlink identities", "x") == (
            "3bdda03968d210c48037fdaef8e92e46eaa74772296fa00e78780bfd1b7a5f3f"
        )

    def test_a_set_without_its_key_does_not_verify_it(self):
        keys = ServerKeys((key(),))
        with pytest.raises(keyring.SignatureRefused):
            keyring.verify(RECEIPT, keyring.public_keys(keys), typ=TYPE)
        with pytest.raises(InvalidToken):
            keyring.box(keys, PURPOSE).decrypt(SEALED)

    def test_code_from_before_opens_what_the_first_key_seals_now(self):
        """So that both versions serve beside each other during an upgrade."""
        assert b"." not in keyring.box(ring(), PURPOSE).encrypt(b"x")


class TestANewKey:
    @pytest.mark.parametrize("signs", ["ES256", "Ed25519"])
    def test_signs_and_the_old_public_keys_do_not_verify_it(self, signs):
        keys = ring(key(signs=signs))
        document = keyring.sign({"a": 1}, typ=TYPE, secret=keys)
        assert keyring.header_of(document)["alg"] == signs
        assert keyring.verify(document, keyring.public_keys(keys), typ=TYPE).claims == {"a": 1}
        with pytest.raises(keyring.SignatureRefused):
            keyring.verify(document, keyring.public_keys(OLD), typ=TYPE)

    def test_is_announced_before_it_is_used(self):
        keys = ring(key(since=SOON))
        assert len(keyring.public_keys(keys)["keys"]) == 2
        assert keys.current().id == "k1"
        assert keys.current(SOON).id == "k2"
        # A process whose clock is ahead uses it already: everybody who was told of it opens that.
        ahead = ring(key(since=PAST))
        assert keyring.box(keys, PURPOSE).decrypt(keyring.box(ahead, PURPOSE).encrypt(b"x")) == b"x"

    def test_cookies_of_before_and_of_afterwards_hold(self):
        before, after = ring(), ring(key())
        old, new = (URLSafeTimedSerializer(keys, salt="s") for keys in (before, after))
        assert new.loads(old.dumps("x")) == "x"
        with pytest.raises(BadSignature):
            old.loads(new.dumps("x"))
        announced = URLSafeTimedSerializer(ring(key(since=SOON)), salt="s")
        assert announced.loads(new.dumps("x")) == "x"
        assert old.loads(announced.dumps("x")) == "x"

    def test_a_nonce_of_the_minute_before_is_still_good(self):
        life = 60
        at = datetime.fromtimestamp(int(NOW.timestamp()) // life * life, UTC)
        before, _ = dpop.nonces(ring(), at - timedelta(seconds=1), life)
        keys = ring(key(since=at))
        now, still = dpop.nonces(keys, at + timedelta(seconds=1), life)
        assert still == before
        assert now != dpop.nonces(ring(), at + timedelta(seconds=1), life)[0]


class TestSealed:
    @pytest.fixture(params=CIPHERS)
    def keys(self, request):
        return ring(key(seals=request.param))

    @pytest.mark.parametrize("content", [b"", b"\0", b"x" * 100_000, "\ufeff陈".encode()])
    def test_opens_as_it_was(self, keys, content):
        sealed = keyring.box(keys, PURPOSE).encrypt(content)
        assert sealed.startswith(b"k2.")
        assert sealed.isascii()
        assert keyring.box(keys, PURPOSE).decrypt(sealed) == content
        assert keyring.box(keys, PURPOSE).decrypt(sealed.decode()) == content

    def test_is_never_the_same_twice(self, keys):
        sealer = keyring.box(keys, PURPOSE)
        assert len({sealer.encrypt(b"x") for _ in range(100)}) == 100

    def test_opens_for_no_other_purpose(self, keys):
        with pytest.raises(InvalidToken):
            keyring.box(keys, "another").decrypt(keyring.box(keys, PURPOSE).encrypt(b"x"))

    def test_changed_cut_or_renamed_it_does_not_open(self, keys):
        sealer = keyring.box(keys, PURPOSE)
        sealed = sealer.encrypt(b"some content")
        wrong = [sealed[:place] + b"A" + sealed[place + 1 :] for place in range(3, len(sealed) - 2)]
        wrong += [sealed[:place] for place in range(len(sealed))]
        wrong += [b"k1." + sealed[3:], b"k3." + sealed[3:], sealed[3:], b"", b".", b"k2.", b"\0",
                  b"\xff.x", b"k2.\xff"]  # fmt: skip
        for one in wrong:
            if one != sealed:
                with pytest.raises(InvalidToken):
                    sealer.decrypt(one)

    def test_two_keys_with_one_secret_are_two(self, keys):
        """What a seal is bound to holds the key's name, where the cipher can bind anything."""
        mine = keys.keys[1]
        if mine.seals == "Fernet":
            return
        twin = ServerKeys((keys.first, mine, replace(mine, id="k3")))
        with pytest.raises(InvalidToken):
            keyring.box(twin, PURPOSE).decrypt(b"k3." + keyring.box(keys, PURPOSE).encrypt(b"x")[3:])


def test_the_ciphers_are_the_ones_they_say(request):
    """By another implementation of each: the published test vectors of GB/T 32907 and of RFC 8998 for SM4-GCM."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    sm4 = Cipher(algorithms.SM4(bytes.fromhex("0123456789abcdeffedcba9876543210")),
                 modes.GCM(bytes.fromhex("00001234567800000000abcd"))).encryptor()  # fmt: skip
    sm4.authenticate_additional_data(bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    plain = bytes.fromhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )
    assert (sm4.update(plain) + sm4.finalize()).hex() == (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    )
    assert sm4.tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"


# --- the file


def settings(tmp_path, **more):
    env = {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_VAR_DIR": str(tmp_path), "CREDITLINK_SECRET_KEY": OLD}
    return load_settings({name: value for name, value in {**env, **more}.items() if value is not None})


def new(**values):
    return keyfile.new_key(NOW, signs_from=NOW, **{"signs": "ES256", "seals": "AES-256-GCM"} | values)


class TestTheFile:
    def test_begins_with_the_secret_of_the_settings(self, tmp_path):
        path = tmp_path / "keys.json"
        keyfile.add_key(path, OLD, new())
        keys = settings(tmp_path).secret_key
        assert [one.id for one in keys.keys] == ["k1", "k2"]
        assert keys.first.secret == OLD
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert keyring.verify(RECEIPT, keyring.public_keys(keys), typ=TYPE)

    def test_alone_is_enough_then(self, tmp_path):
        keyfile.add_key(tmp_path / "keys.json", OLD, new())
        assert settings(tmp_path, CREDITLINK_SECRET_KEY=None).secret_key.first.secret == OLD

    def test_another_secret_beside_it_is_refused(self, tmp_path):
        keyfile.add_key(tmp_path / "keys.json", OLD, new())
        with pytest.raises(SettingError, match="none of its keys"):
            settings(tmp_path, CREDITLINK_SECRET_KEY="another" * 9)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda told: told.update(keys=[]), "no keys"),
            (lambda told: told["keys"].pop(0), "the first key must be k1"),
            (lambda told: told["keys"].append(told["keys"][1]), "no name may be there twice"),
            (lambda told: told["keys"][1].update(id="K2"), "id must be k and a number"),
            (lambda told: told["keys"][1].update(signs="none"), "signs by one of"),
            (lambda told: told["keys"][1].update(seals="ROT13"), "seals by"),
            (lambda told: told["keys"][1].update(secret="short"), "at least 32"),
            (lambda told: told["keys"][1].update(signs_from="2026-01-01"), "with a zone"),
            (lambda told: told["keys"][1].update(signs_from=1), "must be a text"),
            (lambda told: told["keys"][1].update(more="x"), "nothing else"),
            (lambda told: told["keys"].append("k3"), "key 3 must have"),
        ],
    )
    def test_a_wrong_one_is_refused_and_no_secret_is_told(self, tmp_path, change, says):
        path = tmp_path / "keys.json"
        made = keyfile.add_key(path, OLD, new()).keys[1].secret
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))
        with pytest.raises(SettingError, match=says) as refused:
            settings(tmp_path)
        assert OLD not in str(refused.value)
        assert made not in str(refused.value)

    @pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe", b"[]", b"{", b'{"keys": {}}', b'{"keys": 1}'])
    def test_what_is_no_such_file_is_refused(self, tmp_path, content):
        (tmp_path / "keys.json").write_bytes(content)
        with pytest.raises(SettingError, match="keys_file"):
            settings(tmp_path)

    def test_adding_to_a_damaged_one_leaves_it_as_it_is(self, tmp_path):
        path = tmp_path / "keys.json"
        path.write_text("{")
        with pytest.raises(ValueError, match=r".+"):
            keyfile.add_key(path, OLD, new())
        assert path.read_text() == "{"

    def test_of_many_that_add_at_once_none_is_lost(self, tmp_path):
        path = tmp_path / "keys.json"
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            pool.starmap(keyfile.add_key, [(path, OLD, new()) for _ in range(12)])
        assert [one.id for one in keyfile.read_keys(path).keys] == [f"k{n}" for n in range(1, 14)]
        assert sorted(one.name for one in tmp_path.iterdir()) == [".keys.json.lock", "keys.json"]
