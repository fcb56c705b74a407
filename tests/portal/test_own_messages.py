"""A person's notices on the site, and the addresses where they also go."""

import json
import re

import pytest
from sqlalchemy import text

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.messages import service
from tests import factories as make
from tests.messages.conftest import run_all
from tests.portal.conftest import Person
from tests.portal.test_recovery import enrolled

SETTINGS = "/portal/messages/settings"


@pytest.fixture
def letters(settings):
    def sent(channel="email"):
        run_all(settings)
        file = settings.var_dir / "outbox" / f"{channel}.jsonl"
        found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [re.search(r"/portal/confirm/[\w-]+", one["text"])[0] for one in found if "/confirm/" in one["text"]]

    return sent


@pytest.fixture
def asks(owner):
    def run(address, channel="email", password=make.PASSWORD, **more):
        owner.get(SETTINGS)
        return owner.post("/portal/messages/addresses", channel=channel, address=address, password=password, **more)

    return run


def test_an_address_is_theirs_once_they_opened_the_link_signed_in(owner, asks, letters, app):
    assert asks("li@firm.example").status_code == 303
    (link,) = letters()
    assert owner.get(SETTINGS).text.count("li@firm.example") == 0
    # Whoever got the mail by mistake, signed in as themselves, takes over nothing.
    stranger = Person(app.test_client())
    with db.transaction("owner") as session:
        stranger.account = make.make_account(session, password=make.PASSWORD)
    assert stranger.get(link).status_code == 303
    stranger.sign_in()
    assert stranger.get(link).status_code == 404
    stranger.get("/portal/security")
    assert stranger.post(link).status_code == 404
    assert "li@firm.example" in owner.get(link).text
    assert owner.post(link).status_code == 303
    assert "li@firm.example" in owner.get(SETTINGS).text
    owner.get(SETTINGS)
    assert owner.post(link).status_code == 404
    asks("wang@firm.example")  # until the new one is confirmed, the old one stays, and is told
    assert "li@firm.example" in owner.get(SETTINGS).text


@pytest.mark.parametrize(("channel", "address"), [
    ("email", "no address"), ("email", "a@b"), ("email", "a@b.example\r\nBcc: c@d.example"),
    ("email", "李@firm.example"),
    ("email", "a@" + "b" * 300 + ".example"), ("sms", "12345"), ("sms", "+8612345678901"), ("wechat", "a b c d e f"),
    ("fax", "123"), ("", ""),
])  # fmt: skip
def test_what_is_no_address_is_not_taken(asks, letters, channel, address):
    assert asks(address, channel).status_code == 422
    assert letters() == []


def test_a_stolen_session_adds_none(owner, asks, letters, settings):
    assert asks("thief@x.example", password="guess").status_code == 422
    codes = enrolled(owner.account, settings)
    assert asks("thief@x.example").status_code == 422
    assert letters() == []
    assert asks("13800138000", "sms", totp=codes.now()).status_code == 303
    assert len(letters("sms")) == 1


def test_nobodys_phone_is_rung_all_night(asks, letters):
    answers = [asks("13800138000", "sms").status_code for _ in range(5)]
    assert answers == [303] * 3 + [429] * 2
    assert len(letters("sms")) == 3


def test_notices_are_shown_marked_and_preferred(owner, asks, letters, app):
    now = utc_now()
    with db.transaction("owner") as session:
        service.tell(session, owner.account.id, "offer_arrived", now, page="/portal/financing", about="1")
    page = owner.get("/portal/messages?lang=en")
    assert "An offer has arrived" in page.text
    assert 'href="/portal/financing"' in page.text
    assert page.text.count('class="tag"') == 2  # this one, and the first sign-in
    assert owner.post("/portal/messages/read").status_code == 303
    assert 'class="tag"' not in owner.get("/portal/messages").text
    asks("li@firm.example")
    owner.get(letters()[-1])
    owner.post(letters()[-1])
    owner.get(SETTINGS)
    assert owner.post(SETTINGS, email="consent_ending").status_code == 303
    with db.transaction("owner") as session:
        kept = session.scalar(text("SELECT kinds FROM person_channels"))
    assert kept == ["consent_ending", "new_device", "access_changed"]
    owner.get(SETTINGS)
    assert owner.post("/portal/messages/addresses/email/end").status_code == 303
    assert "li@firm.example" not in owner.get(SETTINGS).text
