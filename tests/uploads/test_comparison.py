"""An office's answer against a firm's file: what is settled, what differs, what fills a gap."""

from __future__ import annotations

from datetime import date

import pytest

from creditlink.kit.settings import load_settings
from creditlink.uploads.comparison import OfficeSaid, PeriodFact, compare, usable
from creditlink.uploads.rules import parse

pytestmark = pytest.mark.pure

RULES = load_settings({}).parsed("uploads.toml", parse)
JAN, FEB, MAR, APR = (date(2026, month, 1) for month in (1, 2, 3, 4))


def vat(period, sales_fen, *, number=1, months=1, filed="2026-04-10", **values):
    tax = sales_fen // 100
    figures = {"taxable_sales_fen": sales_fen, "exempt_sales_fen": 0, "payable_fen": tax, "paid_fen": tax}
    return PeriodFact(number, "vat_declarations", "", period, months, {**figures, "filed_on": filed, **values})


def sold(period, amount_fen, *, number=1, invoices=10):
    figures = {"amount_fen": amount_fen, "tax_fen": 0, "red_amount_fen": 0, "invoices": invoices, "void_invoices": 0}
    return PeriodFact(number, "invoice_months", "output", period, 1, figures)


def outcomes(checks):
    return [(one.period, one.months, one.outcome, one.asks_review) for one in checks]


class TestCompare:
    def test_the_same_to_within_what_rounding_does(self):
        checks = compare([vat(JAN, 10_000_000)], [vat(JAN, 10_000_099)], [], RULES)
        assert outcomes(checks) == [(JAN, 1, "same", False)]

    def test_a_small_difference_is_told_and_a_large_one_asks_for_a_person(self):
        checks = compare([vat(JAN, 10_000_000)], [vat(JAN, 9_900_000)], [], RULES)
        assert outcomes(checks) == [(JAN, 1, "differs", False)]
        assert checks[0].differences == {"taxable_sales_fen": (10_000_000, 9_900_000)}
        assert outcomes(compare([vat(JAN, 10_000_000)], [vat(JAN, 5_000_000)], [], RULES)) == [
            (JAN, 1, "differs", True)
        ]
        # Either way: who declared more than it shows hides something too.
        assert compare([vat(JAN, 5_000_000)], [vat(JAN, 10_000_000)], [], RULES)[0].asks_review

    def test_a_list_of_invoices_may_lack_some_and_not_have_more(self):
        assert outcomes(compare([sold(JAN, 5_000_000)], [sold(JAN, 10_000_000)], [], RULES)) == [
            (JAN, 1, "differs", False)
        ]
        assert compare([sold(JAN, 10_000_000)], [sold(JAN, 5_000_000)], [], RULES)[0].asks_review
        (counted,) = compare([sold(JAN, 10_000_000, invoices=9)], [sold(JAN, 10_000_000)], [], RULES)
        assert (counted.outcome, counted.differences) == ("differs", {"invoices": (9, 10)})

    def test_three_months_of_the_firm_beside_a_quarter_of_the_office(self):
        ours = [vat(month, 10_000_000, number=k) for k, month in enumerate((JAN, FEB, MAR))]
        assert outcomes(compare(ours, [vat(JAN, 30_000_000, months=3)], [], RULES)) == [(JAN, 3, "same", False)]
        assert outcomes(compare(ours, [vat(JAN, 60_000_000, months=3)], [], RULES)) == [(JAN, 3, "differs", True)]
        assert compare(ours[:2], [vat(JAN, 30_000_000, months=3)], [], RULES) == []
        theirs = [vat(month, 10_000_000, number=k) for k, month in enumerate((JAN, FEB, MAR))]
        assert outcomes(compare([vat(JAN, 30_000_000, months=3)], theirs, [], RULES)) == [(JAN, 3, "same", False)]

    @pytest.mark.parametrize(
        ("mine", "office", "review"),
        [("2026-02-10", "2026-02-10", False), ("2026-02-10", "2026-03-28", True), ("2026-02-10", None, True),
         ("2026-03-28", "2026-02-10", False)],
    )  # fmt: skip
    def test_a_day_of_filing_that_hides_lateness(self, mine, office, review):
        checks = compare([vat(JAN, 1_000_000, filed=mine)], [vat(JAN, 1_000_000, filed=office)], [], RULES)
        assert checks[0].asks_review is review
        assert checks[0].differences == ({} if mine == office else {"filed_on": (mine, office)})

    def test_what_the_office_does_not_have_after_it_was_due(self):
        answer = OfficeSaid(date(2025, 1, 1), date(2026, 3, 25))
        checks = compare([vat(JAN, 10_000_000), vat(MAR, 10_000_000, number=2)], [], [answer], RULES)
        assert outcomes(checks) == [(JAN, 1, "absent", True)]
        assert compare([vat(JAN, 100)], [], [answer], RULES)[0].asks_review is False
        assert compare([vat(JAN, 100)], [], [OfficeSaid(FEB, date(2026, 3, 25))], RULES) == []


class TestUsable:
    def test_only_months_of_which_no_office_has_spoken(self):
        mine = [vat(month, 1, number=k) for k, month in enumerate((JAN, FEB, MAR, APR))]
        assert [f.period for f in usable(mine, [vat(FEB, 9)], [], RULES)] == [JAN, MAR, APR]
        assert usable([vat(JAN, 1, months=3)], [vat(FEB, 9)], [], RULES) == []
        assert [f.period for f in usable(mine, [sold(FEB, 9)], [], RULES)] == [JAN, FEB, MAR, APR]

    @pytest.mark.parametrize(
        ("answered", "left"),
        [(date(2026, 2, 24), [JAN, FEB, MAR, APR]), (date(2026, 2, 25), [FEB, MAR, APR]), (date(2026, 6, 1), [])],
    )
    def test_silence_after_the_settled_day_is_an_answer(self, answered, left):
        mine = [vat(month, 1, number=k) for k, month in enumerate((JAN, FEB, MAR, APR))]
        assert [f.period for f in usable(mine, [], [OfficeSaid(JAN, answered)], RULES)] == left

    def test_a_month_that_the_office_withheld_is_open(self):
        answer = OfficeSaid(JAN, date(2026, 6, 1), frozenset({FEB}))
        assert [f.period for f in usable([vat(JAN, 1), vat(FEB, 1, number=2)], [], [answer], RULES)] == [FEB]

    def test_of_two_uploads_the_first_named_counts(self):
        newer, older = vat(FEB, 2), vat(JAN, 1, number=2, months=3)
        assert usable([newer, older], [], [], RULES) == [newer]
