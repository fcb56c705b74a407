"""An injected drift is alarmed on the day, the fall-back serves and is replayable; what is calm stays calm."""

import json
from datetime import timedelta

from sqlalchemy import func, select, text

from creditlink.audit.tables import AuditEntry
from creditlink.decisions import service as decisions
from creditlink.kit import ids
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.jobs import dead_letters
from creditlink.kit.postgres import db
from creditlink.lifecycle import restraint, service
from creditlink.lifecycle.tables import ModelStep, PurposeStanding
from creditlink.profiles.serving import watch as serving
from creditlink.watch import acting, reading
from creditlink.watch.tables import DriftAlarm, SeriesCount, SeriesFinding
from creditlink.watch.tasks import watch_day
from tests import factories as make
from tests.decisions.conftest import READER
from tests.watch.conftest import FALL_BACK

UNDERWRITING = "underwriting"


def watched(days_ago=0):
    now = utc_now()
    done = watch_day(day_of(now) - timedelta(days=days_ago), now=now)
    with db.transaction("owner") as session:
        assert dead_letters.open_items(session, "watch.day") == set()
    return done


def standings():
    with db.transaction("owner") as session:
        rows = session.scalars(select(PurposeStanding).where(PurposeStanding.purpose == UNDERWRITING))
        return {row.model_id: row.status for row in rows}


def alarms():
    with db.transaction("owner") as session:
        return list(session.scalars(select(DriftAlarm).order_by(DriftAlarm.raised_at)))


def first_days(many, count=250):
    """What the champion of a folder without a reference is held against: its first days in use, a while ago."""
    many(count, day_of(utc_now()) - timedelta(days=60), seed=1)
    watch_day(day_of(utc_now()) - timedelta(days=60), now=utc_now())


def test_an_injected_drift_is_alarmed_on_the_day_and_the_fall_back_serves(
    many, bank, authorized, delivered, in_use, settings, kept, monkeypatch
):
    now = utc_now()
    in_use(now)
    first_days(many)
    many(200, day_of(now) - timedelta(days=1), seed=2)
    watched(days_ago=1)
    assert alarms() == []  # the same firms as ever, another draw
    many(200, day_of(now), seed=3, points_shift=-60)
    watched()
    (alarm,) = alarms()
    assert (alarm.act, alarm.purpose, alarm.model_id) == ("fall_back", UNDERWRITING, settings.model)
    assert alarm.raised_on == day_of(now)
    assert alarm.series[0] == "points"
    assert alarm.detail["serves"] == FALL_BACK
    told = standings()
    assert (told[FALL_BACK], told[settings.model]) == ("live", "retired")
    watched()  # again it does nothing
    assert len(alarms()) == 1
    with db.transaction("owner") as session:
        step = service.unconfirmed(session)[0]
        assert (step.action, step.signer, step.signed_by) == ("fall_back", "system", None)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "model.fall_back")).one()
        assert (entry.actor, entry.detail["from"]) == ("system", settings.model)
        # People confirm it, and lead back in one step.
        risk = make.make_staff(session, "ben", "risk")
        service.confirm(session, step.wire_id, by=risk, now=utc_now())

    monkeypatch.setattr(serving, "STALE_SECONDS", 0.0)  # the next request reads the register first
    authorization = authorized(bank)
    delivered(authorization)
    answer = bank.call("POST", "/v1/profiles", authorization, json={})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["model"]["model_id"] == FALL_BACK
    reasons = [*body["reasons"], *body["strengths"]]
    columns = {
        one["indicator"]
        for one in json.loads((settings.models_dir / FALL_BACK / "scorecard.json").read_text())["columns"]
    }
    assert {one["indicator"] for one in reasons if one["indicator"]} <= columns
    with db.transaction("owner", viewer=db.Viewer(actor="audit")) as session:
        (again,) = decisions.replay(session, [ids.internal("prf", body["id"])], READER, kept=kept, now=utc_now())
    assert again.same, again.to_json()

    with db.transaction("owner") as session:
        back = service.roll_back(session, settings.model, [UNDERWRITING], by=risk, reason="found", now=utc_now())
        assert back.status == "live"
    assert standings()[settings.model] == "live"


