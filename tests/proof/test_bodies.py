"""A body is whole and within the limit, or refused with nothing of it taken: every route, and the real servers."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from creditlink.access.scopes import SCOPES
from creditlink.portal.site import FILE_PATHS
from creditlink.sandbox.banks.bank import DemoBank
from creditlink.sandbox.platform.services import free_port
from tests import serving
from tests.oauth import flow
from tests.proof import routes

LIMIT = 262_144
MOST_OF_A_FILE = 4_194_304
FILES = ("portal.upload_file", "portal.file_dispute", "portal.verify_file")
"""Pages that take files: a firm's own records, evidence, and reports that somebody was handed."""
FORM = "application/x-www-form-urlencoded"
SENDING = ("POST", "PUT", "PATCH", "DELETE")


class TestEveryRoute:
    @pytest.fixture
    def paths(self, app):
        rules = routes.rules_of(app, lambda method, _rule, _kind: method in SENDING)
        return [(method, rule, routes.PARAMETER.sub("x", rule.rule)) for method, rule in rules]

    @pytest.mark.parametrize(
        "kind", ["application/json", FORM, "text/csv", "application/x-ndjson", "multipart/form-data"]
    )
    def test_a_body_in_chunks_over_the_limit(self, client, paths, kind):
        assert len(paths) > 30
        for method, rule, path in paths:
            limit = MOST_OF_A_FILE if rule.endpoint in FILES else LIMIT
            answer = self.send(client, method, path, kind, b"[" + b"1," * limit)
            assert answer.status_code == 413, (method, rule.rule, answer.text)
            if rule.endpoint.startswith("oauth."):
                assert answer.json["error"] == "invalid_request"
            elif not rule.rule.startswith(("/portal", "/cards")):  # pages say it in HTML
                assert answer.json["type"] == "/problems/body-too-large"

    def test_larger_ones_are_for_the_pages_that_take_files(self, app):
        ids = {"request_id": f"fin_{'0' * 32}"}
        taking = {
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if FILE_PATHS.fullmatch(routes.PARAMETER.sub(lambda one: ids.get(one[0].strip("<>"), "x"), rule.rule))
            and "POST" in rule.methods
        }
        assert taking == {*FILES, "portal.financing_document"}

    def test_a_body_that_breaks_off(self, client, paths):
        for method, rule, path in paths:
            for ends in (True, False):
                answer = self.send(client, method, path, FORM, b"a=b", declared="300", ends=ends)
                assert answer.status_code == 400, (method, rule.rule, answer.text)

    def test_a_body_of_exactly_the_limit_is_read(self, client):
        body = b"token=" + b"x" * (LIMIT - 6)
        for declared in (None, str(LIMIT)):
            answer = self.send(client, "POST", "/oauth/introspect", FORM, body, declared=declared)
            assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
        answer = self.send(client, "POST", "/oauth/introspect", FORM, body + b"x")
        assert answer.status_code == 413

    def test_a_length_that_is_none(self, client):
        for declared in ("-1", "+5", "1e3", "٣", "9" * 30, "5, 5"):
            answer = self.send(client, "POST", "/oauth/introspect", FORM, b"a=b", declared=declared)
            assert answer.status_code == 400, declared

    def test_chunks_that_a_server_does_not_read(self, client):
        """Where the server leaves chunks as they are, nothing can be read: said, not taken for an empty body."""
        answer = self.send(
            client, "POST", "/oauth/introspect", FORM, b"3\r\na=b\r\n0\r\n\r\n", ends=False, chunked=True
        )
        assert answer.status_code == 411

    def send(self, client, method, path, kind, body, *, declared=None, ends=True, chunked=False):
        environ = {"wsgi.input": io.BytesIO(body), "CONTENT_TYPE": kind}
        environ |= {"wsgi.input_terminated": True} if ends else {}
        environ |= {"CONTENT_LENGTH": declared} if declared is not None else {}
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
        return client.open(path, method=method, environ_overrides=environ)


@pytest.fixture(scope="module")
def addresses(database, tmp_path_factory):
    """Ports of the servers that we ship for: granian, and gunicorn, which has nothing in front of the application."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))}
    env |= serving.environment(database, tmp_path_factory.mktemp("servers"))
    ports = {name: free_port() for name in ("granian", "gunicorn")}
    commands = {
        "granian": ["granian", "--interface", "wsgi", "--port", str(ports["granian"]), "tests.proof.served:app"],
        "gunicorn": [
            "gunicorn",
            "--threads",
            "4",
            "--bind",
            f"127.0.0.1:{ports['gunicorn']}",
            "tests.proof.served:app",
        ],
    }
    running = [
        subprocess.Popen([sys.executable, "-m", *command], cwd=serving.ROOT, env=env, stderr=subprocess.DEVNULL)
        for command in commands.values()
    ]
    try:
        for name, port in ports.items():
            ready(name, port)
        yield ports
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def ready(name: str, port: int) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"{name} did not start")


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
class TestRealServers:
    @pytest.fixture
    def bank(self, addresses, server, empty_database):
        with httpx.Client(base_url=f"http://127.0.0.1:{addresses[server]}", timeout=60) as http:
            bank = flow.register_bank(empty_database, http, scopes=list(SCOPES))
            bank.own = bank.in_own_name(scope="outcome:write product:write")
            yield bank

    def headers(self, bank: DemoBank, path: str) -> dict[str, str]:
        token = bank.own.access_token
        return {"Authorization": f"DPoP {token}", "DPoP": bank.proof("POST", path, token)}

    def outcomes(self, bank: DemoBank, content, **more) -> httpx.Response:
        path = "/v1/financing/outcomes"
        headers = self.headers(bank, path) | {"Content-Type": "application/x-ndjson"} | more
        return bank.http.post(path, content=content, headers=headers)

    def test_a_file_of_outcomes_in_chunks(self, bank):
        line = json.dumps({"application_id": "app_none", "kind": "draw", "on": "2026-01-05", "amount_fen": 1}) + "\n"
        few = self.outcomes(bank, (line.encode() for _ in range(100)))
        assert (few.status_code, few.json()["lines"]) == (200, 100)
        many = self.outcomes(bank, (line.encode() for _ in range(4000)))
        assert many.status_code == 413, many.text
        assert many.json()["type"] == "/problems/body-too-large"

    def test_other_borders_in_chunks(self, bank):
        big = [b"x" * 1000] * 400
        for path, kind in (
            ("/oauth/par", FORM),
            ("/portal/sign-in", FORM),
            ("/v1/catalogue/products", "application/json"),
            ("/nowhere", "text/plain"),
        ):
            headers = self.headers(bank, path) | {"Content-Type": kind}
            assert bank.http.post(path, content=iter(big), headers=headers).status_code == 413, path

    def test_a_body_shorter_than_declared(self, bank, addresses, server):
        """The sender breaks off: the lines that came are not taken for the file."""
        path, line = "/v1/financing/outcomes", b'{"application_id": "app_none"}\n'
        sent = self.headers(bank, path) | {"Content-Type": "application/x-ndjson", "Content-Length": str(len(line) * 9)}
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        with socket.create_connection(("127.0.0.1", addresses[server]), timeout=60) as wire:
            wire.sendall(head.encode() + b"\r\n" + line)
            wire.shutdown(socket.SHUT_WR)
            answer = b""
            while part := wire.recv(65536):
                answer += part
        assert b" 200 " not in answer.split(b"\r\n")[0], answer
        assert self.outcomes(bank, line).status_code == 200  # and the server goes on
