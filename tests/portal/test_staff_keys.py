"""A security key stands in for the one-time code; a copied, foreign or stale one does not."""

import html
import re

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.staff import people
from tests.portal.test_staff import ben, sign_in
from tests.staff.authenticator import SoftKey

__all__ = ["ben"]


@pytest.fixture
def key(settings):
    return SoftKey(settings.issuer, "127.0.0.1")


def options(page):
    return html.unescape(re.search(r'data-options="([^"]+)"', page.text).group(1))


@pytest.fixture
def registered(ben, key):
    """`ben` with a security key, signed out."""
    sign_in(ben)
    shown = ben.get("/portal/staff/keys?lang=en")
    assert "script-src 'self'" in shown.headers["Content-Security-Policy"]
    assert ben.post("/portal/staff/keys", credential=key.create(options(shown)), name="blue").status_code == 303
    ben.get("/portal/staff/?lang=en")
    ben.post("/portal/staff/sign-out")
    return ben


def second_step(ben):
    assert sign_in(ben, totp="").headers["Location"].endswith("/second-step")
    return ben.get("/portal/staff/second-step")


def test_it_signs_in_without_a_code(registered, key):
    answer = key.get(options(second_step(registered)))
    arrived = registered.post("/portal/staff/second-step", credential=answer)
    assert arrived.headers["Location"].endswith("/portal/staff/")
    assert "My desk" in registered.get("/portal/staff/?lang=en").text
    assert "script-src" not in registered.page.headers["Content-Security-Policy"]


def refused(ben, answer):
    there = ben.post("/portal/staff/second-step", credential=answer)
    assert there.headers["Location"].endswith("/portal/staff/sign-in")
    assert ben.get("/portal/staff/").status_code == 303


def test_what_is_no_answer_does_not(registered, key, settings):
    for attack in ("", "{}", "[]", "null", "x" * 20_000, '{"id": 1}'):
        second_step(registered)
        refused(registered, attack)
    other = SoftKey(settings.issuer, "127.0.0.1")
    refused_by = second_step(registered)
    refused(registered, other.get(options(refused_by)))


def test_another_site_s_answer_does_not(registered, key):
    key._origin = "https://evil.example"
    refused(registered, key.get(options(second_step(registered))))


def test_an_answer_is_good_once_and_for_its_own_challenge(registered, key):
    old = key.get(options(second_step(registered)))
    second_step(registered)
    refused(registered, old)


def test_a_copy_is_noticed_by_its_counter(registered, key):
    key.count = 7
    registered.post("/portal/staff/second-step", credential=key.get(options(second_step(registered))))
    assert registered.get("/portal/staff/?lang=en").status_code == 200
    registered.post("/portal/staff/sign-out")
    key.count = 3
    refused(registered, key.get(options(second_step(registered))))


def test_a_wrong_password_leads_nowhere(registered):
    assert sign_in(registered, totp="", password="wrong").status_code == 401


def test_suspension_ends_it(registered, key):
    shown = options(second_step(registered))
    with db.transaction("owner") as session:
        people.move(session, "ben", "suspended", by=registered.dan, reason="x", now=utc_now())
    refused(registered, key.get(shown))


def test_adding_one_takes_a_code_that_was_given_lately(ben, key):
    sign_in(ben)
    shown = ben.get("/portal/staff/keys?lang=en")
    answer = key.create(options(shown))
    assert ben.post("/portal/staff/keys", credential="{}", name="x").status_code == 422
    assert ben.post("/portal/staff/keys", credential=answer, name="x").status_code == 422, "another challenge"