def test_indicators_that_shift_alone_freeze_the_model_until_people_lift_it(many, in_use, settings, bank, monkeypatch):
    now = utc_now()
    in_use(now)
    first_days(many)
    many(200, day_of(now), seed=4, shift=3.0)
    watched()
    (alarm,) = alarms()
    assert alarm.act == "freeze"
    assert "points" not in alarm.series
    with db.transaction("owner") as session:
        frozen = restraint.frozen_purposes(session)
        assert frozen[UNDERWRITING].model_id == settings.model
        risk = make.make_staff(session, "ben", "risk")
        model_id = restraint.lift(session, UNDERWRITING, by=risk, reason="the office changed a unit", now=utc_now())
        assert model_id == settings.model
        acting.close(session, alarm.wire_id, by=risk, resolution="a changed unit", now=utc_now())
        assert restraint.frozen_purposes(session) == {}
    watched()  # what people settled is not raised again from the same days
    assert [one.closed_at is None for one in alarms()] == [False]


def test_no_fall_back_that_people_approved_is_a_freeze(many, in_use, settings):
    now = utc_now()
    in_use(now)
    with db.transaction("owner") as session:
        session.get_one(PurposeStanding, (FALL_BACK, UNDERWRITING)).status = "candidate"
    first_days(many)
    many(200, day_of(now), seed=5, points_shift=-60)
    watched()
    watched()
    (alarm,) = alarms()
    assert alarm.act == "freeze"
    assert "takes a model that was approved" in alarm.detail["fall_back_refused"]
    assert standings()[settings.model] == "live"


def test_few_profiles_and_a_model_of_yesterday_raise_nothing(many, in_use):
    now = utc_now()
    in_use(now)
    first_days(many)
    many(30, day_of(now), seed=6, points_shift=-200)
    watched()
    assert alarms() == []
    with db.transaction("owner") as session:
        levels = select(SeriesFinding.level).where(SeriesFinding.day == day_of(now), SeriesFinding.series == "points")
        assert session.scalars(levels).all() == ["few"]
        session.get_one(PurposeStanding, ("city-2026g", UNDERWRITING)).since_at = now
    many(200, day_of(now), seed=7, points_shift=-200)
    watched()
    assert alarms() == []


def test_a_lender_that_asks_of_one_odd_firm_again_and_again_brings_nothing_about(many, in_use, settings):
    now = utc_now()
    in_use(now)
    first_days(many)
    for days_ago in (2, 1, 0):
        many(200, day_of(now) - timedelta(days=days_ago), seed=11, points_shift=-200, shift=9.0, of_one_firm=True)
        watched(days_ago)
    assert alarms() == []
    assert standings()[settings.model] == "live"


def test_counts_stay_when_profiles_go_and_name_no_firm(many, in_use):
    now = utc_now()
    in_use(now)
    many(60, day_of(now), seed=8)
    many(60, day_of(now), seed=9)  # the same firms once more: each counts once a day
    watched()
    with db.transaction("owner") as session:
        points = session.scalars(select(SeriesCount.counts).where(SeriesCount.series == "points")).one()
        assert sum(points) == 61  # and the firm of the consent
        session.execute(text("DELETE FROM profiles"))
        assert session.scalar(select(func.count()).select_from(SeriesCount)) > 150
    assert not {"enterprise_id", "institution_id", "consent_id"} & set(SeriesCount.__table__.columns.keys())


def test_what_staff_see(many, in_use, settings):
    now = utc_now()
    in_use(now)
    first_days(many)
    many(200, day_of(now), seed=10, shift=3.0)
    watched()
    with db.transaction("owner") as session:
        seen = reading.overview(session, None, UNDERWRITING)
        (model,) = seen["models"]
        assert seen["day"] == day_of(now)
        assert model["frozen_since"] is not None
        assert model["series"][0]["level"] == "shifted"
        assert sum(one["profiles"] for one in model["grades"]) == 201
        (tax,) = [one for one in model["sources"] if one["category"] == "tax"]
        assert (tax["delivered"], tax["missing_share"]) == (201, 0.0)
        assert model["alarms"][0]["act"] == "freeze"
        found = reading.course(session, reading.WatchedModel(UNDERWRITING, settings.model), "points", None)
        assert found[0]["against"] == "first_days"


def test_one_purpose_is_frozen_and_only_where_the_model_is_live(in_use, settings, empty_database):
    in_use(utc_now())
    with db.transaction("owner") as session:
        assert restraint.freeze(session, settings.model, UNDERWRITING, because="x", now=utc_now())
        assert not restraint.freeze(session, settings.model, UNDERWRITING, because="y", now=utc_now())
        assert not restraint.freeze(session, "no-model", "monitoring", because="x", now=utc_now())
        assert set(restraint.frozen_purposes(session)) == {UNDERWRITING}
        assert session.scalars(select(ModelStep.action).where(ModelStep.action == "fall_back")).all() == []
