"""The register of models at the desk: every status, step and comparison that is stored, for staff alone."""

from __future__ import annotations

from datetime import date

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.lifecycle.tables import ShadowDay
from tests.lifecycle.conftest import people, registered, session, walked
from tests.portal.conftest import Person
from tests.portal.test_risk_desk import staff

__all__ = ["people", "session"]
LIST = "/portal/staff/models"


@pytest.fixture
def life(app, session, people):
    """One live model, and a candidate."""
    registered(session, people.ada)
    walked(session, people)
    registered(session, people.ada, model_id="m2")
    for day, apart in ((1, 0.05), (2, 0.2)):
        session.add(
            ShadowDay(
                day=date(2026, 11, day), model_id="m2", live_model_id="m1", profiles=80, rank_correlation=0.97,
                share_apart=apart, psi=0.01, compared_at=utc_now(),
            )
        )  # fmt: skip
    session.commit()


@pytest.mark.parametrize("role", ["operator", "risk", "model_owner", "auditor"])
def test_every_member_of_staff_sees_the_register(app, settings, life, role):
    person = staff(app, settings, "zoe", role)
    shown = person.get(f"{LIST}?lang=en").text
    assert shown.count('<span class="state') == 2  # each model's purposes stand together by status
    assert f'href="{LIST}/m1"' in shown
    one = person.get(f"{LIST}/m1?lang=en").text
    for status in ("Candidate", "Validated", "Approved", "In the shadow", "Live"):
        assert status in one
    for signer in ("ben", "cleo", "dan", "eva"):
        assert f"signed by {signer}" in one


def test_the_register_is_narrowed_sorted_and_exported(app, settings, life):
    person = staff(app, settings, "zoe", "risk")
    asked = {"status=live": 1, "status=retired": 0, "name=m": 2, "name=m2": 1, "sort=-model": 2}
    assert {q: person.get(f"{LIST}?{q}").text.count(f'href="{LIST}/m') for q in asked} == asked
    assert person.get(f"{LIST}?status=dead").status_code == 422
    lines = person.get(f"{LIST}?lang=en&sort=-model&export=csv").text.removeprefix("\ufeff").splitlines()
    assert [line[:2] for line in lines[1:]] == ["m2", "m1"]
    assert "deciding on loans: Live" in lines[2]


def test_a_day_beyond_a_threshold_stands_out(app, settings, life):
    shown = staff(app, settings, "zoe", "risk").get(f"{LIST}/m2?lang=en").text
    assert shown.count('class="number no"') == 1
    assert "20.0 %" in shown


@pytest.mark.parametrize("name", ["nobody", "%00", "%ED%A0%80", "a" * 3000])
def test_a_model_that_never_was(app, settings, life, name):
    assert staff(app, settings, "zoe", "risk").get(f"{LIST}/{name}").status_code == 404


def test_nobody_else_sees_it(app, life):
    for path in (LIST, f"{LIST}/m1"):
        assert Person(app.test_client()).get(path).status_code == 303


def test_an_empty_register_says_so(app, settings, empty_database):
    with db.transaction("owner"):
        assert "No model is registered yet" in staff(app, settings, "zoe", "risk").get(f"{LIST}?lang=en").text
