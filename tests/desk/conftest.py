"""An institution with a desk and its people, a firm with a person of its own, and facts in the store."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from creditlink.access.opaque import hash_of
from creditlink.audit.tables import AuditEntry
from creditlink.desk.people import people
from creditlink.desk.tables import DeskPerson, DeskRequest
from creditlink.desk.wire.opening import open_desk
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.records.store import save_facts
from tests import factories as make
from tests.portal.conftest import Person
from tests.portal.test_staff import TOTP, code
from tests.profiles.conftest import CORE, city, facts_of, nothing_public, rich_firm, store_pull
from tests.serving import ISSUER

__all__ = ["CORE", "city", "rich_firm"]
DESK = "/portal/desk"


@dataclass
class Lender(Person):
    """A person of an institution at a browser; `url` is the institution's code."""

    institution: object = None

    def sign_in(self, **fields):
        self.get(f"{DESK}/sign-in?lang=en")
        sent = {"login": self.account.login, "password": make.PASSWORD, "totp": code(-1)} | fields
        return self.post(f"{DESK}/sign-in", **sent)


def add_lender(app, settings, institution, login, *roles) -> Lender:
    """Return a person of an institution with password and codes, not signed in."""
    now = utc_now()
    with db.transaction("owner") as session:
        people.invite_first(
            session, institution, login=login, display_name=login.title(), roles=roles, actor="operator", now=now
        )
        account = accounts.by_login(session, login)
        account.password_hash = accounts.hash_password(make.PASSWORD)
        accounts.enroll_totp(account, TOTP, key=settings.secret_key)
        person = session.get_one(DeskPerson, account.id)
        person.status, person.invitation_hash, person.changed_at = "active", None, make.NOW
    return Lender(app.test_client(), account, institution=institution)


def open_for(settings, institution) -> None:
    with db.transaction("owner") as session:
        open_desk(
            session, session.get_one(Institution, institution.id), issuer=settings.issuer, secret=settings.secret_key,
            actor="operator", now=utc_now(),
        )  # fmt: skip


def make_bank(settings, **values):
    with db.transaction("owner") as session:
        institution = make.make_institution(session, **values)
    open_for(settings, institution)
    return institution


@pytest.fixture
def institution(app, settings):
    return make_bank(settings, name_en="River Bank", name_zh="江河银行")


@pytest.fixture
def lin(app, settings, institution):
    """A lender, signed in."""
    person = add_lender(app, settings, institution, "lin", "lender")
    assert person.sign_in().status_code == 303
    return person


@pytest.fixture
def owner(app):
    """A person who acts for one firm and is signed in."""
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        firm = make.make_enterprise(session)
        make.make_representation(session, firm, account)
    person = Person(app.test_client(), account)
    person.firm = firm
    assert person.sign_in().status_code == 303
    return person


def ask(lender, **fields) -> str:
    """Ask a firm as the form does; return the path of its page."""
    lender.get(f"{DESK}/ask?lang=en")
    asked = {
        "label": "Hardware No. 3", "channel": "inbox", "purpose": "underwriting", "days": "20", "months": "24",
        "category": list(CORE), "binding": "L-2026-7",
    }  # fmt: skip
    answer = lender.post(f"{DESK}/ask", **asked | fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def approve(owner) -> str:
    """Agree to the one request in the inbox; return the consent's id."""
    path = re.search(r"/portal/inbox/cns_[0-9a-f]+", owner.get("/portal/inbox").text).group()
    owner.get(path)
    assert owner.post(path, decision="approve", category=[]).status_code == 303
    return path.rsplit("/", 1)[1]


def polled_long_ago() -> None:
    """Let the pages look for an answer again at once."""
    with db.transaction("owner") as session:
        for row in session.scalars(select(DeskRequest)):
            row.polled_at = None
        from creditlink.oauth.tables import PushedRequest

        for row in session.scalars(select(PushedRequest)):
            row.polled_at = None


def deliver(city, rich_firm, consent_id: str) -> None:
    """Leave behind what a finished pull leaves."""
    from creditlink.consents.tables import Consent
    from creditlink.kit.ids import internal

    now = utc_now()
    with db.transaction("owner") as session:
        consent = session.get_one(Consent, internal("cns", consent_id))
        for category in CORE:
            save_facts(
                session, facts_of(city, rich_firm, (category,)), enterprise_id=consent.enterprise_id, source=category,
                pull_id=None, now=now,
            )  # fmt: skip
        store_pull(session, consent, nothing_public() | dict.fromkeys(CORE, "DELIVERED"), now)


@pytest.fixture
def agreed(lin, owner, city, rich_firm):
    """A firm that agreed in its inbox, with facts; the path of its page at the desk."""
    path = ask(lin, uscc=owner.firm.uscc)
    consent_id = approve(owner)
    deliver(city, rich_firm, consent_id)
    polled_long_ago()
    assert lin.get(path).status_code == 200
    lin.consent_id = consent_id
    return path


def calls() -> list[tuple[str, str, str]]:
    """Return who called what by the desk: actor, method and path."""
    with db.transaction("owner") as session:
        wanted = select(AuditEntry).where(AuditEntry.action == "desk.call").order_by(AuditEntry.seq)
        return [(one.actor, one.detail["method"], one.detail["path"]) for one in session.scalars(wanted)]


def account_named(login) -> Account:
    with db.transaction("owner") as session:
        return accounts.by_login(session, login)


__all__ += ["ISSUER", "account_named", "hash_of"]
