"""The graph by hand: groups, ways to a revoked firm, circles of guarantees; and what ties nobody."""

from datetime import date

import pytest

from creditlink.enterprises.relations.graph import (
    MOST_AT_ADDRESS,
    Guarantee,
    NearFirm,
    Neighbourhood,
    Tie,
    group_of,
    guarantee_circles,
    ways_to_revoked,
)

pytestmark = pytest.mark.pure

REVOKED = date(2025, 3, 12)


def around(*ties, guarantees=(), revoked=(), start="A"):
    names = {start, *revoked}
    for tie in ties:
        names |= {tie.firm} | ({tie.other} if tie.kind == "holding" else set())
    names |= {end for one in guarantees for end in (one.guarantor, one.debtor)}
    firms = {
        key: NearFirm(key, f"code {key}", f"{key}公司", "revoked" if key in revoked else "active",
                      REVOKED if key in revoked else None)
        for key in names
    }  # fmt: skip
    return Neighbourhood(start, firms, list(ties), list(guarantees))


def person(who, *firms, share=None):
    kind = "representative" if share is None else "shareholder"
    return [Tie(kind, firm, f"person:{who}", who, share) for firm in firms]


def address(name, *firms):
    return [Tie("address", firm, f"address:{name}", name) for firm in firms]


def holds(holder, firm, share):
    return Tie("holding", firm, holder, f"{holder}公司", share)


def ways(graph, **more):
    return [[(step.kind, step.through, step.firm.key) for step in way.steps] for way in ways_to_revoked(graph, **more)]


def test_the_way_names_whom_it_leads_through():
    graph = around(*person("张三", "A", "B"), revoked=["B"])
    assert ways(graph) == [[("representative", "张三", "B")]]
    assert ways_to_revoked(graph)[0].revoked.revoked_on == REVOKED


def test_the_nearest_way_comes_first_and_the_shortest_stands_for_a_firm():
    graph = around(
        *person("张三", "A", "B"), *address("一路1号", "B", "C"), *person("李四", "A", "D"), *address("二路", "B", "D"),
        revoked=["C", "D"],
    )  # fmt: skip
    assert ways(graph) == [
        [("representative", "李四", "D")],
        [("representative", "张三", "B"), ("address", "一路1号", "C")],
    ]
    assert ways(graph, most_steps=1) == [[("representative", "李四", "D")]]


@pytest.mark.parametrize(("share", "leads"), [(2_500, True), (2_499, False), (None, False)])
def test_a_share_leads_somewhere_from_a_quarter_on(share, leads):
    assert bool(ways(around(holds("B", "A", share), revoked=["B"]))) is leads
    assert bool(ways(around(holds("A", "B", share), revoked=["B"]))) is leads
    if share is not None:
        graph = around(*person("张三", "A", share=share), *person("张三", "B"), revoked=["B"])
        assert bool(ways(graph)) is leads


def test_an_address_of_many_ties_nobody():
    few = [f"F{n}" for n in range(MOST_AT_ADDRESS - 1)]
    assert ways(around(*address("一路", "A", *few), revoked=["F0"])) == [[("address", "一路", "F0")]]
    assert ways(around(*address("一路", "A", *few, "Z"), revoked=["F0"])) == []


def test_a_firm_that_is_revoked_itself_has_no_way_to_itself():
    assert ways(around(*person("张三", "A", "B"), revoked=["A"])) == []


def test_the_group_is_who_controls_and_who_is_controlled_without_neighbours():
    graph = around(
        holds("H", "A", 6_000), holds("H", "B", 2_500), holds("H", "C", 2_400), *person("张三", "B", "D"),
        *address("一路", "A", "E"),
    )  # fmt: skip
    assert [firm.key for firm in group_of(graph)] == ["A", "B", "D", "H"]
    assert [firm.key for firm in group_of(around())] == ["A"]


def circles(*pairs, **more):
    graph = around(guarantees=[Guarantee(one, other) for one, other in pairs])
    return [[firm.key for firm in circle] for circle in guarantee_circles(graph, **more)]


def test_a_circle_comes_back_to_its_firm():
    assert circles("AB", "BA") == [["A", "B"]]
    assert circles("AB", "BC", "CA", "BD") == [["A", "B", "C"]]
    assert circles("AB", "BC") == []
    assert circles("BC", "CB", "AB") == []  # others' circle


def test_a_circle_has_at_most_five_firms():
    ring = ["AB", "BC", "CD", "DE", "EA"]
    assert circles(*ring) == [["A", "B", "C", "D", "E"]]
    assert circles(*ring[:-1], "EF", "FA") == []
    assert circles(*ring, longest=4) == []


def test_every_circle_is_told_once_the_shortest_first():
    assert circles("AB", "BA", "BC", "CA") == [["A", "B"], ["A", "B", "C"]]
