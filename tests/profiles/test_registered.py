"""The registry in a profile, over HTTP: the feed's news is a knock-out, and a day's profile has that day's name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.enterprises.registry import tasks
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests.oauth import flow


@pytest.fixture
def feed(http, empty_database):
    """Hand changes of the firm in by the operator's API, and let the worker take them."""
    with empty_database.transaction("owner") as session:
        institution = make.make_institution(session, kind="operator")
    operator = flow.register_bank(empty_database, http, institution=institution, scopes=["registry:write"])
    token = operator.in_own_name(scope="registry:write")
    numbers = iter(range(1, 100))

    def run(uscc, **values):
        row = {"sequence": str(next(numbers)), "uscc": uscc} | values
        body = {"source": "4406", "kind": "incremental", "rows": [row]}
        load = operator.call("POST", "/v1/registry/loads", token, json=body)
        assert load.status_code == 202, load.text
        with db.transaction("owner") as session:
            loads = session.scalars(select(tasks.RegistryLoad.id).where(tasks.RegistryLoad.state == "ready")).all()
        for one in loads:
            tasks.take_load(str(one))

    return run


def profile_of(bank, authorization, **body):
    answer = bank.call("POST", "/v1/profiles", authorization, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def registration_of(bank, authorization, profile):
    answer = bank.call("GET", f"/v1/profiles/{profile['id']}/registration", authorization)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("status", "code"), [("revoked", "K02"), ("deregistered", "K03"), ("suspended", "K04")])
def test_the_feeds_news_of_a_firms_end_is_a_knock_out(feed, firm, bank, authorized, delivered, status, code):
    authorization = authorized(bank)
    delivered(authorization)
    assert profile_of(bank, authorization)["knock_outs"] == []
    feed(firm.enterprise.uscc, status=status, valid_from=(day_of(utc_now()) - timedelta(days=3)).isoformat())
    (hit,) = profile_of(bank, authorization)["knock_outs"]
    assert (hit["code"], hit["observed"]) == (code, status)


def test_a_profile_of_a_day_has_the_name_and_registration_of_that_day(feed, firm, bank, authorized, delivered):
    authorization = authorized(bank)
    delivered(authorization)
    before = profile_of(bank, authorization)
    new, since = make.make_uscc(), day_of(utc_now())
    feed(
        new, former_uscc=firm.enterprise.uscc, name="新名有限公司", registered_capital_fen=77,
        legal_representative="张三", representative_id="4406-1", address="佛山市一路1号",
        shareholders=[
            {"name": "张三", "person_id": "4406-1", "share_bps": 6000}, {"name": "李四", "share_bps": 1000},
            {"name": "母公司", "uscc": make.make_uscc(), "share_bps": 3000},
        ],
    )  # fmt: skip
    # The consent is about the firm, whatever its code is now.
    said = registration_of(bank, authorization, profile_of(bank, authorization))
    assert (said["uscc"], said["name"], said["registered_capital_fen"]) == (new, "新名有限公司", 77)
    assert (said["former_usccs"], said["former_names"]) == ([firm.enterprise.uscc], [firm.enterprise.name])
    assert (said["legal_representative"], said["address"]) == ("张三", "佛山市一路1号")
    shareholders = said["shareholders"]
    assert [(one["name"], one["share_bps"]) for one in shareholders["firms"]] == [("母公司", 3000)]
    assert (shareholders["persons"], shareholders["persons_share_bps"]) == (2, 7000)
    assert "李四" not in str(said)
    # What was made before is read as it was made, and a day before as it was known on that day.
    yesterday = profile_of(bank, authorization, as_of=(since - timedelta(days=1)).isoformat())
    for profile in (before, yesterday):
        said = registration_of(bank, authorization, profile)
        assert (said["uscc"], said["name"]) == (firm.enterprise.uscc, firm.enterprise.name)
        assert (said["registered_capital_fen"], said["legal_representative"]) == (100_000_000, None)
        assert said["former_names"] == []


def test_reading_the_registration_is_in_the_firms_evidence(created, bank):
    authorization, profile = created()
    registration_of(bank, authorization, profile)
    with db.transaction("owner") as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "profile.registration")).one()
        assert entry.enterprise_id == session.scalars(select(Enterprise.id)).first()
    assert entry.detail["fields"] == ["registration"]
