"""The watch at the desk: what was found by day, drawn with its thresholds, and what people settle."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.lifecycle.tables import PurposeStanding
from creditlink.portal.staff.drawing.lines import BOTTOM, HEIGHT, TOP, DayLine, drawn
from creditlink.watch.tables import DriftAlarm, OutcomeDay, SeriesFinding
from tests.lifecycle.conftest import people, registered, session, walked
from tests.portal.conftest import Person
from tests.portal.test_risk_desk import staff

__all__ = ["people", "session"]
PAGE = "/portal/staff/watch"
DAYS = [date(2026, 11, 1) + timedelta(days=k) for k in range(6)]


@pytest.mark.pure
class TestLines:
    def test_everything_lies_in_the_box_and_higher_is_higher(self):
        found = drawn(DAYS, [DayLine("a", "index", [0.0, 0.1, 0.2, 0.5, 0.4, 0.3])], [(0.25, "bad")])
        ((path,),) = [line.paths for line in found.lines]
        heights = [float(point.split(" ")[1]) for point in path.strip("M").split("L")]
        assert all(TOP <= y <= HEIGHT - BOTTOM for y in heights)
        assert heights[3] < heights[4] < heights[5] < found.limits[0].at + 60
        assert heights[2] > found.limits[0].at > heights[3]  # 0.2 below the limit, 0.5 above it

    def test_a_day_that_is_not_known_is_a_gap_and_one_alone_a_dot(self):
        (line,) = drawn(DAYS, [DayLine("a", "index", [1.0, 2.0, None, 3.0, None, None])]).lines
        assert len(line.paths) == 1
        assert len(line.dots) == 1

    @pytest.mark.parametrize("values", [[0.0] * 6, [None] * 6, [1e9] * 6, [-3.0] * 6])
    def test_flat_lines_and_none(self, values):
        found = drawn(DAYS, [DayLine("a", "index", values)], [(0.1, "warn")])
        assert all(0 <= mark.at <= HEIGHT for mark in (*found.across, *found.limits))

    def test_no_days(self):
        assert drawn([], [DayLine("a", "index", [])]).days == ()

    def test_a_value_for_each_day(self):
        with pytest.raises(ValueError, match="a value for each day"):
            drawn(DAYS, [DayLine("a", "index", [1.0])])


def finding(day, series="points", index=0.05, level="stable", firms=200, model_id="m1"):
    return SeriesFinding(
        day=day, purpose="underwriting", model_id=model_id, series=series, window_days=7, firms=firms, index=index,
        chance=0.06, level=level, against="training",
    )  # fmt: skip


def watched_days(session, model_id="m1"):
    """A live model's score moved, an indicator shifted, loans ripened; it is frozen."""
    today = day_of(utc_now())
    for back in range(8):
        day = today - timedelta(days=back)
        level = "shifted" if back < 2 else "stable"
        session.add(finding(day, index=0.30 - back * 0.03, level=level, model_id=model_id))
        session.add(finding(day, "sales_12_fen", 0.27, "shifted", model_id=model_id))
        session.add(finding(day, "points@region:4406", 0.02, model_id=model_id))
        for part in ("all", "region:4406"):
            session.add(
                OutcomeDay(
                    day=day, purpose="underwriting", model_id=model_id, part=part, loans=400, bads=20, waiting=7,
                    lag_days=3, mean_pd=0.03, bad_rate=0.05 - back * 0.002, z=4.6, auc=0.81 - back * 0.01,
                    auc_error=0.02,
                )
            )  # fmt: skip
    session.add(
        DriftAlarm(
            purpose="underwriting", model_id=model_id, act="freeze", series=["sales_12_fen"], detail={},
            raised_on=today, seen_on=today, raised_at=utc_now(),
        )
    )  # fmt: skip
    session.execute(text("UPDATE model_standings SET frozen_at = now(), frozen_because = 'indicators shifted'"))


@pytest.fixture
def life(app, session, people):
    registered(session, people.ada)
    walked(session, people)
    watched_days(session)
    session.commit()


def alarm_path(page):
    return re.search(rf'action="({PAGE}/alarms/alm_\w+)"', page).group(1)


