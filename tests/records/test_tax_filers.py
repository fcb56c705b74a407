"""Firms as they really file: by month, quarter and occasion, exempt, with a year's settlement, fined and refunded."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from creditlink.records.connectors import tax_rows
from tests.records.test_connectors import NO_TAX_RECORD, SINCE, UNTIL, page_of, tax

pytestmark = pytest.mark.pure

MANUAL = Path(__file__).parents[2] / "docs" / "bureaus.md"
MONEY = ("ysxse", "msxse", "xxse", "jxse", "ynse", "yjse")
RETURNED = ("yysr", "lrze", "ybtse", "yjse")


def declaration(first="202404", last=None, filing="1", **changes):
    amounts = dict.fromkeys(MONEY, "0.00") | {"ysxse": "1000.00", "xxse": "130.00", "ynse": "130.00"}
    days = {"sbqx": "20240515", "sbrq": "20240511", "lrsj": "20240516093107+0800"}
    period = {"skssqQ": first, "skssqZ": last or first, "sbfs": filing}
    return {"lsh": f"ZS-{first}", "bbh": 0} | period | amounts | days | changes


def income(first="202404", last="202406", kind="1", **changes):
    amounts = {"yysr": "5000.00", "lrze": "400.00", "ybtse": "20.00", "yjse": "20.00"}
    days = {"sbqx": "20240715", "sbrq": "20240710", "lrsj": "20240716093107+0800"}
    return {"lsh": f"SD-{first}", "bbh": 0, "skssqQ": first, "skssqZ": last, "sblx": kind} | amounts | days | changes


def event(kind="2", occurred="20240418", **changes):
    row = {"lsh": f"WF-{occurred}-{kind}", "bbh": 0, "sjlx": kind, "fsrq": occurred, "yzcd": "1", "je": "500.00"}
    return row | {"bjrq": "", "lrsj": "20240501093107+0800"} | changes


def fetched(resource, *rows, since=SINCE, until=UNTIL):
    """What the connector makes of these rows of one resource."""
    with tax(lambda a: page_of(list(rows)) if f"/{resource}/" in a.path else NO_TAX_RECORD) as (fetch, _):
        return fetch(since=since, until=until)


def only_fact(delivery):
    assert delivery.rejects == []
    [fact] = delivery.facts
    return fact


def refused(resource, row, good):
    """The field, value and reason of a bad row beside a good one, which goes in."""
    delivery = fetched(resource, row, good)
    assert len(delivery.facts) == 1
    assert delivery.status == "DELIVERED"
    [reject] = delivery.rejects
    assert (reject.resource, reject.position) == (resource, "page 1 row 0")
    return reject.field, reject.excerpt, reject.reason


class TestDeclarations:
    def test_a_month(self):
        fact = only_fact(fetched("zzssb", declaration()))
        assert (fact.period, fact.subkey, fact.values["months"], fact.values["filing"]) == (SINCE, "", 1, "monthly")
        assert (fact.values["taxable_sales_fen"], fact.values["exempt_sales_fen"]) == (100_000, 0)
        assert (fact.values["due_on"], fact.values["filed_on"]) == ("2024-05-15", "2024-05-11")

    def test_a_month_not_filed_has_no_amounts(self):
        fact = only_fact(fetched("zzssb", declaration(sbrq="", **dict.fromkeys(MONEY, ""))))
        assert {name for name, value in fact.values.items() if value is None} == {
            *("taxable_sales_fen", "exempt_sales_fen", "output_tax_fen", "input_tax_fen", "payable_fen", "paid_fen"),
            "filed_on",
        }
        assert fact.values["due_on"] == "2024-05-15"

    def test_a_quarter(self):
        fact = only_fact(fetched("zzssb", declaration("202404", "202406", "2")))
        assert (fact.period, fact.values["months"], fact.values["filing"]) == (date(2024, 4, 1), 3, "quarterly")

    def test_a_quarter_under_the_relief_is_filed_with_zero_tax(self):
        amounts = dict.fromkeys(MONEY, "0.00") | {"msxse": "262345.00"}
        values = only_fact(fetched("zzssb", declaration("202407", "202409", "2", **amounts))).values
        assert (values["taxable_sales_fen"], values["exempt_sales_fen"], values["payable_fen"]) == (0, 26_234_500, 0)
        assert values["filed_on"] is not None

    def test_a_firm_that_changed_its_filing_within_a_quarter(self):
        rows = declaration("202404", "202404", "2"), declaration("202405"), declaration("202406")
        facts = fetched("zzssb", *rows).facts
        assert [(f.period.month, f.values["months"], f.values["filing"]) for f in facts] == [
            (4, 1, "quarterly"),
            (5, 1, "monthly"),
            (6, 1, "monthly"),
        ]

    def test_two_occasions_of_a_month_stay_apart(self):
        rows = (declaration(filing="3", lsh=f"ZS-{n}", ysxse=f"{n}00.00") for n in (1, 2))
        facts = fetched("zzssb", *rows).facts
        assert [(f.period, f.subkey, f.values["taxable_sales_fen"]) for f in facts] == [
            (SINCE, "ZS-1", 10_000),
            (SINCE, "ZS-2", 20_000),
        ]

    def test_an_occasion_amended_is_a_version_of_its_own_record(self):
        rows = declaration(filing="3", lsh="ZS-1"), declaration(filing="3", lsh="ZS-1", bbh=1, ysxse="7.00")
        facts = fetched("zzssb", *rows).facts
        assert [(f.subkey, f.version) for f in facts] == [("ZS-1", 0), ("ZS-1", 1)]

    def test_the_look_back_is_not_widened_by_a_quarter_at_its_edge(self):
        """Neither in nor a bad row: the office sends what ends in the range, the firm agreed from May on."""
        rows = declaration("202404", "202406", "2"), declaration("202407", "202409", "2")
        delivery = fetched("zzssb", *rows, since=date(2024, 5, 1))
        assert [f.period for f in delivery.facts] == [date(2024, 7, 1)]
        assert (delivery.status, delivery.rejects, delivery.rows) == ("DELIVERED", [], 2)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            (
                {"skssqZ": "202406"},
                ("skssqQ", "202404", "not in one month with the last month, 202406"),
            ),
            (
                {"skssqZ": "202405", "sbfs": "3"},
                ("skssqQ", "202404", "not in one month with the last month, 202405"),
            ),
            (
                {"skssqQ": "202405", "skssqZ": "202407", "sbfs": "2"},
                ("skssqQ", "202405", "not in one quarter with the last month, 202407"),
            ),
            # A quarter of two years' length is no quarter at the edge, and is not left out in silence.
            (
                {"skssqQ": "202206", "skssqZ": "202406", "sbfs": "2"},
                ("skssqQ", "202206", "not in one quarter with the last month, 202406"),
            ),
            (
                {"skssqQ": "202405", "skssqZ": "202404"},
                ("skssqZ", "202404", "before the first month, 202405"),
            ),
            (
                {"skssqQ": "202310", "skssqZ": "202312", "sbfs": "2"},
                ("skssqZ", "2023-12-01", "outside the asked range 2024-04 to 2024-09"),
            ),
            (
                {"skssqQ": "202410", "skssqZ": "202410"},
                ("skssqZ", "2024-10-01", "outside the asked range 2024-04 to 2024-09"),
            ),
            ({"sbfs": "4"}, ("sbfs", "4", "not one of 1, 2, 3")),
            ({"sbfs": 1}, ("sbfs", "1", "not a text")),
            ({"sbfs": None}, ("sbfs", "", "the field is missing")),
            ({"skssqQ": "202413"}, ("skssqQ", "202413", "not a month of the calendar")),
            ({"skssqZ": ""}, ("skssqZ", "", "not a month YYYYMM")),
            ({"msxse": "-1.00"}, ("msxse", "-1.00", "negative amount")),
            ({"msxse": None}, ("msxse", "", "the field is missing")),
            ({"msxse": ""}, ("msxse", "", "not an amount in yuan with two decimals")),
            ({"sbrq": ""}, ("sbrq", "", "empty although ysxse is declared")),
            (
                {"sbrq": ""} | dict.fromkeys(MONEY, "") | {"yjse": "0.00"},
                ("sbrq", "", "empty although yjse is declared"),
            ),
            (
                {"sbrq": ""} | dict.fromkeys(MONEY, "") | {"msxse": None},
                ("msxse", "", "the field is missing"),
            ),
        ],
    )
    def test_a_bad_row_is_named_by_field_and_value(self, changes, told):
        assert refused("zzssb", declaration() | changes, declaration("202405")) == told

    def test_months_that_may_lack_an_occasion_are_withheld(self):
        """A month filed by occasion would be too low without one of them; a declaration of a month is whole."""
        rows = [declaration(f"2024{m:02d}", filing="3", lsh=f"ZS-{m}-{n}") for m in (4, 5, 6, 7) for n in (1, 2)]
        pages = {1: rows[:3], 2: [declaration("202406", lsh="ZS-M"), *rows[5:]]}

        def answer(asked):
            number = json.loads(asked.body)["pageNum"]
            return page_of(pages[number], total=1004, whole="N" if number == 1 else "Y")

        with tax(lambda a: answer(a) if "zzssb" in a.path else NO_TAX_RECORD) as (fetch, _):
            delivery = fetch()
        assert delivery.status == "PARTIAL"
        assert delivery.resources["zzssb"].withheld_months == ["2024-05", "2024-06"]
        assert [(f.period.month, f.subkey) for f in delivery.facts] == [
            *((4, "ZS-4-1"), (4, "ZS-4-2"), (6, "")),
            *((7, "ZS-7-1"), (7, "ZS-7-2")),
        ]

    def test_a_partial_answer_withholds_no_whole_months(self):
        rows = [declaration("202404"), declaration("202407", "202409", "2")]
        answer = page_of(rows, total=4, whole="N")
        with tax(lambda a: answer if "zzssb" in a.path else NO_TAX_RECORD) as (fetch, _):
            delivery = fetch()
        assert (delivery.status, delivery.resources["zzssb"].withheld_months) == ("PARTIAL", [])
        assert [f.period.month for f in delivery.facts] == [4, 7]


class TestIncomeTax:
    def test_a_prepayment(self):
        fact = only_fact(fetched("qysds", income()))
        assert (fact.frame, fact.period, fact.subkey) == ("income_tax_returns", date(2024, 4, 1), "prepayment")
        assert fact.values == {
            "revenue_fen": 500_000,
            "profit_fen": 40_000,
            "payable_fen": 2_000,
            "paid_fen": 2_000,
            "due_on": "2024-07-15",
            "filed_on": "2024-07-10",
        }

    def test_a_settlement_that_is_refunded(self):
        row = income("202401", "202412", "2", lrze="-700.00", ybtse="-60.00", yjse="-60.00", sbqx="20250531")
        fact = only_fact(fetched("qysds", row, since=date(2024, 1, 1), until=date(2025, 5, 31)))
        assert (fact.period, fact.subkey) == (date(2024, 1, 1), "settlement")
        assert (fact.values["profit_fen"], fact.values["payable_fen"], fact.values["paid_fen"]) == (
            -70_000,
            -6_000,
            -6_000,
        )

    def test_the_first_year_of_a_firm_begins_when_it_does(self):
        row = income("202407", "202412", "2")
        assert only_fact(fetched("qysds", row, until=date(2025, 5, 31))).period == date(2024, 7, 1)

    def test_the_settlement_of_a_year_that_began_before_the_look_back_is_left_out(self):
        rows = income("202401", "202412", "2"), income("202410", "202412")
        delivery = fetched("qysds", *rows, until=date(2025, 5, 31))
        assert [(f.subkey, f.period) for f in delivery.facts] == [("prepayment", date(2024, 10, 1))]
        assert (delivery.rejects, delivery.rows) == ([], 2)

    def test_one_not_filed(self):
        fact = only_fact(fetched("qysds", income(sbrq="", **dict.fromkeys(RETURNED, ""))))
        assert (fact.values["revenue_fen"], fact.values["filed_on"], fact.values["due_on"]) == (
            None,
            None,
            "2024-07-15",
        )

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"sblx": "3"}, ("sblx", "3", "not one of 1, 2")),
            ({"skssqZ": "202407"}, ("skssqQ", "202404", "not in one quarter with the last month, 202407")),
            (
                {"sblx": "2", "skssqQ": "202307"},
                ("skssqQ", "202307", "not in one year with the last month, 202406"),
            ),
            ({"yysr": "-5.00"}, ("yysr", "-5.00", "negative amount")),
            ({"lrze": "1e9"}, ("lrze", "1e9", "not an amount in yuan with two decimals")),
            ({"ybtse": None}, ("ybtse", "", "the field is missing")),
            ({"sbrq": ""}, ("sbrq", "", "empty although yysr is declared")),
            ({"sbqx": "20240531+0800"}, ("sbqx", "20240531+0800", "not a day YYYYMMDD")),
        ],
    )
    def test_a_bad_row_is_named_by_field_and_value(self, changes, told):
        assert refused("qysds", income() | changes, income("202407", "202409")) == told


class TestEvents:
    @pytest.mark.parametrize(("code", "kind"), [("1", "violation"), ("2", "penalty"), ("3", "refund")])
    def test_each_kind(self, code, kind):
        fact = only_fact(fetched("wfcf", event(code)))
        assert (fact.frame, fact.period, fact.subkey) == ("tax_events", SINCE, f"{kind}/WF-20240418-{code}")
        assert fact.values == {"occurred_on": "2024-04-18", "severity": 1, "amount_fen": 50_000, "ended_on": None}

    def test_the_settlement_is_a_correction(self):
        rows = event(), event(bbh=1, bjrq="20240620", lrsj="20240621093107+0800")
        facts = fetched("wfcf", *rows).facts
        assert [(f.version, f.values["ended_on"], f.known_at.month) for f in facts] == [
            (0, None, 5),
            (1, "2024-06-20", 6),
        ]
        assert facts[0].subkey == facts[1].subkey

    def test_a_violation_without_an_amount(self):
        assert only_fact(fetched("wfcf", event("1", je=""))).values["amount_fen"] is None

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"sjlx": "4"}, ("sjlx", "4", "not one of 1, 2, 3")),
            ({"yzcd": "0"}, ("yzcd", "0", "not one of 1, 2, 3")),
            ({"yzcd": 2}, ("yzcd", "2", "not a text")),
            ({"sjlx": "3", "yzcd": "2"}, ("yzcd", "2", "a refund has the severity 1")),
            ({"je": "-500.00"}, ("je", "-500.00", "negative amount")),
            ({"bjrq": "20240417"}, ("bjrq", "20240417", "before the day of the event, 20240418")),
            ({"bjrq": None}, ("bjrq", "", "the field is missing")),
            ({"fsrq": "20240230"}, ("fsrq", "20240230", "not a day of the calendar")),
            ({"fsrq": "20240331"}, ("fsrq", "2024-03-01", "outside the asked range 2024-04 to 2024-09")),
            ({"fsrq": "2024-04-18"}, ("fsrq", "2024-04-18", "not a day YYYYMMDD")),
        ],
    )
    def test_a_bad_row_is_named_by_field_and_value(self, changes, told):
        assert refused("wfcf", event() | changes, event(occurred="20240501")) == told


def test_standing_no_longer_counts_penalties():
    row = {"lsh": "NS-1", "bbh": 0, "ny": "202404", "xydj": "B", "nsrlx": "2", "qsje": "0.00", "qsts": 0}
    fact = only_fact(fetched("nsrzt", row | {"cfcs": 3, "lrsj": "20240512101010+0800"}))
    assert set(fact.values) == {"taxpayer_grade", "taxpayer_kind", "arrears_fen", "arrears_days"}


def test_the_examples_of_the_manual_are_what_the_connector_reads():
    section = MANUAL.read_text().split("## 1. ")[1].split("\n## ")[0]
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]
    rows = [row for block in blocks for row in block.get("data", [block])]
    of = {"ZS": "zzssb", "SD": "qysds", "FX": "fapiao", "WF": "wfcf"}
    seen = set()
    for row in rows:
        resource = of[row["lsh"][:2]]
        delivery = fetched(resource, row, since=date(2024, 1, 1), until=date(2025, 5, 31))
        assert (delivery.rejects, len(delivery.facts)) == ([], 1), row["lsh"]
        seen.add(resource)
    assert seen == {*of.values()}
    for resource in tax_rows.READERS:
        assert f"/swj/v1/{resource}/query" in section
