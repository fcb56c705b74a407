"""A developer at the pages, the scripted firms, and the sandbox's offices behind them, in this process."""

from __future__ import annotations

import json
import re
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace

import httpx
import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from creditlink.consents.tables import Consent
from creditlink.kit.clock import last_complete_month, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.records import sources
from creditlink.records.pulls import fetching
from creditlink.records.sources import Sources, load_sources
from creditlink.sandbox.banks.bank import DemoBank
from creditlink.sandbox.banks.keys import new_key
from creditlink.sandbox.bureaus.serving import CREDENTIALS_OF, bureau_app
from creditlink.sandbox.offices.serving import PORTS, office_apps
from creditlink.sandbox.platform.scripted_firms import write_scripted_firms
from creditlink.sandbox.platform.seed import seed_lenders, seed_scripted_firms
from creditlink.sandbox.platform.services import free_port
from creditlink.sandbox.platform.stack import source_addresses
from creditlink.web.app import create_app
from tests.portal.conftest import Person, owner, person
from tests.serving import ISSUER

__all__ = ["owner", "person"]
HOME = "/portal/developers"
PASSWORD = "a sandbox's password"


@dataclass
class Developer(Person):
    """A developer with a browser; `bank` is the software of their client."""

    bank: DemoBank = None

    def join(self, login):
        self.get(f"{HOME}/join?lang=en")
        return self.post(f"{HOME}/join", login=login, password=PASSWORD)

    def register(self, key) -> None:
        self.get(f"{HOME}/keys")
        answer = self.post(f"{HOME}/keys", key=json.dumps(key.as_dict(private=False)))
        assert answer.status_code == 303, answer.text

    def client_id(self) -> str:
        return re.search(r"dev_\w+-\w+", self.get(f"{HOME}/").text)[0]

    def log(self) -> list[tuple[str, ...]]:
        """Return (request, status, check, reason) of each row, the newest first."""
        rows = re.findall(r"<tr>\s*<td .*?</tr>", self.get(f"{HOME}/requests").text, re.DOTALL)
        return [
            (
                re.search(r"<code>(\w+ [^<]+)</code>", row)[1].replace("&lt;", "<").replace("&gt;", ">"),
                re.search(r'class="(?:no|ok)">(\d+)', row)[1],
                (re.search(r'class="tag">([^<]+)', row) or [None, ""])[1],
                (re.search(r'lang="en">([^<]+)', row) or [None, ""])[1],
            )
            for row in rows
        ]


@pytest.fixture
def http(app):
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER) as client:
        yield client


@pytest.fixture
def make_developer(app, http):
    """Sign a developer up; with a key and the software that uses it unless told otherwise."""

    def run(login="dev@example.com", *, with_key=True):
        made = Developer(app.test_client())
        assert made.join(login).status_code == 303, made.page.text
        if with_key:
            key = new_key("ES256")
            made.register(key)
            made.bank = DemoBank(
                client_id=made.client_id(), redirect_uri="http://127.0.0.1:9876/callback", issuer=ISSUER, key=key,
                http=http,
            )  # fmt: skip
        return made

    return run


@pytest.fixture(scope="session")
def scripted_city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripted") / "city"
    write_scripted_firms(folder, until=last_complete_month(utc_now()))
    return folder


@pytest.fixture(scope="session")
def office_addresses(scripted_city):
    """Every office at an address of its own, over the scripted firms' records alone."""
    apps = {name: bureau_app(name, scripted_city, None, {}) for name in CREDENTIALS_OF}
    apps |= office_apps(scripted_city, PORTS, {})
    with ExitStack() as closing:
        addresses = {}
        for name, application in apps.items():
            server = make_server("127.0.0.1", 0, application, threaded=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            closing.callback(server.server_close)
            closing.callback(server.shutdown)
            addresses[name] = f"http://127.0.0.1:{server.server_port}"
        yield addresses


@pytest.fixture
def offices(office_addresses, settings):
    """This process's sources, at the offices' addresses."""
    opened = Sources(load_sources(settings, source_addresses(office_addresses)))
    sources.configure(opened)
    yield opened
    opened.close()
    sources.configure(None)


@pytest.fixture
def firms(empty_database, scripted_city, settings):
    """The scripted firms and the lenders, registered as in the sandbox."""
    with db.transaction("owner") as session:
        seed_lenders(session, settings, now=utc_now())
        return seed_scripted_firms(session, scripted_city, now=utc_now())


@pytest.fixture
def platform(settings, empty_database, offices, firms):
    """The application at an address that is its issuer, and somebody who does the worker's pulls."""
    port = free_port()
    settings = replace(settings, issuer=f"http://127.0.0.1:{port}")
    runtime.process().put(settings)
    app = create_app(settings, empty_database)
    server, ended = make_server("127.0.0.1", port, app, threaded=True), threading.Event()

    def pull() -> None:
        done = set()
        while not ended.wait(0.2):
            with db.transaction("worker") as session:
                alive = set(session.scalars(select(Consent.id).where(Consent.state == "ACTIVE"))) - done
            for consent_id in alive:
                fetching.run_pull(consent_id, offices, utc_now)
            done |= alive

    threads = [threading.Thread(target=target, daemon=True) for target in (server.serve_forever, pull)]
    for thread in threads:
        thread.start()
    yield app, settings.issuer, firms
    ended.set()
    server.shutdown()
    for thread in threads:
        thread.join()
    server.server_close()
