"""What a profile tells of ties: by what two firms have in common; no shareholder, no others' guarantees."""

import json
from dataclasses import replace

import pytest

from creditlink.engine.profile.ties import explanations, relations_member
from creditlink.enterprises.relations.graph import Guarantee
from creditlink.enterprises.relations.told import told_of
from tests.enterprises.relations.test_graph import address, around, holds, person

pytestmark = pytest.mark.pure


def words(graph, **more):
    member = relations_member(told_of(graph, with_guarantees=False), paid_in_fen=None, registered_fen=None)
    return [(way["text_zh"], way["text_en"]) for way in member["ways_to_revoked"]]


@pytest.mark.parametrize(
    ("ties", "zh", "en"),
    [
        (
            person("张三", "A", "B"),
            "A公司与B公司的法定代表人同为张三；B公司于2025-03-12被吊销营业执照。",
            "A公司 shares its legal representative 张三 with B公司, which was struck off on 2025-03-12.",
        ),
        (
            address("一路1号", "A", "B"),
            "A公司与B公司登记在同一地址（一路1号）；B公司于2025-03-12被吊销营业执照。",
            "A公司 is registered at the same address (一路1号) as B公司, which was struck off on 2025-03-12.",
        ),
        (
            [holds("B", "A", 2500)],
            "B公司持有A公司不低于25%的股权；B公司于2025-03-12被吊销营业执照。",
            "A公司 is held, by at least 25 %, by B公司, which was struck off on 2025-03-12.",
        ),
        (
            [holds("A", "B", 9000)],
            "A公司持有B公司不低于25%的股权；B公司于2025-03-12被吊销营业执照。",
            "A公司 holds at least 25 % of B公司, which was struck off on 2025-03-12.",
        ),
        (
            [*person("张三", "A", "C"), *address("一路1号", "C", "B")],
            "A公司与C公司的法定代表人同为张三；C公司与B公司登记在同一地址（一路1号）；B公司于2025-03-12被吊销营业执照。",
            "A公司 shares its legal representative 张三 with C公司; C公司 is registered at the same address (一路1号) "
            "as B公司, which was struck off on 2025-03-12.",
        ),
    ],
)
def test_a_way_in_words(ties, zh, en):
    assert words(around(*ties, revoked=["B"])) == [(zh, en)]


def test_the_holder_of_both_is_named_and_a_natural_one_is_not():
    common = around(holds("M", "A", 5100), holds("M", "B", 5100), revoked=["B"])
    assert words(common)[0][1].startswith("M公司 holds at least 25 % of both A公司 and B公司, which")
    natural = around(*person("李四", "A", "B", share=5000), revoked=["B"])
    assert "李四" not in json.dumps(told_of(natural, with_guarantees=True), ensure_ascii=False)
    assert words(natural)[0][0].startswith("A公司与B公司有同一自然人股东，持股均不低于25%；")


def test_the_flag_is_explained_by_the_direct_ways_alone():
    graph = around(*person("张三", "A", "B"), *person("张三", "C"), *address("一路1号", "C", "D"), revoked=["B", "D"])
    zh, en = explanations(told_of(graph, with_guarantees=False))["linked_struck_off"]
    assert ("B公司" in zh, "D公司" in zh, "B公司" in en) == (True, False, True)
    # By shares the flag is not set: then the registrar reported it, and no path is made up.
    held = explanations(told_of(around(holds("B", "A", 9000), revoked=["B"]), with_guarantees=False))
    assert "does not show the path" in held["linked_struck_off"][1]


def test_a_name_with_braces_is_a_name():
    graph = around(*person("{before}", "A", "B"), revoked=["B"])
    assert "法定代表人同为{before}；" in words(graph)[0][0]


class TestGuarantees:
    graph = around(guarantees=[Guarantee("A", "B", 500), Guarantee("B", "A", 9_999), Guarantee("A", "C", None)])

    def member(self, told, **capital):
        return relations_member(told, **({"paid_in_fen": None, "registered_fen": None} | capital))

    def test_only_its_own_and_only_where_granted(self):
        assert told_of(self.graph, with_guarantees=False)["guarantees"] is None
        told = told_of(self.graph, with_guarantees=True)
        assert told["guarantees"] == {"given": 2, "given_fen": 500, "unknown": 1, "circles": [2]}
        assert "9999" not in json.dumps(told)

    @pytest.mark.parametrize(
        ("capital", "noticed"),
        [
            ({"paid_in_fen": 499, "registered_fen": 10_000}, True),
            ({"paid_in_fen": 500, "registered_fen": 1}, False),
            ({"registered_fen": 499}, True),
            ({}, False),
        ],
    )
    def test_are_noticed_over_the_capital_paid_in_or_else_registered(self, capital, noticed):
        notices = self.member(told_of(self.graph, with_guarantees=True), **capital)["notices"]
        assert [one["notice"] for one in notices] == ["guarantees_over_capital"] * noticed + ["guarantee_circle"]

    def test_are_not_noticed_where_not_granted(self):
        assert self.member(told_of(self.graph, with_guarantees=False), paid_in_fen=1)["notices"] == []


def test_a_firm_that_nothing_is_known_of():
    nobody = replace(around(), firms={})
    assert told_of(nobody, with_guarantees=True)["ways"] == []
