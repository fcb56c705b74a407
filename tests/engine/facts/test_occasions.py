"""Several declarations or events of one key become the one row that indicators read, by hand."""

from datetime import date

import polars as pl
import pytest

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS
from creditlink.engine.facts.meters import sum_service_points
from creditlink.engine.facts.occasions import join_events, sum_occasions

pytestmark = pytest.mark.pure

APRIL, MAY, JUNE = (date(2026, month, 1) for month in (4, 5, 6))


def frame_of(name, rows):
    return pl.DataFrame(rows, schema=FRAME_SCHEMAS[name])


def declared(period=APRIL, filing="occasion", months=1, sales=100, filed=date(2026, 5, 3), **more):
    amount = None if filed is None else sales
    return {
        "firm": 0,
        "period": period,
        "months": months,
        "filing": filing,
        "taxable_sales_fen": amount,
        "exempt_sales_fen": None if filed is None else 7,
        "output_tax_fen": amount,
        "input_tax_fen": None if filed is None else 0,
        "payable_fen": amount,
        "paid_fen": amount,
        "due_on": date(2026, 5, 15),
        "filed_on": filed,
        "known_on": date(2026, 5, 16),
    } | more


def summed(*rows):
    frame = sum_occasions(frame_of("vat_declarations", rows))
    assert dict(frame.schema) == FRAME_SCHEMAS["vat_declarations"]
    assert not frame.select(FRAME_KEYS["vat_declarations"]).is_duplicated().any()
    return frame.to_dicts()


class TestOccasions:
    def test_two_of_a_month_are_added_up(self):
        first = declared(sales=100, filed=date(2026, 4, 20), due_on=date(2026, 4, 25))
        second = declared(sales=250, filed=date(2026, 5, 9), known_on=date(2026, 5, 20))
        [row] = summed(second, first)
        assert row == declared(
            sales=350,
            exempt_sales_fen=14,
            due_on=date(2026, 4, 25),
            filed=date(2026, 5, 9),
            known_on=date(2026, 5, 20),
        )

    def test_a_month_is_not_filed_while_one_occasion_is_not(self):
        [row] = summed(declared(sales=100), declared(filed=None))
        assert (row["filed_on"], row["taxable_sales_fen"], row["exempt_sales_fen"]) == (None, 100, 7)

    def test_nothing_filed_is_not_zero(self):
        [row] = summed(declared(filed=None), declared(filed=None))
        assert (row["filed_on"], row["taxable_sales_fen"], row["paid_fen"]) == (None, None, None)

    def test_months_and_firms_stay_apart(self):
        rows = summed(declared(MAY, sales=3), declared(APRIL, sales=1), declared(APRIL, sales=5) | {"firm": 1})
        assert [(r["firm"], r["period"], r["taxable_sales_fen"]) for r in rows] == [
            (0, APRIL, 1),
            (0, MAY, 3),
            (1, APRIL, 5),
        ]

    @pytest.mark.parametrize("occasion", [APRIL, MAY, JUNE])
    def test_a_quarter_covers_the_occasions_within_it(self, occasion):
        quarter = declared(APRIL, "quarterly", 3, sales=900, filed=date(2026, 7, 9))
        before = declared(date(2026, 3, 1), sales=10)
        after = declared(date(2026, 7, 1), sales=20)
        other = declared(occasion, sales=30) | {"firm": 1}
        rows = summed(before, quarter, declared(occasion, sales=100), after, other)
        assert [(r["firm"], r["period"], r["taxable_sales_fen"]) for r in rows] == [
            (0, date(2026, 3, 1), 10),
            (0, APRIL, 900),
            (0, date(2026, 7, 1), 20),
            (1, occasion, 30),
        ]
        assert rows[1] == quarter

    def test_a_month_covers_its_own_only(self):
        rows = summed(declared(APRIL, "monthly", sales=1), declared(APRIL, sales=2), declared(MAY, sales=4))
        assert [(r["filing"], r["taxable_sales_fen"]) for r in rows] == [("monthly", 1), ("occasion", 4)]

    def test_facts_of_before_there_were_filing_kinds_stay(self):
        old = declared(filing=None, months=None)
        assert summed(old, declared(APRIL), declared(MAY)) == [old, declared(MAY)]

    def test_nothing(self):
        assert summed() == []


class TestEvents:
    def event(self, **more):
        return {
            "firm": 0,
            "period": APRIL,
            "kind": "penalty",
            "occurred_on": date(2026, 4, 18),
            "severity": 1,
            "amount_fen": 50_000,
            "ended_on": date(2026, 4, 25),
            "known_on": date(2026, 4, 26),
        } | more

    def joined(self, *rows):
        frame = join_events(frame_of("tax_events", rows))
        assert dict(frame.schema) == FRAME_SCHEMAS["tax_events"]
        return frame.to_dicts()

    def test_two_of_one_day_are_one_as_severe_as_the_worse(self):
        later = {"ended_on": date(2026, 6, 1), "known_on": date(2026, 6, 2)}
        assert self.joined(self.event(), self.event(severity=3, amount_fen=1, **later)) == [
            self.event(severity=3, amount_fen=50_001, **later)
        ]

    def test_open_while_one_is(self):
        [row] = self.joined(self.event(ended_on=None), self.event(amount_fen=None))
        assert (row["ended_on"], row["amount_fen"]) == (None, 50_000)

    def test_no_amount_is_not_zero(self):
        [row] = self.joined(self.event(amount_fen=None), self.event(amount_fen=None))
        assert row["amount_fen"] is None

    def test_public_credit_is_joined_alike(self):
        one = self.event(kind="court_enforcement", amount_fen=100)
        frame = join_events(frame_of("credit_events", [one, one | {"amount_fen": 11, "ended_on": None}]))
        assert dict(frame.schema) == FRAME_SCHEMAS["credit_events"]
        assert frame.to_dicts() == [one | {"amount_fen": 111, "ended_on": None}]

    def test_kinds_and_days_stay_apart(self):
        rows = [self.event(kind="violation"), self.event(), self.event(occurred_on=date(2026, 4, 19))]
        assert self.joined(*reversed(rows)) == rows


class TestIntervalMeters:
    def point(self, usage=100.0, night=30.0, weekend=20.0):
        return {
            "firm": 0,
            "period": APRIL,
            "kind": "electricity",
            "usage": usage,
            "night_usage": night,
            "weekend_usage": weekend,
            "amount_fen": 8_000,
            "due_on": date(2026, 5, 25),
            "paid_on": None,
            "method": "transfer",
            "read_quality": "actual",
            "disconnected": False,
            "known_on": date(2026, 5, 26),
        }

    @pytest.mark.parametrize(
        ("points", "sums"),
        [
            ([(100.0, 30.0, 20.0), (50.0, 5.0, 0.0)], (150.0, 35.0, 20.0)),
            # One point has no interval meter: 30 of 150 would be too small a share.
            ([(100.0, 30.0, 20.0), (50.0, None, None)], (150.0, None, None)),
            ([(100.0, 30.0, 20.0), (50.0, 5.0, None)], (150.0, 35.0, None)),
            # One point has no reading at all: the others tell the share.
            ([(100.0, 30.0, 20.0), (None, None, None)], (100.0, 30.0, 20.0)),
            ([(None, None, None), (None, None, None)], (None, None, None)),
        ],
    )
    def test_points_are_summed_where_all_that_read_have_it(self, points, sums):
        [row] = sum_service_points(frame_of("meter_months", [self.point(*p) for p in points])).to_dicts()
        assert (row["usage"], row["night_usage"], row["weekend_usage"]) == sums
