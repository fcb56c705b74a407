"""From candidate to live by five people, and back in one step."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from creditlink.audit.tables import AuditEntry
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.postgres import db
from creditlink.lifecycle import history, service
from creditlink.lifecycle.steps import STATUSES, ModelStepRefused, StepEvidence, check_step
from creditlink.lifecycle.tables import ReviewItem
from creditlink.shadow.tasks import tell_unconfirmed
from creditlink.staff import acts
from creditlink.staff import people as staff
from creditlink.staff.actor import RoleMissing
from tests import factories as make
from tests.lifecycle.conftest import NOW, SIGNS, proposed, registered, walked


@pytest.mark.pure
@pytest.mark.parametrize("now", STATUSES)
@pytest.mark.parametrize("to", STATUSES)
def test_a_status_follows_only_the_one_before_it(now, to):
    evidence = StepEvidence(report_sha256="f", conditions="c")
    order = STATUSES.index(to) - STATUSES.index(now)
    may = (order == 1) or (to == "retired" and now != "retired")
    if may:
        check_step("m", {"report": now}, ["report"], to, evidence)
    else:
        with pytest.raises(ModelStepRefused, match="may follow"):
            check_step("m", {"report": now}, ["report"], to, evidence)


@pytest.mark.pure
@pytest.mark.parametrize(
    ("standing", "to", "lacks"),
    [("candidate", "validated", "validation report"), ("validated", "approved", "conditions")],
)
def test_a_judgement_rests_on_something(standing, to, lacks):
    for empty in (None, "", "  "):
        with pytest.raises(ModelStepRefused, match=lacks):
            check_step("m", {"report": standing}, ["report"], to, StepEvidence(empty and None, empty))


def test_five_people_take_a_model_to_live(session, people):
    registered(session, people.ada)
    walked(session, people)
    assert history.live_models(session) == dict.fromkeys(("monitoring", "underwriting"), ("m1", "a" * 64))
    assert [(one.status, one.signer) for one in service.steps_of(session, "m1")] == [
        ("candidate", "ada"), *SIGNS.items()
    ]  # fmt: skip
    told = session.scalars(select(AuditEntry).where(AuditEntry.action == "model.step").order_by(AuditEntry.seq)).all()
    assert [(one.actor, one.detail["role"]) for one in told] == [
        (people.ben.name, "risk"), (people.cleo.name, "risk"), (people.dan.name, "operator"),
        (people.eva.name, "operator"),
    ]  # fmt: skip
    assert told[0].detail["report_sha256"] == "f" * 64


def test_nobody_signs_two_steps_or_their_own_proposal(session, people):
    registered(session, people.ada)
    walked(session, people, until="validated")
    act = proposed(session, people.ada, "approved")
    with pytest.raises(ModelStepRefused, match="you signed validated already"):
        acts.approve(session, act, by=people.ben, now=NOW)
    acts.decline(session, act, by=people.ben, now=NOW)
    mine = proposed(session, people.cleo, "approved")
    with pytest.raises(Conflict, match="another person must approve"):
        acts.approve(session, mine, by=people.cleo, now=NOW)


def test_a_role_signs_what_is_its_own(session, people):
    with pytest.raises(RoleMissing, match="ben is risk; this takes model_owner"):
        registered(session, people.ben)
    registered(session, people.ada)
    act = proposed(session, people.ada, "validated")
    for wrong in (people.dan, people.aud):
        with pytest.raises(RoleMissing, match=f"{wrong.login} is"):
            acts.approve(session, act, by=wrong, now=NOW)
    with pytest.raises(RoleMissing):
        proposed(session, people.aud, "validated")


def test_the_same_is_proposed_once_and_a_proposal_lapses(session, people):
    registered(session, people.ada)
    act = proposed(session, people.ada, "validated")
    with pytest.raises(Conflict, match="proposes the same"):
        proposed(session, people.cleo, "validated")
    with pytest.raises(NotFound):
        acts.waiting_act(session, act.wire_id, NOW + acts.WAITS)


def test_a_suspended_proposer_s_act_is_gone(session, people):
    registered(session, people.ada)
    act = proposed(session, people.ada, "validated")
    staff.move(session, "ada", "suspended", by=people.dan, reason="left", now=NOW)
    with pytest.raises(NotFound):
        acts.waiting_act(session, act.wire_id, NOW)


def test_who_lost_the_role_proposed_nothing(session, people):
    registered(session, people.ada)
    act = proposed(session, people.ada, "validated")
    staff.set_roles(session, "ada", ["operator"], by=people.dan, reason="moved", now=NOW)
    with pytest.raises(Conflict, match="may no longer propose"):
        acts.approve(session, act, by=people.ben, now=NOW)


def test_a_new_live_model_retires_the_other_for_its_purposes_alone(session, people):
    registered(session, people.ada)
    walked(session, people)
    registered(session, people.ada, "m2", ("monitoring",), manifest_sha256="b" * 64)
    walked(session, people, "m2")
    assert history.live_models(session) == {"monitoring": ("m2", "b" * 64), "underwriting": ("m1", "a" * 64)}
    last = service.steps_of(session, "m1")[-1]
    assert (last.action, last.purposes, last.reason) == ("replaced", ["monitoring"], "replaced by m2")


def test_the_database_lets_one_be_live(session, people):
    registered(session, people.ada)
    walked(session, people)
    registered(session, people.ada, "m2", ("monitoring",))
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text("UPDATE model_standings SET status = 'live' WHERE model_id = 'm2'"))


class TestRollback:
    @pytest.fixture
    def two(self, session, people):
        registered(session, people.ada)
        walked(session, people)
        registered(session, people.ada, "m2", manifest_sha256="b" * 64)
        walked(session, people, "m2")
        return people

    def test_two_people_go_back_in_one_step_and_forward_again(self, session, two):
        for model_id, sha in (("m1", "a" * 64), ("m2", "b" * 64)):
            subject = {"model": model_id, "purposes": service.check_rollback(session, model_id, None)}
            act = acts.propose(session, service.ROLLBACK, subject, by=two.ben, reason="drift", now=NOW)
            acts.approve(session, act, by=two.dan, now=NOW)
            assert set(history.live_models(session).values()) == {(model_id, sha)}
        assert service.unconfirmed(session) == []

    def test_one_person_does_in_an_emergency_and_another_confirms(self, session, two):
        step = service.roll_back(session, "m1", None, by=two.dan, reason="it grades all A+", now=NOW)
        assert set(history.live_models(session).values()) == {("m1", "a" * 64)}
        assert step.confirm_until == NOW + timedelta(hours=24)
        with pytest.raises(ModelStepRefused, match="another person"):
            service.confirm(session, step.wire_id, by=two.dan, now=NOW)
        service.confirm(session, step.wire_id, by=two.ben, now=NOW + timedelta(hours=25))
        assert session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "model.confirm")).one()["late"]
        with pytest.raises(NotFound):
            service.confirm(session, step.wire_id, by=two.cleo, now=NOW)

    def test_unconfirmed_it_asks_for_a_person_once(self, session, two):
        step = service.roll_back(session, "m1", None, by=two.dan, reason="it grades all A+", now=NOW)
        for _ in range(2):
            tell_unconfirmed(session, step.id, NOW + timedelta(hours=25))
        (item,) = session.scalars(select(ReviewItem)).all()
        assert (item.kind, item.subject, item.detail["by"]) == ("rollback_unconfirmed", step.wire_id, "dan")
        assert len(session.scalars(select(AuditEntry).where(AuditEntry.action == "model.unconfirmed")).all()) == 1

    def test_leads_to_what_was_live_alone(self, session, people):
        registered(session, people.ada)
        walked(session, people, until="shadow")
        with pytest.raises(ModelStepRefused, match="nothing to roll back to"):
            service.roll_back(session, "m1", None, by=people.dan, reason="x", now=NOW)
        with pytest.raises(ModelStepRefused, match="never live for underwriting"):
            service.roll_back(session, "m1", ["underwriting"], by=people.dan, reason="x", now=NOW)
        with pytest.raises(NotFound):
            service.roll_back(session, "m9", None, by=people.dan, reason="x", now=NOW)

    def test_one_person_retires_and_a_rollback_leads_back(self, session, people):
        registered(session, people.ada)
        walked(session, people)
        service.retire(session, "m1", by=people.cleo, reason="wrong data", now=NOW)
        assert history.live_models(session) == {}
        service.roll_back(session, "m1", None, by=people.dan, reason="the data were right", now=NOW)
        assert len(history.live_models(session)) == 2


def test_two_who_approve_at_once_do_it_once(empty_database):
    with db.transaction("owner") as session:
        roles = {"ada": "model_owner", "ben": "risk", "cleo": "risk"}
        people = SimpleNamespace(**{login: make.make_staff(session, login, role) for login, role in roles.items()})
        registered(session, people.ada)
        act = proposed(session, people.ada, "validated")
    done = []

    def race(by):
        try:
            with db.transaction("api") as session:  # as the pages do
                acts.approve(session, acts.waiting_act(session, act.wire_id, NOW), by=by, now=NOW, at_desk=True)
            done.append(by.login)
        except (NotFound, OperationalError):  # it was done meanwhile, or the lock took too long: a 503
            done.append("late")

    threads = [threading.Thread(target=race, args=(by,)) for by in (people.ben, people.cleo)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert (len(done), done.count("late")) == (2, 1)
    with db.transaction("owner") as session:
        assert [one.status for one in service.steps_of(session, "m1")] == ["candidate", "validated"]


def test_the_register_s_past_cannot_be_written_over_by_the_pages(empty_database):
    for statement in (
        "UPDATE model_steps SET signer = 'x'",
        "DELETE FROM model_steps",
        "UPDATE registered_models SET manifest_sha256 = 'x'",
        "INSERT INTO registered_models (model_id) VALUES ('x')",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), db.transaction("api") as session:
            session.execute(text(statement))


class TestTheOldFile:
    def test_is_taken_over_once_as_history(self, session, settings):
        entries = history.read_entries(settings.models_dir)
        added = history.take_over(
            session, settings.models_dir, entries, actor="operator", serve=settings.model, now=NOW
        )
        assert settings.model in added
        live = history.live_models(session)
        assert {model_id for model_id, _ in live.values()} == {settings.model}
        again = history.take_over(
            session, settings.models_dir, entries, actor="operator", serve=settings.model, now=NOW
        )
        assert again == []
        assert len(service.steps_of(session, settings.model)) == 2

    def test_in_production_nothing_is_live_that_nobody_signed(self, session, settings):
        entries = history.read_entries(settings.models_dir)
        history.take_over(session, settings.models_dir, entries, actor="operator", serve=None, now=NOW)
        assert history.live_models(session) == {}
