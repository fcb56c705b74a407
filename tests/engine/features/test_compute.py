"""Indicators: values by hand, the two clocks, and a firm alone against the same firm in a crowd."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.compute import compute, reference_values
from creditlink.engine.features.reference import fit_reference
from tests.engine.features.builders import (
    AS_OF,
    declarations,
    economy,
    frame,
    meters,
    months_back,
    payroll,
    registration,
)

pytestmark = pytest.mark.pure

ECONOMY = economy(40)
REFERENCE = fit_reference(
    ECONOMY.registration.sort("firm")["industry"],
    reference_values(ECONOMY, AS_OF).drop("firm"),
    ECONOMY.registration.sort("firm")["firm"] % 9 == 0,
)


def value(name: str, *, as_of: date = AS_OF, **frames: pl.DataFrame) -> float | None:
    frames.setdefault("registration", registration())
    return compute(RecordSet.of(**frames), as_of)[name][0]


def only(records: RecordSet, firms: list[int]) -> RecordSet:
    kept = {n: records.frame(n).filter(pl.col("firm").is_in(firms)) for n in FRAME_SCHEMAS}
    return RecordSet.of(**kept)


class TestShape:
    def test_columns_are_the_catalogue(self):
        features = compute(ECONOMY, AS_OF)
        assert features.schema == {"firm": pl.Int32} | {i.name: pl.Float64 for i in CATALOGUE}
        assert features["firm"].to_list() == sorted(ECONOMY.registration["firm"].to_list())

    def test_every_indicator_has_a_value_somewhere(self):
        features = compute(ECONOMY, AS_OF, REFERENCE)
        silent = [n for n in features.columns if features[n].null_count() == features.height]
        assert silent == []  # or the tests of the two clocks below would prove nothing about it

    def test_no_value_is_nan_or_infinite(self):
        features = compute(ECONOMY, AS_OF, REFERENCE).drop("firm")
        assert features.select(pl.all().drop_nulls().is_finite().all()).row(0) == (True,) * features.width

    def test_no_firms_is_an_empty_frame(self):
        features = compute(RecordSet.of(), AS_OF)
        assert features.height == 0
        assert features.columns == ["firm", *(i.name for i in CATALOGUE)]


class TestValues:
    def test_sales_growth(self):
        sales = [200] * 12 + [100] * 12
        assert value("sales_12_fen", vat_declarations=declarations(sales)) == 2400
        assert value("sales_growth_12", vat_declarations=declarations(sales)) == 1.0

    def test_growth_over_nothing_is_missing(self):
        assert value("sales_growth_12", vat_declarations=declarations([5] * 12 + [0] * 12)) is None
        assert value("sales_growth_12", vat_declarations=declarations([5] * 12)) is None

    def test_sales_of_a_short_record_are_scaled_to_the_year(self):
        assert value("sales_12_fen", vat_declarations=declarations([100] * 4)) == 1200

    def test_a_silent_month_inside_the_record_counts_as_zero(self):
        known = declarations([100, None, 100, 100])
        assert value("sales_12_fen", vat_declarations=known) == 900
        assert value("sales_zero_months_12", vat_declarations=known) == 1

    def test_longest_gap_starts_at_the_oldest_record(self):
        sales = [5, 0, 0, None, 5, 0] + [None] * 10
        assert value("sales_longest_gap_24", vat_declarations=declarations(sales)) == 3

    def test_straight_growth_is_not_volatility(self):
        line = [100 * (20 - k) for k in range(12)]
        assert value("sales_volatility_12", vat_declarations=declarations(line)) == pytest.approx(0, abs=1e-12)
        jagged = [100, 300] * 6
        assert value("sales_volatility_12", vat_declarations=declarations(jagged)) > 0.4

    def test_late_filing_counts_days_to_as_of(self):
        on_time = declarations([100] * 3)
        overdue = on_time.with_columns(
            filed_on=pl.when(pl.col("period") == months_back(2)[1]).then(None).otherwise("filed_on")
        )
        # February's declaration is due after as_of, so it is neither late nor on time yet.
        due = (months_back(2)[1] + timedelta(days=45) - AS_OF).days
        assert value("tax_unfiled_12", vat_declarations=overdue, as_of=AS_OF + timedelta(days=14)) == 1
        assert value("tax_days_late_12", vat_declarations=overdue) == pytest.approx(-due / 2)
        assert value("tax_late_filings_12", vat_declarations=on_time) == 0

    def test_capacity_score_of_the_energy_loan(self):
        assert value("energy_capacity_score", meter_months=meters([2500.0] * 12)) == 30

    def test_idle_months(self):
        usage = [100.0] * 8 + [1.0] * 3 + [None]
        assert value("electricity_idle_months_12", meter_months=meters(usage)) == 3

    def test_bills_pool_all_meters(self):
        late = meters([10.0] * 6, kind="water", paid_on=None)
        both = pl.concat([meters([10.0] * 6), late])
        # Of six bills each, the newest fell due after as_of less forty days: five count.
        due = both.filter(pl.col("due_on") <= AS_OF).height
        assert value("bills_on_time_share_12", meter_months=both) == 0.5
        assert value("bills_unpaid_fen", meter_months=both) == due / 2 * 700

    def test_headcount_change(self):
        heads = [12] * 3 + [11] * 9 + [10] * 3
        assert value("headcount_change_12", payroll_months=payroll(heads)) == pytest.approx(0.2)

    def test_declared_against_invoiced(self):
        invoices = frame(
            "invoice_months",
            [
                {
                    "firm": 0,
                    "period": p,
                    "direction": "output",
                    "amount_fen": 50,
                    "red_amount_fen": 0,
                    "known_on": AS_OF,
                }
                for p in months_back(12)
            ],
        )
        gap = value("declared_to_invoiced_gap", vat_declarations=declarations([100] * 12), invoice_months=invoices)
        assert gap == pytest.approx(0.6931471805599453)

    def test_invoices_stand_in_for_declarations(self):
        invoices = frame(
            "invoice_months",
            [
                {
                    "firm": 0,
                    "period": p,
                    "direction": "output",
                    "amount_fen": 50,
                    "red_amount_fen": 0,
                    "known_on": AS_OF,
                }
                for p in months_back(12)
            ],
        )
        assert value("sales_12_fen", invoice_months=invoices) == 600

    def test_registration_alone_still_computes(self):
        features = compute(RecordSet.of(registration=registration()), AS_OF)
        known = [n for n in features.columns if features[n][0] is not None]
        assert known == [
            "firm",
            "age_months",
            "registered_capital_fen",
            "paid_in_capital_fen",
            "paid_in_share",
            "status_rank",
            "sole_trader",
            "linked_struck_off",
        ]

    def test_events_in_force_and_past(self):
        events = frame(
            "credit_events",
            [
                {"firm": 0, "period": date(2025, 1, 1), "kind": "dishonest_debtor", "occurred_on": date(2025, 1, 5)}
                | {"ended_on": date(2026, 3, 18), "known_on": date(2025, 1, 6)},
                {"firm": 0, "period": date(2025, 6, 1), "kind": "penalty", "occurred_on": date(2025, 6, 5)}
                | {"severity": 3, "known_on": date(2025, 6, 6)},
                {"firm": 0, "period": date(2026, 3, 1), "kind": "penalty", "occurred_on": date(2026, 3, 18)}
                | {"severity": 3, "known_on": date(2026, 3, 1)},
            ],
        )
        assert value("dishonest_debtor", credit_events=events) == 1
        assert value("dishonest_debtor", credit_events=events, as_of=date(2026, 3, 18)) == 0
        assert value("penalty_severity_24", credit_events=events) == 3
        assert value("penalty_severity_24", credit_events=events, as_of=date(2026, 3, 18)) == 6

    def test_z_score_against_the_industry(self):
        features = compute(ECONOMY, AS_OF, REFERENCE)
        z = features["sales_per_head_z"].drop_nulls()
        assert abs(z.median()) < 1.5
        assert compute(ECONOMY, AS_OF)["sales_per_head_z"].null_count() == features.height


class TestTwoClocks:
    def test_the_month_of_as_of_is_not_read(self):
        sales = declarations([100, 200], known_on=AS_OF)
        assert value("sales_3_fen", vat_declarations=sales, as_of=date(2026, 2, 28)) is None
        later = sales.with_columns(known_on=date(2026, 2, 1))
        assert value("sales_3_fen", vat_declarations=later, as_of=date(2026, 2, 28)) == 600

    def test_a_correction_holds_from_the_day_it_is_known(self):
        first = declarations([100] * 3, known_on=date(2026, 3, 10))
        again = declarations([999] * 3, known_on=date(2026, 3, 15))
        both = pl.concat([again, first])
        assert value("sales_3_fen", vat_declarations=both) == 2997
        assert value("sales_3_fen", vat_declarations=both, as_of=date(2026, 3, 14)) == 300

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(as_of=st.dates(date(2023, 6, 1), date(2026, 5, 31)), data=st.data())
    def test_nothing_known_later_can_change_a_value(self, as_of, data):
        """Every row known after `as_of` is dropped, moved further or given other numbers."""
        shift = data.draw(st.integers(0, 400))
        now = compute(ECONOMY, as_of, REFERENCE)
        for change in ("drop", "move", "numbers"):
            frames = {}
            for name in FRAME_SCHEMAS:
                rows = ECONOMY.frame(name)
                if "known_on" in rows.columns:
                    later = pl.col("known_on") > as_of
                    if change == "drop":
                        rows = rows.filter(~later)
                    elif change == "move":
                        moved = pl.col("known_on") + pl.duration(days=shift)
                        rows = rows.with_columns(known_on=pl.when(later).then(moved).otherwise("known_on"))
                    else:
                        money = [c for c in rows.columns if c.endswith("_fen")]
                        rows = rows.with_columns(pl.when(later).then(7).otherwise(pl.col(money)).name.keep())
                frames[name] = rows
            assert compute(RecordSet(**frames), as_of, REFERENCE).equals(now)

    def test_moving_knowledge_before_as_of_does_change_values(self):
        """The property above could not fail if nothing were known late."""
        early = replace(ECONOMY, vat_declarations=ECONOMY.vat_declarations.with_columns(known_on=date(2020, 1, 1)))
        assert not compute(early, AS_OF, REFERENCE).equals(compute(ECONOMY, AS_OF, REFERENCE))

    def test_a_day_after_as_of_inside_a_row_has_not_happened(self):
        """A bureau that knew the payment day in advance must not make the bill look paid."""
        bill = meters([10.0], due_on=date(2026, 3, 10), paid_on=date(2026, 3, 20), known_on=date(2026, 3, 1))
        assert value("bills_unpaid_fen", meter_months=bill) == 700
        assert value("bills_days_late_3", meter_months=bill) == 7


class TestAloneOrInACrowd:
    def test_values_are_equal_to_the_last_bit(self):
        crowd = compute(ECONOMY, AS_OF, REFERENCE)
        for row, firm in enumerate(crowd["firm"].to_list()):
            alone = compute(only(ECONOMY, [firm]), AS_OF, REFERENCE)
            assert alone.equals(crowd[row : row + 1]), firm

    def test_in_blocks_of_thousands(self, monkeypatch):
        crowd = compute(ECONOMY, AS_OF, REFERENCE)
        for whole, block, grid in ((1, 1, 1), (5, 3, 2), (17, 8, 5), (4096, 17, 7), (4096, 4096, 1)):
            monkeypatch.setattr("creditlink.engine.features.months.grid.FRAME_FIRMS", whole)
            monkeypatch.setattr("creditlink.engine.features.months.grid.BLOCK_FIRMS", block)
            monkeypatch.setattr("creditlink.engine.features.months.grid.GRID_FIRMS", grid)
            assert compute(ECONOMY, AS_OF, REFERENCE).equals(crowd)

    def test_row_order_does_not_matter(self):
        shuffled = {n: ECONOMY.frame(n).sample(fraction=1, shuffle=True, seed=1) for n in FRAME_SCHEMAS}
        assert compute(RecordSet.of(**shuffled), AS_OF, REFERENCE).equals(compute(ECONOMY, AS_OF, REFERENCE))


class TestRefusals:
    @pytest.mark.parametrize("name", ["vat_declarations", "credit_events"])
    def test_a_firm_that_is_not_registered(self, name):
        stray = ECONOMY.frame(name).with_columns(firm=pl.lit(99_999, pl.Int32))
        with pytest.raises(ValueError, match=f"{name}: firm 99999 is not in the registration"):
            compute(replace(ECONOMY, **{name: stray}), AS_OF)

    def test_a_firm_registered_twice(self):
        with pytest.raises(ValueError, match="firm 0 appears twice"):
            compute(RecordSet.of(registration=pl.concat([registration(), registration()])), AS_OF)
