"""`/v1/profiles` over HTTP: what is answered, what is refused, and what is left behind."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from creditlink.audit import chain
from creditlink.audit import service as audit
from creditlink.consents.tables import Consent
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.profiles.tables import Profile
from tests.oauth import flow


class TestCreateProfile:
    def test_computes_explains_and_matches(self, products, created):
        _, profile = created()
        assert profile["state"] == "scored"
        assert profile["grade"] in ("A+", "A", "B", "C", "D", "E")
        assert 0 < profile["pd_12m"] < 1
        assert len(profile["reasons"]) <= 4
        assert all(r["sentence_zh"] and r["sentence_en"] for r in profile["reasons"] + profile["strengths"])
        assert profile["coverage"]["tax"]["status"] == "delivered"
        assert profile["coverage"]["public_credit"]["status"] == "no_record"
        assert sum(profile["products"]["counts"].values()) > 20

    def test_base_and_contributions_are_the_margin(self, created, bank):
        authorization, profile = created()
        body = bank.call("GET", f"/v1/profiles/{profile['id']}/explanation", authorization).json()
        total = body["base_value"] + sum(row["contribution"] for row in body["indicators"])
        assert total == pytest.approx(body["margin"], abs=1e-6)
        points = body["points_base"] + sum(row["points_contribution"] for row in body["indicators"])
        assert points + body["points_calibration"] == pytest.approx(body["points_exact"], abs=1e-6)
        assert profile["points"] == pytest.approx(body["points_exact"], abs=0.5 + 1e-9)
        dimensions = sum(row["points_contribution"] for row in profile["dimensions"])
        assert dimensions == pytest.approx(sum(r["points_contribution"] for r in body["indicators"]), abs=1e-6)

    def test_the_interval_and_the_score_without_each_category_are_told(self, created):
        _, profile = created()
        interval = profile["interval"]
        assert interval["pd_low"] <= profile["pd_12m"] <= interval["pd_high"]
        assert interval["points_low"] <= profile["points"] <= interval["points_high"]
        without = {row["category"]: row for row in profile["without_category"]}
        assert set(without) == {"tax", "social_security", "utility"}
        for row in without.values():
            assert row["points"] + row["points_gained"] == profile["points"]

    def test_improvements_are_read_and_leave_evidence(self, created, bank, empty_database):
        authorization, profile = created()
        body = bank.call("GET", f"/v1/profiles/{profile['id']}/improvements", authorization).json()
        assert (body["grade"], body["points"]) == (profile["grade"], profile["points"])
        assert body["best_points"] >= body["points"]
        for plan in body["plans"]:
            assert plan["changes"]
            assert plan["points"] > body["points"]
        with empty_database.transaction("owner") as session:
            actions = list(session.scalars(text("SELECT action FROM audit_entries")))
        assert "profile.improvements" in actions

    def test_a_model_is_not_used_outside_its_purpose(self, app, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization)
        live = runtime.of_app(app).of(LiveModel)
        runtime.of_app(app).put(replace(live, purposes=("monitoring",)))
        try:
            answer = bank.call("POST", "/v1/profiles", authorization, json={})
        finally:
            runtime.of_app(app).put(live)
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/model-purpose"
        assert "is for monitoring, not for underwriting" in answer.json()["detail"]

    def test_every_rule_is_reported(self, products, created, bank):
        authorization, profile = created()
        body = bank.call("GET", f"/v1/profiles/{profile['id']}/matches?limit=100", authorization).json()
        assert len(body["products"]) == min(body["total"], 100)
        for product in body["products"]:
            for rule in product["rules"]:
                assert rule["outcome"] in ("pass", "fail", "unknown")
                assert rule["outcome"] != "fail" or rule["gap"] is not None or rule["observed"] is not None

    def test_facts_of_a_category_not_granted_never_reach_the_indicators(
        self, bank, authorized, delivered, empty_database
    ):
        authorization = authorized(bank, kept=["tax"])
        delivered(authorization)  # the store holds all three categories
        profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        body = bank.call("GET", f"/v1/profiles/{profile['id']}/explanation", authorization).json()
        seen = {row["category"] for row in body["indicators"] if row["value"] is not None}
        assert "tax" in seen
        assert not seen & {"social_security", "utility"}
        assert profile["coverage"]["electricity"]["status"] == "not_granted"
        assert profile["coverage"]["electricity"]["rows"] == 0

    def test_not_consented_no_record_and_source_down_stay_apart(self, bank, authorized, delivered):
        authorization = authorized(bank, kept=["tax", "social_security"])
        delivered(authorization, categories=("tax",), social_security="DOWN")
        body = {"accept_partial": ["social_security"]}  # required: without it there is no profile
        coverage = bank.call("POST", "/v1/profiles", authorization, json=body).json()["coverage"]
        assert coverage["tax"]["status"] == "delivered"
        assert coverage["social_security"]["status"] == "source_down"
        assert coverage["electricity"]["status"] == "not_granted"

    def test_waits_for_records_with_202(self, bank, authorized):
        response = bank.call("POST", "/v1/profiles", authorized(bank), json={})
        assert response.status_code == 202
        assert response.json()["status"] == "PENDING"
        assert response.headers["Location"] == f"/v1/pulls/{response.json()['pull_id']}"

    def test_prefer_wait_is_honoured_and_bounded(self, bank, authorized):
        authorization = authorized(bank)
        response = bank.call("POST", "/v1/profiles", authorization, json={}, headers={"Prefer": "wait=1"})
        assert response.status_code == 202
        assert response.headers["Preference-Applied"] == "wait=1"
        assert response.elapsed.total_seconds() >= 0.9

    def test_no_source_ever_delivered_is_409_with_each_reason(self, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization, categories=(), tax="DOWN", social_security="TIMEOUT", electricity="DENIED")
        response = bank.call("POST", "/v1/profiles", authorization, json={})
        assert response.status_code == 409
        assert {s: v["status"] for s, v in response.json()["sources"].items()} == {
            "tax": "DOWN",
            "social_security": "TIMEOUT",
            "electricity": "DENIED",
            "public_credit": "NO_RECORD",  # what is public alone makes no profile
        }

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"unknown": 1}, "/unknown"),
            ({"as_of": "2026-13-01"}, "/as_of"),
            ({"as_of": "1999-01-01"}, "/as_of"),
            ({"amount_fen": "many"}, "/amount_fen"),
            ({"amount_fen": 10**20}, "/amount_fen"),
            ({"term_months": 0}, "/term_months"),
        ],
    )
    def test_wrong_fields_are_named(self, bank, authorized, body, pointer):
        response = bank.call("POST", "/v1/profiles", authorized(bank), json=body)
        assert response.status_code == 422
        assert [e["pointer"] for e in response.json()["errors"]] == [pointer] or pointer in str(response.json())

    @pytest.mark.parametrize(
        ("content", "kind", "status"),
        [
            (b'{"as_of": ', "application/json", 400),
            (b'{"as_of": "2026-01-01", "as_of": "2026-01-02"}', "application/json", 400),
            (b'{"amount_fen": NaN}', "application/json", 400),
            (b"[" * 100_000, "application/json", 400),
            (b"\xff\xfe", "application/json", 400),
            (b"as_of=2026-01-01", "application/x-www-form-urlencoded", 415),
            (b'{"x": "' + b"a" * 300_000 + b'"}', "application/json", 413),
        ],
    )
    def test_bodies_that_cannot_be_read(self, bank, authorized, content, kind, status):
        response = bank.call("POST", "/v1/profiles", authorized(bank), content=content, headers={"Content-Type": kind})
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_no_token_is_401(self, http):
        response = http.post("/v1/profiles", json={})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("DPoP")


class TestIdempotency:
    def test_the_same_key_gives_the_same_profile_and_counts_once(self, bank, authorized, delivered, empty_database):
        authorization = authorized(bank)
        delivered(authorization)
        headers = {"Idempotency-Key": "abcdefgh-1"}
        first, second = (bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers) for _ in range(2))
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        with empty_database.transaction("owner") as session:
            assert session.scalar(select(func.count()).select_from(Profile)) == 1

    def test_another_request_under_the_key_is_refused(self, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization)
        headers = {"Idempotency-Key": "abcdefgh-1"}
        bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers)
        response = bank.call("POST", "/v1/profiles", authorization, json={"term_months": 6}, headers=headers)
        assert response.status_code == 422
        assert response.json()["type"] == "/problems/idempotency-mismatch"

    def test_a_pending_request_does_not_use_up_its_key(self, bank, authorized, delivered):
        authorization = authorized(bank)
        headers = {"Idempotency-Key": "abcdefgh-1"}
        assert bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers).status_code == 202
        delivered(authorization)
        assert bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers).status_code == 201

    def test_a_malformed_key_is_named(self, bank, authorized):
        response = bank.call("POST", "/v1/profiles", authorized(bank), json={}, headers={"Idempotency-Key": "short"})
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/headers/Idempotency-Key"

    def test_the_key_does_not_outlive_the_consent(self, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization)
        headers = {"Idempotency-Key": "abcdefgh-1"}
        bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers)
        flow.change_consent(authorization, "revoke")
        assert bank.call("POST", "/v1/profiles", authorization, json={}, headers=headers).status_code == 403


class TestReadProfile:
    def test_reads_what_was_computed(self, created, bank):
        authorization, profile = created()
        assert bank.call("GET", f"/v1/profiles/{profile['id']}", authorization).json() == profile

    @pytest.mark.parametrize("part", ["", "/explanation", "/matches"])
    @pytest.mark.parametrize("change", ["pause", "revoke"])
    def test_a_dead_consent_refuses_the_next_read(self, created, bank, part, change):
        authorization, profile = created()
        flow.change_consent(authorization, change)
        response = bank.call("GET", f"/v1/profiles/{profile['id']}{part}", authorization)
        assert response.status_code == 403
        assert response.json()["reason"] == {"pause": "paused", "revoke": "revoked"}[change]

    def test_unknown_foreign_and_malformed_ids_look_the_same(self, created, bank, authorized, empty_database, http):
        _, profile = created()
        other_bank = flow.register_bank(empty_database, http)
        foreign = authorized(other_bank)
        bodies = set()
        for wanted in (profile["id"], "prf_" + "0" * 32, "prf_x", "cns_" + "0" * 32, "..%2f"):
            response = other_bank.call("GET", f"/v1/profiles/{wanted}", foreign)
            assert response.status_code == 404
            body = response.json()
            body.pop("request_id")
            bodies.add(str(body))
        assert len(bodies) == 1

    def test_another_consent_of_the_same_bank_does_not_open_it(self, created, bank, authorized):
        _, profile = created()
        assert bank.call("GET", f"/v1/profiles/{profile['id']}", authorized(bank)).status_code == 404

    def test_lists_page_by_page_newest_first(self, created, bank):
        authorization, first = created()
        second = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        page = bank.call("GET", "/v1/profiles?limit=1", authorization).json()
        assert [p["id"] for p in page["items"]] == [second["id"]]
        rest = bank.call("GET", f"/v1/profiles?limit=1&cursor={page['next_cursor']}", authorization).json()
        assert [p["id"] for p in rest["items"]] == [first["id"]]
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=prf_1", "grade=Z", "unknown=1", "created_from=no"])
    def test_wrong_queries_are_4xx(self, created, bank, query):
        authorization, _ = created()
        assert bank.call("GET", f"/v1/profiles?{query}", authorization).status_code in (404, 422)


class TestEvidence:
    def test_every_disclosure_and_refusal_is_in_the_firms_chain(self, created, bank, firm, empty_database):
        authorization, profile = created()
        bank.call("GET", f"/v1/profiles/{profile['id']}/matches", authorization)
        flow.change_consent(authorization, "revoke")
        bank.call("GET", f"/v1/profiles/{profile['id']}", authorization)
        with empty_database.transaction("owner") as session:
            lines = list(audit.export(session, firm.enterprise.id))
        assert chain.verify(lines) is None
        assert [(line["action"], line["result"]) for line in lines] == [
            ("representation.appoint", "done"),
            ("consent.approve", "done"),
            ("profile.create", "disclosed"),
            ("profile.matches", "disclosed"),
            ("consent.revoke", "done"),
            ("read.refused", "refused"),
        ]
        assert lines[-1]["detail"]["reason"] == "revoked"

    def test_without_evidence_nothing_is_disclosed(self, created, bank, empty_database):
        authorization, profile = created()
        with empty_database.transaction("owner") as session:
            session.execute(text("REVOKE EXECUTE ON FUNCTION creditlink_record FROM creditlink_api"))
        try:
            response = bank.call("GET", f"/v1/profiles/{profile['id']}", authorization)
            made = bank.call("POST", "/v1/profiles", authorization, json={})
        finally:
            with empty_database.transaction("owner") as session:
                session.execute(text("GRANT EXECUTE ON FUNCTION creditlink_record TO creditlink_api"))
        assert (response.status_code, made.status_code) == (503, 503)
        assert response.json()["type"] == "/problems/audit-unavailable"
        with empty_database.transaction("owner") as session:
            assert session.scalar(select(func.count()).select_from(Profile)) == 1

    def test_two_banks_cannot_join_their_files(self, created, authorized, delivered, empty_database, http):
        _, one = created()
        other = flow.register_bank(empty_database, http)
        authorization = authorized(other)
        delivered(authorization)
        two = other.call("POST", "/v1/profiles", authorization, json={}).json()
        assert one["enterprise_id"] != two["enterprise_id"]
        with empty_database.transaction("owner") as session:
            stored = session.scalars(select(Profile)).all()
        assert len({p.enterprise_id for p in stored}) == 1
        assert str(stored[0].enterprise_id.hex) not in str(one) + str(two)


class TestRowSecurity:
    def test_the_api_role_sees_nothing_without_a_live_consent(self, created, empty_database):
        created()
        with empty_database.transaction("api") as session:
            for table in ("facts", "profiles", "rejected_rows"):
                assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0

    def test_settings_of_a_live_consent_open_its_rows_and_a_revoked_one_closes_them(self, created, empty_database):
        authorization, _ = created(kept=["tax"])

        def seen():
            with empty_database.transaction("api") as session:
                consent = session.get_one(Consent, flow.consent_of(authorization))
                db.enter(session, db.Viewer(consent_id=consent.id, institution_id=consent.institution_id))
                categories = session.scalars(text("SELECT DISTINCT category FROM facts")).all()
                return set(categories), session.scalar(select(func.count()).select_from(Profile))

        assert seen() == ({"tax"}, 1)
        flow.change_consent(authorization, "revoke")
        assert seen() == (set(), 0)

    def test_a_profile_is_never_changed(self, created, empty_database):
        created()

        with pytest.raises(DatabaseError, match="immutable"), empty_database.transaction("owner") as session:
            session.execute(text("UPDATE profiles SET grade = 'A+'"))


class TestKnockOutsNotLookedAt:
    def test_are_named_with_the_cause_and_not_passed(self, disconnect, created):
        disconnect("public_credit")
        _, profile = created()
        told = {one["code"]: one for one in profile["not_evaluated"]}
        assert {"K01", "K05"} <= set(told)  # no platform is connected, which no firm can bring about
        assert {told[code]["cause"] for code in ("K01", "K05")} == {"not_connected"}
        assert told["K01"]["text_zh"].startswith("未能核查")
        assert not {"K02", "K03", "K04"} & set(told)  # the registry was looked at

    def test_naming_a_public_category_makes_no_other_cause_and_no_requirement(
        self, authorized, delivered, empty_database, http, disconnect
    ):
        disconnect("public_credit")
        bank = flow.register_bank(empty_database, http, categories=["tax", "public_credit"])
        authorization = authorized(bank, categories=("tax", "public_credit"), kept=["tax", "public_credit"])
        delivered(authorization, categories=("tax",))
        body = {"accept_partial": ["public_credit"]}  # what is public is never required: nothing to accept
        refused = bank.call("POST", "/v1/profiles", authorization, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/accept_partial/0")
        profile = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert profile["partial"] is None
        assert {one["cause"] for one in profile["not_evaluated"]} == {"not_connected"}
