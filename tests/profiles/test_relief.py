"""Relief in profiles: late payments under a policy do not count, the profile names it, a replay applies the same."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from creditlink.audit import service as audit
from creditlink.cli import relief as commands
from creditlink.cli.replay import replay_profile
from creditlink.consents.tables import Consent
from creditlink.engine.facts.relief import relieve
from creditlink.engine.facts.relief_policies import ReliefBook, ReliefPolicy, policies_of
from creditlink.engine.features.compute import compute
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.processes import runtime
from creditlink.profiles.tables import Profile
from creditlink.records.store import save_facts
from tests.oauth import flow
from tests.profiles.conftest import nothing_public, store_pull
from tests.profiles.test_lineage import records_of
from tests.records import samples


def policy(**changes) -> ReliefPolicy:
    today = day_of(utc_now())
    return ReliefPolicy(
        **{
            "code": "TEST-1",
            "name_zh": "社保费缓缴",
            "name_en": "Deferred contributions",
            "source": "测试文件",
            "payments": ("social_security",),
            "regions": (),
            "industries": (),
            "due_from": today - timedelta(days=900),
            "due_before": today + timedelta(days=1),
            "extended_to": None,
            "known_on": today - timedelta(days=900),
            "expires_on": today + timedelta(days=900),
        }
        | changes
    )


@pytest.fixture
def profiled(app, bank, authorized, empty_database):
    """Compute a profile of a firm that pays its contributions thirty days late, under some policies."""

    def run(*policies):
        runtime.of_app(app).put(ReliefBook(policies))
        run.authorization = authorization = authorized(bank, categories=("social_security",))
        now = utc_now()
        with empty_database.transaction("owner") as session:
            consent = session.get_one(Consent, flow.consent_of(authorization))
            facts = []
            for month in samples.months(add_months(month_start(day_of(now)), -13), 11):
                fact = samples.payroll(month)
                late = add_months(month, 1) + timedelta(days=49)
                facts.append(samples.payroll(month, paid_on=late.isoformat(), known=fact.known_at))
            save_facts(
                session, facts, enterprise_id=consent.enterprise_id, source="social_security", pull_id=None,
                now=now - timedelta(seconds=1),
            )  # fmt: skip
            store_pull(session, consent, nothing_public() | {"social_security": "DELIVERED"}, now)
        made = bank.call("POST", "/v1/profiles", authorization, json={})
        assert made.status_code == 201, made.text
        path = f"/v1/profiles/{made.json()['id']}"
        explained = bank.call("GET", f"{path}/explanation", authorization).json()
        values = {row["name"]: row["value"] for row in explained["indicators"]}
        return bank.call("GET", path, authorization).json(), values

    return run


def stored(database) -> Profile:
    with database.transaction("owner") as session:
        return session.scalars(select(Profile)).one()


def test_late_payments_under_relief_do_not_count_and_the_policy_is_named(profiled):
    profile, values = profiled(policy())
    assert values["contributions_late_12"] == 0
    (named,) = profile["relief"]
    assert (named["code"], named["source"]) == ("TEST-1", "测试文件")
    assert "社保费缓缴" in named["text_zh"]


@pytest.mark.parametrize(
    "changes",
    [
        {"regions": ("11",)},
        {"payments": ("utility",)},
        {"known_on": day_of(utc_now()) + timedelta(days=1)},
        {"known_on": day_of(utc_now()) - timedelta(days=9), "expires_on": day_of(utc_now())},
    ],
)
def test_a_policy_that_is_not_for_it_changes_nothing(profiled, changes):
    profile, values = profiled(policy(**changes))
    assert values["contributions_late_12"] > 5
    assert profile["relief"] == []


def test_without_policies_the_profile_says_none(profiled, empty_database):
    profile, values = profiled()
    assert values["contributions_late_12"] > 5
    assert profile["relief"] == []
    with empty_database.transaction("owner") as session:
        kept = session.scalars(select(Profile)).one()
        assert "relief" not in kept.asked
        assert "relief" not in kept.summary


def test_a_replay_applies_what_was_in_force_whatever_became_of_the_file(profiled, app, empty_database, settings):
    profiled(policy())
    runtime.of_app(app).put(ReliefBook())
    with empty_database.transaction("owner") as session:
        kept = session.scalars(select(Profile)).one()
        assert [one["code"] for one in kept.asked["relief"]] == ["TEST-1"]
        found = replay_profile(session, kept, live=runtime.of_app(app).of(LiveModel), settings=settings)
    assert found.same, found.differences


def test_the_lineage_names_the_policies_and_gives_the_value_again_with_them(profiled, bank, empty_database):
    profile, values = profiled(policy(), policy(code="TEST-2", payments=("utility",)))
    path, authorization = f"/v1/profiles/{profile['id']}/lineage", profiled.authorization
    body = bank.call("GET", path, authorization, params={"indicator": "contributions_late_12", "limit": 500}).json()
    assert [one["code"] for one in body["relief"]] == ["TEST-1"]
    records = records_of(body)
    day = date.fromisoformat(body["as_of"])
    named = [{k: v for k, v in one.items() if not k.startswith("text_")} for one in body["relief"]]
    under = relieve(records, policies_of(named), day)[0]
    assert compute(under, day)["contributions_late_12"][0] == values["contributions_late_12"] == 0
    assert compute(records, day)["contributions_late_12"][0] > 5
    other = bank.call("GET", path, authorization, params={"indicator": "headcount"}).json()
    assert other["relief"] == []  # it reads no due day


def test_everybody_sees_the_policies(app, client):
    runtime.of_app(app).put(ReliefBook((policy(),)))
    body = client.get("/v1/reference/relief").json
    (item,) = body["items"]
    assert (item["code"], item["state"], item["extended_to"]) == ("TEST-1", "in_force", None)
    assert len(body["sha256"]) == 64
    runtime.of_app(app).put(ReliefBook())
    assert client.get("/v1/reference/relief").json["items"] == []


class TestCommands:
    TOML = """
