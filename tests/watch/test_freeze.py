"""What a frozen model decides is given with a reason for review, kept with the profile, and gone once it is lifted."""

from sqlalchemy import select

from creditlink.decisions import service as decisions
from creditlink.kit import ids
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.lifecycle import restraint
from creditlink.profiles.serving import watch as serving
from creditlink.profiles.tables import Profile
from tests import factories as make
from tests.decisions.conftest import READER


def test_a_person_reviews_what_a_frozen_model_decides(bank, authorized, delivered, in_use, settings, kept, monkeypatch):
    monkeypatch.setattr(serving, "STALE_SECONDS", 0.0)  # every request reads the register first
    in_use(utc_now())
    with db.transaction("owner") as session:
        restraint.freeze(session, settings.model, "underwriting", because="drift", now=utc_now())
    authorization = authorized(bank)
    delivered(authorization)
    frozen = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    (told,) = [one for one in frozen["human_review"] if one["code"] == "H04"]
    assert [case["causes"] for case in frozen["review"]["cases"]] == [["model_frozen"]]
    assert told["observed"] == day_of(utc_now()).isoformat()
    with db.transaction("owner", viewer=db.Viewer(actor="audit")) as session:
        risk = make.make_staff(session, "ben", "risk")
        restraint.lift(session, "underwriting", by=risk, reason="found", now=utc_now())
        (again,) = decisions.replay(session, [ids.internal("prf", frozen["id"])], READER, kept=kept, now=utc_now())
        assert again.same, again.to_json()
        asked = session.scalars(select(Profile.asked)).one()
        assert asked["frozen"]["model_id"] == settings.model
    after = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert [one["code"] for one in after["human_review"]] == []
    assert after["points"] == frozen["points"]  # it is the firms that are looked at, not the score that is changed
