"""`GET /v1/profiles/{id}/lineage`: from a contribution back to facts, pulls and offices; enough to compute it again."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from sqlalchemy import select, text, update

from creditlink.audit.tables import AuditEntry
from creditlink.consents.tables import Consent
from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME, REFERENCE_VALUES
from creditlink.engine.features.compute import compute
from creditlink.engine.features.reference import DEFAULT_SECTION, Reference
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.profiles.lineage.service import LineageQuery, lineage_of
from creditlink.profiles.tables import Profile
from creditlink.records.store import _JOINED as JOINED
from creditlink.records.store import save_facts
from creditlink.records.tables import FactRow, Pull
from tests.oauth import flow
from tests.records import samples


def read(bank, authorization, profile, indicator, **more):
    query = {"indicator": indicator, "limit": 500} | more
    return bank.call("GET", f"/v1/profiles/{profile['id']}/lineage", authorization, params=query)


def records_of(body: dict) -> RecordSet:
    """Build the records from the answer alone."""
    stated = {row["column"]: row["value"] for row in (body["registration"] or {"values": []})["values"]}
    frames = {"registration": framed("registration", [{"firm": 0} | stated])}
    for frame in {fact["frame"] for fact in body["facts"]}:
        rows = [
            {"firm": 0, "period": fact["period"], "known_on": fact["known_on"]} | fact["key"] | fact["values"]
            for fact in body["facts"]
            if fact["frame"] == frame
        ]
        frames[frame] = framed(frame, rows)
        repeated = frames[frame].select(FRAME_KEYS[frame]).is_duplicated().any()
        if frame in JOINED and (repeated or "occasion" in frames[frame].get_column("filing", default=[])):
            frames[frame] = JOINED[frame](frames[frame])
    return RecordSet.of(**frames)


def framed(name: str, rows: list[dict]) -> pl.DataFrame:
    schema = FRAME_SCHEMAS[name]
    days = {column for column, kind in schema.items() if kind == pl.Date}
    read = [
        {c: date.fromisoformat(v) if c in days and (v := row.get(c)) else row.get(c) for c in schema} for row in rows
    ]
    return pl.DataFrame(read, schema=schema)


def reference_of(body: dict) -> Reference | None:
    parts = {row["name"]: row["value"] for row in body["reference"]}
    if not parts:
        return None
    spread = {
        name: {DEFAULT_SECTION: (parts.get(f"{name}:median", 0.0), parts.get(f"{name}:mad", 1.0))}
        for name in REFERENCE_VALUES
    }
    rates = {DEFAULT_SECTION: parts["default_rate"]} if "default_rate" in parts else {}
    return Reference(spread, rates)


def again(body: dict) -> float | None:
    day = date.fromisoformat(body["as_of"])
    return compute(records_of(body), day, reference_of(body))[body["indicator"]["name"]][0]


class TestLineage:
    def test_every_indicator_is_computed_again_from_its_lineage_alone(self, created, bank):
        authorization, profile = created()
        listed = bank.call("GET", f"/v1/profiles/{profile['id']}/explanation", authorization).json()["indicators"]
        known = 0
        for row in listed:
            answer = read(bank, authorization, profile, row["name"])
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert body["indicator"]["value"] == row["value"]
            assert body["indicator"]["contribution"] == row["contribution"]
            assert again(body) == row["value"], row["name"]
            assert body["facts_total"] == len(body["facts"])
            assert body["facts_purged"] == 0
            known += row["value"] is not None
        assert known > 50

    def test_a_fact_names_its_office_its_days_and_only_what_is_read(self, created, bank):
        authorization, profile = created()
        body = read(bank, authorization, profile, "electricity_growth_12").json()
        months = month_start(date.fromisoformat(body["as_of"]))
        (frame,) = body["reads"]
        assert (frame["frame"], frame["kinds"], frame["columns"]) == ("meter_months", ["electricity"], ["usage"])
        assert (frame["category"], frame["office"]) == ("electricity", "electricity")
        assert {(m["first_month"], m["last_month"]) for m in frame["months"]} == {
            (f"{add_months(months, -12):%Y-%m}", f"{add_months(months, -1):%Y-%m}"),
            (f"{add_months(months, -24):%Y-%m}", f"{add_months(months, -13):%Y-%m}"),
        }
        assert body["facts"]
        for fact in body["facts"]:
            assert (fact["office"], fact["key"], set(fact["values"])) == (
                "electricity", {"kind": "electricity"}, {"usage"},
            )  # fmt: skip
            assert fact["known_on"] <= body["as_of"]
            assert fact["pull"] is None  # stored without a pull
        assert [row["office"] for row in body["offices"]] == ["electricity"]
        assert body["offices"][0]["status"] == "DELIVERED"

    def test_bills_are_read_at_the_company_of_each_supply(self, created, bank):
        authorization, profile = created()
        body = read(bank, authorization, profile, "bills_late_6").json()
        assert [(one["frame"], one["category"], one["office"], one["kinds"]) for one in body["reads"]] == [
            ("meter_months", supply, supply, [supply]) for supply in ("electricity", "water", "gas")
        ]
        assert len({one["office_zh"] for one in body["reads"]}) == 3
        months = {tuple(tuple(m.values()) for m in one["months"]) for one in body["reads"]}
        assert len(months) == 1
        assert months != {()}
        # Facts are told of what was granted alone.
        assert {fact["office"] for fact in body["facts"]} == {"electricity"}

    def test_registration_says_where_it_comes_from(self, created, bank, empty_database):
        authorization, profile = created()
        body = read(bank, authorization, profile, "age_months").json()
        with empty_database.transaction("owner") as session:
            valid_from, known_on = session.execute(
                text("SELECT valid_from, (known_at AT TIME ZONE 'Asia/Shanghai')::date FROM registrations")
            ).one()
        assert body["registration"]["source"] == "registry"
        assert [row["column"] for row in body["registration"]["values"]] == ["established_on"]
        assert body["registration"]["valid_from"] == valid_from.isoformat()
        assert body["registration"]["known_on"] == known_on.isoformat()
        assert body["facts"] == []

    def test_what_the_registry_learned_later_is_not_named(self, created, bank, empty_database):
        authorization, profile = created()
        before = read(bank, authorization, profile, "status_rank").json()["registration"]
        with empty_database.transaction("owner") as session:
            session.execute(text("UPDATE enterprises SET status = 'suspended', updated_at = now()"))
        assert read(bank, authorization, profile, "status_rank").json()["registration"] == before

    def test_evidence_names_the_indicator(self, created, bank, empty_database):
        authorization, profile = created()
        assert read(bank, authorization, profile, "headcount").status_code == 200
        with empty_database.transaction("owner") as session:
            entry = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)).one()
        assert (entry.action, entry.result) == ("profile.lineage", "disclosed")
        assert entry.detail["fields"] == ["lineage:headcount"]


class TestPages:
    def test_pages_follow_each_other_without_gap_or_repeat(self, created, bank):
        authorization, profile = created()
        whole = read(bank, authorization, profile, "sales_growth_12").json()["facts"]
        found, cursor = [], None
        while True:
            page = read(
                bank, authorization, profile, "sales_growth_12", limit=7, **({"cursor": cursor} if cursor else {})
            ).json()
            assert len(page["facts"]) <= 7
            assert page["facts_total"] == len(whole)
            found += page["facts"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == whole
        assert len(whole) > 7

    @pytest.mark.parametrize("cursor", ["0", "-1", "99999", "x", "１", "07", "1e3", "1" * 20])
    def test_a_cursor_of_no_list_is_refused(self, created, bank, cursor):
        authorization, profile = created()
        answer = read(bank, authorization, profile, "sales_growth_12", cursor=cursor)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/cursor"


class TestRefusals:
    @pytest.mark.parametrize("name", ["no_such", "", "x" * 81, "sales_12_fen;", "销售额"])
    def test_an_indicator_that_the_profile_lacks_is_named(self, created, bank, name):
        authorization, profile = created()
        answer = read(bank, authorization, profile, name)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/indicator"

    def test_one_must_be_named(self, created, bank):
        authorization, profile = created()
        answer = bank.call("GET", f"/v1/profiles/{profile['id']}/lineage", authorization)
        assert answer.status_code == 422

    def test_after_a_revocation_nothing_is_told(self, created, bank):
        authorization, profile = created()
        assert read(bank, authorization, profile, "headcount").status_code == 200
        flow.change_consent(authorization, "revoke")
        refused = read(bank, authorization, profile, "headcount")
        assert refused.status_code in (401, 403)
        assert "facts" not in refused.json()

    def test_another_banks_profile_is_not_found(self, created, authorized, delivered, empty_database, http):
        _, profile = created()
        other = flow.register_bank(empty_database, http)
        authorization = authorized(other)
        delivered(authorization)
        assert read(other, authorization, profile, "headcount").status_code == 404


class TestPulls:
    def pulled(self, session, authorization, *, at):
        """Store payroll as a pull of this consent brought it."""
        consent = session.get_one(Consent, flow.consent_of(authorization))
        pull = session.scalars(select(Pull).where(Pull.consent_id == consent.id)).one()
        months = samples.months(add_months(month_start(day_of(at)), -12), 12)
        save_facts(
            session, [samples.payroll(month, 5) for month in months], enterprise_id=consent.enterprise_id,
            source="social_security", pull_id=pull.id, now=at,
        )  # fmt: skip
        return pull

    def test_a_bank_sees_the_pulls_of_its_own_consent_and_no_other(
        self, bank, authorized, delivered, empty_database, http
    ):
        mine, other = authorized(bank), flow.register_bank(empty_database, http)
        delivered(mine, categories=("tax",), social_security="DELIVERED", electricity="NO_RECORD")
        with empty_database.transaction("owner") as session:
            pull = self.pulled(session, mine, at=utc_now() - timedelta(seconds=1))
        theirs = authorized(other)
        delivered(theirs, categories=("tax",), social_security="DELIVERED", electricity="NO_RECORD")
        one, two = (
            who.call("POST", "/v1/profiles", held, json={}).json() for who, held in ((bank, mine), (other, theirs))
        )
        own, foreign = (
            read(who, held, profile, "headcount").json()
            for who, held, profile in ((bank, mine, one), (other, theirs, two))
        )
        assert {fact["pull"]["pull_id"] for fact in own["facts"]} == {f"pul_{pull.id.hex}"}
        assert [fact["pull"] for fact in foreign["facts"]] == [None] * len(own["facts"])
        assert pull.id.hex not in str(foreign)
        assert own["offices"][0]["pull_id"] != foreign["offices"][0]["pull_id"]


class TestPurged:
    def test_facts_that_were_purged_are_said_to_be(self, created, bank, empty_database):
        authorization, profile = created()
        before = read(bank, authorization, profile, "headcount").json()
        with empty_database.transaction("owner") as session:
            gone = session.execute(text("DELETE FROM facts WHERE frame = 'payroll_months'")).rowcount
        body = read(bank, authorization, profile, "headcount").json()
        assert before["facts"]
        assert body["facts"] == []
        assert 0 < len(before["facts"]) <= body["facts_purged"] <= gone


class TestTheFirmItself:
    def test_sees_it_with_every_pull_after_the_revocation_too(self, app, created, firm, empty_database):
        authorization, _ = created()
        with empty_database.transaction("owner") as session:
            pull_id = session.scalars(select(Pull.id)).one()
            session.execute(text("ALTER TABLE facts DISABLE TRIGGER ALL"))
            session.execute(update(FactRow).values(pull_id=pull_id))
            session.execute(text("ALTER TABLE facts ENABLE TRIGGER ALL"))
        flow.change_consent(authorization, "revoke")
        viewer = db.Viewer(enterprise_id=firm.enterprise.id, account_id=firm.account.id)
        with empty_database.transaction("api", viewer) as session:
            stored = session.scalars(select(Profile)).one()
            found = lineage_of(
                session, stored, LineageQuery("headcount", 10), live=runtime.of_app(app).of(LiveModel), consent_id=None
            )
        assert found.facts
        assert {fact.pull[0] for fact in found.facts} == {pull_id}
        assert found.share[0] is not None
        assert BY_NAME[found.indicator].category == "social_security"
