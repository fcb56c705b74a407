"""A bank and a firm walking through an authorization, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import httpx

from creditlink.consents import service as consents
from creditlink.consents.agreement.statement import statement
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.oauth import service as oauth
from creditlink.sandbox.banks.bank import Authorization, DemoBank, new_key, public_jwks
from tests import factories
from tests.serving import ISSUER

SCOPE = "profile:create profile:read consent:read grant_management_query grant_management_revoke"
REDIRECT_URI = "https://bank.example/callback"
# Keys are slow to make and carry no state.
KEYS = {name: new_key(name) for name in ("ES256", "PS256", "EdDSA")}


def details(**values) -> list[dict]:
    """What a bank asks for, live from now."""
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


def make_firm(database) -> Firm:
    with database.transaction("owner") as session:
        enterprise = factories.make_enterprise(session)
        account = factories.make_account(session)
        factories.make_representation(session, enterprise, account)
    return Firm(enterprise, account)


def register_bank(database, http: httpx.Client, algorithm="ES256", *, dpop="ES256", key=None, **values) -> DemoBank:
    """Register a client of a new institution and return its software."""
    key = key or KEYS[algorithm]
    with database.transaction("owner") as session:
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
        http=http,
    )


def caller(database, http: httpx.Client, scope: str, *, scopes, **institution):
    """Register a client of a new institution; return what calls in its own name, with a token for `scope`."""
    with database.transaction("owner") as session:
        made = factories.make_institution(session, **institution)
    bank = register_bank(database, http, institution=made, scopes=scopes)
    token = bank.in_own_name(scope=scope)
    return lambda method, path, **more: bank.call(method, path, token, **more)


def open_page(bank: DemoBank, authorization: Authorization) -> str:
    """Follow the authorization address; return the handle of the page it leads to."""
    response = bank.http.get(bank.authorize_url(authorization).removeprefix(bank.issuer))
    assert response.status_code == 303, response.text
    assert response.headers["Location"].startswith("/portal/authorize/")
    return response.headers["Location"].removeprefix("/portal/authorize/")


def decide(app, firm: Firm, handle: str, *, approve=True, categories=None, now=None) -> str:
    """Do what the consent page does with the firm's decision; return where the browser goes."""
    now = now or utc_now()
    with app.test_request_context(), db.transaction("api") as session:
        pending = oauth.load_pending(session, handle, now)
        consent = session.get_one(Consent, pending.consent_id)
        if not approve:
            consents.reject(session, consent, actor=f"account:{firm.account.id}", reason="declined", now=now)
            return oauth.deny_authorization(session, pending, now)
        names = {"institution_zh": pending.institution.name_zh, "institution_en": pending.institution.name_en}
        shown = statement(consent.details(), **names, template=None, lang="zh")
        consent = approval.approve(
            session,
            consent,
            account=session.get_one(Account, firm.account.id),
            enterprise=session.get_one(Enterprise, firm.enterprise.id),
            categories=categories or consent.categories_asked,
            statement=shown,
            now=now,
        )
        return oauth.finish_authorization(session, pending, consent, firm.account, now)


def consent_of(authorization: Authorization):
    """Return the consent's id."""
    from creditlink.kit.ids import internal

    return internal("cns", authorization.grant_id)


def change_consent(authorization: Authorization, action: str) -> None:
    """Pause, resume or revoke as the firm does."""
    with db.transaction("api") as session:
        consent = session.get_one(Consent, consent_of(authorization))
        getattr(consents, action)(session, consent, actor="account:test", reason="test", now=utc_now())