[[policies]]
code = "2026-FS"
name_zh = "测试"
name_en = "Test"
source = "公告"
payments = ["tax"]
due_from = 2026-06-01
due_before = 2026-09-01
late_does_not_count = true
known_on = 2026-06-03
expires_on = 2027-06-01
"""

    @pytest.fixture
    def run(self, empty_database, monkeypatch, settings, tmp_path):
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "relief.toml").write_text(self.TOML)
        here = type(settings)(**vars(settings) | {"config_dir": tmp_path / "config"})
        monkeypatch.setattr(commands, "start", lambda _role: (here, empty_database))

        def invoke(*arguments):
            result = CliRunner().invoke(commands.relief, list(arguments))
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            return result

        return invoke

    def test_a_version_is_recorded_once_and_shown(self, run, empty_database, tmp_path):
        assert json.loads(run("list").output)["adopted_at"] is None
        first = json.loads(run("adopt", "--reason", "风控会决定").output)
        again = json.loads(run("adopt", "--reason", "风控会决定").output)
        assert (first["recorded"], again["recorded"]) == (True, False)
        listed = json.loads(run("list", "--on", "2026-07-01").output)
        assert listed["adopted_at"] is not None
        assert [one["state"] for one in listed["policies"]] == ["in_force"]
        (tmp_path / "config" / "relief.toml").write_text(self.TOML.replace("2027-06-01", "2028-06-01"))
        assert json.loads(run("list").output)["adopted_at"] is None
        assert json.loads(run("adopt", "--reason", "续期").output)["recorded"] is True
        with empty_database.transaction("owner") as session:
            entries = [line for line in audit.export(session, audit.NO_ENTERPRISE) if line["action"] == "relief.adopt"]
            assert audit.check(session, audit.NO_ENTERPRISE) is None
        assert [line["detail"]["reason"] for line in entries] == ["风控会决定", "续期"]

    def test_without_a_reason_nothing_is_recorded(self, run):
        assert run("adopt", "--reason", "  ").exit_code == 1
        assert json.loads(run("list").output)["adopted_at"] is None

    @pytest.mark.parametrize(
        ("day", "state"), [("2026-06-02", "not_known"), ("2026-06-03", "in_force"), ("2027-06-01", "expired")]
    )
    def test_check_says_what_is_in_force_and_what_expires(self, run, tmp_path, day, state):
        found = json.loads(run("check", str(tmp_path / "config" / "relief.toml"), "--on", day).output)
        assert found[state] == ["2026-FS"]
        soon = json.loads(run("check", str(tmp_path / "config" / "relief.toml"), "--on", "2027-05-20").output)
        assert soon["expires_soon"] == {"2026-FS": "2027-06-01"}

    @pytest.mark.parametrize(
        "content", [b"policies = 7", b"[[", 'name = "中"'.encode("gbk"), b"\xef\xbb\xbf[[policies]]\n"]
    )
    def test_a_wrong_file_is_named(self, run, tmp_path, content):
        file = tmp_path / "wrong.toml"
        file.write_bytes(content)
        refused = run("check", str(file))
        assert refused.exit_code == 1
        assert "wrong.toml" in refused.output

    def test_a_wrong_day_is_named(self, run):
        assert "2026-13-01" in run("list", "--on", "2026-13-01").output
