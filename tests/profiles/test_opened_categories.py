"""What a bank learns under a consent to one supply: nothing of the others, by any route; and what is public, by law."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from creditlink.audit.tables import AuditEntry
from creditlink.engine.features.supplies import SUPPLIES_OF
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.settings import load_settings
from creditlink.profiles.tables import Profile
from creditlink.records import sources
from creditlink.records.sources import Circuit, SourceConfig, Sources, load_sources
from creditlink.records.store import save_facts
from tests.oauth import flow
from tests.profiles.conftest import facts_of
from tests.proof import routes
from tests.records.test_opened_categories import MONTH, event

ONE_SUPPLY = ("tax", "social_security", "electricity")


@pytest.fixture
def platform():
    """The shipped sources and the public credit platform; nothing here is asked over a network."""
    opened = Sources(load_sources(load_settings()))
    if "public_credit" not in opened.config.sources:
        source = SourceConfig("public_credit", ("public_credit",), "http://127.0.0.1:1", timedelta(hours=24), {})
        opened.config = replace(opened.config, sources={**opened.config.sources, "public_credit": source})
        opened.circuits["public_credit"] = Circuit("public_credit", failures=5, reset_seconds=60)
    sources.configure(opened)
    yield opened
    opened.close()
    sources.configure(None)


@pytest.fixture
def everything_known(empty_database, city, rich_firm):
    """Store what nobody granted of a consent's firm: other supplies, and a listing of which only the law may tell."""

    def run(authorization, *facts):
        from creditlink.consents.tables import Consent

        with empty_database.transaction("owner") as session:
            firm = session.get_one(Consent, flow.consent_of(authorization)).enterprise_id
            for supply in ("water", "gas"):
                rows = [
                    replace(fact, subkey=fact.subkey.replace("electricity", supply))
                    for fact in facts_of(city, rich_firm, ("electricity",))
                ]
                assert save_facts(session, rows, enterprise_id=firm, source="x", pull_id=None, now=utc_now()) > 0
            if facts:
                save_facts(session, facts, enterprise_id=firm, source="x", pull_id=None, now=utc_now())

    return run


def told_of(bank, authorization, profile, app) -> dict[str, object]:
    """Return what every route that reads a profile answers, by rule; of lineage, for each indicator of the supplies."""
    found = {}
    for _, rule in routes.rules_of(app, lambda method, rule, kind: kind == "read" and method == "GET"):
        if set(routes.PARAMETER.findall(rule.rule)) <= {"profile_id"}:
            path, of_each = routes.filled(rule, {"profile_id": profile["id"]}), rule.endpoint == "profiles.read_lineage"
            for name in SUPPLIES_OF if of_each else (None,):
                sample = routes.sample_of(rule, {"profile_id": profile["id"]}) or {}
                asked = {"params": {"indicator": name, "limit": 500}} if name else sample
                answer = bank.call("GET", path, authorization, **asked)
                assert answer.status_code == 200, f"{path} {name}: {answer.text}"
                found[f"{rule.rule}?{name}" if name else rule.rule] = answer.json()
    assert {"/v1/profiles", "/v1/profiles/<profile_id>/explanation"} <= set(found)
    assert sum("/lineage?" in rule for rule in found) == len(SUPPLIES_OF) > 20
    return found


INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def without_ids(told: object, profile: dict) -> str:
    """Return an answer as text, without what differs between any two profiles."""
    plain = json.dumps(told, sort_keys=True)
    for name in ("id", "content_hmac", "consent_id", "created_at", "enterprise"):
        plain = plain.replace(json.dumps(profile.get(name)), '"…"')
    for instant in INSTANT.findall(json.dumps(profile.get("validity"))):  # counted from the second of the profile
        plain = plain.replace(instant, "…")
    return plain