def test_what_was_found_is_drawn_with_thresholds_and_listed(app, settings, life):
    shown = staff(app, settings, "zoe", "risk").get(f"{PAGE}?lang=en").text
    for said in ("0.300", "Sales of the last 12 months", "PSI of the score, day by day", "Frozen since", "region 4406"):
        assert said in shown, said
    assert shown.count('class="limit warn"') == 2  # of the score's index, and of the ranking
    assert shown.count('class="limit bad"') == 1
    assert '<td class="number no" data-label="Standard errors apart">+4.6</td>' in shown
    assert " style=" not in shown
    assert "<script" not in shown


def test_a_series_by_itself(app, settings, life):
    person = staff(app, settings, "zoe", "auditor")
    shown = person.get(f"{PAGE}/underwriting/m1?series=sales_12_fen&lang=en").text
    assert shown.count('<td class="number" data-label="PSI">0.270</td>') == 8
    for unknown in ("series=nobody", "series=%00", "series=" + "x" * 3000):
        assert person.get(f"{PAGE}/underwriting/m1?{unknown}").status_code in (404, 422)
    assert person.get(f"{PAGE}/x/m1").status_code == 404
    assert person.get(f"{PAGE}?day=yesterday").status_code == 200


def test_people_close_an_alarm_and_lift_a_freeze_with_a_code_and_a_reason(app, settings, life):
    person = staff(app, settings, "zoe", "risk")
    closing = alarm_path(person.get(f"{PAGE}?lang=en").text)
    for reason in ("", " ", "\0", "x" * 3000):
        assert person.post(closing, resolution=reason).status_code in (400, 422)
        person.get(f"{PAGE}?lang=en")
    with db.transaction("owner") as session:
        session.execute(text("UPDATE web_sessions SET strong_at = strong_at - interval '1 hour'"))
    assert person.post(closing, resolution="the office changed its form").status_code == 422
    with db.transaction("owner") as session:
        session.execute(text("UPDATE web_sessions SET strong_at = now()"))
    person.get(f"{PAGE}?lang=en")
    assert person.post(closing, resolution="the office changed its form").status_code == 303
    person.get(f"{PAGE}?lang=en")
    assert person.post(f"{PAGE}/freezes/underwriting", reason="form is read again").status_code == 303
    with db.transaction("owner") as session:
        alarm = session.scalars(select(DriftAlarm)).one()
        assert (alarm.closed_by, alarm.resolution) == (person.actor.account_id, "the office changed its form")
        here = select(PurposeStanding.frozen_at).where(PurposeStanding.purpose == "underwriting")
        assert session.scalars(here).one() is None
    assert f'action="{PAGE}/freezes/underwriting"' not in person.get(f"{PAGE}?lang=en").text


def test_who_only_looks_settles_nothing(app, settings, life):
    with db.transaction("owner") as session:
        known = session.scalars(select(DriftAlarm)).one().wire_id
    for role in ("auditor", "model_owner"):
        person = staff(app, settings, f"zoe-{role}", role)
        assert "Close the alarm" not in person.get(f"{PAGE}?lang=en").text
        for path, field in ((f"{PAGE}/alarms/{known}", "resolution"), (f"{PAGE}/freezes/underwriting", "reason")):
            person.get("/portal/staff/?lang=en")
            assert person.post(path, **{field: "x"}).status_code == 404
    with db.transaction("owner") as session:
        assert session.scalars(select(DriftAlarm.closed_at)).one() is None


def test_nobody_else_sees_it_and_what_never_was_is_not_there(app, settings, life):
    for path in (PAGE, f"{PAGE}/underwriting/m1"):
        assert Person(app.test_client()).get(path).status_code == 303
    person = staff(app, settings, "zoe", "risk")
    for path in (f"{PAGE}/alarms/alm_{'0' * 32}", f"{PAGE}/alarms/x", f"{PAGE}/freezes/nobody"):
        person.get(f"{PAGE}?lang=en")
        assert person.post(path, resolution="x", reason="x").status_code in (404, 422)


def test_with_no_live_model_it_says_so(app, settings, empty_database):
    assert "No model is live." in staff(app, settings, "zoe", "risk").get(f"{PAGE}?lang=en").text
