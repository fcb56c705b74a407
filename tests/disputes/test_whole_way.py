"""From a datum to the receipt of everybody who relied on it: over real sockets to the bureau and to the banks."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from creditlink.disputes import tasks
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.notifications import delivery, endpoints
from creditlink.notifications.tables import WebhookDelivery
from creditlink.records.tables import FactRow
from creditlink.reviews.tables import ReviewCase
from creditlink.sandbox.banks.bank import verified_webhook
from tests.disputes import conftest as at
from tests.oauth import flow
from tests.records.offices import Reply, office

KEY = "test-" + "k" * 40


@pytest.fixture
def hooked(empty_database, http):
    """Two banks whose clients listen on real sockets: bank, secret, what it was told."""
    banks, opened = [], []
    for _ in range(2):
        door = office(lambda _asked: Reply(204))
        state = door.__enter__()
        opened.append(door)
        bank = flow.register_bank(empty_database, http, scopes=at.SCOPES)
        with db.transaction("owner") as session:
            client = session.scalars(select(Client).where(Client.client_id == bank.client_id)).one()
            secret = endpoints.set_address(
                session, client, state.url + "/hooks", key=KEY, allow_loopback=True, actor="staff:olga", now=utc_now()
            )
        banks.append((bank, secret, state.asked))
    yield banks
    for door in opened:
        door.__exit__(None, None, None)


def deliver_all():
    with db.transaction("owner") as session:
        waiting = session.scalars(select(WebhookDelivery.id).where(WebhookDelivery.state == "waiting")).all()
    for one in waiting:
        delivery.deliver(one, utc_now, key=KEY, allow_loopback=True)


def test_from_the_datum_to_every_recipients_acknowledgement(hooked, firm, relied):
    (first, first_secret, told_first), (second, _, told_second) = hooked
    authorization, made = relied(first)
    other, _ = relied(second)
    fact = at.payroll(firm)
    assert made["contested"] == []

    one = at.dispute(firm, fact, wanted={"headcount": int(fact.values["headcount"]) + 40})
    at.advance(one)
    at.contested.contest_now(one.id, utc_now())
    shown = first.call("GET", f"/v1/profiles/{made['id']}", authorization).json()
    (contested,) = shown["contested"]
    assert (contested["contested"], contested["state"], contested["period"]) == (True, "sent", f"{fact.period:%Y-%m}")
    assert contested["without"]["state"] == "scored"
    assert contested["corrected"] is None
    assert (shown["points"], shown["grade"]) == (made["points"], made["grade"])  # the profile itself stands
    assert "人数" not in json.dumps(shown["contested"], ensure_ascii=False).replace("实缴", "")
    with db.transaction("owner") as session:
        assert {tuple(case.causes) for case in session.scalars(select(ReviewCase))} == {("contested",)}
    # Made while it is contested: it says so at once.
    assert first.call("POST", "/v1/profiles", authorization, json={}).json()["contested"][0]["without"] is not None

    ended = at.through(one)
    assert (ended.state, ended.verdict) == ("corrected", "corrected")
    with db.transaction("owner") as session:
        corrected = session.get_one(FactRow, ended.corrected_fact_id)
    assert corrected.values["headcount"] == int(fact.values["headcount"]) + 40
    assert corrected.version == fact.version + 1
    assert corrected.known_at > fact.known_at  # the second clock

    deliver_all()
    pushed = [asked for asked in told_first if json.loads(asked.body)["type"] == "profile.corrected"]
    assert len(pushed) == 1
    said = verified_webhook(first_secret, pushed[0].headers, pushed[0].body, now=utc_now().timestamp())["data"]
    assert made["id"] in said["profile_ids"]
    assert (said["rely_on"], said["score_at"], said["category"]) == (False, "profile", "social_security")
    assert {json.loads(asked.body)["type"] for asked in told_second} == {"profile.corrected"}
    shown = first.call("GET", f"/v1/profiles/{made['id']}", authorization).json()
    (contested,) = shown["contested"]
    assert (contested["contested"], contested["state"]) == (False, "corrected")
    assert contested["corrected"]["points"] != shown["points"]

    for days, reminded in ((3, 0), (30, 2), (31, 2)):
        tasks.remind(utc_now() + timedelta(days=days))
        assert sum(row.reminded_at is not None for row in at.corrections()) == reminded, days
    deliver_all()
    reminders = [json.loads(asked.body) for asked in told_first if b"reminder" in asked.body]
    assert [one["type"] for one in reminders] == ["profile.corrected.reminder"]
    assert reminders[0]["data"]["correction_id"] == said["correction_id"]
    assert fact.source not in str(reminders), "it says no more than the correction did"

    for bank in (first, second):
        own = bank.in_own_name(scope="correction:read correction:acknowledge")
        (item,) = bank.call("GET", "/v1/corrections?open=true", own).json()["items"]
        path = f"/v1/corrections/{item['correction_id']}/acknowledgement"
        answer = bank.call("POST", path, own, json={"action": "decision_reviewed"})
        assert answer.status_code == 200, answer.text
        again = bank.call("POST", path, own, json={"action": "none"}).json()
        assert (again["action"], again["acknowledged_at"]) == ("decision_reviewed", answer.json()["acknowledged_at"])
        assert bank.call("GET", "/v1/corrections?open=true", own).json()["items"] == []
    own = second.in_own_name(scope="correction:acknowledge")
    assert second.call("POST", f"/v1/corrections/{said['correction_id']}/acknowledgement", own,
                       json={"action": "none"}).status_code == 404  # fmt: skip
    assert all(row.acknowledged_at for row in at.corrections())
    assert flow.consent_of(other)
