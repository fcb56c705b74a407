"""What is decided about disputes without a database: working days, references, what is claimed, evidence, repair."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from creditlink.disputes.rules import calendar, repair, settings
from creditlink.disputes.rules.calendar import HolidaysInvalid
from creditlink.disputes.rules.datum import DatumInvalid, columns_of, datum_from, wanted_value
from creditlink.disputes.rules.settings import DisputeSettingsInvalid
from creditlink.kit.files.documents import HandedFileRefused, file_from, plain_name
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure
PDF = b"%PDF-1.7\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40 + b"IEND\xaeB`\x82"
JPG = b"\xff\xd8\xff\xe0" + b"x" * 40 + b"\xff\xd9"
SHIPPED = calendar.parse(read_toml(ROOT / "config" / "holidays.toml"))
TERMS = settings.parse(read_toml(ROOT / "config" / "disputes.toml"))


class TestWorkingDays:
    def test_weekends_and_holidays_do_not_count_and_worked_weekends_do(self):
        # The week before the National Day of 2026: seven days off, Saturday the 10th is worked.
        assert SHIPPED.after(date(2026, 9, 30), 1) == date(2026, 10, 8)
        assert SHIPPED.after(date(2026, 9, 30), 3) == date(2026, 10, 10)
        assert SHIPPED.after(date(2026, 10, 9), 2) == date(2026, 10, 12)

    def test_the_day_of_filing_does_not_count_whatever_its_hour(self):
        for hour in (0, 8, 15):  # in Shanghai the same Monday, late and early
            filed = datetime(2026, 11, 30, hour, tzinfo=UTC)
            assert SHIPPED.due_at(filed, 10) == datetime(2026, 12, 14, 16, tzinfo=UTC)
        filed = datetime(2026, 11, 30, 16, tzinfo=UTC)  # Tuesday in Shanghai
        assert SHIPPED.due_at(filed, 10) == datetime(2026, 12, 15, 16, tzinfo=UTC)

    def test_days_between_are_counted_as_they_are_added(self):
        for n in range(1, 30):
            filed = datetime(2026, 9, 21, 3, tzinfo=UTC)
            assert SHIPPED.between(filed, SHIPPED.due_at(filed, n).replace(hour=1)) == n

    @pytest.mark.parametrize(
        "wrong",
        [
            {"holidays": [[date(2026, 1, 3), date(2026, 1, 1)]]},
            {"holidays": [[date(2026, 1, 1)]]},
            {"holidays": ["2026-01-01"]},
            {"worked": [date(2026, 1, 5)]},  # a Monday
            {"holidays": [[date(2026, 1, 1), date(2026, 1, 4)]], "worked": [date(2026, 1, 4)]},
            {"known_until": "2026"},
            {"more": 1},
        ],
    )
    def test_a_wrong_line_is_named(self, wrong):
        whole = {"version": 1, "known_until": date(2026, 12, 31), "holidays": [], "worked": []}
        with pytest.raises(HolidaysInvalid):
            calendar.parse(whole | wrong)


class TestDatum:
    @pytest.mark.parametrize("text", ["payroll_months:2026-03-01:", "meter_months:2026-03-01:electricity/P:1/ä",
                                      "credit_events:2024-04-01:penalty/2024-04-12"])  # fmt: skip
    def test_a_reference_is_read_as_it_is_written(self, text):
        assert str(datum_from(text)) == text

    @pytest.mark.parametrize(
        "text",
        ["", "facts:2026-03-01:", "registration:2026-03-01:", "payroll_months", "payroll_months:2026-3-1:",
         "payroll_months:20260301:", "payroll_months:2026-02-30:", "payroll_months:2026-03-01:\x00",
         "payroll_months:2026-03-01:\ud800", "payroll_months:2026-03-01:" + "x" * 201,
         "\ufeffpayroll_months:2026-03-01:"],
    )  # fmt: skip
    def test_what_names_nothing_is_refused(self, text):
        with pytest.raises(DatumInvalid):
            datum_from(text)

    def test_what_it_should_say_is_read_by_its_unit(self):
        assert wanted_value("payroll_months", "headcount", " 52 ") == 52
        assert wanted_value("payroll_months", "paid_fen", "1,234.5") == 123_450
        assert wanted_value("payroll_months", "paid_on", "2026-03-10") == "2026-03-10"
        assert wanted_value("payroll_months", "paid_on", "–") is None
        assert wanted_value("meter_months", "disconnected", "否") is False
        assert wanted_value("meter_months", "usage", "12.5") == 12.5

    @pytest.mark.parametrize(
        ("column", "text"),
        [("headcount", "1.5"), ("headcount", "1e9999"), ("headcount", "NaN"), ("headcount", "9" * 40),
         ("paid_on", "2026-03-10T00:00:00Z"), ("paid_on", "0001-01-01"), ("paid_fen", "Infinity"), ("paid_fen", "１.x"),
         ("known_on", "2026-03-10"), ("firm", "1"), ("nothing", "1"), ("headcount", "1\r2"), ("headcount", "\x00")],
    )  # fmt: skip
    def test_what_cannot_stand_there_is_refused(self, column, text):
        with pytest.raises(DatumInvalid):
            wanted_value("payroll_months", column, text)

    def test_no_column_of_ours_is_offered(self):
        assert "known_on" not in columns_of("payroll_months")
        assert "firm" not in columns_of("credit_events")


class TestEvidence:
    @pytest.mark.parametrize(
        ("name", "content", "kept"),
        [("凭证.pdf", PDF, "凭证.pdf"), ("a.PNG", PNG, "a.png"), ("a.jpeg", JPG, "a.jpg"), ("x", PDF, "x.pdf")],
    )
    def test_what_it_is_is_told_by_its_bytes(self, name, content, kept):
        assert file_from(name, content, most_bytes=10**6).name == kept

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [("a.pdf", b"", "empty"), ("a.pdf", PDF * 1000, "too_large"), ("a.pdf", PNG, "other_kind"),
         ("a.exe", PDF, "other_kind"), ("a.pdf", b"\xef\xbb\xbf" + PDF, "unknown_kind"),
         ("a.pdf", b"MZ" + PDF, "unknown_kind"), ("a.pdf", b"%PDF-1.4 cut", "damaged"),
         ("a.png", PNG + b"PK\x03\x04", "damaged"), ("a.jpg", JPG[:-1], "damaged"),
         ("a.svg", b"<svg onload=alert(1)>", "unknown_kind"), ("a.txt", "凭证".encode("gbk"), "unknown_kind")],
    )  # fmt: skip
    def test_what_is_not_taken(self, name, content, reason):
        with pytest.raises(HandedFileRefused) as refused:
            file_from(name, content, most_bytes=5_000)
        assert refused.value.reason == reason

    @pytest.mark.parametrize(
        ("name", "kept"),
        [("../../etc/passwd", "passwd"), ("C:\\x\\y.pdf", "y.pdf"), ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie x.pdf"),
         ("\x00\ud800", "\ufffd\ufffd"), ("..", "file"), ("", "file"), ('a".pdf', "a.pdf"),
         ("\u202egpj.exe", "gpj.exe")],
    )  # fmt: skip
    def test_a_name_is_a_name_and_nothing_else(self, name, kept):
        assert plain_name(name) == kept
        assert len(plain_name("x" * 5_000)) <= 110


class TestRepair:
    def of(self, occurred, severity=2, today=date(2026, 11, 30), ended=None, kind="penalty"):
        values = {"occurred_on": occurred, "severity": severity, "ended_on": ended}
        return repair.standing(values, kind, TERMS.repair, today)

    def test_an_event_is_judged_by_the_rules_of_its_own_day(self):
        before, after = self.of("2026-03-31"), self.of("2026-04-01")
        assert (before.published_until, after.published_until) == (date(2029, 3, 31), date(2027, 4, 1))
        assert (before.repairable_from, after.repairable_from) == (date(2026, 6, 30), date(2026, 7, 1))
        assert self.of("2023-04-30") is None  # from before there were rules

    def test_it_ages_from_too_early_to_over(self):
        assert self.of("2026-10-01").why_not == "too_early"
        assert self.of("2026-08-01").may_apply
        assert self.of("2026-04-01", today=date(2027, 4, 1)).why_not == "over"
        assert self.of("2026-08-01", ended="2026-09-01").why_not == "ended"
        assert self.of("2026-08-01").months_saved(date(2026, 11, 30)) == 8

    def test_a_courts_list_is_no_matter_of_ours(self):
        assert self.of("2026-08-01", kind="dishonest_debtor") is None

    @pytest.mark.parametrize("wrong", [{"shortest_months": 13}, {"severity": 4}, {"kind": "gossip"}, {"source": ""},
                                       {"since": "2026"}, {"more": 1}])  # fmt: skip
    def test_a_wrong_rule_is_named(self, wrong):
        rule = {"kind": "penalty", "severity": 2, "since": date(2026, 4, 1), "shortest_months": 3,
                "longest_months": 12, "source": "x"}  # fmt: skip
        with pytest.raises(repair.RepairRulesInvalid):
            repair.rules_of([rule | wrong])
        with pytest.raises(repair.RepairRulesInvalid):
            repair.rules_of([rule, rule])


def test_a_wrong_setting_is_named():
    whole = read_toml(ROOT / "config" / "disputes.toml")
    never = {"clock": whole["clock"] | {"source_days": 0}}
    for wrong in (never, {"files": {}}, {"sources": {"wired": "tax"}}, {"x": 1}):
        with pytest.raises(DisputeSettingsInvalid):
            settings.parse(whole | wrong)


def test_a_year_whose_holidays_are_not_published_is_warned_of_in_time():
    known = calendar.WorkCalendar(frozenset(), frozenset(), date(2026, 12, 31))
    assert known.lacking_year(date(2026, 11, 16)) is None
    assert known.lacking_year(date(2026, 11, 17)) == 2027
    assert known.lacking_year(date(2027, 3, 1)) == 2027


@pytest.mark.parametrize("days", [1, 5, 10])
def test_what_happened_before_an_instant_has_had_its_working_days(days):
    for day in range(400):
        now = datetime(2026, 1, 1, 4, tzinfo=UTC) + timedelta(days=day)
        border = SHIPPED.before(now, days)
        assert SHIPPED.due_at(border - timedelta(seconds=1), days) <= now
        assert SHIPPED.between(border, now) <= days