def test_a_consent_to_electricity_tells_nothing_of_gas_and_water_by_any_route(
    bank, authorized, delivered, everything_known, empty_database, app
):
    authorization = authorized(bank, categories=ONE_SUPPLY)
    delivered(authorization, categories=ONE_SUPPLY)
    before = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    everything_known(authorization)
    after = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    for profile in (before, after):
        assert {name: profile["coverage"][name]["status"] for name in ("electricity", "water", "gas")} == {
            "electricity": "delivered", "water": "not_granted", "gas": "not_granted",
        }  # fmt: skip
        assert {profile["coverage"][name]["rows"] for name in ("water", "gas")} == {0}
    # Which facts lie in the store of what was not granted makes no difference to anything that the bank reads.
    earlier, later = (told_of(bank, authorization, profile, app) for profile in (before, after))
    for rule in set(earlier) - {"/v1/profiles"}:  # the list holds both
        if "<profile_id>" in rule:
            assert without_ids(earlier[rule], before) == without_ids(later[rule], after), rule
    kinds = [fact["key"].get("kind") for rule, told in later.items() if "/lineage?" in rule for fact in told["facts"]]
    assert "electricity" in kinds
    assert not {"water", "gas"} & set(kinds)
    explained = later["/v1/profiles/<profile_id>/explanation"]["indicators"]
    closed = {name for name, read in SUPPLIES_OF.items() if "electricity" not in read}
    assert len(closed) >= 4
    assert [row for row in explained if row["name"] in closed and row["value"] is not None] == []
    with empty_database.transaction("owner") as session:
        used = session.get_one(Profile, ids.internal("prf", after["id"])).fact_ids
        categories = session.scalars(text("SELECT DISTINCT category FROM facts WHERE id = ANY(:ids)"), {"ids": used})
        assert set(categories) == set(ONE_SUPPLY)


def test_no_reason_speaks_of_a_supply_that_was_not_granted(bank, authorized, delivered):
    authorization = authorized(bank, categories=ONE_SUPPLY)
    delivered(authorization, categories=ONE_SUPPLY)
    profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert [r for r in profile["reasons"] if (r["kind"], r["category"]) == ("missing", "utility")] == []
    assert {r["category"] for r in profile["without_category"]} == {"tax", "social_security", "utility"}


class TestPublicCredit:
    def test_a_listing_rules_a_firm_out_that_granted_no_public_credit(
        self, platform, bank, authorized, delivered, everything_known, empty_database
    ):
        authorization = authorized(bank, categories=ONE_SUPPLY)
        delivered(authorization, categories=ONE_SUPPLY, public_credit="DELIVERED")
        everything_known(authorization, event(MONTH))
        profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert "K01" in {one["code"] for one in profile["knock_outs"]}
        assert profile["coverage"]["public_credit"]["rows"] == 1
        with empty_database.transaction("owner") as session:
            [entry] = session.query(AuditEntry).filter(AuditEntry.action == "profile.create")
        assert entry.detail["rows"]["public_credit"] == 1
        assert "Dishonest Judgment Debtors" in entry.detail["by_law"]["public_credit"]
        assert "Enterprise Information Disclosure" in entry.detail["by_law"]["registration"]

    def test_that_a_firm_is_on_no_list_was_read_by_law_too(self, platform, bank, authorized, delivered, empty_database):
        authorization = authorized(bank, categories=ONE_SUPPLY)
        delivered(authorization, categories=ONE_SUPPLY, public_credit="NO_RECORD")
        profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert not {"K01", "K05"} & {one["code"] for one in (*profile["knock_outs"], *profile["not_evaluated"])}
        with empty_database.transaction("owner") as session:
            [entry] = session.query(AuditEntry).filter(AuditEntry.action == "profile.create")
        assert set(entry.detail["by_law"]) == {"registration", "public_credit"}

    def test_a_platform_that_is_down_blocks_nothing_and_is_said(self, platform, bank, authorized, delivered):
        authorization = authorized(bank, categories=ONE_SUPPLY)
        delivered(authorization, categories=ONE_SUPPLY, public_credit="DOWN")
        answer = bank.call("POST", "/v1/profiles", authorization, json={})
        assert answer.status_code == 201
        profile = answer.json()
        assert (profile["partial"], profile["coverage"]["public_credit"]["status"]) == (None, "source_down")
        causes = {one["code"]: one["cause"] for one in profile["not_evaluated"]}
        assert (causes["K01"], causes["K05"]) == ("source_down", "source_down")

    def test_naming_it_makes_it_no_requirement(self, platform, bank, authorized, delivered):
        authorization = authorized(bank, categories=("tax", "public_credit"))
        delivered(authorization, categories=("tax",), public_credit="TIMEOUT")
        answer = bank.call("POST", "/v1/profiles", authorization, json={})
        assert (answer.status_code, answer.json()["partial"]) == (201, None)
