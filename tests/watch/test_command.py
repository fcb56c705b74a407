"""The commands: a day is watched and shown, an alarm closed, a freeze lifted in somebody's name."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from creditlink.cli import watch as module
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.lifecycle import restraint
from creditlink.watch.tables import DriftAlarm
from tests import factories as make


@pytest.fixture
def run(settings, empty_database, monkeypatch):
    """Run a command on the test's database; return its JSON, or its one line where it fails."""
    monkeypatch.setattr(module, "start", lambda _role: (settings, empty_database))
    monkeypatch.setattr("creditlink.staff.access.purpose.mark_of", lambda _: "sandbox")
    with empty_database.transaction("owner") as session:
        make.make_staff(session, "ben", "risk")

    def ask(*arguments, fails=False):
        result = CliRunner().invoke(module.watch, list(arguments))
        assert (result.exit_code != 0) is fails, result.output
        return result.output if fails else json.loads(result.stdout)

    return ask


def test_a_day_is_watched_and_shown(run, in_use, many):
    now = utc_now()
    in_use(now)
    many(60, day_of(now))
    day = day_of(now).isoformat()
    assert run("run", "--day", day) == {"day": day, "models": 1, "done": 1, "failed": 0}
    shown = run("show", "--purpose", "underwriting")
    assert shown["day"] == day
    assert shown["models"][0]["levels"]["few"] > 100
    assert run("series", "--purpose", "underwriting", "--model", "city-2026g")[0]["level"] == "few"
    tomorrow = (day_of(now) + timedelta(days=1)).isoformat()
    assert "it has not come yet" in run("run", "--day", tomorrow, fails=True)


def test_an_alarm_is_closed_and_a_freeze_lifted_by_people(run, in_use, settings):
    now = utc_now()
    in_use(now)
    with db.transaction("owner") as session:
        restraint.freeze(session, settings.model, "underwriting", because="drift", now=now)
        alarm = DriftAlarm(
            purpose="underwriting", model_id=settings.model, act="freeze", series=["points"], detail={},
            raised_on=day_of(now), seen_on=day_of(now), raised_at=now,
        )  # fmt: skip
        session.add(alarm)
        session.flush()
        told = alarm.wire_id
    assert [one["id"] for one in run("alarms")] == [told]
    assert "in whose name" in run("close", told, "--resolution", "found", fails=True)
    assert "say how it was settled" in run("close", told, "--resolution", " ", "--as", "ben", fails=True)
    assert run("close", told, "--resolution", "found", "--as", "ben")["resolution"] == "found"
    assert "no such alarm is open" in run("close", told, "--resolution", "found", "--as", "ben", fails=True)
    assert run("alarms") == []
    assert run("lift", "underwriting", "--reason", "found", "--as", "ben")["model"] == settings.model
    assert "no freeze holds" in run("lift", "underwriting", "--reason", "found", "--as", "ben", fails=True)
