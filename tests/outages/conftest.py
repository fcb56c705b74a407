"""A bank with a live consent, and a server as it is run."""

from __future__ import annotations

import httpx
import pytest

from creditlink.web.app import create_app
from tests import serving
from tests.oauth import flow


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """The address of a server with four threads, its front before them; it serves all tests of a file."""
    with serving.serve_whole(serving.environment(database, tmp_path_factory.mktemp("server"))) as address:
        yield address


@pytest.fixture
def served(server, settings, empty_database):
    """A bank that speaks to the server, and an authorization of it."""
    app = create_app(settings, empty_database)  # the firm's side
    firm = flow.make_firm(empty_database)
    with httpx.Client(base_url=server, timeout=40, trust_env=False) as http:
        bank = flow.register_bank(empty_database, http)
        asked = bank.push(flow.details(), scope=flow.SCOPE)
        callback = flow.decide(app, firm, flow.open_page(bank, asked))
        bank.exchange(bank.code_from(callback, asked), asked)
        yield bank, asked
