"""A bank at the authorization server: in this process, through httpx, without a network."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest

from creditlink import db
from creditlink.clock import utc_now
from creditlink.consents import service as consents
from creditlink.consents.statement import statement
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.oauth import service as oauth
from creditlink.sandbox.bank import Authorization, DemoBank, new_key, public_jwks
from tests import factories

ISSUER = "http://127.0.0.1:8000"
SCOPE = "profile:create profile:read consent:read grant_management_query grant_management_revoke"
REDIRECT_URI = "https://bank.example/callback"
# Keys are slow to make and carry no state.
KEYS = {name: new_key(name) for name in ("ES256", "PS256", "EdDSA")}


def details(**values) -> list[dict]:
    """What a bank asks for, live from now."""
    from datetime import timedelta

    return [
        {
            "type": "enterprise_credit_profile",
            "categories": ["registration", "tax"],
            "purpose": "underwriting",
            "history_months": 24,
            "valid_until": (utc_now() + timedelta(days=20)).isoformat(timespec="seconds"),
        }
        | values
    ]


@dataclass
class Firm:
    """A firm and the person who acts for it."""

    enterprise: Enterprise
    account: Account


@pytest.fixture
def firm(empty_database) -> Firm:
    with empty_database.transaction("owner") as session:
        enterprise = factories.make_enterprise(session)
        account = factories.make_account(session)
        factories.make_representation(session, enterprise, account)
    return Firm(enterprise, account)


@pytest.fixture
def http(app):
    """Requests into the application of this process."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER) as client:
        yield client


@pytest.fixture
def make_bank(empty_database, http):
    """Register a client of a new institution and return its software."""

    def make(algorithm="ES256", *, dpop="ES256", key=None, connection=None, **values) -> DemoBank:
        key = key or KEYS[algorithm]
        with empty_database.transaction("owner") as session:
            row = factories.make_client(
                session,
                **{"jwks": public_jwks(key), "redirect_uris": [REDIRECT_URI], "scopes": SCOPE.split()} | values,
            )
        return DemoBank(
            client_id=row.client_id,
            redirect_uri=row.redirect_uris[0],
            issuer=ISSUER,
            key=key,
            dpop_key=KEYS[dpop] if dpop != "ES256" else new_key("ES256"),
            http=connection or http,
        )

    return make


@pytest.fixture
def bank(make_bank) -> DemoBank:
    return make_bank()


@pytest.fixture
def approve(app, firm):
    """Do what the consent page does when the firm approves; return where the browser goes."""

    def run(bank: DemoBank, authorization: Authorization, *, firm: Firm = firm, categories=None, now=None) -> str:
        handle = open_page(bank, authorization)
        now = now or utc_now()
        with app.test_request_context(), db.transaction("api") as session:
            pending = oauth.load_pending(session, handle, now)
            consent = session.get_one(Consent, pending.consent_id)
            shown = statement(consent.details(), institution_zh="银行", institution_en="Bank", template=None, lang="zh")
            consent = consents.approve(
                session,
                consent,
                account=session.get_one(Account, firm.account.id),
                enterprise=session.get_one(Enterprise, firm.enterprise.id),
                categories=categories or consent.categories_asked,
                shown=shown,
                now=now,
            )
            return oauth.finish_authorization(session, pending, consent, firm.account, now)

    return run


def open_page(bank: DemoBank, authorization: Authorization) -> str:
    """Follow the authorization address; return the handle of the page it leads to."""
    response = bank.http.get(bank.authorize_url(authorization).removeprefix(bank.issuer))
    assert response.status_code == 303, response.text
    assert response.headers["Location"].startswith("/portal/authorize/")
    return response.headers["Location"].removeprefix("/portal/authorize/")


@pytest.fixture
def authorized(approve):
    """Run the whole flow and return the authorization with its tokens."""

    def run(bank: DemoBank, *, scope=SCOPE, **values) -> Authorization:
        authorization = bank.push(details(**values), scope=scope)
        bank.exchange(bank.code_from(approve(bank, authorization), authorization), authorization)
        return authorization

    return run
