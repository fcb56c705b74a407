"""A lender's security key stands in for the one-time code at the desk's own door, and at no other."""

import html
import re

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.kit.postgres import db
from tests.desk.conftest import DESK, add_lender
from tests.staff.authenticator import SoftKey


@pytest.fixture
def key(settings):
    return SoftKey(settings.issuer, "127.0.0.1")


def options(page):
    return html.unescape(re.search(r'data-options="([^"]+)"', page.text).group(1))


@pytest.fixture
def registered(lin, key):
    """`lin` with a security key, signed out."""
    shown = lin.get(f"{DESK}/keys?lang=en")
    assert "script-src 'self'" in shown.headers["Content-Security-Policy"]
    made = lin.post(f"{DESK}/keys", credential=key.create(options(shown)), name="blue")
    assert made.headers["Location"].endswith(f"{DESK}/keys")
    assert "<strong>blue</strong>" in lin.get(f"{DESK}/keys").text
    lin.post(f"{DESK}/sign-out")
    return lin


def second_step(lin):
    assert lin.sign_in(totp="").headers["Location"].endswith(f"{DESK}/second-step")
    return lin.get(f"{DESK}/second-step")


def refused(lin, answer):
    assert lin.post(f"{DESK}/second-step", credential=answer).headers["Location"].endswith(f"{DESK}/sign-in")
    assert lin.get(f"{DESK}/firms").status_code == 303


def test_it_signs_in_without_a_code(registered, key):
    arrived = registered.post(f"{DESK}/second-step", credential=key.get(options(second_step(registered))))
    assert arrived.headers["Location"].endswith(f"{DESK}/")
    assert registered.get(f"{DESK}/firms").status_code == 200
    with db.transaction("owner") as session:
        wanted = select(AuditEntry.actor).where(AuditEntry.action == "desk.authenticator")
        assert session.scalars(wanted).all() == [f"lender:{registered.account.id}"]


def test_an_old_a_foreign_and_a_colleagues_answer_do_not(app, settings, institution, registered, key):
    old = key.get(options(second_step(registered)))
    second_step(registered)
    refused(registered, old)
    refused_by = second_step(registered)
    refused(registered, SoftKey(settings.issuer, "127.0.0.1").get(options(refused_by)))
    other = add_lender(app, settings, institution, "mei", "lender")
    other.sign_in()
    mine = SoftKey(settings.issuer, "127.0.0.1")
    other.post(f"{DESK}/keys", credential=mine.create(options(other.get(f"{DESK}/keys"))), name="red")
    refused(registered, mine.get(options(second_step(registered))))
    assert registered.sign_in(totp="", password="wrong").status_code == 401


def test_a_key_of_the_desk_opens_no_door_of_staff(registered):
    second_step(registered)
    assert registered.get("/portal/staff/second-step").headers["Location"].endswith("/portal/staff/sign-in")


def test_a_removed_key_does_not_and_only_its_owner_removes_it(app, settings, institution, registered, key):
    registered.post(f"{DESK}/second-step", credential=key.get(options(second_step(registered))))
    removed = re.search(rf"{DESK}/keys/key_\w+/end", registered.get(f"{DESK}/keys").text).group()
    other = add_lender(app, settings, institution, "mei", "lender")
    other.sign_in()
    other.get(f"{DESK}/keys")
    assert other.post(removed).status_code == 404
    assert registered.post(removed).status_code == 303
    registered.get(f"{DESK}/keys")
    registered.post(f"{DESK}/sign-out")
    assert registered.sign_in(totp="").status_code == 401


def test_adding_one_takes_the_challenge_of_this_page_and_a_code_of_late(lin, key, monkeypatch):
    from datetime import timedelta

    from creditlink.portal.person import stepup

    answer = key.create(options(lin.get(f"{DESK}/keys?lang=en")))
    assert "not accepted" in lin.post(f"{DESK}/keys", credential="{}", name="x").text
    assert lin.post(f"{DESK}/keys", credential=answer, name="x").status_code == 422, "another challenge"
    monkeypatch.setattr(stepup, "STRONG_FOR", timedelta(0))
    fresh = key.create(options(lin.get(f"{DESK}/keys")))
    late = lin.post(f"{DESK}/keys", credential=fresh, name="x", totp="000000")
    assert late.status_code == 422
    assert "one-time code is wrong" in late.text
