"""Whoever finds a weakness reads whom to tell, as RFC 9116 has it."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.settings import SettingError, load_settings
from creditlink.web.app import create_app

PATH = "/.well-known/security.txt"


@pytest.fixture
def served(settings, empty_database):
    """Ask an application whose settings name a contact until a day."""

    def ask(**values):
        return create_app(replace(settings, **values), empty_database).test_client().get(PATH)

    return ask


def test_says_whom_to_tell_and_until_when(served, settings):
    answer = served(security_contact="mailto:security@credit.example", security_expires=day_of(utc_now()))
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:security@credit.example"
    assert fields["Canonical"] == settings.issuer + PATH
    assert fields["Preferred-Languages"] == "zh, en"
    expires = datetime.fromisoformat(fields["Expires"])
    assert day_of(expires) - timedelta(days=1) == day_of(utc_now()), "to the end of that day in Shanghai"


def test_without_a_contact_or_after_its_day_there_is_none(served):
    assert served().status_code == 404
    yesterday = day_of(utc_now()) - timedelta(days=1)
    assert served(security_contact="https://credit.example/tell", security_expires=yesterday).status_code == 404


@pytest.mark.pure
@pytest.mark.parametrize(
    ("contact", "expires"),
    [("somebody", "2027-01-01"), ("mailto:a@b.example\nContact: mailto:evil@x.example", "2027-01-01"),
     ("mailto:a@b.example", "soon"), ("mailto:a@b.example", ""), ("", "2027-01-01"), ("http://b.example", "2027-01-01"),
     ("mailto:安@b.example", "2027-01-01")],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_at_the_start(tmp_path, contact, expires):
    env = {"CREDITLINK_SECURITY_CONTACT": contact, "CREDITLINK_SECURITY_EXPIRES": expires}
    with pytest.raises(SettingError, match="security_"):
        load_settings({"CREDITLINK_VAR_DIR": str(tmp_path), **env})


@pytest.mark.pure
def test_a_contact_with_its_day_is_taken(tmp_path):
    env = {"CREDITLINK_SECURITY_CONTACT": "mailto:a@b.example", "CREDITLINK_SECURITY_EXPIRES": "2027-01-01"}
    assert load_settings({"CREDITLINK_VAR_DIR": str(tmp_path), **env}).security_expires == date(2027, 1, 1)
