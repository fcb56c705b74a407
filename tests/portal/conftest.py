"""A person with a browser at the pages of a running application, and a bank that asks."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from creditlink import db
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
