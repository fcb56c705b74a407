"""From a sole trader's request to an override by two people: beside the score, in the chain, and never in its place."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from creditlink.audit.tables import AuditEntry
from creditlink.decisions import archive, service
from creditlink.decisions.tables import DecisionRow
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.postgres import db
from creditlink.reviews import decide, queue
from creditlink.reviews.rules.overrides import WantedOverride
from creditlink.reviews.tables import ReviewCase, ReviewOverride
from creditlink.staff import acts
from creditlink.staff.actor import RoleMissing
from tests.oauth import flow
from tests.reviews.conftest import STAFF, WANTED, in_days


def wanted(**values):
    return WantedOverride(**WANTED | {"expires_at": in_days(30), "notches": 1} | values)


def overridden(case_id, by, one, *, now=None):
    with db.transaction("api", viewer=STAFF) as session:
        case = queue.case_of(session, case_id, lock=True)
        return decide.override(session, case, one, by=by, now=now or utc_now())


def approved(act, by):
    with db.transaction("api", viewer=db.Viewer(account_id=by.account_id)) as session:  # as the desk does it
        acts.approve(session, acts.waiting_act(session, act.wire_id, utc_now()), by=by, now=utc_now(), at_desk=True)


def test_up_takes_two_people_and_stands_beside_the_score(claimed, people, profiled, bank):
    authorization, made = profiled
    waiting = overridden(claimed, people.ben, wanted())
    assert waiting.override is None
    assert bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()["review"]["override"] is None
    with pytest.raises(Conflict, match="another person must approve"):
        approved(waiting.waits, people.ben)
    with pytest.raises(RoleMissing):
        approved(waiting.waits, people.dan)
    approved(waiting.waits, people.cleo)
    read = bank.call("GET", f"/v1/profiles/{made['id']}", authorization).json()
    told = read["review"]["override"]
    assert (told["kind"], told["notches"], told["people"], told["in_force"]) == ("grade_notch", 1, 2, True)
    assert told["grade"] < made["grade"] or told["grade"] == "A+"
    same = set(made) - {"review"}
    assert {name: read[name] for name in same} == {name: made[name] for name in same}
    listed = bank.call("GET", "/v1/profiles", authorization).json()["items"][0]
    assert listed["review"] == read["review"]
    assert read["review"]["automated_decision_refused"]


def test_it_is_a_later_link_of_the_chain_and_a_forged_one_is_found(claimed, people, profiled, settings):
    act = overridden(claimed, people.ben, wanted()).waits
    approved(act, people.cleo)
    decision = ids.internal("prf", profiled[1]["id"])
    with db.transaction("owner") as session:
        row = session.scalars(select(DecisionRow).where(DecisionRow.about == decision)).one()
        first = session.get_one(DecisionRow, decision)
        assert (row.chain_id, row.seq, row.previous) == (first.chain_id, first.seq + 1, first.digest)
        opened = archive.opened_payload(row, settings.secret_key)
        assert b"framework contract" in opened
        evidence = service.evidence_of(session, row.chain_id)
        assert list(archive.faults(session, row.chain_id, evidence, secret=settings.secret_key)) == []
        assert [one.id for one in archive.find(session, archive.DecisionQuery())] == [decision]
    forged = archive.seal(opened.replace(b"framework", b"borrowed!"), settings.secret_key)
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE decision_records SET payload = :p WHERE id = :i"), {"p": forged, "i": row.id})
    with db.transaction("owner") as session:
        (fault,) = archive.faults(session, row.chain_id, evidence, secret=settings.secret_key)
        assert "replaced" in fault
        evidence.pop(row.wire_id)
        assert len(list(archive.faults(session, row.chain_id, evidence, secret=settings.secret_key))) == 2


def test_down_takes_one_person_and_no_evidence(claimed, people, profiled, bank):
    authorization, made = profiled
    done = overridden(claimed, people.ben, wanted(notches=-1, evidence=""))
    assert done.waits is None
    told = bank.call("GET", f"/v1/profiles/{made['id']}/review", authorization).json()
    assert told["override"]["people"] == 1
    assert told["cases"][0]["decision"] == "overridden"


def test_beyond_the_limits_nothing_is_proposed(claimed, people):
    for values in ({"notches": 2}, {"evidence": " "}, {"expires_at": in_days(91)}):
        with pytest.raises(InvalidRequest) as refused:
            overridden(claimed, people.ben, wanted(**values))
        assert refused.value.errors[0]["pointer"] == f"/override/{next(iter(values))}"
    with db.transaction("owner") as session:
        assert acts.waiting(session, utc_now()) == []


def test_only_whoever_claimed_it_decides_and_only_while_it_lasts(claimed, people):
    with pytest.raises(Conflict, match="another person has claimed it"):
        overridden(claimed, people.cleo, wanted())
    with pytest.raises(RoleMissing):
        overridden(claimed, people.aud, wanted())
    with pytest.raises(Conflict, match="expired"):
        overridden(claimed, people.ben, wanted(notches=-1, expires_at=in_days(100)), now=in_days(15.1))


def test_what_was_released_meanwhile_is_not_approved(claimed, people):
    act = overridden(claimed, people.ben, wanted()).waits
    with db.transaction("api", viewer=STAFF) as session:
        queue.release(session, queue.case_of(session, claimed, lock=True), by=people.dan, now=utc_now())
    with pytest.raises(Conflict, match="claim it first"):
        approved(act, people.cleo)
    with db.transaction("owner") as session:
        assert session.scalars(select(ReviewOverride)).all() == []


def test_the_database_refuses_what_the_code_would_forget(claimed, people):
    act = overridden(claimed, people.ben, wanted()).waits
    approved(act, people.cleo)
    with db.transaction("owner") as session:
        row = session.scalars(select(ReviewOverride)).one()
    columns = ", ".join(c.key for c in ReviewOverride.__table__.columns if c.key not in ("id", "second_id"))
    alone = (
        f"INSERT INTO review_overrides (id, second_id, {columns}) SELECT gen_random_uuid(), {{who}}, {columns}"
        " FROM review_overrides"
    )
    for who in ("NULL", "first_id"):
        with pytest.raises(IntegrityError, match="two_people"), db.transaction("owner") as session:
            session.execute(text(alone.format(who=who)))
    with pytest.raises(DBAPIError, match="does not change"), db.transaction("owner") as session:
        session.execute(text("UPDATE review_overrides SET grade = 'A+'"))
    with pytest.raises(DBAPIError, match="own staff"), db.transaction("api") as session:
        session.execute(
            text("SELECT creditlink_archive_later(gen_random_uuid(), :d, ''::bytea, '', now(), now())"),
            {"d": row.profile_id},
        )


def test_the_evidence_tells_who_and_why_without_the_words(claimed, people, profiled):
    approved(overridden(claimed, people.ben, wanted()).waits, people.cleo)
    with db.transaction("owner") as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action.like("review.%")).order_by(AuditEntry.seq))
        steps = {row.action: row for row in rows}
    assert list(steps) == ["review.open", "review.claim", "review.override"]
    assert steps["review.open"].actor.startswith("bank:")
    last = steps["review.override"].detail
    assert (last["first"], last["second"]) == (people.ben.name, people.cleo.name)
    assert "framework" not in str(last)


def test_when_the_consent_ends_its_bank_sees_nothing_and_staff_go_on(claimed, people, profiled, bank):
    authorization, made = profiled
    flow.change_consent(authorization, "revoke")
    assert bank.call("GET", f"/v1/profiles/{made['id']}/review", authorization).status_code in (401, 403)
    assert overridden(claimed, people.ben, wanted(notches=-1)).override is not None
    with db.transaction("owner") as session:
        institution, consent = session.execute(select(ReviewCase.institution_id, ReviewCase.consent_id)).one()
    with db.transaction("api", viewer=db.Viewer(institution_id=institution, consent_id=consent)) as session:
        assert session.scalars(select(ReviewCase)).all() == session.scalars(select(ReviewOverride)).all() == []
