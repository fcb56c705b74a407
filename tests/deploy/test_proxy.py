"""nginx as it is installed before three API processes: TLS, tokens bound to certificates, forged headers, a kill.

Real processes and real HTTP: `creditlink run` three times, nginx from Debian, certificates of authorities made here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from urllib.parse import quote

import httpx
import pytest

from creditlink.kit.settings import ROOT
from creditlink.sandbox.platform.services import free_port
from tests import serving
from tests.certificates import Authority
from tests.deploy import proxy
from tests.oauth import flow

HEADER = "X-Client-Certificate"
PATH = "/v1/catalogue/products"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(proxy.NGINX is None, reason="there is no nginx on this machine (apt-get install nginx-light)"),
]


class Platform:
    """Three API processes behind nginx; `processes` by their port."""

    def __init__(self, folder, database, stack):
        self.ports = [free_port() for _ in range(3)]
        self.tls, self.banks = Authority(folder / "tls", "The operator's"), Authority(folder / "banks", "Of banks")
        port = free_port()
        self.address = f"https://127.0.0.1:{port}"
        self.env = serving.environment(
            database, folder / "var", trusted_proxies="1", mtls_header=HEADER, log_level="WARNING"
        )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CREDITLINK_", "DATABASE_"))}
        self.log = (folder / "api.log").open("wb")
        stack.callback(self.log.close)
        command = [sys.executable, "-m", "creditlink", "run", "--workers", "1", "--port"]
        where = {"cwd": ROOT, "env": clean | self.env, "stdout": self.log, "stderr": self.log}
        self.processes = {one: subprocess.Popen([*command, str(one)], **where) for one in self.ports}
        stack.callback(self.end)
        for one in self.ports:
            self.until_answers(one)
        upstreams = [f"127.0.0.1:{one}" for one in self.ports]
        self.configuration = proxy.configured(folder, upstreams, self.tls, self.banks, port)
        stack.enter_context(proxy.running(self.configuration, self.address, self.tls))

    def until_answers(self, port):
        until = time.monotonic() + 180
        while True:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5, trust_env=False)
            except httpx.HTTPError:
                assert self.processes[port].poll() is None, "an API process ended at its start"
                assert time.monotonic() < until
                time.sleep(0.2)

    def end(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(40)

    def client(self, certificate=()):
        verify = self.tls.trusting(certificate)
        return httpx.Client(base_url=self.address, verify=verify, trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def platform(database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    folder.chmod(0o755)
    for above in (folder.parent, folder.parent.parent):
        above.chmod(0o755)  # nginx's own user reads and writes below
    with ExitStack() as stack:
        yield Platform(folder, database, stack)


@pytest.fixture
def bank(platform, empty_database):
    """A bank with two certificates of an authority that the proxy knows, and a token bound to the first."""
    first, second = (platform.banks.issue(f"gateway-{n}") for n in (1, 2))
    with platform.client(first) as own, platform.client(second) as other:
        made = flow.register_bank(empty_database, own, scopes=["product:read"])
        form = {"grant_type": "client_credentials", "scope": "product:read"} | made.client_parameters()
        answer = own.post("/oauth/token", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "Bearer"
        yield own, other, {"Authorization": f"Bearer {answer.json()['access_token']}"}, first[0]


def test_nginx_takes_the_configuration(platform):
    said = subprocess.run(
        [proxy.NGINX, "-t", "-c", platform.configuration], check=False, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "warn" not in said.stderr


def test_a_bound_token_works_with_its_certificate_and_with_no_other(platform, bank):
    own, other, authorization, _ = bank
    assert own.get(PATH, headers=authorization).status_code == 200
    assert other.get(PATH, headers=authorization).status_code == 401
    with platform.client() as nobody:
        assert nobody.get(PATH, headers=authorization).status_code == 401


@pytest.mark.parametrize("spelling", [HEADER, HEADER.lower(), HEADER.replace("-", "_")])
def test_a_certificate_in_a_header_from_outside_is_stripped(platform, bank, spelling):
    _, other, authorization, certificate = bank
    forged = {spelling: quote(certificate.read_text())}
    with platform.client() as nobody:
        assert nobody.get(PATH, headers=authorization | forged).status_code == 401
        twice = [*authorization.items(), *forged.items(), *forged.items()]
        assert nobody.get(PATH, headers=twice).status_code == 401
    assert other.get(PATH, headers=authorization | forged).status_code == 401
    straight = httpx.get(
        f"http://127.0.0.1:{platform.ports[0]}{PATH}",
        headers=authorization | {HEADER: forged[spelling]},
        trust_env=False,
    )
    assert straight.status_code == 200, "the same header opens the API where no proxy strips it: the test can fail"


def test_a_certificate_of_somebody_elses_authority_is_refused(platform, tmp_path):
    with platform.client(Authority(tmp_path, "Nobody's").issue("stranger")) as stranger:
        assert stranger.get("/health/live").status_code == 400


def test_where_a_request_comes_from_is_the_proxys_word(platform, empty_database):
    """One sender is slowed down whatever it writes; the application would believe the header."""
    with platform.client() as http:
        answers = [
            http.get(
                "/health/live",
                headers={
                    "X-Forwarded-For": "203.0.113.7",
                    "Forwarded": "for=203.0.113.7",
                    "X-Forwarded-Proto": "http",
                    "X-Forwarded-Host": "evil.example",
                },
            )
            for _ in range(3)
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert all("max-age=" in answer.headers["Strict-Transport-Security"] for answer in answers)
        page = http.get("/", headers={"X-Forwarded-Host": "evil.example", "Host": "127.0.0.1"})
        assert "evil.example" not in page.text + str(page.headers)
        assert http.get("/metrics").status_code == 404
        assert http.get("/health/ready").status_code == 404


def test_bodies_beyond_the_limit_end_at_the_proxy(platform):
    with platform.client() as http:
        assert http.post("/oauth/token", content=b"x" * 300_000).status_code == 413


def test_one_process_killed_and_nobody_notices(platform, bank):
    own, _, authorization, _ = bank
    port, killed = next(iter(platform.processes.items()))
    killed.kill()
    killed.wait(10)
    statuses = [own.get(PATH, headers=authorization).status_code for _ in range(40)]
    assert statuses == [200] * 40
    # A POST too: a connection that is refused was not sent anything.
    tokens = [own.post("/oauth/token", data={"grant_type": "none"}).status_code for _ in range(10)]
    assert set(tokens) <= {400, 401}
    del platform.processes[port]
