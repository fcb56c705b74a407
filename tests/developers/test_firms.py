"""Every scripted firm does what its page says: asked in its inbox, its records fetched, its profile computed."""

from __future__ import annotations

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.ids import internal
from creditlink.kit.uscc import check
from creditlink.portal.developers import script
from creditlink.portal.developers.script import FIRMS
from creditlink.records.pulls import fetching
from creditlink.sandbox.banks.bank import BankError
from tests.oauth import flow

SCOPE = "profile:create profile:read"


@pytest.fixture
def ask(make_developer, firms, offices):
    """Ask a firm as a developer; return the bank's software and the request, with tokens if the firm agreed."""
    bank = make_developer().bank

    def run(firm):
        details = flow.details(
            uscc=firm.uscc, categories=[*script.REQUIRED, *script.OPTIONAL], history_months=36, pulls_per_month=3,
            optional_categories=list(script.OPTIONAL), actions=["profile", "match"],
        )  # fmt: skip
        waiting = bank.ask_in_inbox(details, scope=SCOPE, login_hint=firm.uscc)
        try:
            return bank, waiting, "tokens" if bank.poll(waiting) else "authorization_pending"
        except BankError as error:
            return bank, waiting, error.code

    run.sources = offices
    return run


def test_each_does_what_its_page_says(ask):
    """All in one run: the work of a sandbox on one afternoon."""
    seen, said = {}, {}
    for firm in FIRMS:
        expected = firm.expected
        bank, waiting, poll = ask(firm)
        seen[firm.slug], said[firm.slug] = [poll], [expected.poll]
        if expected.profile is None:
            continue
        fetching.run_pull(internal("cns", waiting.grant_id), ask.sources, utc_now)
        made = bank.call("POST", "/v1/profiles", waiting, json={})
        body = made.json()
        seen[firm.slug] += [made.status_code, body.get("state")]
        said[firm.slug] += [expected.profile, expected.state]
        if made.status_code != 201:
            continue
        seen[firm.slug] += [
            {name: body["coverage"][name]["status"] for name, _ in expected.coverage},
            tuple(one["code"] for one in body["knock_outs"]),
            body["grade"] in expected.grades or body["grade"],
            set(expected.reasons) - {one["code"] for one in body["reasons"]},
            bank.call("GET", f"/v1/profiles/{body['id']}", waiting).json().get("reason"),
        ]
        no_grade = None if not expected.grades else True
        said[firm.slug] += [dict(expected.coverage), expected.knock_outs, no_grade, set(), expected.later]
    assert seen == said


def test_the_codes_are_well_formed_and_nobody_else_has_them():
    assert len({firm.uscc for firm in FIRMS}) == len(FIRMS)
    assert all(check(firm.uscc).check_ok for firm in FIRMS)


def test_a_bank_that_is_no_developer_is_not_answered(firms, http, empty_database, make_developer):
    """The script is for developers: a demo bank's request waits for the person."""
    developer, bank = make_developer(), flow.register_bank(empty_database, http)
    asked = flow.details(uscc=FIRMS[0].uscc)
    waiting = bank.ask_in_inbox(asked, scope="profile:read", login_hint=FIRMS[0].uscc)
    assert bank.poll(waiting) is False
    assert developer.bank.poll(developer.bank.ask_in_inbox(asked, scope="profile:read", login_hint=FIRMS[0].uscc))
