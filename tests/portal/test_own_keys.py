"""Security keys of firms' people: the same code as at the desks, at the firms' own door."""

import html
import re

import pyotp
import pytest

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.postgres import db
from tests import factories as make
from tests.portal.conftest import Person
from tests.portal.test_recovery import enrolled, told
from tests.staff.authenticator import SoftKey


@pytest.fixture
def key(settings):
    return SoftKey(settings.issuer, "127.0.0.1")


def options(page):
    return html.unescape(re.search(r'data-options="([^"]+)"', page.text).group(1))


@pytest.fixture
def registered(owner, key, settings):
    """A representative with codes and a security key, signed out."""
    owner.totp = enrolled(owner.account, settings)
    shown = owner.get("/portal/security/keys?lang=en")
    assert "script-src 'self'" in shown.headers["Content-Security-Policy"]
    made = owner.post(
        "/portal/security/keys", credential=key.create(options(shown)), name="blue", totp=owner.totp.now()
    )
    assert made.status_code == 303
    owner.get("/portal/")
    owner.post("/portal/sign-out")
    return owner


def test_it_signs_in_without_a_code_and_leads_where_one_was_going(registered, key):
    registered.get("/portal/sign-in?next=/portal/inbox")
    login = registered.account.login
    answer = registered.post("/portal/sign-in", next="/portal/inbox", login=login, password=make.PASSWORD)
    assert answer.headers["Location"].endswith("/portal/second-step")
    assert registered.get("/portal/").status_code == 303  # not signed in yet
    credential = key.get(options(registered.get("/portal/second-step")))
    assert registered.post("/portal/second-step", credential=credential).headers["Location"] == "/portal/inbox"
    assert registered.get("/portal/").status_code == 200
    assert told(registered).count("access_changed") == 1


def test_no_second_factor_is_no_way_around_it(registered, app, settings):
    """The attack: a wrong code beside the right password, so that the key is not asked for."""
    for code in ("000000", "x", "BCDF-GHJK-LMNP-QRST"):
        assert registered.sign_in(totp=code).status_code == 401
    other = SoftKey(settings.issuer, "127.0.0.1")
    registered.sign_in()
    credential = other.get(options(registered.get("/portal/second-step")))
    assert registered.post("/portal/second-step", credential=credential).headers["Location"].endswith("/sign-in")


def test_a_password_that_was_set_meanwhile_ends_the_second_step(registered, key):
    registered.sign_in()
    credential = key.get(options(registered.get("/portal/second-step")))
    with db.transaction("owner") as session:
        account = session.get_one(Account, registered.account.id)
        account.password_hash = accounts.hash_password("another long password")
    assert registered.post("/portal/second-step", credential=credential).headers["Location"].endswith("/sign-in")
    assert registered.get("/portal/").status_code == 303


def test_a_door_takes_its_own_people_only(registered, key, app):
    """A step begun at the firms' door is not finished at the staff's."""
    registered.sign_in()
    shown = registered.get("/portal/second-step")
    assert registered.get("/portal/staff/second-step").headers["Location"].endswith("/staff/sign-in")
    registered.get("/portal/second-step")
    answer = registered.post("/portal/staff/second-step", credential=key.get(options(shown)))
    assert answer.headers["Location"].endswith("/staff/sign-in")


def test_it_takes_codes_first_and_a_fresh_one_and_is_removed_without(owner, key, settings, app):
    shown = owner.get("/portal/security/keys?lang=en")
    assert owner.post("/portal/security/keys", credential=key.create(options(shown)), name="x").status_code == 422
    codes: pyotp.TOTP = enrolled(owner.account, settings)
    shown = owner.get("/portal/security/keys?lang=en")
    assert owner.post("/portal/security/keys", credential=key.create(options(shown)), name="x").status_code == 422
    shown = owner.get("/portal/security/keys?lang=en")
    done = owner.post("/portal/security/keys", credential=key.create(options(shown)), name="x", totp=codes.now())
    assert done.status_code == 303
    (way,) = re.findall(r'action="(/portal/security/keys/key_\w+/end)"', owner.get("/portal/security/keys").text)
    stranger = Person(app.test_client())
    with db.transaction("owner") as session:
        stranger.account = make.make_account(session, password=make.PASSWORD)
    stranger.sign_in()
    stranger.get("/portal/security")
    assert stranger.post(way).status_code == 404
    assert owner.post(way).status_code == 303
