"""Discovery over HTTP: a bank's own products only, with its own scope, and nothing but counts."""

from __future__ import annotations

import httpx
import pytest

from creditlink.products import service
from creditlink.sandbox.bank import public_jwks
from tests import factories
from tests.oauth import flow


@pytest.fixture
def bank(app, empty_database):
    """Return what makes the software of an institution of some code, with a token for some scope."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def make(code, scope="discovery:count"):
            with empty_database.transaction("owner") as session:
                institution = factories.make_institution(session, code=code)
                client = factories.make_client(
                    session, institution, scopes=["discovery:count", "financing:read"],
                    jwks=public_jwks(flow.KEYS["ES256"]),
                )  # fmt: skip
                bank = flow.DemoBank(
                    client_id=client.client_id,
                    redirect_uri=client.redirect_uris[0],
                    issuer=flow.ISSUER,
                    key=flow.KEYS["ES256"],
                    http=http,
                )
            token = bank.in_own_name(scope=scope)
            return lambda product: bank.call("GET", f"/v1/discovery/products/{product}", token)

        yield make


@pytest.fixture
def offered(make_plan, town, screened, monkeypatch, app):
    """Offer the products of the screened town, whose results lie where the server looks."""
    plan = make_plan(town, screened)
    by_code = {terms.code: terms for terms in plan.products}
    listing = type("Held", (), {"by_code": by_code})
    monkeypatch.setattr(service, "listing", lambda session, settings: listing)
    monkeypatch.setattr("creditlink.screening.routes.results_folder", lambda settings: screened)
    return list(by_code.values())


def test_a_bank_counts_for_its_own_product_and_for_no_other(bank, offered):
    terms = offered[0]
    other = next(one for one in offered if one.institution_code != terms.institution_code)
    ask = bank(terms.institution_code)
    answer = ask(terms.code)
    assert answer.status_code == 200
    assert answer.json()["product"] == terms.code
    assert answer.json()["population"] == 200
    assert ask(other.code).status_code == ask("NO-SUCH").status_code == 404


def test_another_scope_does_not_open_it(bank, offered):
    answer = bank(offered[0].institution_code, "financing:read")(offered[0].code)
    assert answer.status_code == 403
