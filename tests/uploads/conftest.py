"""A firm at its pages with a file, a bank with its consent, and offices that answer or do not."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import date

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import undefer
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from creditlink.enterprises.accounts import hash_password
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import add_months, day_of, last_complete_month, utc_now
from creditlink.kit.postgres import db
from creditlink.uploads import tasks
from creditlink.uploads.tables import Upload
from tests import factories as make
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.profiles.conftest import authorized, bank, city, delivered, firm, http, products, rich_firm
from tests.uploads import exports
from tests.uploads.exports import DECLARATION_HEADER, declaration

__all__ = ["authorized", "bank", "city", "delivered", "firm", "http", "products", "rich_firm"]

PAGE = "/portal/uploads"


@dataclass
class Uploader:
    """A person of the firm with a browser."""

    person: Person
    firm: flow.Firm

    @property
    def uscc(self):
        return self.firm.enterprise.uscc

    def send(self, content, *, name="export.xlsx", unaltered="yes", enterprise=None):
        """Send a file with the page's form; return the answer."""
        self.person.get(f"{PAGE}?lang=en")
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.person.page.text)
        data = {
            "csrf_token": token.group(1) if token else "", "enterprise": enterprise or str(self.firm.enterprise.id),
            "unaltered": unaltered, "file": FileStorage(io.BytesIO(content), name),
        }  # fmt: skip
        # Encoded here: the client would spool a large body into a file that nobody closes.
        boundary, body = encode_multipart(data)
        kind = f"multipart/form-data; boundary={boundary}"
        self.person.page = self.person.client.post(PAGE, data=body, content_type=kind)
        return self.person.page

    def upload(self, content, **options):
        """Send a file, have the worker read it, and return the row."""
        answer = self.send(content, **options)
        assert answer.status_code == 303, answer.text
        wire_id = re.search(r"upl_[0-9a-f]{32}", answer.headers["Location"])[0]
        row = stored(wire_id)
        tasks.read_file(str(row.id))
        return stored(wire_id)

    def see(self, upload, lang="en"):
        return self.person.get(f"{PAGE}/{upload.wire_id}?enterprise={self.firm.enterprise.id}&lang={lang}").text

    def withdraw(self, upload):
        self.see(upload)
        return self.person.post(f"{PAGE}/{upload.wire_id}/withdraw", enterprise=str(self.firm.enterprise.id))


def stored(wire_id) -> Upload:
    with db.transaction("owner") as session:
        return next(
            one for one in session.scalars(select(Upload).options(undefer(Upload.content))) if one.wire_id == wire_id
        )


def sweep():
    """Do what the worker does every few seconds."""
    tasks.sweep(0)


@pytest.fixture
def uploader(app, firm):
    with db.transaction("owner") as session:
        session.execute(
            update(Account).where(Account.id == firm.account.id).values(password_hash=hash_password(make.PASSWORD))
        )
    person = Person(app.test_client(), firm.account)
    assert person.sign_in().status_code == 303
    return Uploader(person, firm)


def months(count: int, *, back: int = 0) -> list[date]:
    """Return the last whole months, the oldest first."""
    last = add_months(last_complete_month(utc_now()), -back)
    return [add_months(last, -k) for k in reversed(range(count))]


def declared(uscc, wanted, *, sales_fen=12_345_600, **values) -> bytes:
    """A workbook of monthly declarations, filed as early as they can be."""
    today = day_of(utc_now())
    rows = [
        declaration(uscc, month, sales_fen=sales_fen, filed=min(add_months(month, 1).replace(day=10), today), **values)
        for month in wanted
    ]
    return exports.xlsx(("申报", DECLARATION_HEADER, rows))
