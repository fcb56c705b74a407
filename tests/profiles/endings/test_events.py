"""Which event ends a profile, by hand: corrections and not payments, new penalties, arrears that an office has told."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from creditlink.kit.clock import day_of
from creditlink.profiles.reliance.endings.events import (
    LaterFact,
    WholeAnswer,
    first_of,
    is_correction,
    of_arrears,
    of_facts,
)

pytestmark = pytest.mark.pure

MADE = datetime(2026, 6, 10, 2, tzinfo=UTC)
AFTER = MADE + timedelta(days=5)
ids = count(1)


def fact(frame, subkey="", *, category="tax", period=date(2026, 5, 1), version=0, at=AFTER, **values):
    return LaterFact(next(ids), category, category, frame, period, subkey, values, version, True, at, at)


def penalty(subkey="penalty/2026-06-01/CF1", **more):
    return fact("credit_events", subkey, category="public_credit", severity=2, ended_on=None, **more)


def names(found):
    return [one.event for one in found]


class TestNews:
    @pytest.mark.parametrize("kind", ["penalty", "court_enforcement", "dishonest_debtor"])
    def test_a_new_entry_ends_it(self, kind):
        (end,) = of_facts([], [penalty(f"{kind}/2026-06-01/CF1")])
        assert (end.event, end.ended_at) == ("new_penalty_or_enforcement", AFTER)
        assert (end.evidence["category"], end.evidence["kind"], end.evidence["period"]) == (
            "public_credit", kind, "2026-05",
        )  # fmt: skip

    @pytest.mark.parametrize("kind", ["licence", "red_list", "searched"])
    def test_what_is_good_or_nothing_does_not(self, kind):
        assert names(of_facts([], [penalty(f"{kind}/2026-06-01/CF1")])) == []

    def test_one_that_it_knew_does_not_and_its_end_is_no_correction(self):
        known = penalty()
        ended = fact(
            "credit_events", known.subkey, category="public_credit", version=1, severity=2, ended_on="2026-06-09"
        )
        assert names(of_facts([known], [ended])) == []

    def test_a_further_month_is_no_news(self):
        assert names(of_facts([fact("payroll_months", headcount=4)],
                              [fact("payroll_months", period=date(2026, 6, 1), headcount=2)])) == []  # fmt: skip


class TestCorrections:
    before = fact("payroll_months", headcount=9, due_fen=100, paid_fen=0, paid_on=None, due_on="2026-06-15")

    def later(self, **values):
        return self.before._replace(id=next(ids), version=1, values=dict(self.before.values) | values)

    def test_a_value_that_was_taken_back_ends_it(self):
        later = self.later(headcount=4)
        (end,) = of_facts([self.before], [later])
        assert (end.event, end.evidence["facts"]) == ("fact_corrected", [self.before.id, later.id])

    def test_a_payment_that_came_is_none(self):
        assert names(of_facts([self.before], [self.later(paid_fen=100, paid_on="2026-06-14")])) == []
        paid = self.before._replace(values=dict(self.before.values) | {"paid_fen": 100, "paid_on": "2026-06-14"})
        bounced = paid._replace(id=next(ids), version=2, values=dict(paid.values) | {"paid_fen": 0})
        assert names(of_facts([paid], [bounced])) == ["fact_corrected"]

    def test_an_older_version_that_came_late_is_none(self):
        newest = self.later(headcount=4)
        assert names(of_facts([newest], [self.before])) == []

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ({"a": 1}, {"a": 1}, False),
            ({"a": None}, {"a": 1}, False),
            ({"a": 1}, {"a": None}, True),
            ({"a": 1}, {}, True),
            ({"filed_on": None, "payable_fen": 0}, {"filed_on": "2026-06-01", "payable_fen": 7}, False),
            ({"filed_on": "2026-06-01", "payable_fen": 0}, {"filed_on": "2026-06-01", "payable_fen": 7}, True),
            ({"paid_on": "2026-06-01"}, {"paid_on": "2026-06-09"}, True),
        ],
    )
    def test_what_is_one(self, before, after, expected):
        assert is_correction(before, after) is expected


class TestArrears:
    unpaid = fact(
        "payroll_months", category="social_security", due_fen=100, paid_fen=0, paid_on=None, due_on="2026-06-15",
        at=MADE,
    )  # fmt: skip

    def found(self, newest, read=(), *, days=20, since=date(2024, 1, 1), source=None, due_day=lambda _, day: day):
        answer = WholeAnswer(
            source or newest[0].source, since, datetime(2026, 6, 15, tzinfo=UTC) + timedelta(days=days)
        )
        return names(
            of_arrears(newest, read, [answer], as_of=day_of(MADE), day_of=day_of, due_day=due_day)
        )  # fmt: skip

    @pytest.mark.parametrize(("days", "expected"), [(14, []), (15, ["new_arrears"]), (40, ["new_arrears"])])
    def test_a_payment_is_in_arrears_when_its_office_must_have_told_of_it(self, days, expected):
        assert self.found([self.unpaid], [self.unpaid], days=days) == expected

    def test_another_office_or_a_shorter_range_says_nothing(self):
        assert self.found([self.unpaid], source="tax") == []
        assert self.found([self.unpaid], since=date(2026, 6, 1)) == []

    def test_what_was_in_arrears_already_is_not_new(self):
        old = self.unpaid._replace(values=dict(self.unpaid.values) | {"due_on": "2026-05-15"})
        assert self.found([old], [old]) == []

    def test_relief_moves_the_day_or_takes_it_away(self):
        assert self.found([self.unpaid], due_day=lambda _, day: None) == []
        assert self.found([self.unpaid], due_day=lambda _, day: day + timedelta(days=90)) == []

    @pytest.mark.parametrize(
        "values",
        [
            {"due_on": "2026-06-15", "payable_fen": 0, "paid_fen": 0},
            {"due_on": "2026-06-15", "due_fen": 0, "paid_on": None},
            {"due_on": "2026-06-15", "due_fen": 9, "paid_on": "2026-07-20"},
            {"due_on": None, "amount_fen": 9, "paid_on": None},
            {"signed": 3},
        ],
    )
    def test_what_is_paid_or_owed_to_nobody_is_none(self, values):
        assert self.found([self.unpaid._replace(values=values)]) == []

    @pytest.mark.parametrize(("before", "after", "expected"), [(0, 5, ["new_arrears"]), (5, 5, []), (9, 5, [])])
    def test_what_the_tax_office_reports(self, before, after, expected):
        read = fact("tax_standing", arrears_fen=before, period=date(2026, 4, 1))
        new = fact("tax_standing", arrears_fen=after)
        assert self.found([new, read], [read]) == expected


def test_the_first_that_we_learned_of_counts():
    late = next(of_facts([], [penalty(at=AFTER + timedelta(days=1))]))
    early = next(of_facts([], [penalty("dishonest_debtor/2026-06-01/CF2")]))
    assert first_of([late, early]) is early
    assert first_of([]) is None
