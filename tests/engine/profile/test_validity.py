"""Until when a profile may be relied on, by the clock and by what its sources file next."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import creditlink
from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.profile.validity import (
    CAUSES_OF_END,
    ENDS_EARLY,
    ValiditySettingError,
    parse,
    validity_of,
)
from tests.engine.features.builders import AS_OF, declarations, meters, payroll, quarters, registration

pytestmark = pytest.mark.pure

VALUES = tomllib.loads((Path(creditlink.__file__).parents[1] / "config" / "validity.toml").read_text())
SETTINGS = parse(VALUES)
NOW = datetime(2026, 3, 17, 4, tzinfo=UTC)


def inputs(**changes):
    given = {
        "purpose": "monitoring",
        "now": NOW,
        "consent_ends": NOW + timedelta(days=400),
        "data_life": timedelta(days=366),
        "model_made": NOW - timedelta(days=30),
    }
    return SETTINGS.inputs(**given | changes)


def window(as_of: date = AS_OF, *, bounds=None, **frames: pl.DataFrame) -> tuple[str, str]:
    records = RecordSet.of(registration=registration(), **frames)
    found = validity_of(records, bounds or inputs(), as_of)
    return found["limited_by"], found["valid_until"]


class TestBounds:
    @pytest.mark.parametrize(
        ("changes", "cause", "until"),
        [
            ({}, "purpose", "2026-06-17T04:00:00+00:00"),  # 92 days
            ({"consent_ends": NOW + timedelta(days=3)}, "consent", "2026-03-20T04:00:00+00:00"),
            ({"data_life": timedelta(days=1)}, "data_life", "2026-03-18T04:00:00+00:00"),
            ({"model_made": NOW - timedelta(days=729)}, "model", "2026-03-18T04:00:00+00:00"),
            ({"purpose": "prequalification"}, "purpose", "2026-04-16T04:00:00+00:00"),
        ],
    )
    def test_the_earliest_counts(self, changes, cause, until):
        assert window(bounds=inputs(**changes)) == (cause, until)

    def test_of_two_at_one_instant_the_consent_is_named(self):
        bounds = inputs(consent_ends=NOW + timedelta(days=1), data_life=timedelta(days=1))
        assert window(bounds=bounds)[0] == "consent"

    def test_the_rules_may_have_a_last_day(self):
        until = parse(VALUES | {"rules_until": date(2026, 3, 20)})
        bounds = until.inputs(
            purpose="report",
            now=NOW,
            consent_ends=NOW + timedelta(days=9),
            data_life=timedelta(days=9),
            model_made=None,
        )
        assert window(bounds=bounds) == ("rules", "2026-03-20T16:00:00+00:00")  # the midnight after it in Shanghai
        assert "model" not in {bound["cause"] for bound in bounds["bounds"]}

    def test_every_bound_and_event_has_words(self):
        records = RecordSet.of(registration=registration(), payroll_months=payroll([3] * 3))
        found = validity_of(records, inputs(), AS_OF)
        assert [bound["cause"] for bound in found["bounds"]] == [
            "next_filing",
            "purpose",
            "data_life",
            "consent",
            "model",
        ]
        assert {bound["cause"] for bound in found["bounds"]} < set(CAUSES_OF_END)
        assert [event["event"] for event in found["ends_early_on"]] == list(ENDS_EARLY)
        for one in (*found["bounds"], *found["ends_early_on"]):
            assert one["text_zh"]
            assert one["text_en"]


class TestNextFiling:
    """The newest row tells when the next is due; a frame's grace comes on top, and the day itself counts."""

    def test_a_quarterly_filer_has_until_its_next_quarter(self):
        # The quarter to December was due on 15 January: the next is on 15 April, and 15 days more.
        filed = quarters([30_000] * 8, date(2024, 1, 1))
        assert window(vat_declarations=filed) == ("next_filing", "2026-04-30T16:00:00+00:00")

    def test_a_monthly_filer_has_a_month(self):
        # February is due on 18 March and known since the 16th: March is due on 18 April.
        assert window(vat_declarations=declarations([100] * 12)) == ("next_filing", "2026-05-03T16:00:00+00:00")

    def test_who_files_by_occasion_is_not_waited_for(self):
        assert window(vat_declarations=declarations([100] * 12, filing="occasion"))[0] == "purpose"

    def test_the_earliest_source_counts(self):
        # February's contributions are due on 17 March and known since the 15th: March's are due on 17 April.
        paid = payroll([3] * 12)
        assert window(payroll_months=paid, vat_declarations=quarters([1] * 8, date(2024, 1, 1))) == (
            "next_filing",
            "2026-04-30T16:00:00+00:00",
        )
        assert window(payroll_months=paid)[1] == "2026-05-02T16:00:00+00:00"

    def test_a_source_that_fell_behind_is_waited_for_from_today(self):
        behind = quarters([30_000] * 3, date(2024, 1, 1))  # nothing after September 2024
        assert window(vat_declarations=behind) == ("next_filing", "2026-04-30T16:00:00+00:00")

    def test_what_was_not_known_on_the_day_does_not_count(self):
        filed = quarters([30_000] * 8, date(2024, 1, 1))
        assert window(date(2025, 11, 1), vat_declarations=filed)[1] == "2026-01-30T16:00:00+00:00"

    def test_a_profile_of_a_past_day_is_over_when_its_next_filing_was_due(self):
        filed = quarters([30_000] * 8, date(2024, 1, 1))
        assert datetime.fromisoformat(window(date(2025, 5, 1), vat_declarations=filed)[1]) < NOW

    def test_a_month_end_stays_within_the_month(self):
        bill = meters([5.0], period=date(2026, 1, 1), due_on=date(2026, 1, 31), known_on=date(2026, 2, 1))
        # The next is due on 28 February, and 31 days more.
        assert window(date(2026, 2, 1), meter_months=bill)[1] == "2026-03-31T16:00:00+00:00"


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"model_days": 0}, "model_days"),
            ({"model_days": "730"}, "model_days"),
            ({"days": {}}, "days"),
            ({"days": {"report": 0}}, "days.report"),
            ({"days": {"report": 10**6}}, "days.report"),
            ({"grace_days": {"credit_events": 3}}, "grace_days.credit_events"),
            ({"grace_days": {"nothing": 3}}, "grace_days.nothing"),
            ({"rules_until": "2027-01-01"}, "rules_until"),
            ({"rules_until": datetime(2027, 1, 1, tzinfo=UTC)}, "rules_until"),
            ({"colour": 1}, "colour"),
        ],
    )
    def test_a_wrong_line_is_named(self, change, named):
        with pytest.raises(ValiditySettingError, match=f"^{named}"):
            parse(VALUES | change)

    @pytest.mark.parametrize("name", sorted(VALUES))
    def test_an_absent_line_is_named(self, name):
        with pytest.raises(ValiditySettingError, match=f"^{name} is absent"):
            parse({key: value for key, value in VALUES.items() if key != name})

    def test_every_purpose_has_its_days(self):
        purposes = tomllib.loads((Path(creditlink.__file__).parents[1] / "config" / "purposes.toml").read_text())
        assert set(SETTINGS.days) == set(purposes["purposes"])
