"""The sweep over stored profiles: what ends one, who is told, and what nobody may learn from it."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import undefer

from creditlink.audit.tables import AuditEntry
from creditlink.cli.replay import replay_profile
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.institutions.tables import Client
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db
from creditlink.lifecycle import history
from creditlink.lifecycle.tables import PurposeStanding
from creditlink.notifications.tables import Notification
from creditlink.profiles.reliance.endings import finding, tasks
from creditlink.profiles.reliance.endings.service import note_end
from creditlink.profiles.reliance.endings.tables import ProfileEnding
from creditlink.profiles.serving.live import load_live
from creditlink.profiles.tables import Profile
from creditlink.records.pulls.delivery import Fact
from creditlink.records.store import save_facts
from creditlink.records.tables import FactRow
from creditlink.retention.purge import purge_firm
from tests.oauth import flow
from tests.profiles.test_ties import feed


@pytest.fixture
def told(empty_database):
    """What webhooks the bank was sent about ended profiles."""

    def run():
        with db.transaction("owner") as session:
            bodies = session.scalars(select(Notification.body).where(Notification.type == "profile.ended_early"))
            return [json.loads(body)["data"] for body in bodies]

    return run


@pytest.fixture
def profile(created, bank):
    """A profile whose bank has an address for webhooks: what reads it, and the answer."""
    authorization, made = created()
    with db.transaction("owner") as session:
        session.execute(update(Client).values(webhook_url="https://bank.example/hook"))

    def read():
        (listed,) = bank.call("GET", "/v1/profiles", authorization).json()["items"]
        one = bank.call("GET", f"/v1/profiles/{made['id']}", authorization)
        assert one.status_code == 200, one.text
        assert listed["validity"] == one.json()["validity"]
        return one.json()["validity"]

    read.authorization, read.made = authorization, made
    return read


def store(*facts, source="public_credit", at=None):
    """Leave facts as a later pull does."""
    with db.transaction("owner") as session:
        stored = session.scalars(select(Profile)).first()
        save_facts(
            session, facts, enterprise_id=stored.enterprise_id, source=source, pull_id=None,
            now=at or utc_now() + timedelta(seconds=1),
        )  # fmt: skip


def listing(kind="dishonest_debtor", days=3, record="CF1"):
    day = day_of(utc_now()) - timedelta(days=days)
    values = {"occurred_on": day.isoformat(), "severity": 3, "amount_fen": 100, "ended_on": None}
    return Fact("credit_events", month_start(day), f"{kind}/{day}/{record}", values, utc_now())


def sweep():
    now = utc_now() + timedelta(seconds=5)
    return tasks.sweep(now, since=now - tasks.LOOKED_BACK)


def test_a_profile_without_news_goes_on(profile, told):
    assert sweep() == {}
    assert (profile()["ended_at"], profile()["ended_by"]) == (None, None)
    assert told() == []


def test_a_new_listing_ends_it_and_its_bank_is_told_once(profile, told):
    store(listing())
    assert sweep() == {"new_penalty_or_enforcement": 1}
    validity = profile()
    assert validity["ended_by"]["event"] == "new_penalty_or_enforcement"
    assert (validity["ended_by"]["category"], validity["ended_by"]["kind"]) == ("public_credit", "dishonest_debtor")
    assert "facts" not in validity["ended_by"]
    assert validity["ended_at"].endswith("+00:00")
    assert sweep() == {}
    (webhook,) = told()
    assert webhook == {
        "profile_id": profile.made["id"], "consent_id": profile.made["consent_id"],
        "enterprise_id": profile.made["enterprise_id"], "event": "new_penalty_or_enforcement",
        "ended_at": webhook["ended_at"],
    }  # fmt: skip
    with db.transaction("owner") as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "profile.end_early")).one()
    assert (entry.actor, entry.detail["profile"]) == ("system", profile.made["id"])


def test_it_stays_as_it_was_computed_and_replays(profile, settings):
    store(listing())
    sweep()
    with db.transaction("owner") as session:
        stored = session.scalars(select(Profile).options(undefer("*"))).one()
        assert replay_profile(session, stored, live=load_live(settings), settings=settings).same


class TestWhatTheConsentDoesNotOpen:
    """A category that was not granted must not be betrayed by an event, whoever brought its facts in."""

    def test_a_new_penalty_of_the_tax_office_is_not_told_to_who_may_not_read_tax(self, created, bank, told):
        authorization, made = created(kept=("social_security", "electricity"))
        day = day_of(utc_now()) - timedelta(days=2)
        values = {"occurred_on": day.isoformat(), "severity": 3, "amount_fen": 9, "ended_on": None}
        store(Fact("tax_events", month_start(day), f"penalty/{day}/1", values, utc_now()), source="tax")
        with db.transaction("owner") as session:  # a correction of what is in the store, and not in the profile
            old = session.scalars(select(FactRow).where(FactRow.category == "tax").limit(1)).one()
            period, subkey, frame = old.period, old.subkey, old.frame
            changed = {name: 1 if isinstance(value, int) else value for name, value in old.values.items()}
        store(Fact(frame, period, subkey, changed, utc_now(), version=99), source="tax")
        assert sweep() == {}
        assert bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["validity"]["ended_at"] is None
        assert told() == []

    def test_nor_what_lies_before_its_look_back(self, profile, told):
        month = add_months(month_start(day_of(utc_now())), -60)
        values = {"occurred_on": month.isoformat(), "severity": 3, "amount_fen": 9, "ended_on": None}
        store(Fact("tax_events", month, f"penalty/{month}/1", values, utc_now()), source="tax")
        assert sweep() == {}

    def test_nor_anything_of_another_firm(self, profile, told):
        with db.transaction("owner") as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))  # no firm behind it
            save_facts(session, [listing()], enterprise_id=uuid4(), source="public_credit", pull_id=None, now=utc_now())
        assert sweep() == {}


def test_a_correction_ends_it_and_a_payment_does_not(profile):
    with db.transaction("owner") as session:
        stored = session.scalars(select(Profile).options(undefer(Profile.fact_ids))).one()
        paid = session.scalars(
            select(FactRow).where(FactRow.id.in_(stored.fact_ids), FactRow.frame == "payroll_months").limit(1)
        ).one()
        again = {"period": paid.period, "subkey": paid.subkey, "values": dict(paid.values), "version": paid.version + 1}
    store(Fact("payroll_months", known_at=utc_now(), **again), source="social_security")
    assert sweep() == {}  # a version that says the same
    again["values"]["headcount"] += 7
    again["version"] += 1
    store(Fact("payroll_months", known_at=utc_now(), **again), source="social_security")
    assert sweep() == {"fact_corrected": 1}
    assert profile()["ended_by"]["period"] == f"{again['period']:%Y-%m}"


def test_the_registry_ends_it(profile, firm):
    feed({"sequence": "1", "uscc": firm.enterprise.uscc, "legal_representative": "张三", "representative_id": "1"},
         kind="incremental")  # fmt: skip
    assert sweep() == {}  # told for the first time: nobody left
    feed({"sequence": "2", "uscc": firm.enterprise.uscc, "status": "revoked"}, kind="incremental")
    assert sweep() == {"registration_changed": 1}
    ended = profile()["ended_by"]
    assert (ended["was"], ended["now"], ended["category"]) == ("active", "revoked", "registration")


def test_another_representative_ends_it(firm, settings, created, bank):
    feed({"sequence": "1", "uscc": firm.enterprise.uscc, "legal_representative": "张三", "representative_id": "1"},
         kind="incremental")  # fmt: skip
    authorization, made = created()
    feed({"sequence": "2", "uscc": firm.enterprise.uscc, "legal_representative": "张三", "representative_id": "2"},
         kind="incremental")  # fmt: skip
    assert sweep() == {"representative_changed": 1}
    validity = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["validity"]
    assert validity["ended_by"]["event"] == "representative_changed"
    assert "张三" not in json.dumps(validity, ensure_ascii=False)


def test_a_withdrawn_consent_ends_it_and_nothing_is_sent(profile, told, empty_database):
    flow.change_consent(profile.authorization, "pause")
    store(listing())  # news of a firm that has said no
    assert sweep() == {"consent_withdrawn": 1}
    assert told() == []
    flow.change_consent(profile.authorization, "resume")
    assert profile()["ended_by"]["event"] == "consent_withdrawn"
    assert sweep() == {}
    assert told() == []


def test_news_before_a_revocation_is_noted_after_it_without_a_webhook(profile, told):
    store(listing())
    flow.change_consent(profile.authorization, "revoke")
    assert sum(sweep().values()) == 1
    assert told() == []


def registered(settings, *, underwriting="live", monitoring="live"):
    """The register in the database has the model, with these standings."""
    with db.transaction("owner") as session:
        entries = history.read_entries(settings.models_dir)
        history.take_over(session, settings.models_dir, entries, actor="operator", serve=None, now=utc_now())
        for purpose, status in (("underwriting", underwriting), ("monitoring", monitoring)):
            row = session.get_one(PurposeStanding, (settings.model, purpose))
            row.status, row.since_at = status, utc_now()


def test_a_model_that_the_register_retires_ends_it(profile, settings, told):
    registered(settings)
    assert sweep() == {}
    registered(settings, underwriting="retired")
    assert sweep() == {"model_withdrawn": 1}
    assert sweep() == {}
    ended_by = profile()["ended_by"]
    assert (ended_by["event"], ended_by["model"]) == ("model_withdrawn", settings.model)
    assert [one["event"] for one in told()] == ["model_withdrawn"]


def test_a_model_that_is_retired_for_another_purpose_does_not(profile, settings):
    registered(settings, monitoring="retired")
    assert sweep() == {}
    assert profile()["ended_at"] is None


def test_a_model_that_was_retired_before_the_profile_does_not(profile, settings):
    registered(settings, underwriting="retired")
    with db.transaction("owner") as session:
        row = session.get_one(PurposeStanding, (settings.model, "underwriting"))
        row.since_at = utc_now() - timedelta(days=1)
    assert sweep() == {}
    registered(settings, underwriting="live")  # and back
    assert sweep() == {}


def test_a_profile_after_its_time_is_not_looked_at(profile):
    store(listing())
    later = utc_now() + timedelta(days=500)
    with db.transaction("worker") as session:
        assert finding.profiles_due(session, now=later, since=utc_now() - timedelta(days=1)) == []


def test_the_nightly_sweep_finds_what_the_frequent_one_missed(profile):
    store(listing())
    now = utc_now() + timedelta(days=2)
    assert tasks.sweep(now, since=now - tasks.LOOKED_BACK) == {}
    tasks.sweep_all(0)
    assert profile()["ended_by"]["event"] == "new_penalty_or_enforcement"


def test_one_that_cannot_be_looked_at_does_not_stop_the_others(profile, monkeypatch):
    store(listing())
    monkeypatch.setattr(tasks, "note_end", lambda *_, **__: 1 / 0)
    assert sweep() == {}
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 1


class TestWhoSees:
    def test_only_who_sees_the_profile(self, profile):
        store(listing())
        sweep()
        with db.transaction("owner") as session:
            consent = session.scalars(select(Consent)).one()
        for viewer, rows in ((None, 0), (db.Viewer(institution_id=consent.institution_id), 0),
                             (db.Viewer(consent_id=consent.id, institution_id=consent.institution_id), 1)):  # fmt: skip
            with db.transaction("api", viewer=viewer) as session:
                assert session.scalar(select(func.count()).select_from(ProfileEnding)) == rows
        with db.transaction("owner") as session:
            consents.pause(session, session.get_one(Consent, consent.id), actor="x", reason="x", now=utc_now())
        with db.transaction("api", viewer=viewer) as session:
            assert session.scalar(select(func.count()).select_from(ProfileEnding)) == 0

    @pytest.mark.parametrize("role", ["api", "worker"])
    def test_nobody_changes_one(self, profile, role):
        store(listing())
        sweep()
        with pytest.raises(DBAPIError, match="permission denied"), db.transaction(role) as session:
            session.execute(update(ProfileEnding).values(event="fact_corrected"))

    def test_it_goes_with_its_profile_and_the_certificate_counts_it(self, profile, settings):
        store(listing())
        sweep()
        with db.transaction("worker") as session:
            firm = session.scalar(select(Profile.enterprise_id))
            done = purge_firm(
                session, firm, issuer="x", secret=settings.secret_key, now=utc_now() + timedelta(days=400)
            )
        assert (done.rows["profile_endings"], done.rows["profiles"]) == (1, 1)
        with db.transaction("owner") as session:
            assert session.scalar(select(func.count()).select_from(ProfileEnding)) == 0


def test_facts_that_a_profile_could_not_see_yet_are_news(profile):
    """A pull that was under way stored them under an instant before the profile."""
    store(listing(), at=utc_now() - timedelta(minutes=5))
    assert sweep() == {"new_penalty_or_enforcement": 1}


def test_a_profile_that_is_purged_meanwhile_is_nobodys_fault(profile, settings):
    with db.transaction("worker") as session:
        assert note_end(session, uuid4(), tasks.surroundings(session, settings), now=utc_now()) is None
