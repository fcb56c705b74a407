"""Key services: what they wrap opens through them alone; one that is away or answers wrongly is told in one line."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from creditlink.kit import keyring
from creditlink.kit.keyring import keyfile
from creditlink.kit.keyring.ring import FIRST, ServerKey, ServerKeys
from creditlink.kit.keyring.vault import VaultTransit
from creditlink.kit.keyring.wrapping import MasterFile, NotUnwrapped, open_service
from creditlink.kit.settings import SettingError, load_settings

pytestmark = [pytest.mark.pure, pytest.mark.enable_socket]

SECRET = "the one secret from before " + "s" * 20
PURPOSES = ("creditlink totp secrets", "decision records")
KEYS = [b"a" * 32, b"", "密".encode(), os.urandom(64)]
TOKEN = "hvs.a-token-of-vault"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so")  # fmt: skip


class FakeVault:
    """As much of the transit engine as its documentation says of encrypt and decrypt with batch_input."""

    def __init__(self):
        self.asked, self.answer = [], None
        self._cipher = AESGCM(os.urandom(32))
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(self.path)
                status, said = fake.answer or fake.told(self.path, self.headers.get("X-Vault-Token"), body)
                content = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def told(self, path, token, body):
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        results, bad = [], False
        for one in body["batch_input"]:
            try:
                if path == "/v1/transit/encrypt/creditlink":
                    nonce = os.urandom(12)
                    sealed = nonce + self._cipher.encrypt(nonce, base64.b64decode(one["plaintext"]), b"")
                    results.append({"ciphertext": "vault:v1:" + base64.b64encode(sealed).decode(), "key_version": 1})
                elif path == "/v1/transit/decrypt/creditlink":
                    sealed = base64.b64decode(one["ciphertext"].removeprefix("vault:v1:"))
                    opened = self._cipher.decrypt(sealed[:12], sealed[12:], b"")
                    results.append({"plaintext": base64.b64encode(opened).decode()})
                else:
                    return 404, {"errors": []}
            except (InvalidTag, ValueError):
                bad = True
                results.append({"error": "cipher: message authentication failed"})
        return 400 if bad else 200, {"data": {"batch_results": results}}


@pytest.fixture
def vault():
    fake = FakeVault()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


@pytest.fixture
def softhsm(tmp_path, monkeypatch):
    """A token with an AES key in it; left out where SoftHSM or the extra is not installed."""
    pkcs11 = pytest.importorskip("pkcs11", reason="the extra hsm is not installed")
    module = os.environ.get("SOFTHSM2_MODULE") or next((one for one in MODULES if Path(one).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    (tmp_path / "tokens").mkdir()
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(conf))
    made = ["softhsm2-util", "--module", module, "--init-token", "--free", "--label", "creditlink", "--pin", "1234",
            "--so-pin", "5678"]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    library = pkcs11.lib(module)
    library.reinitialize()  # it may have read another test's token folder
    with library.get_token(token_label="creditlink").open(rw=True, user_pin="1234") as session:
        session.generate_key(pkcs11.KeyType.AES, 256, label="master", store=True)
    return open_service(f"pkcs11:{module}?token=creditlink&key=master", "1234")


@pytest.fixture
def master(tmp_path):
    path = tmp_path / "master.key"
    path.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    return path


@pytest.fixture(params=["file", "vault", "pkcs11"])
def service(request, master):
    if request.param == "file":
        return open_service(f"file:{master}", None)
    if request.param == "vault":
        return open_service(f"vault+{request.getfixturevalue('vault').url}/transit/creditlink", TOKEN)
    return request.getfixturevalue("softhsm")


class TestEvery:
    def test_unwraps_what_it_wrapped(self, service):
        wrapped = service.wrap(KEYS[:1] + KEYS[2:])
        assert service.unwrap(wrapped) == KEYS[:1] + KEYS[2:]
        assert all(KEYS[0] not in base64.b64decode(one.rpartition(":")[2]) for one in wrapped)

    def test_refuses_what_it_did_not(self, service):
        wrapped = service.wrap([b"a" * 32])[0]
        head, colon, body = wrapped.rpartition(":")
        content = bytearray(base64.b64decode(body))
        content[-1] ^= 1
        for wrong in (head + colon + base64.b64encode(content).decode(), head + colon + "AAAA", "", "\0", "密"):
            with pytest.raises(NotUnwrapped) as refused:
                service.unwrap([wrapped, wrong])
            assert "\n" not in str(refused.value)

    def test_the_key_file_opens_through_it_alone(self, service, tmp_path):
        path = tmp_path / "keys.json"
        now = datetime.now(UTC)
        made = keyfile.new_key(now, signs_from=now, signs="ES256", seals="SM4-GCM", purposes=PURPOSES)
        keys = keyfile.add_key(path, SECRET, made, service)
        assert keyfile.read_keys(path, service=service) == keys
        written = path.read_text()
        assert SECRET not in written
        assert made.secret not in written
        assert base64.b64encode(made.data[PURPOSES[0]]).decode() not in written
        assert keys.keys[1].data == made.data
        with pytest.raises(ValueError, match="wrapped by"):
            keyfile.read_keys(path)
        more = keyfile.add_key(path, SECRET, made, service)
        assert [one.id for one in more.keys] == ["k1", "k2", "k3"]
        assert more.keys[:2] == keys.keys

    def test_each_purpose_has_a_data_key_of_its_own(self, service, tmp_path):
        now = datetime.now(UTC)
        made = keyfile.new_key(now, signs_from=now, signs="ES256", seals="AES-256-GCM", purposes=PURPOSES)
        keys = keyfile.add_key(tmp_path / "keys.json", SECRET, made, service)
        sealed = keyring.box(keys, PURPOSES[0]).encrypt(b"x")
        derived = ServerKeys((ServerKey(FIRST, SECRET), ServerKey("k2", made.secret, now, now, seals="AES-256-GCM")))
        assert keyring.box(keys, PURPOSES[0]).decrypt(sealed) == b"x"
        with pytest.raises(keyring.InvalidToken):  # the secret alone does not lead to it
            keyring.box(derived, PURPOSES[0]).decrypt(sealed)


def test_a_file_that_was_not_wrapped_is_wrapped_at_the_next_rotation(master, tmp_path):
    path, now = tmp_path / "keys.json", datetime.now(UTC)
    made = keyfile.new_key(now, signs_from=now, signs="ES256", seals="AES-256-GCM", purposes=PURPOSES)
    before = keyfile.add_key(path, SECRET, made)
    assert before.keys[1].data == {}
    sealed = keyring.box(before, PURPOSES[0]).encrypt(b"x")
    after = keyfile.add_key(path, SECRET, made, MasterFile(master))
    assert SECRET not in path.read_text()
    assert keyring.box(after, PURPOSES[0]).decrypt(sealed) == b"x"


class TestVault:
    def test_is_asked_once_for_all(self, vault):
        service = VaultTransit(vault.url, "transit", "creditlink", TOKEN)
        wrapped = service.wrap([bytes([number]) * 32 for number in range(20)])
        assert len(service.unwrap(wrapped)) == 20
        assert vault.asked == ["/v1/transit/encrypt/creditlink", "/v1/transit/decrypt/creditlink"]

    @pytest.mark.parametrize("answer", [
        (200, b""), (200, b"\xff"), (200, {}), (200, []), (200, {"data": None}), (200, {"data": {"batch_results": []}}),
        (200, {"data": {"batch_results": [{}]}}), (200, {"data": {"batch_results": [{"plaintext": 1}]}}),
        (200, {"data": {"batch_results": [{"plaintext": "\0"}]}}), (200, {"data": {"batch_results": "x"}}),
        (200, {"data": {"batch_results": [{"plaintext": "YQ=="}, {"plaintext": "YQ=="}]}}),
        (403, {"errors": ["permission denied"]}), (503, b"sealed"), (302, b""),
    ])  # fmt: skip
    def test_that_answers_wrongly_is_refused(self, vault, answer):
        vault.answer = answer
        with pytest.raises(NotUnwrapped) as refused:
            VaultTransit(vault.url, "transit", "creditlink", TOKEN).unwrap(["vault:v1:AAAA"])
        assert TOKEN not in str(refused.value)

    def test_that_is_away_is_told(self, monkeypatch):
        monkeypatch.setattr("creditlink.kit.keyring.vault._PAUSES", (0.01,))
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            with pytest.raises(NotUnwrapped, match="no answer: ConnectError"):
                VaultTransit(url, "transit", "creditlink", TOKEN).unwrap(["vault:v1:AAAA"])


def test_a_wrong_pin_is_told(softhsm):
    softhsm._pin = "0000"
    with pytest.raises(NotUnwrapped, match="PinIncorrect"):
        softhsm.wrap([b"x" * 32])


class TestSettings:
    @pytest.mark.parametrize(
        ("address", "secret", "says"),
        [
            ("nowhere", None, "must begin with"),
            ("file:", None, "must begin with"),
            ("ftp://x/y/z", "s", "must begin with"),
            ("vault+https://vault:8200/transit/key", None, "needs key_service_secret"),
            ("vault+https://vault:8200/key", "s", "must be vault"),
            ("vault+https:///transit/key", "s", "must be vault"),
            ("pkcs11:/lib.so", "1234", "must be pkcs11"),
            ("pkcs11:/lib.so?token=a&slot=1", "1234", "must be pkcs11"),
        ],
    )
    def test_a_wrong_address_is_refused(self, tmp_path, address, secret, says):
        env = {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_VAR_DIR": str(tmp_path), "CREDITLINK_KEY_SERVICE": address}
        with pytest.raises(SettingError, match=says):
            load_settings(env | ({"CREDITLINK_KEY_SERVICE_SECRET": secret} if secret else {}))

    @pytest.mark.parametrize("content", [b"", b"short", b"\0" * 44, base64.b64encode(b"x" * 31), b"\xff\xfe"])
    def test_a_wrong_master_key_is_refused(self, tmp_path, content):
        path = tmp_path / "master.key"
        path.write_bytes(content)
        with pytest.raises(NotUnwrapped, match="not 32 bytes"):
            MasterFile(path).wrap([b"x"])
        with pytest.raises(NotUnwrapped, match="No such file"):
            MasterFile(tmp_path / "none").wrap([b"x"])

    def test_the_keys_come_through_the_service(self, tmp_path, master):
        env = {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_VAR_DIR": str(tmp_path),
               "CREDITLINK_KEY_SERVICE": f"file:{master}"}  # fmt: skip
        now = datetime.now(UTC)
        made = keyfile.new_key(now, signs_from=now, signs="ES256", seals="AES-256-GCM", purposes=PURPOSES)
        keyfile.add_key(tmp_path / "keys.json", SECRET, made, MasterFile(master))
        settings = load_settings(env)
        assert settings.secret_key.keys[1].data == made.data
        assert made.secret not in repr(settings)
        del env["CREDITLINK_KEY_SERVICE"]
        with pytest.raises(SettingError, match="wrapped by file"):
            load_settings(env)
