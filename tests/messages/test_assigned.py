"""An address given by operators: two of them, to a firm's person who has none, and nothing of theirs is taken over."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.postgres import db
from creditlink.messages import assigned, service
from creditlink.messages.tables import PersonMessage
from creditlink.staff import acts
from creditlink.staff.actor import RoleMissing
from tests import factories as make

ADDRESS = "owner@firm.example"


@pytest.fixture
def people(empty_database):
    """A firm's person and three of the staff."""
    with db.transaction("owner") as session:
        person = make.make_account(session)
        staff = {name: make.make_staff(session, name, role) for name, role in
                 (("ola", "operator"), ("dan", "operator"), ("rui", "risk"))}  # fmt: skip
    return person, staff


def proposed(person, by, *, channel="email", address=ADDRESS, login=None):
    with db.transaction("owner") as session:
        return assigned.propose_address(
            session, login or person.login, channel, address, by=by, reason="mailbox lost, seen at the counter",
            now=utc_now(),
        ).wire_id  # fmt: skip


def approved(act, by):
    with db.transaction("owner") as session:
        acts.approve(session, acts.waiting_act(session, act, utc_now()), by=by, now=utc_now())


def channels(person):
    with db.transaction("owner") as session:
        return {name: row.address for name, row in service.channels_of(session, person.id).items()}


def test_it_takes_two_operators_and_the_person_is_told(people):
    person, staff = people
    act = proposed(person, staff["ola"])
    for name in ("ola", "rui"):
        with pytest.raises((Conflict, RoleMissing)):
            approved(act, staff[name])
    assert channels(person) == {}
    approved(act, staff["dan"])
    assert channels(person) == {"email": ADDRESS}
    with db.transaction("owner") as session:
        told = session.scalars(select(PersonMessage.kind).where(PersonMessage.account_id == person.id)).all()
        given = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "person.address_given")).one()
    assert told == ["access_changed"]
    assert ADDRESS not in str(given)


def test_whoever_has_an_address_keeps_it(people):
    person, staff = people
    act = proposed(person, staff["ola"])
    with db.transaction("owner") as session:
        service.set_channel(session, person.id, "email", "own@firm.example", language="en", now=utc_now())
    with pytest.raises(Conflict, match="changes it themselves"):
        approved(act, staff["dan"])
    with pytest.raises(Conflict, match="changes it themselves"):
        proposed(person, staff["ola"], address="thief@firm.example")
    assert channels(person) == {"email": "own@firm.example"}


@pytest.mark.parametrize(
    "address", ["", "a@b", "x" * 300 + "@firm.example", "a@firm.example\r\nBcc: b@c.example", "\ud800"]
)
def test_what_is_no_address_is_not_proposed(people, address):
    with pytest.raises(InvalidRequest, match="address"):
        proposed(people[0], people[1]["ola"], address=address)


def test_staff_and_strangers_get_none(people):
    person, staff = people
    for login in ("ola", "nobody"):
        with pytest.raises(NotFound):
            proposed(person, staff["dan"], login=login)
    with pytest.raises(RoleMissing):
        proposed(person, staff["rui"])
