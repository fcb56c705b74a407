"""Staff alone see the watch, close its alarms and lift a freeze; each by a request that they signed."""

from datetime import date

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.lifecycle import restraint
from creditlink.staff import proof
from creditlink.watch.tables import DriftAlarm, SeriesFinding
from tests import factories as make
from tests.oauth import flow

DAY = date(2026, 11, 29)
UNDERWRITING = "underwriting"


@pytest.fixture
def call(empty_database, http):
    """Return a function that makes a member of staff, who signs requests."""

    def member(*roles):
        key, login = proof.new_key(), "-".join(roles)
        with db.transaction("owner") as session:
            make.make_staff(session, login, *roles, key=key)

        def ask(method, path, *, json=None):
            act = f"{method} {flow.ISSUER}{path}"
            document = proof.sign(key, login, audience=flow.ISSUER, act=act, now=utc_now())
            return http.request(method, path, json=json, headers={"Authorization": f"Staff {document}"})

        return ask

    return member


@pytest.fixture
def raised(in_use, settings, empty_database):
    """A finding, an alarm and a freeze."""
    in_use(utc_now())
    values = {"purpose": UNDERWRITING, "model_id": settings.model}
    with db.transaction("owner") as session:
        for series, level, index in (("points", "stable", 0.02), ("sales_12_fen", "shifted", 0.4)):
            session.add(
                SeriesFinding(
                    day=DAY, series=series, window_days=1, firms=900, index=index, chance=0.05, level=level,
                    against="training", **values,
                )
            )  # fmt: skip
        alarm = DriftAlarm(
            act="freeze", series=["sales_12_fen"], detail={}, raised_on=DAY, seen_on=DAY, raised_at=utc_now(), **values
        )
        session.add(alarm)
        restraint.freeze(session, settings.model, UNDERWRITING, because="drift", now=utc_now())
        session.flush()
        return alarm.wire_id


def test_every_role_of_staff_sees_and_nobody_else(raised, call, bank, authorized, http):
    authorization = authorized(bank)
    for role in ("risk", "auditor", "operator", "model_owner"):
        answer = call(role)("GET", f"/v1/watch?purpose={UNDERWRITING}")
        assert answer.status_code == 200, answer.text
        (model,) = answer.json()["models"]
        assert model["score"]["level"] == "stable"
        assert [one["series"] for one in model["series"]] == ["sales_12_fen"]
        assert model["series"][0]["label_zh"] != "sales_12_fen"
        assert model["alarms"][0]["id"] == raised
        assert model["frozen_because"] == "drift"
    assert http.get("/v1/watch").status_code == 401
    for method, path in (("GET", "/v1/watch"), ("POST", f"/v1/watch/freezes/{UNDERWRITING}/lift")):
        sent = {"json": {"reason": "x"}} if method == "POST" else {}
        assert bank.call(method, path, authorization, **sent).status_code == 401


def test_a_course_and_what_it_takes(raised, call):
    risk = call("risk")
    query = f"purpose={UNDERWRITING}&model_id=city-2026g"
    (found,) = risk("GET", f"/v1/watch/series?{query}&series=sales_12_fen").json()["items"]
    assert (found["level"], found["against"]) == ("shifted", "training")
    assert risk("GET", f"/v1/watch/series?{query}&until=2026-11-28").json() == {"items": []}
    for wrong in ("purpose=x", f"{query}&until=tomorrow", f"{query}&series={'x' * 81}", f"{query}&more=1"):
        assert risk("GET", f"/v1/watch/series?{wrong}").status_code == 422


def test_risk_closes_an_alarm_once_and_says_why(raised, call):
    path = f"/v1/watch/alarms/{raised}/close"
    assert call("auditor")("POST", path, json={"resolution": "x"}).json()["type"] == "/problems/insufficient-role"
    risk = call("risk")
    assert risk("POST", path, json={}).status_code == 422
    assert risk("POST", path, json={"resolution": "   "}).json()["errors"][0]["pointer"] == "/resolution"
    answer = risk("POST", path, json={"resolution": "税务局更换了申报表"})
    assert answer.status_code == 200
    assert answer.json()["resolution"] == "税务局更换了申报表"
    assert risk("POST", path, json={"resolution": "again"}).status_code == 404
    assert risk("POST", "/v1/watch/alarms/alm_nothing/close", json={"resolution": "x"}).status_code == 404
    assert risk("GET", "/v1/watch/alarms").json()["items"] == []
    assert len(risk("GET", "/v1/watch/alarms?open=false").json()["items"]) == 1
    with db.transaction("owner") as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "watch.close")).one()
        assert entry.detail["role"] == "risk"


def test_a_freeze_is_lifted_with_a_reason_and_stays_over(raised, call):
    path = f"/v1/watch/freezes/{UNDERWRITING}/lift"
    assert call("model_owner")("POST", path, json={"reason": "x"}).json()["type"] == "/problems/insufficient-role"
    operator = call("operator")
    assert operator("POST", path, json={"reason": " "}).status_code == 422
    assert operator("POST", "/v1/watch/freezes/monitoring/lift", json={"reason": "x"}).status_code == 404
    assert operator("POST", path, json={"reason": "inputs are back"}).json()["model_id"] == "city-2026g"
    assert operator("POST", path, json={"reason": "inputs are back"}).status_code == 404
    with db.transaction("owner") as session:
        assert restraint.frozen_purposes(session) == {}
