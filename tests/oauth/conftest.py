"""A bank at the authorization server: in this process through httpx, or in two others over HTTP."""

from __future__ import annotations

from functools import partial

import httpx
import pytest
from flask import Blueprint, g, jsonify

from creditlink.access.guard import require_access
from creditlink.sandbox.banks.bank import Authorization, DemoBank
from tests import serving
from tests.oauth import flow


@pytest.fixture
def app(app):
    """The application, with one resource of its own."""
    resource = Blueprint("resource", __name__)

    @resource.route("/v1/resource", methods=["GET", "POST"])
    @require_access("profile:read")
    def read():
        return jsonify(client_id=g.access.client_id, consent_id=str(g.access.consent_id))

    app.register_blueprint(resource)
    return app


@pytest.fixture
def firm(empty_database) -> flow.Firm:
    return flow.make_firm(empty_database)


@pytest.fixture
def http(app):
    """Requests into the application of this process."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


@pytest.fixture
def make_bank(empty_database, http):
    return partial(flow.register_bank, empty_database, http)


@pytest.fixture
def bank(make_bank) -> DemoBank:
    return make_bank()


@pytest.fixture
def approve(app, firm):
    """Open the page and approve; return the callback address."""

    def run(bank: DemoBank, authorization: Authorization, **values) -> str:
        return flow.decide(app, values.pop("firm", firm), flow.open_page(bank, authorization), **values)

    return run


@pytest.fixture
def authorized(approve):
    """Run the whole flow and return the authorization with its tokens."""

    def run(bank: DemoBank, *, scope=flow.SCOPE, **values) -> Authorization:
        authorization = bank.push(flow.details(**values), scope=scope)
        bank.exchange(bank.code_from(approve(bank, authorization), authorization), authorization)
        return authorization

    return run


@pytest.fixture
def clock(monkeypatch):
    """Set the time of this process, for the server and for the bank."""

    def at(instant) -> None:
        monkeypatch.setattr("creditlink.sandbox.banks.wire.time.time", instant.timestamp)
        monkeypatch.setattr("creditlink.oauth.routes.utc_now", lambda: instant)
        monkeypatch.setattr("creditlink.access.guard.utc_now", lambda: instant)

    return at


@pytest.fixture(scope="module")
def two_addresses(database, tmp_path_factory):
    """Where two more processes serve the same database; they start slowly, so a file's tests share them."""
    with serving.serve(serving.environment(database, tmp_path_factory.mktemp("servers")), processes=2) as addresses:
        yield addresses


@pytest.fixture
def two_servers(app, empty_database, two_addresses):
    """Two more processes on the same database, as connections of two banks' gateways."""
    first, second = two_addresses
    with httpx.Client(base_url=first, timeout=30) as one, httpx.Client(base_url=second, timeout=30) as two:
        yield one, two
