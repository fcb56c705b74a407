"""creditlink-conformance: a right receiver passes every check, and each check catches its fault."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from creditlink.kit.settings import ROOT
from creditlink.notifications import message

sys.path += [str(ROOT / "clients" / name) for name in ("python", "conformance")]

from creditlink_client import WebhookRefused, verified_webhook
from creditlink_conformance import command, receiver

SECRET = message.secret_text(b"k" * 32)


def careful(headers, body):
    try:
        verified_webhook(SECRET, headers, body)
    except WebhookRefused:
        return 400
    return 204


def trusting(headers, body):
    return 204


def forgetful_of_time(headers, body):
    try:
        verified_webhook(SECRET, headers, body, tolerance=1e9)
    except WebhookRefused:
        return 400
    return 204


def knowing_one_signature(headers, body):
    return careful({**headers, "webhook-signature": headers.get("webhook-signature", "").split(" ")[0]}, body)


def knowing_its_types(headers, body):
    return careful(headers, body) if json.loads(body)["type"] == "webhook.test" else 422


class Once:
    """Takes an event once, and calls it an error a second time."""

    def __init__(self) -> None:
        self.seen = set()

    def __call__(self, headers, body):
        status = careful(headers, body)
        if status == 204 and headers["webhook-id"] in self.seen:
            return 409
        self.seen.add(headers["webhook-id"])
        return status


@pytest.fixture
def listening():
    """Start receivers; return the address of each."""
    servers = []

    def start(judge):
        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(judge({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *about):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/hooks"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("judge", "fails"), [
    (careful, set()),
    (trusting, {"unsigned", "wrong-secret", "altered", "another-id", "replayed", "ahead"}),
    (forgetful_of_time, {"replayed", "ahead"}),
    (knowing_one_signature, {"two-signatures"}),
    (knowing_its_types, {"unknown-type"}),
    (Once(), {"again", "together"}),
])  # fmt: skip
def test_each_check_catches_its_fault(judge, fails, listening, tmp_path, capsys):
    (tmp_path / "secret").write_text(SECRET + "\n")
    ended = command.main(["bank", listening(judge), "--secret-file", str(tmp_path / "secret")])
    said = capsys.readouterr().out
    assert {line.split()[1].strip(":") for line in said.splitlines() if line.startswith("FAIL")} == fails
    assert ended == bool(fails)
    assert len([line for line in said.splitlines() if line.startswith(("pass", "FAIL"))]) == 13


def test_what_cannot_be_checked_is_said(tmp_path, capsys):
    for secret, address in ((SECRET, "http://127.0.0.1:1/"), ("nonsense", "http://127.0.0.1:1/"), (SECRET, "http://[")):
        (tmp_path / "secret").write_text(secret)
        assert command.main(["bank", address, "--secret-file", str(tmp_path / "secret")]) == 2
    assert command.main(["bank", "http://127.0.0.1:1/", "--secret-file", str(tmp_path / "none")]) == 2
    assert "whsec_" in capsys.readouterr().out


def test_it_signs_as_the_platform_does():
    sent = receiver.signed([b"k" * 32], b"{}", id_="m", at=1_700_000_000)
    assert sent.headers["webhook-signature"] == message.signature(SECRET, "m", 1_700_000_000, "{}")


def test_the_kit_for_sources_is_the_platforms_own(capfd):
    wire = ROOT / "tests" / "conformance" / "wire" / "tax"
    options = ["source", "--connector", "tax", "--wire", str(wire), "--hard-values", "1", "--collect-only", "-q"]
    assert command.main([*options, "-p", "no:cacheprovider"]) == 0
    assert "creditlink/conformance/suite.py" in capfd.readouterr().out
