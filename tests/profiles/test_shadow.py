"""A shadow model scores beside a real profile, is never shown, and goes with it."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from creditlink.kit.clock import utc_now
from creditlink.kit.jobs import dead_letters
from creditlink.kit.postgres import db
from creditlink.lifecycle import history
from creditlink.lifecycle.tables import PurposeStanding, ReviewItem, ShadowDay, ShadowScore
from creditlink.profiles.serving import watch
from creditlink.reviews.tables import ReviewCase
from creditlink.shadow import scoring, tasks


def enter_shadow(settings):
    """The champion itself in the shadow, for underwriting: what it says must be what the profile says."""
    with db.transaction("owner") as session:
        entries = history.read_entries(settings.models_dir)
        history.take_over(session, settings.models_dir, entries, actor="operator", serve=None, now=utc_now())
        for row in session.scalars(select(PurposeStanding).where(PurposeStanding.status == "shadow")):
            row.status = "approved"  # the scorecard, which is in the shadow from the start
        session.get_one(PurposeStanding, (settings.model, "underwriting")).status = "shadow"


def in_shadow(session):
    """Every model that the register has in the shadow for underwriting: the champion, and those of the file."""
    of_shadow = select(PurposeStanding.model_id).where(PurposeStanding.status == "shadow")
    return set(session.scalars(of_shadow.where(PurposeStanding.purpose == "underwriting")))


def test_every_model_in_the_shadow_is_scored_beside_a_profile_and_compared_daily(created, settings, empty_database):
    created()
    enter_shadow(settings)
    tasks.score_periodically(0)
    tasks.compare_daily(int(utc_now().timestamp()) + 1)
    with db.transaction("owner") as session:
        assert settings.model in in_shadow(session)
        assert set(session.scalars(select(ShadowScore.model_id))) == in_shadow(session)
        assert set(session.scalars(select(ShadowDay.model_id))) == in_shadow(session)
        assert dead_letters.open_items(session, "shadow.score") == set()


def test_the_champion_in_the_shadow_repeats_the_profile(created, bank, settings, empty_database):
    authorization, profile = created()
    enter_shadow(settings)
    tasks.score_periodically(0)
    with db.transaction("owner") as session:
        (score,) = session.scalars(select(ShadowScore).where(ShadowScore.model_id == settings.model)).all()
        assert dead_letters.open_items(session, "shadow.score") == set()
    assert (score.points, score.grade) == (profile["points"], profile["grade"])
    assert score.pd_12m == pytest.approx(profile["pd_12m"], rel=1e-9)
    assert (score.live_points, score.live_grade) == (score.points, score.grade)
    tasks.score_periodically(0)  # again it does nothing
    shown = bank.call("GET", f"/v1/profiles/{profile['id']}", authorization)
    assert "shadow" not in shown.text
    with db.transaction("worker") as session:
        found = tasks.compare_pair(session, settings.model, settings.model, now=utc_now())
        assert (found.profiles, found.share_apart) == (1, 0.0)
    with db.transaction("owner") as session:
        assert session.scalars(select(ShadowDay.profiles)).all() == [1]
        session.execute(text("DELETE FROM profiles"))
        assert session.scalars(select(ShadowScore)).all() == []


def test_far_apart_asks_for_a_person_once(created, settings, empty_database, monkeypatch):
    created()
    enter_shadow(settings)
    monkeypatch.setattr(scoring, "BANDS_FOR_REVIEW", 0)
    tasks.score_periodically(0)
    with db.transaction("owner") as session:
        session.execute(text("DELETE FROM shadow_scores"))
    tasks.score_periodically(0)
    with db.transaction("owner") as session:
        (item,) = session.scalars(select(ReviewItem)).all()  # one of a profile, of however many models
        (case,) = session.scalars(select(ReviewCase)).all()
    assert item.detail["model"] == settings.model  # the first of them by name
    assert (item.kind, item.detail["bands"]) == ("model_disagreement", 0)
    assert (case.profile_id, case.causes, case.state) == (item.profile_id, ["models_disagree"], "open")


def test_old_profiles_and_other_purposes_are_left_alone(created, settings, empty_database):
    created()
    enter_shadow(settings)
    with db.transaction("worker") as session:
        assert {one.model_id for one in scoring.unscored(session, utc_now())} == in_shadow(session)
        assert scoring.unscored(session, utc_now() + scoring.WITHIN + timedelta(minutes=1)) == []
    with db.transaction("owner") as session:
        session.execute(update(PurposeStanding).values(status="candidate"))
        session.get_one(PurposeStanding, (settings.model, "monitoring")).status = "shadow"
    with db.transaction("worker") as session:
        assert scoring.unscored(session, utc_now()) == []


def test_a_purpose_without_a_live_model_is_refused_over_http(bank, authorized, delivered, settings, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    authorization = authorized(bank)
    delivered(authorization)
    enter_shadow(settings)
    for _ in range(100):  # the register is read beside the requests
        answer = bank.call("POST", "/v1/profiles", authorization, json={})
        if answer.status_code == 409:
            break
        time.sleep(0.1)
    assert answer.json()["type"] == "/problems/model-purpose"
    assert "no model is live for underwriting" in answer.json()["detail"]
