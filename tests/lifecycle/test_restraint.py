"""Falling back by itself only on what people approved, once at a time, and back by people."""

import threading

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.lifecycle import history, restraint, service
from creditlink.lifecycle.steps import STATUSES, ModelStepRefused, check_fall_back
from creditlink.lifecycle.tables import PurposeStanding
from creditlink.staff.actor import RoleMissing
from tests.lifecycle.conftest import NOW, registered, walked

MONITORING = "monitoring"


def fallen(session, model_id="m2", purpose=MONITORING):
    return restraint.fall_back(session, model_id, purpose, because="drift", detail={"from": "m1"}, now=NOW)


@pytest.mark.pure
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("was_live", [False, True])
def test_only_what_people_approved_takes_over(status, was_live):
    if status in ("approved", "shadow") or (status == "retired" and was_live):
        check_fall_back("m", MONITORING, status, was_live=was_live)
    else:
        with pytest.raises(ModelStepRefused):
            check_fall_back("m", MONITORING, status, was_live=was_live)


def two_models(session, people, until="shadow"):
    registered(session, people.ada)
    walked(session, people)
    registered(session, people.ada, "m2", manifest_sha256="b" * 64)
    walked(session, people, "m2", until=until)


def test_the_fall_back_serves_its_purpose_and_people_lead_back(session, people):
    two_models(session, people)
    step = fallen(session)
    assert {purpose: one[0] for purpose, one in history.live_models(session).items()} == {
        MONITORING: "m2", "underwriting": "m1"
    }  # fmt: skip
    assert (step.signer, step.signed_by, step.confirm_until is not None) == ("system", None, True)
    with pytest.raises(RoleMissing):
        service.confirm(session, step.wire_id, by=people.aud, now=NOW)
    service.confirm(session, step.wire_id, by=people.ben, now=NOW)
    service.roll_back(session, "m1", [MONITORING], by=people.ben, reason="found", now=NOW, proposed_by=None)
    assert history.live_models(session)[MONITORING][0] == "m1"
    fallen(session)  # and again: it was live before
    actors = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "model.fall_back")).all()
    assert actors == ["system", "system"]


def test_nobody_falls_back_on_what_is_not_there(session, people):
    two_models(session, people, until="validated")
    for model_id, purpose in (("m2", MONITORING), ("m1", MONITORING), ("m2", "report")):
        with pytest.raises(ModelStepRefused):
            fallen(session, model_id, purpose)
    with pytest.raises(NotFound):
        fallen(session, "nothing")
    assert history.live_models(session)[MONITORING][0] == "m1"


def test_a_freeze_ends_with_the_model_and_does_not_come_back_with_it(session, people):
    two_models(session, people)
    assert restraint.freeze(session, "m1", MONITORING, because="drift", now=NOW)
    assert not restraint.freeze(session, "m2", "underwriting", because="drift", now=NOW)
    with pytest.raises(RoleMissing):
        restraint.lift(session, MONITORING, by=people.ada, reason="x", now=NOW)
    with pytest.raises(ModelStepRefused, match="a reason is needed"):
        restraint.lift(session, MONITORING, by=people.ben, reason=" ", now=NOW)
    fallen(session)
    assert restraint.frozen_purposes(session) == {}
    later = NOW.replace(year=NOW.year + 1)
    service.roll_back(session, "m1", [MONITORING], by=people.ben, reason="found", now=later)
    assert restraint.frozen_purposes(session) == {}
    assert session.get_one(PurposeStanding, ("m1", MONITORING)).frozen_at is not None


def test_of_two_fall_backs_at_once_one_is_refused(session, people, empty_database):
    two_models(session, people)
    session.commit()
    started, told = threading.Barrier(2), []

    def fall():
        started.wait()
        try:
            with db.transaction("worker") as mine:
                fallen(mine)
        except ModelStepRefused as refused:
            told.append(refused.reason)
        else:
            told.append("done")

    threads = [threading.Thread(target=fall) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == ["done", "status"]
