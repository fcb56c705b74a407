"""Receipts hold without us, and nothing else holds as one; limits tried on past requests."""

import base64
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from joserfc import jws

from creditlink.cli import consents as commands
from creditlink.consents.agreement import receipts
from creditlink.kit import keyring
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT
from tests import factories as make

SECRET = "s" * 40
SHOWN = {"lang": "zh", "lines": [["用途", "贷前审核"]]}
CLAIMS = {"consent": "cns_1", "text": {"sha256": receipts.text_hash(SHOWN), "shown": SHOWN}}


@pytest.mark.pure
class TestReceipts:
    def test_keys_that_we_do_not_know_are_passed_over(self):
        keys = keyring.public_keys(SECRET)
        others = [
            {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
            {},
            7,
            {"kty": ["EC"]},
            {"kty": "EC", "crv": "P-999"},
        ]
        assert receipts.verify(receipts.sign(CLAIMS, secret=SECRET), {"keys": others + keys["keys"]})
        with pytest.raises(receipts.ReceiptRefused, match="none of the keys"):
            receipts.verify(receipts.sign(CLAIMS, secret=SECRET), {"keys": others})

    def test_a_receipt_verifies_with_the_public_keys_alone(self):
        keys = keyring.public_keys(SECRET)
        assert "d" not in keys["keys"][0]
        found = receipts.verify(receipts.sign(CLAIMS, secret=SECRET), json.loads(json.dumps(keys)))
        assert found.claims == CLAIMS
        assert found.kid == keys["keys"][0]["kid"]

    def test_every_process_signs_with_the_same_key(self):
        assert keyring.public_keys(SECRET) == keyring.public_keys(SECRET)
        assert keyring.public_keys(SECRET) != keyring.public_keys("other" * 10)

    def test_a_changed_receipt_is_found(self):
        head, body, signature = receipts.sign(CLAIMS, secret=SECRET).split(".")
        forged = base64.urlsafe_b64encode(json.dumps(CLAIMS | {"consent": "cns_2"}).encode()).rstrip(b"=").decode()
        for text in (f"{head}.{forged}.{signature}", f"{head}.{body}.{signature[:-8]}AAAAAAAA", body, "", "a.b.c", "é"):
            with pytest.raises(receipts.ReceiptRefused):
                receipts.verify(text, keyring.public_keys(SECRET))

    def test_another_server_cannot_sign_for_this_one(self):
        with pytest.raises(receipts.ReceiptRefused):
            receipts.verify(receipts.sign(CLAIMS, secret="other" * 10), keyring.public_keys(SECRET))

    def test_no_unsigned_and_no_hmac_receipt(self):
        public = keyring.public_keys(SECRET)
        head = (
            base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": receipts.TYPE}).encode()).rstrip(b"=").decode()
        )
        body = receipts.sign(CLAIMS, secret=SECRET).split(".")[1]
        with pytest.raises(receipts.ReceiptRefused):
            receipts.verify(f"{head}.{body}.", public)

    def test_another_signed_thing_is_not_a_receipt(self):
        key = keyring.signing_key(SECRET)
        other = jws.serialize_compact({"alg": "ES256", "kid": key.kid}, json.dumps(CLAIMS).encode(), key)
        with pytest.raises(receipts.ReceiptRefused, match="not a consent receipt"):
            receipts.verify(other, keyring.public_keys(SECRET))

    def test_the_text_is_held_to_its_hash(self):
        claims = {"text": {"sha256": receipts.text_hash(SHOWN), "shown": SHOWN | {"lang": "en"}}}
        with pytest.raises(receipts.ReceiptRefused, match="hash"):
            receipts.verify(receipts.sign(claims, secret=SECRET), keyring.public_keys(SECRET))


class TestCommands:
    def test_verify_needs_no_database(self, tmp_path):
        receipt, keys = tmp_path / "r.jws", tmp_path / "keys.json"
        receipt.write_text(receipts.sign(CLAIMS, secret=SECRET) + "\n")
        keys.write_text(json.dumps(keyring.public_keys(SECRET)))
        result = CliRunner().invoke(commands.consents, ["verify-receipt", str(receipt), "--keys", str(keys)])
        assert json.loads(result.output)["valid"] is True
        receipt.write_text(receipts.sign(CLAIMS, secret="other" * 10))
        result = CliRunner().invoke(commands.consents, ["verify-receipt", str(receipt), "--keys", str(keys)])
        assert result.exit_code == 1
        keys.write_text("[]")
        result = CliRunner().invoke(commands.consents, ["verify-receipt", str(receipt), "--keys", str(keys)])
        assert (result.exit_code, "not a JWK set" in result.output) == (1, True)

    def test_simulate_tries_new_limits_on_past_requests(self, empty_database, settings, monkeypatch, tmp_path):
        monkeypatch.setattr(commands, "start", lambda role: (settings, empty_database))
        with db.transaction("owner") as session:
            make.make_consent(session, history_months=24)
            make.make_consent(session, history_months=36, state="REVOKED")
            make.make_consent(
                session,
                purpose="monitoring",
                access="recurring",
                history_months=6,
                pulls_per_month=4,
                valid_until=make.NOW + timedelta(days=90),
            )
        file = tmp_path / "limits.toml"
        text = (ROOT / "config" / "purposes.toml").read_text(encoding="utf-8")
        file.write_text(text.replace("history_months = 36", "history_months = 24").replace("pulls = 5", "pulls = 3"))
        report = json.loads(CliRunner().invoke(commands.consents, ["simulate", str(file)]).output)
        assert (report["requests"], report["would_be_refused"]) == (3, 2)
        assert report["by_attribute"] == {"underwriting.history_months": 1, "monitoring.pulls_per_month": 1}
        assert report["by_state"] == {"REVOKED": 1, "ACTIVE": 1}

    @pytest.mark.parametrize("text", ["version = 1", "x =", 'version = "1"\nclock_slack_seconds = 0\npurposes = {}'])
    def test_wrong_limits_are_named(self, tmp_path, text):
        file = tmp_path / "limits.toml"
        file.write_text(text)
        result = CliRunner().invoke(commands.consents, ["simulate", str(file)])
        assert result.exit_code == 1
        assert "limits.toml" in result.output


def test_the_keys_are_published(client, settings):
    assert client.get("/v1/receipt-keys").json == keyring.public_keys(settings.secret_key)
