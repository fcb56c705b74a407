"""The sandbox's scripted ties: taken by the registry, found by the graph, the same on every start."""

from datetime import timedelta

import pytest

from creditlink.enterprises import service
from creditlink.enterprises.relations import reading
from creditlink.enterprises.relations.graph import group_of, guarantee_circles, ways_to_revoked
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.sandbox.platform.credentials import FirmLogin, first_of_each_kind
from creditlink.sandbox.platform.ties import seed_ties
from tests import factories as make


@pytest.fixture
def firms(empty_database):
    with db.transaction("owner") as session:
        made = [make.make_enterprise(session) for _ in range(9)]
        return [
            FirmLogin(kind, "x", one.uscc, one.name, kind)
            for kind, one in zip(("healthy", "distressed", "healthy"), made, strict=False)
        ]


def around(firm):
    now = utc_now() + timedelta(days=3)
    with db.transaction("worker") as session:
        one = service.by_uscc(session, firm.uscc)
        return reading.around(session, one.id, day=day_of(now), known_at=now)


def seed(firms, later=timedelta()):
    with db.transaction("owner") as session:
        seed_ties(session, firms, secret="s" * 40, now=utc_now() + later)


def test_a_group_a_circle_and_a_way_and_again_on_the_next_day(firms):
    for later in (timedelta(), timedelta(minutes=1), timedelta(days=1)):
        seed(firms, later)
        first = first_of_each_kind(firms)
        healthy, distressed = around(first["healthy"]), around(first["distressed"])
        assert len(group_of(healthy)) == 3
        assert [len(circle) for circle in guarantee_circles(healthy)] == [3]
        assert ways_to_revoked(healthy) == []
        (way,) = ways_to_revoked(distressed)
        assert [step.kind for step in way.steps] == ["representative"]
    with db.transaction("owner") as session:
        assert service.by_uscc(session, firms[1].uscc).linked_struck_off is True
        assert service.by_uscc(session, firms[0].uscc).linked_struck_off is False


def test_a_city_too_small_for_it_stays_as_it_is(firms):
    seed(firms[:1])
    assert len(group_of(around(firms[0]))) == 1
