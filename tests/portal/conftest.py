"""A person with a browser at the pages of a running application, and a bank that asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest

from creditlink.access.opaque import REQUEST_URI, hash_of, new_secret
from creditlink.consents import service as consents
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.oauth import service as oauth
from creditlink.oauth.tables import PushedRequest
from tests import factories as make


@dataclass
class Person:
    """A test client with the habits of a browser: it sends the tokens of the forms it was shown."""

    client: object
    account: object = None
    page: object = None

    def get(self, path, **options):
        self.page = self.client.get(path, **options)
        return self.page

    def post(self, path, *, token=None, headers=None, **fields):
        if token is None:
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.page.text if self.page else "")
            token = found.group(1) if found else ""
        self.page = self.client.post(path, data=fields | {"csrf_token": token}, headers=headers)
        return self.page

    def sign_in(self, login=None, password=make.PASSWORD, **fields):
        self.get("/portal/sign-in?lang=en")
        return self.post("/portal/sign-in", login=login or self.account.login, password=password, **fields)


@pytest.fixture
def person(app):
    """A person with an account, not signed in."""
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
    return Person(app.test_client(), account)


@pytest.fixture
def owner(person):
    """A person who acts for one firm and is signed in."""
    with db.transaction("owner") as session:
        person.firm = make.make_enterprise(session)
        make.make_representation(session, person.firm, person.account)
    assert person.sign_in().status_code == 303
    return person


@dataclass
class Bank:
    """A bank's client whose request was pushed and opened: the firm's browser is on its way to us."""

    app: object
    client: object
    institution: object

    def asks(self, *, state="xyz", amends=None, **details):
        """Return the path of the page, and the request as stored."""
        now = utc_now()
        with self.app.app_context(), db.transaction("owner") as session:
            asked = make.make_details(**{"valid_until": now + timedelta(days=30)} | details)
            consent = consents.request_consent(session, client=self.client, details=asked, amends=amends, now=now)
            request_uri = new_secret(REQUEST_URI)
            session.add(
                PushedRequest(
                    request_uri_hash=hash_of(request_uri),
                    client_id=self.client.client_id,
                    consent_id=consent.id,
                    redirect_uri=self.client.redirect_uris[0],
                    scopes=["profile:create"],
                    state=state,
                    code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                    details=asked.as_json(),
                    created_at=now,
                    expires_at=now + timedelta(minutes=5),
                )
            )
            session.flush()
            handle = oauth.open_request(session, client_id=self.client.client_id, request_uri=request_uri, now=now)
        return f"/portal/authorize/{handle}", consent


@pytest.fixture
def bank(app):
    """A bank that may ask for consent."""
    with db.transaction("owner") as session:
        institution = make.make_institution(session, name_en="First River Bank", name_zh="第一江河银行")
        client = make.make_client(session, institution)
    return Bank(app, client, institution)
