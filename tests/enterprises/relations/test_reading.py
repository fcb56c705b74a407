"""The graph from the registry: with both clocks, from one's own firm only; and the flag that a score reads."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.enterprises import service
from creditlink.enterprises.relations import reading
from creditlink.enterprises.relations.graph import group_of, guarantee_circles, ways_to_revoked
from creditlink.enterprises.tables import RegisteredEntry
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests.factories import NOW, make_uscc

TODAY = day_of(NOW)
A, B, C, D, E = (make_uscc(n) for n in range(1, 6))


def firm(uscc, **values):
    return {
        "uscc": uscc, "name": f"{uscc[-4:]}有限公司", "industry": "C33", "region": "440604",
        "established_on": "2019-05-06",
    } | values  # fmt: skip


def led_by(uscc, who, **values):
    return firm(uscc, legal_representative=who, representative_id=f"id of {who}", **values)


def enterprise(uscc):
    with db.transaction("owner") as session:
        return service.by_uscc(session, uscc)


def around(uscc, day=TODAY, known_at=None):
    with db.transaction("worker") as session:
        one = service.by_uscc(session, uscc)
        return reading.around(session, one.id, day=day, known_at=known_at or NOW + timedelta(days=900))


def ways(uscc, **clocks):
    return [
        [(step.kind, step.through, step.firm.uscc) for step in way.steps]
        for way in ways_to_revoked(around(uscc, **clocks))
    ]


def test_the_way_through_a_representative(load):
    load(led_by(A, "张三"), led_by(B, "张三"), led_by(C, "李四"), kind="full")
    assert ways(A) == []
    load({"sequence": "1", "uscc": B, "status": "revoked", "valid_from": "2025-03-12"}, now=NOW + timedelta(days=1))
    assert ways(A, day=TODAY + timedelta(days=1)) == [[("representative", "张三", B)]]
    (way,) = ways_to_revoked(around(A, day=TODAY + timedelta(days=1)))
    assert way.revoked.revoked_on.isoformat() == "2025-03-12"
    # Not known yet, and not in force yet.
    assert ways(A, known_at=NOW + timedelta(hours=1)) == []
    assert ways(C) == []


def test_persons_of_one_name_are_not_one_person(load):
    load(
        firm(A, legal_representative="张伟"), firm(B, legal_representative="张伟", status="revoked"),
        firm(C, legal_representative="张伟", representative_id="1"), kind="full",
    )  # fmt: skip
    assert ways(A) == ways(C) == []


def test_who_left_ties_no_longer(load):
    load(led_by(A, "张三"), led_by(B, "张三", status="revoked"), kind="full")
    since = TODAY + timedelta(days=5)
    load(
        {"sequence": "1", "uscc": A, "legal_representative": "王五", "representative_id": "5",
         "valid_from": since.isoformat()},
        now=NOW + timedelta(days=6),
    )  # fmt: skip
    assert ways(A, day=since - timedelta(days=1)) == [[("representative", "张三", B)]]
    assert ways(A, day=since) == []


def test_the_group_and_a_holder_that_is_not_registered_here(load):
    holder = make_uscc(99)
    shares = [{"name": "母公司", "uscc": holder, "share_bps": 6000}]
    load(firm(A, shareholders=shares), firm(B, shareholders=shares), firm(C), kind="full")
    group = group_of(around(A))
    assert [(one.uscc, one.is_known) for one in group] == [(A, True), (B, True), (holder, False)]


def test_a_circle_of_five_guarantees_is_found_from_each_of_its_firms(load):
    ring = [A, B, C, D, E]
    rows = [
        firm(one, guarantees=[{"name": "下家", "uscc": ring[(n + 1) % 5], "amount_fen": 100}])
        for n, one in enumerate(ring)
    ]
    load(*rows, kind="full")
    for place, one in enumerate(ring):
        (circle,) = guarantee_circles(around(one))
        assert [firm.uscc for firm in circle] == ring[place:] + ring[:place]


class TestTheFlag:
    def flags(self):
        with db.transaction("owner") as session:
            return {code: service.by_uscc(session, code).linked_struck_off for code in (A, B, C)}

    def test_follows_the_registry_and_keeps_its_history(self, load):
        load(led_by(A, "张三"), led_by(B, "张三"), firm(C, address="一路1号"), kind="full")
        assert self.flags() == {A: False, B: False, C: False}
        load({"sequence": "1", "uscc": B, "status": "revoked"}, now=NOW + timedelta(days=1))
        assert self.flags() == {A: True, B: False, C: False}
        load({"sequence": "2", "uscc": B, "address": "一路1号"}, now=NOW + timedelta(days=2))
        assert self.flags() == {A: True, B: False, C: True}
        load(
            {"sequence": "3", "uscc": A, "legal_representative": "李四", "representative_id": "4"},
            now=NOW + timedelta(days=3),
        )
        assert self.flags() == {A: False, B: False, C: True}
        with db.transaction("owner") as session:
            kept = session.scalars(
                select(RegisteredEntry.linked_struck_off)
                .where(RegisteredEntry.enterprise_id == service.by_uscc(session, A).id)
                .order_by(RegisteredEntry.id)
            ).all()
        assert kept == [False, True, False]

    def test_an_address_of_many_flags_nobody(self, load):
        rows = [firm(make_uscc(100 + n), address="秘书公司") for n in range(20)]
        load(firm(A, address="秘书公司"), firm(B), firm(C), *rows, kind="full")
        load({"sequence": "1", "uscc": make_uscc(100), "status": "revoked"})
        assert self.flags()[A] is False

    def test_of_whom_the_registry_says_nothing_the_flag_stays_as_given(self, load):
        with db.transaction("owner") as session:
            make.make_enterprise(session, uscc=A, linked_struck_off=True)
        load(firm(B), firm(C), kind="full", region="99")
        assert self.flags()[A] is True


class TestWhoMayLook:
    def test_a_bank_looks_from_the_firm_of_its_live_consent_only(self, load):
        now = utc_now()
        load(led_by(A, "张三"), led_by(B, "张三"), led_by(C, "李四"), kind="full", now=now)
        with db.transaction("owner") as session:
            consent = make.make_consent(session, enterprise=service.by_uscc(session, A), now=now)
            other = service.by_uscc(session, C)
        day, viewer = day_of(now), db.Viewer(consent_id=consent.id, institution_id=consent.institution_id)
        with db.transaction("api", viewer=viewer) as session:
            seen = reading.around_mine(session, consent.enterprise_id, day=day, known_at=utc_now())
        assert {one.uscc for one in seen.firms.values()} == {A, B}
        for nobody in (None, db.Viewer(institution_id=consent.institution_id), db.Viewer(enterprise_id=other.id)):
            with db.transaction("api", viewer=nobody) as session:
                assert reading.around_mine(session, other.id, day=day, known_at=utc_now()).firms == {}

    @pytest.mark.parametrize("call", ["creditlink_near(:id, current_date, now(), 1, 9)",
                                      "creditlink_ties(ARRAY[:id], current_date, now())"])  # fmt: skip
    def test_a_request_cannot_choose_where_to_begin(self, empty_database, call):
        with pytest.raises(DBAPIError, match="permission denied"), db.transaction("api") as session:
            session.execute(text(f"SELECT * FROM {call.replace(':id', 'gen_random_uuid()')}"))
