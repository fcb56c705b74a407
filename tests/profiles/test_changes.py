"""`GET /v1/profiles/{id}/changes`: what moved the points between two stored profiles, and who may ask."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import undefer

from creditlink.audit.tables import AuditEntry
from creditlink.cli import profiles as commands
from creditlink.engine.explanation.change.evaluation import evaluate
from creditlink.engine.explanation.change.states import ScoreBasis
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.model import load
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import Conflict
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.profiles.changes.comparison import compare
from creditlink.profiles.changes.model_source import ModelFolders
from creditlink.profiles.tables import Profile
from tests.engine.scoring.folders import write_folder
from tests.factories import make_staff
from tests.oauth import flow


def changes(bank, authorization, profile, since):
    return bank.call("GET", f"/v1/profiles/{profile}/changes", authorization, params={"since": since})


@pytest.fixture
def two(created, bank):
    """Two profiles of one firm under one consent, of days half a year apart, the earlier day first."""

    def run(**values):
        authorization, later = created(**values)
        day = day_of(utc_now()) - timedelta(days=180)
        answer = bank.call("POST", "/v1/profiles", authorization, json={"as_of": day.isoformat()})
        assert answer.status_code == 201, answer.text
        return authorization, later, answer.json()

    return run


class TestChanges:
    def test_add_up_to_the_last_bit_and_name_both_values(self, two, bank):
        authorization, now, then = two()
        body = changes(bank, authorization, then["id"], now["id"]).json()
        assert body["comparison"] == "split"
        assert (body["since"]["id"], body["profile"]["id"]) == (now["id"], then["id"])
        assert body["points"] == then["points"] - now["points"]
        parts = {one["name"]: one["points"] for one in body["parts"]}
        assert set(parts) == {"data", "coverage", "model", "policy", "rounding"}
        assert sum(parts.values()) == body["points"]
        assert sum(one["points"] for one in body["indicators"]) == parts["data"]
        assert parts["model"] == parts["policy"] == 0.0
        assert abs(parts["rounding"]) <= 1
        values = {one["name"]: (one["before"], one["after"]) for one in body["indicators"]}
        assert any(old != new for old, new in values.values())
        first = body["indicators"][0]
        assert first["text_zh"].endswith("。")
        assert first["text_en"].endswith(".")

    def test_leave_evidence_that_names_both_profiles(self, two, bank, empty_database):
        authorization, now, then = two()
        assert changes(bank, authorization, then["id"], now["id"]).status_code == 200
        with empty_database.transaction("owner") as session:
            entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "profile.changes")).all()
        assert {entry.detail["profile"] for entry in entries} == {now["id"], then["id"]}
        assert all(entry.result == "disclosed" and entry.detail["contents"] for entry in entries)

    def test_the_later_profile_as_since_is_refused(self, two, bank):
        authorization, now, then = two()
        answer = changes(bank, authorization, now["id"], then["id"])
        assert (answer.status_code, answer.json()["reason"]) == (409, "wrong_order")

    def test_a_profile_of_another_consent_is_not_there(self, two, bank, authorized, delivered):
        authorization, now, _ = two()
        other = authorized(bank)
        delivered(other)
        own = bank.call("POST", "/v1/profiles", other, json={}).json()
        assert changes(bank, other, own["id"], now["id"]).status_code == 404
        assert changes(bank, authorization, own["id"], now["id"]).status_code == 404

    def test_nothing_once_the_consent_is_withdrawn(self, two, bank):
        authorization, now, then = two()
        flow.change_consent(authorization, "revoke")
        assert changes(bank, authorization, then["id"], now["id"]).status_code in (401, 403)

    @pytest.mark.parametrize("since", ["", "prf_", "prf_\x00", "prf_" + "0" * 32, "x" * 64, "prf_" + "０" * 32])
    def test_a_since_that_names_nothing(self, two, bank, since):
        authorization, now, _ = two()
        assert changes(bank, authorization, now["id"], since).status_code in (404, 422)

    def test_what_a_source_began_to_tell_is_coverage_and_a_cap_is_said(self, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization, categories=("tax", "electricity"), social_security="DOWN")
        partial = {"accept_partial": ["social_security"]}
        before = bank.call("POST", "/v1/profiles", authorization, json=partial).json()
        assert before["partial"]["missing"] == {"social_security": "source_down"}
        delivered(authorization, categories=("social_security",), tax="DELIVERED", electricity="DELIVERED")
        after = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert after["partial"] is None
        body = changes(bank, authorization, after["id"], before["id"]).json()
        (told,) = body["coverage"]
        assert told["name"] == "social_security"
        assert "数据源暂不可用 → 已取得" in told["text_zh"]
        parts = {one["name"]: one["points"] for one in body["parts"]}
        assert told["points"] == parts["coverage"]
        assert sum(parts.values()) == after["points"] - before["points"]
        assert "social_security" not in {one["category"] for one in body["indicators"] if one["before"] is None}
        if before["partial"]["grade_by_score"] != before["grade"]:
            assert "capped" in body["grade_en"]

    def test_without_a_score_on_one_side_nothing_is_split(self, bank, authorized, delivered):
        authorization = authorized(bank, categories=("electricity", "tax"))
        delivered(authorization, categories=(), tax="NO_RECORD", electricity="NO_RECORD")
        before = bank.call("POST", "/v1/profiles", authorization, json={"accept_partial": ["tax", "electricity"]})
        assert before.status_code == 201, before.text
        assert before.json()["state"] == "not_scorable"
        delivered(authorization, categories=("tax", "electricity"))
        after = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        assert after["state"] == "scored"
        body = changes(bank, authorization, after["id"], before.json()["id"]).json()
        assert (body["comparison"], body["points"], body["parts"]) == ("not_comparable", None, [])
        assert {one["name"] for one in body["coverage"]} == {"tax", "utility"}
        assert all(one["points"] is None for one in (*body["coverage"], *body["indicators"]))
        assert before.json()["not_scorable_reason"]["sentence_en"] in body["text_en"]


class TestModels:
    @pytest.fixture
    def stored(self, two, empty_database):
        two()
        with empty_database.transaction("owner") as session:
            wanted = select(Profile).order_by(Profile.created_at).options(undefer(Profile.explanation))
            return session.scalars(wanted).all()

    @pytest.fixture
    def folders(self, app):
        return ModelFolders(runtime.of_app(app).of(LiveModel), runtime.of_app(app).of(Settings).models_dir)

    def test_a_model_whose_folder_is_gone_is_said(self, stored, folders):
        before, after = stored
        before.model_id, before.model_sha256 = "city-2025a", "0" * 64
        with pytest.raises(Conflict, match="city-2025a is not at hand") as refused:
            compare(before, after, folders)
        assert refused.value.extra["reason"] == "model_not_at_hand"

    def test_a_folder_of_the_same_name_with_other_trees_is_not_taken(self, stored, folders):
        before, after = stored
        before.model_sha256 = "0" * 64
        with pytest.raises(Conflict, match="other trees"):
            compare(before, after, folders)

    def test_an_earlier_model_is_read_from_its_folder(self, stored, folders, tmp_path):
        before, after = stored
        live = folders.live
        folder = write_folder(tmp_path / "earlier", names=live.model.features[:40], seed=5)
        basis = ScoreBasis.of(load(folder, live.model.scale))
        values = {name: value for name, (value, *_) in before.explanation["indicators"].items()}
        scored = evaluate(values, basis)
        read = {name: [values[name], 0.0, 0.0] for name in basis.model.features}
        before.explanation = before.explanation | {"points_exact": scored.points_exact, "indicators": read}
        before.points, before.model_id = round(scored.points_exact), "earlier"
        before.model_sha256 = basis.trees[0]
        found = compare(before, after, ModelFolders(live, tmp_path))
        parts = {one.name: one for one in found.parts}
        assert parts["model"].points
        assert "更换为city-2026g，新增144项指标" in parts["model"].text_zh
        assert sum(one.points for one in found.parts) == after.points - before.points

    def test_a_score_that_cannot_be_reproduced_is_said(self, stored, folders):
        before, after = stored
        before.explanation = before.explanation | {"points_exact": before.explanation["points_exact"] + 1e-9}
        with pytest.raises(Conflict, match="policy of that day") as refused:
            compare(before, after, folders)
        assert refused.value.extra["reason"] == "not_reproduced"

    def test_profiles_of_two_firms_are_not_compared(self, stored, folders):
        before, after = stored
        before.enterprise_id = before.id
        with pytest.raises(Conflict, match="two firms"):
            compare(before, after, folders)


class TestCommand:
    @pytest.fixture
    def run(self, settings, empty_database, monkeypatch):
        def invoke(*arguments):
            monkeypatch.setattr(commands, "start", lambda _role: (settings, empty_database))
            return CliRunner().invoke(commands.profiles, ["changes", *arguments])

        with empty_database.transaction("owner") as session:
            make_staff(session, "zhao", "risk")
            make_staff(session, "qian", "operator")
        return invoke

    def test_tells_the_risk_team_what_the_bank_is_told_and_leaves_its_name(self, two, bank, run, empty_database):
        authorization, now, then = two()
        told = changes(bank, authorization, then["id"], now["id"]).json()
        result = run(now["id"], then["id"], "--as", "zhao")
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["parts"] == told["parts"]
        with empty_database.transaction("owner") as session:
            (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.actor.like("staff:%"))).all()
        assert entry.detail["profiles"] == [now["id"], then["id"]]
        assert entry.enterprise_id is not None

    @pytest.mark.parametrize("named", ["prf_x", "企业", "", "prf_" + "0" * 32])
    def test_names_what_is_no_profile(self, two, run, named):
        _, now, _ = two()
        result = run(now["id"], named, "--as", "zhao")
        assert result.exit_code == 1
        assert "no such profile" in result.output

    def test_nobody_looks_without_a_name(self, run):
        for who, said in (((), "in whose name?"), (("--as", "li"), "no member"), (("--as", "qian"), "this takes")):
            result = run("prf_a", "prf_b", *who)
            assert result.exit_code == 1
            assert said in result.output
