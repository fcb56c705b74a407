"""What stands beside the score: capacity and validity over HTTP, stored, replayed, and absent on older profiles."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from creditlink.cli.replay import replay_profile
from creditlink.engine.capacity.derivation import ROLES
from creditlink.engine.profile import content
from creditlink.engine.profile.validity import CAUSES_OF_END, ENDS_EARLY
from creditlink.engine.vocabulary import CATEGORIES
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.processes import runtime
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.profiles.serving.live import load_live
from creditlink.profiles.tables import Profile

YEAR = timedelta(days=366)


def stored_profiles(session) -> list[Profile]:
    """Every profile with all its columns, oldest first."""
    rows = list(session.scalars(select(Profile).order_by(Profile.created_at)))
    for row in rows:
        row.columns()
    return rows


class TestCapacity:
    def test_every_line_is_told_with_its_source_and_words(self, created):
        _, profile = created()
        capacity = profile["capacity"]
        assert capacity["state"] == "derived"
        assert [limit["term_months"] for limit in capacity["limits"]] == [6, 12, 24, 36]
        chosen = next(one for one in capacity["limits"] if one["term_months"] == capacity["suggested_months"])
        assert chosen["amount_fen"] == capacity["suggested_fen"]
        names = [line["name"] for line in capacity["lines"]]
        assert len(names) == len(set(names))
        assert {"sales", "margin", "payroll", "energy", "cash", "stress", "debt_service", "debt_elsewhere"} <= set(
            names
        )
        for line in capacity["lines"]:
            assert line["role"] in ROLES
            assert line["source"] in {*CATEGORIES, "capacity.toml", "platform"}
            assert line["text_zh"]
            assert line["text_en"]
            assert (line["amount_fen"] is None) <= (line["if_known"] is not None)

    def test_it_is_no_part_of_the_score(self, app, created, bank):
        authorization, profile = created()
        parts = runtime.of_app(app)
        rules = parts.of(ProfileRules)
        parts.put(replace(rules, capacity=replace(rules.capacity, cover=5.0)))
        try:
            again = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        finally:
            parts.put(rules)
        assert again["capacity"]["terms"] == profile["capacity"]["terms"] | {"cover": 5.0}
        assert again["capacity"] != profile["capacity"]
        for name in ("points", "grade", "pd_12m", "reasons", "interval", "knock_outs"):
            assert again[name] == profile[name]

    def test_the_term_asked_for_is_the_one_suggested(self, created, bank):
        authorization, _ = created()
        longer = bank.call("POST", "/v1/profiles", authorization, json={"term_months": 20}).json()
        assert longer["capacity"]["suggested_months"] == 24

    def test_without_tax_there_is_no_number_and_the_reason_is_the_firms_refusal(self, created):
        _, profile = created(kept=("social_security", "electricity"))
        capacity = profile["capacity"]
        assert (capacity["state"], capacity["reason"], capacity["suggested_fen"]) == ("insufficient", "no_sales", None)
        assert "企业未授权" in capacity["text_zh"]
        assert (capacity["limits"], capacity["lines"]) == ([], [])


class TestValidity:
    def test_the_window_is_told(self, created):
        _, profile = created()
        validity = profile["validity"]
        bounds = validity["bounds"]
        assert {one["cause"] for one in bounds} == set(CAUSES_OF_END) - {"rules"}
        assert [one["until"] for one in bounds] == sorted(one["until"] for one in bounds)
        assert datetime.fromisoformat(validity["valid_until"]) == datetime.fromisoformat(bounds[0]["until"])
        assert validity["limited_by"] == bounds[0]["cause"]
        assert datetime.fromisoformat(validity["valid_until"]) <= utc_now() + timedelta(days=20)  # the consent's
        assert [one["event"] for one in validity["ends_early_on"]] == list(ENDS_EARLY)
        assert validity["expired"] is False

    def test_a_read_after_the_window_says_so_and_does_not_fail(self, created, bank, monkeypatch):
        authorization, profile = created(
            purpose="monitoring", access="recurring", history_months=6, data_life_days=366,
            valid_until=(utc_now() + YEAR).isoformat(timespec="seconds"),
        )  # fmt: skip
        until = datetime.fromisoformat(profile["validity"]["valid_until"])
        assert until < utc_now() + timedelta(days=93)
        for later, expired in ((until - timedelta(seconds=1), False), (until, True)):
            monkeypatch.setattr("creditlink.profiles.routes.utc_now", lambda later=later: later)
            read = bank.call("GET", f"/v1/profiles/{profile['id']}", authorization)
            assert read.status_code == 200, read.text
            assert read.json()["validity"]["expired"] is expired
            listed = bank.call("GET", "/v1/profiles", authorization).json()["items"][0]
            assert listed["validity"]["expired"] is expired
            assert read.json() | {"validity": None} == profile | {"validity": None}

    def test_a_profile_of_a_past_day_is_over_at_once(self, created, bank):
        authorization, profile = created()
        past = (datetime.fromisoformat(profile["as_of"]) - timedelta(days=300)).date().isoformat()
        earlier = bank.call("POST", "/v1/profiles", authorization, json={"as_of": past}).json()
        assert earlier["validity"]["limited_by"] == "next_filing"
        assert earlier["validity"]["expired"] is True


class TestStored:
    def test_a_replay_gives_the_same_bytes_whatever_the_terms_are_now(
        self, created, empty_database, settings, tmp_path
    ):
        _, profile = created()
        with empty_database.transaction("owner") as session:
            (stored,) = stored_profiles(session)
            assert stored.summary["capacity"]["suggested_fen"] == profile["capacity"]["suggested_fen"]
            assert replay_profile(session, stored, live=load_live(settings), settings=settings).same

    def test_a_replay_finds_a_changed_limit(self, created, empty_database, settings):
        created()
        with empty_database.transaction("owner") as session:
            (stored,) = stored_profiles(session)
            session.expunge(stored)
            stored.summary = deepcopy(stored.summary)
            stored.summary["capacity"]["suggested_fen"] += 100_000
            found = replay_profile(session, stored, live=load_live(settings), settings=settings)
        assert (found.same, found.differences) == (False, ("summary",))

    def test_a_profile_from_before_is_read_without_and_replays(self, created, bank, empty_database, settings):
        authorization, profile = created()
        with empty_database.transaction("owner") as session:
            (stored,) = stored_profiles(session)
            values = stored.columns() | {"id": uuid4()}
            for column in ("summary", "asked"):
                values[column] = {k: v for k, v in values[column].items() if k not in ("capacity", "validity")}
            old = Profile(**values)
            old.content_sha256 = content.content_sha256(old.columns())
            session.add(old)
            session.flush()
            assert replay_profile(session, old, live=load_live(settings), settings=settings).same
            name = ids.external("prf", old.id)
        read = bank.call("GET", f"/v1/profiles/{name}", authorization)
        assert read.status_code == 200, read.text
        assert (read.json()["capacity"], read.json()["validity"]) == (None, None)
        assert read.json()["points"] == profile["points"]

    @pytest.mark.parametrize("member", ["capacity", "validity"])
    def test_the_evidence_binds_it(self, created, empty_database, member):
        created()
        with empty_database.transaction("owner") as session:
            (stored,) = stored_profiles(session)
            named = session.scalar(text("SELECT detail->'contents' FROM audit_entries WHERE action = 'profile.create'"))
            changed = stored.columns() | {"summary": stored.summary | {member: None}}
        assert content.content_sha256(stored.columns()) in named.values()
        assert content.content_sha256(changed) not in named.values()
