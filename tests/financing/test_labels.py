"""Outcomes become labels as they were known on a day: nothing told later counts, nothing unripe is judged."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.financing import financing
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.reference import Reference
from creditlink.financing.applications.applications import locked
from creditlink.financing.loans import outcomes
from creditlink.financing.loans.labels import ReportedFact, known_by, label_of
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.kit.clock import add_months
from creditlink.kit.postgres import db
from creditlink.training import labelled
from creditlink.training.city import City, CityError
from tests.factories import make_staff
from tests.financing.conftest import NOW, bank_of

AS_OF = date(2025, 1, 15)
DRAWN = date(2025, 1, 20)
CUT = date(2026, 6, 30)


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def told(kind: str, on: date, days=None, *, known: date | None = None, fen: int = 100) -> ReportedFact:
    known = known or add_months(on, 1) + timedelta(days=2)
    return ReportedFact(kind, on, days, fen, "", at(known))


def months(first: date, count: int, late=0) -> list[ReportedFact]:
    return [told("repayment", add_months(first.replace(day=1), k), late) for k in range(count)]


DRAW = told("draw", DRAWN, known=DRAWN)
GOOD = [DRAW, *months(date(2025, 2, 1), 12)]


def label(facts, *, cut=CUT, horizon=12):
    return label_of(facts, as_of=AS_OF, horizon_months=horizon, cut=cut)


@pytest.mark.pure
class TestLabel:
    def test_a_loan_reported_through_its_horizon_is_good(self):
        assert label(GOOD) == "good"

    @pytest.mark.parametrize(("days", "said"), [(89, "good"), (90, "bad")])
    def test_ninety_days_are_the_event(self, days, said):
        assert label([*GOOD[:-3], told("repayment", date(2025, 11, 1), days), *GOOD[-2:]]) == said

    def test_a_write_off_is_the_event_too(self):
        assert label([DRAW, told("write_off", date(2025, 9, 1))]) == "bad"

    def test_a_closed_loan_needs_no_more_reports(self):
        assert label([DRAW, *months(date(2025, 2, 1), 3), told("closure", date(2025, 5, 20))]) == "good"

    def test_what_happened_after_the_horizon_does_not_count(self):
        assert label([*GOOD, told("repayment", date(2026, 2, 1), 120)]) == "good"
        assert label([*GOOD, told("write_off", date(2026, 3, 1))]) == "good"

    def test_what_was_told_after_the_cut_does_not_count(self):
        late = told("repayment", date(2025, 6, 1), 95, known=date(2026, 7, 1))
        kept = [one for one in GOOD if one.about_on != date(2025, 6, 1)]
        assert label([*kept, late]) == "good"
        assert label([*kept, late], cut=date(2026, 7, 1)) == "bad"

    def test_a_correction_counts_from_the_day_it_was_known(self):
        wrong = told("repayment", date(2025, 6, 1), 95)
        right = told("repayment", date(2025, 6, 1), 5, known=date(2026, 5, 1))
        kept = [one for one in GOOD if one.about_on != date(2025, 6, 1)]
        assert label([*kept, wrong, right], cut=date(2026, 4, 30)) == "bad"
        assert label([*kept, wrong, right], cut=date(2026, 5, 1)) == "good"
        assert label([*kept, right, wrong], cut=date(2026, 5, 1)) == "good"

    def test_a_horizon_that_is_not_over_is_immature_be_it_bad_already(self):
        facts = [DRAW, told("repayment", date(2025, 6, 1), 95)]
        assert label(facts, cut=date(2026, 1, 14)) == "immature"
        assert label(facts, cut=date(2026, 1, 15)) == "bad"
        assert label(facts, horizon=24) == "immature"

    def test_a_lender_that_fell_silent_makes_no_good_loan(self):
        assert label(GOOD[:8]) == "unreported"
        assert label([*GOOD[:8], told("repayment", date(2025, 12, 1), 0)]) == "good"

    def test_without_a_draw_there_was_no_loan(self):
        assert label(GOOD[1:]) == "not_drawn"
        assert label([told("draw", DRAWN, known=DRAWN, fen=0), *GOOD[1:]]) == "not_drawn"

    def test_known_by_holds_one_fact_of_each_key(self):
        twice = [told("repayment", date(2025, 6, 1), d, known=date(2025, 7, k)) for k, d in ((3, 9), (9, 4), (5, 7))]
        assert [one.days_past_due for one in known_by(twice, CUT)] == [4]
        assert [one.days_past_due for one in known_by(twice, date(2025, 7, 5))] == [7]
        assert known_by(twice, date(2025, 7, 2)) == []


CUT_DB = date(2028, 1, 31)


@pytest.fixture
def lent(market, asked):
    """Three loans made in August 2026, each reported monthly: the second went bad, the third fell silent."""
    ids = [asked(1)[0] for _ in range(3)]
    for k, one in enumerate(ids):
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, one), now=NOW + timedelta(hours=4))
            market.accept(session, locked(session, one), made.sha256, now=NOW + timedelta(hours=5))
            market.sign(session, locked(session, one), made.sha256, now=NOW + timedelta(hours=6))
            record(session, one, LoanOutcome("draw", date(2026, 8, 25), 50_000_000), date(2026, 8, 25))
            for month in range(1, 5 if k == 2 else 14):
                on = add_months(date(2026, 8, 1), month)
                record(
                    session,
                    one,
                    LoanOutcome("repayment", on, 1, 100 if k == 1 and month >= 9 else 0),
                    add_months(on, 1),
                )
    return ids


def record(session, one, outcome: LoanOutcome, known: date) -> None:
    held = locked(session, one)
    outcomes.record(session, held, outcome, actor=bank_of(held), now=at(known + timedelta(days=2)))


NAMES = {"firm": pl.Int32, "uscc": pl.String}


def city_of(folder, uscc: str) -> City:
    """A city of one firm of which nothing but its registration is known."""
    (folder / "firms").mkdir()
    pl.DataFrame({"firm": [7], "uscc": [uscc]}, schema=NAMES).write_parquet(folder / "firms" / "part-00000.parquet")
    row = {"firm": 7, "industry": "C33", "region": "440604", "entity_type": "company", "status": "active"}
    row |= {"established_on": date(2020, 1, 1), "registered_capital_fen": 10**8, "paid_in_capital_fen": 10**8}
    frame = pl.DataFrame([row | {"linked_struck_off": False}], schema=FRAME_SCHEMAS["registration"])
    return City(folder, {}, RecordSet.of(registration=frame), pl.DataFrame())


def from_city(session, city: City, **values) -> labelled.LabelledLoans:
    return labelled.from_city(session, city, Reference({}, {}), **{"cut": CUT_DB, "horizon_months": 12} | values)


class TestTable:
    def test_rows_are_those_known_at_the_cut_with_indicators_of_the_day(self, lent, market, tmp_path):
        city = city_of(tmp_path, market.firm.enterprise.uscc)
        with db.transaction("owner") as session:
            found = from_city(session, city)
            early = from_city(session, city, cut=date(2027, 6, 1))
            short = from_city(session, city, cut=date(2027, 6, 1), horizon_months=3)
        assert found.counts == {"bad": 1, "good": 1, "unreported": 1}
        assert sorted(found.rows["is_bad"]) == [0, 1]
        assert set(found.rows["as_of"]) == {date(2026, 8, 1)}
        assert set(found.rows["firm"]) == {0}
        assert found.rows["age_months"][0] == pytest.approx(79, abs=0.1)
        assert (early.counts, early.rows.height) == ({"immature": 3}, 0)
        assert short.counts == {"good": 3}

    def test_an_outcome_known_after_the_cut_is_not_used(self, lent, market, tmp_path):
        city = city_of(tmp_path, market.firm.enterprise.uscc)
        with db.transaction("owner") as session:
            worse = LoanOutcome("repayment", date(2027, 2, 1), 1, 120)
            record(session, lent[0], worse, date(2028, 2, 10))
            before = from_city(session, city, cut=date(2028, 2, 11))
            after = from_city(session, city, cut=date(2028, 2, 12))
        assert before.counts == {"bad": 1, "good": 1, "unreported": 1}
        assert after.counts == {"bad": 2, "unreported": 1}

    def test_a_firm_that_the_city_does_not_know_is_counted(self, lent, tmp_path):
        with db.transaction("owner") as session:
            assert from_city(session, city_of(tmp_path, "x")).counts == {"no_records": 3}

    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (lambda file: file.write_bytes(file.read_bytes()[:-9]), "not readable as Parquet"),
            (lambda file: pl.DataFrame({"firm": [7]}).write_parquet(file), "column uscc is absent"),
            (
                lambda file: pl.DataFrame({"firm": [None], "uscc": ["x"]}, schema=NAMES).write_parquet(file),
                "column firm is null in row 0",
            ),
        ],
        ids=["damaged", "no column", "null"],
    )
    def test_a_damaged_list_of_firms_is_named(self, lent, tmp_path, damage, told):
        city = city_of(tmp_path, "x")
        damage(tmp_path / "firms" / "part-00000.parquet")
        with db.transaction("owner") as session, pytest.raises(CityError, match=told):
            from_city(session, city)

    def test_the_command_writes_rows_that_name_no_firm(self, lent, market, tmp_path, monkeypatch, settings):
        opened = db.current()
        monkeypatch.setattr("creditlink.cli.financing.start", lambda _role: (settings, opened))
        out = tmp_path / "labels.csv"
        with db.transaction("owner") as session:
            make_staff(session, "wang", "risk")
        said = ["labels", "--as", "wang", "--as-of", CUT_DB.isoformat(), "--out", str(out), "--json"]
        answer = CliRunner().invoke(financing, said)
        assert answer.exit_code == 0, answer.output
        assert json.loads(answer.stdout.splitlines()[-1])["counts"] == {"no_record": 3}
        assert pl.read_csv(out).columns[:3] == ["firm", "as_of", "is_bad"]
        assert market.firm.enterprise.uscc not in out.read_text()
        wrong = CliRunner().invoke(financing, ["labels", "--out", str(tmp_path / "labels.xlsx")])
        assert "labels.xlsx: must end in .parquet, .csv" in wrong.output
