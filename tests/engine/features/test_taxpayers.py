"""Taxpayers of every kind, computed by hand: who sells the same has the same figures, however often it files."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.compute import compute
from tests.engine.features.builders import frame, invoices, months_back, quarters, registration

pytestmark = pytest.mark.pure

AS_OF = date(2026, 3, 17)  # m01 is February 2026; the fourth quarter of 2025 was due on 15 January
SALES = dict.fromkeys(months_back(26), 10000)  # January 2024 to February 2026


def values(as_of: date = AS_OF, **frames: pl.DataFrame) -> dict[str, float | None]:
    return compute(RecordSet.of(registration=registration(), **frames), as_of).row(0, named=True)


def monthly(sales: dict[date, int], *, filing: str = "monthly", late: dict[date, int] | None = None) -> pl.DataFrame:
    """Declarations of one month each, due on the 15th of the next, filed two days before or `late` days after."""
    rows = []
    for period, fen in sales.items():
        due = date(period.year + period.month // 12, period.month % 12 + 1, 15)
        filed = due + timedelta(days=(late or {}).get(period, -2))
        rows.append(
            {
                "firm": 0,
                "period": period,
                "months": 1,
                "filing": filing,
                "taxable_sales_fen": fen,
                "exempt_sales_fen": 0,
                "payable_fen": fen // 100,
                "paid_fen": fen // 100,
                "due_on": due,
                "filed_on": filed,
                "known_on": max(due, filed) + timedelta(days=1),
            }
        )
    return frame("vat_declarations", rows)


class TestSideBySide:
    """10,000 fen a month since January 2024, by three taxpayers."""

    MONTHLY = values(vat_declarations=monthly(SALES), invoice_months=invoices(SALES))
    QUARTERLY = values(vat_declarations=quarters([30_000] * 8, date(2024, 1, 1)), invoice_months=invoices(SALES))
    EXEMPT = values(
        vat_declarations=quarters([30_000] * 8, date(2024, 1, 1), exempt=True), invoice_months=invoices(SALES)
    )

    @pytest.mark.parametrize("taxpayer", [MONTHLY, QUARTERLY, EXEMPT], ids=["monthly", "quarterly", "exempt"])
    def test_sales_are_the_same(self, taxpayer):
        assert taxpayer["sales_3_fen"] == 30_000
        assert taxpayer["sales_6_fen"] == 60_000
        assert taxpayer["sales_12_fen"] == 120_000
        assert taxpayer["sales_36_fen"] == 260_000
        assert taxpayer["sales_active_months_36"] == 26
        assert taxpayer["sales_growth_12"] == 0
        assert taxpayer["sales_zero_months_12"] == 0
        assert taxpayer["sales_longest_gap_24"] == 0
        assert taxpayer["sales_volatility_12"] == pytest.approx(0, abs=1e-9)
        assert taxpayer["declared_to_invoiced_gap"] == 0

    @pytest.mark.parametrize("taxpayer", [MONTHLY, QUARTERLY, EXEMPT], ids=["monthly", "quarterly", "exempt"])
    def test_filing_is_without_fault(self, taxpayer):
        assert taxpayer["tax_filed_share_24"] == 1
        assert taxpayer["tax_late_filings_12"] == 0
        assert taxpayer["tax_unfiled_12"] == 0
        assert taxpayer["tax_days_late_12"] == 0
        assert taxpayer["tax_late_habit_36"] == 0

    def test_months_covered(self):
        # February 2026 was due on 15 March and known on the 16th; the first quarter of 2026 is not due yet.
        assert self.MONTHLY["tax_record_months"] == 26
        assert self.QUARTERLY["tax_record_months"] == 24

    def test_tax(self):
        assert self.MONTHLY["tax_paid_12_fen"] == self.QUARTERLY["tax_paid_12_fen"] == 1_200
        assert self.MONTHLY["tax_burden_12"] == self.QUARTERLY["tax_burden_12"] == 0.01
        assert self.MONTHLY["tax_paid_share_12"] == self.QUARTERLY["tax_paid_share_12"] == 1

    def test_relief_is_no_low_burden(self):
        assert self.EXEMPT["tax_paid_12_fen"] == 0
        assert self.EXEMPT["tax_burden_12"] is None  # nothing of its sales was taxed
        assert self.EXEMPT["tax_paid_share_12"] is None


class TestQuarters:
    def test_a_quarter_follows_the_invoices_within_it(self):
        told = invoices({date(2025, 10, 1): 5_000, date(2025, 12, 1): 15_000, date(2025, 9, 1): 1})
        found = values(date(2026, 1, 17), vat_declarations=quarters([40_000], date(2025, 10, 1)), invoice_months=told)
        # October has a quarter of the invoices and December the rest; November has none.
        assert found["sales_3_fen"] == pytest.approx(40_000)
        assert found["sales_zero_months_12"] == 1
        assert found["sales_from_peak"] == pytest.approx((10_000 + 30_000) / 3 / 30_000)

    def test_without_invoices_it_is_spread_evenly(self):
        found = values(vat_declarations=quarters([30_000, 60_000], date(2025, 7, 1)))
        # July to September 10,000 each, October to December 20,000 each; January and February are not known yet.
        assert found["sales_12_fen"] == 12 * 15_000
        assert found["sales_zero_months_12"] == 0
        assert found["sales_longest_gap_24"] == 0

    def test_one_late_quarter_counts_once(self):
        late = pl.concat(
            [quarters([30_000] * 3, date(2025, 1, 1)), quarters([30_000], date(2025, 10, 1), late_days=20)]
        )
        found = values(vat_declarations=late)
        assert found["tax_late_filings_6"] == 1
        assert found["tax_late_filings_12"] == 1
        assert found["tax_days_late_12"] == 20 / 4
        assert found["tax_filed_share_24"] == 1

    def test_an_unfiled_quarter_is_one_fault_of_three_months(self):
        missed = quarters(
            [30_000], date(2025, 10, 1), filed_on=None, taxable_sales_fen=None, known_on=date(2026, 1, 16)
        )
        found = values(vat_declarations=pl.concat([quarters([30_000] * 3, date(2025, 1, 1)), missed]))
        assert found["tax_unfiled_12"] == 1
        assert found["tax_filed_share_24"] == 0.75
        assert found["tax_days_late_12"] == (AS_OF - date(2026, 1, 15)).days / 4

    def test_a_quarter_not_yet_due_is_no_fault(self):
        found = values(date(2026, 1, 14), vat_declarations=quarters([30_000] * 4, date(2025, 1, 1)))
        assert found["tax_filed_share_24"] == 1
        assert found["tax_record_months"] == 9

    def test_a_quarter_at_the_end_of_the_window_gives_what_lies_within(self):
        # m24 is March 2024: of its quarter only that month counts.
        found = values(vat_declarations=quarters([30_000] * 8, date(2024, 1, 1)))
        assert found["tax_paid_share_24"] == 1
        assert values(vat_declarations=quarters([90_000], date(2023, 1, 1)))["sales_36_fen"] == 30_000

    def test_a_change_from_monthly_to_quarterly(self):
        before = monthly({period: 10_000 for period in SALES if period < date(2025, 7, 1)})
        found = values(vat_declarations=pl.concat([before, quarters([30_000] * 2, date(2025, 7, 1))]))
        assert found["sales_12_fen"] == 120_000
        assert found["tax_record_months"] == 24


class TestOccasions:
    def test_months_without_an_occasion_are_no_missed_declarations(self):
        occasions = {date(2025, 4, 1): 50_000, date(2025, 11, 1): 70_000}
        found = values(vat_declarations=monthly(occasions, filing="occasion"), invoice_months=invoices(occasions))
        assert found["tax_filed_share_24"] == 1
        assert found["tax_late_filings_12"] == 0
        assert found["tax_record_months"] == 2
        # April 2025 to February 2026 are eleven months, two of them with sales.
        assert found["sales_12_fen"] == pytest.approx(12 * 120_000 / 11)
        assert found["sales_zero_months_12"] == 9


class TestInvoicesOnly:
    def test_silence_after_the_first_invoice_is_zero(self):
        one = invoices({date(2025, 3, 1): 10_000, date(2026, 1, 1): 60_000})
        found = values(invoice_months=one)
        assert found["sales_12_fen"] == 70_000
        assert found["sales_6_fen"] == found["sales_3_fen"] == 60_000
        assert found["sales_zero_months_12"] == 10
        assert found["sales_momentum"] == pytest.approx((60_000 / 3) / (70_000 / 12))

    def test_until_the_middle_of_the_month_silence_about_the_last_says_nothing(self):
        told = invoices({date(2025, 12, 1): 10_000, date(2026, 1, 1): 10_000})
        assert values(date(2026, 3, 5), invoice_months=told)["sales_zero_months_12"] == 0
        assert values(date(2026, 3, 15), invoice_months=told)["sales_zero_months_12"] == 1

    def test_purchases_too(self):
        bought = invoices({date(2024, 12, 1): 30_000, date(2026, 2, 1): 30_000}, direction="input")
        assert values(invoice_months=bought)["purchases_growth_3"] == 0


class TestIncomeTax:
    @staticmethod
    def returned(period: date, kind: str, revenue: int, profit: int, due: date, late: int = -1) -> dict[str, object]:
        filed = due + timedelta(days=late)
        return {
            "firm": 0,
            "period": period,
            "kind": kind,
            "revenue_fen": revenue,
            "profit_fen": profit,
            "payable_fen": max(profit, 0) // 20,
            "paid_fen": max(profit, 0) // 20,
            "due_on": due,
            "filed_on": filed,
            "known_on": max(due, filed) + timedelta(days=1),
        }

    def test_margin_losses_and_lateness(self):
        found = values(
            income_tax_returns=frame(
                "income_tax_returns",
                [
                    self.returned(date(2025, 4, 1), "prepayment", 200_000, -10_000, date(2025, 7, 15)),
                    self.returned(date(2025, 7, 1), "prepayment", 300_000, 15_000, date(2025, 10, 15), late=5),
                    self.returned(date(2025, 10, 1), "prepayment", 400_000, 40_000, date(2026, 1, 15)),
                    self.returned(date(2024, 1, 1), "settlement", 900_000, 90_000, date(2025, 5, 31), late=1),
                ],
            )
        )
        assert found["profit_margin"] == 0.1
        assert found["profit_margin_24"] == pytest.approx((-0.05 + 0.05 + 0.1) / 3)
        assert found["loss_quarters_share_24"] == pytest.approx(1 / 3)
        assert found["income_tax_late_24"] == 1  # the settlement's year began more than 24 months ago

    def test_no_revenue_has_no_margin(self):
        nothing = [self.returned(date(2025, 10, 1), "prepayment", 0, -5_000, date(2026, 1, 15))]
        found = values(income_tax_returns=frame("income_tax_returns", nothing))
        assert found["profit_margin"] is None
        assert found["loss_quarters_share_24"] == 1


class TestTaxEvents:
    STANDING = frame(
        "tax_standing",
        [{"firm": 0, "period": date(2026, 1, 1), "taxpayer_grade": "B", "taxpayer_kind": "small_scale",
          "arrears_fen": 0, "arrears_days": 0, "known_on": date(2026, 2, 17)}],
    )  # fmt: skip

    def test_a_clean_taxpayer_has_none(self):
        found = values(tax_standing=self.STANDING)
        assert found["tax_penalties_24"] == found["tax_violations_open"] == found["tax_refunds_24_fen"] == 0

    def test_unknown_without_a_word_from_the_office(self):
        assert values()["tax_penalties_24"] is None

    def test_each_by_its_kind(self):
        def event(kind: str, day: date, severity: int, fen: int, ended: date | None) -> dict[str, object]:
            return {"firm": 0, "period": day.replace(day=1), "kind": kind, "occurred_on": day, "severity": severity,
                    "amount_fen": fen, "ended_on": ended, "known_on": day + timedelta(days=3)}  # fmt: skip

        found = values(
            tax_events=frame(
                "tax_events",
                [
                    event("violation", date(2025, 5, 6), 2, 0, date(2025, 6, 1)),
                    event("violation", date(2026, 1, 6), 3, 0, None),
                    event("penalty", date(2026, 1, 20), 3, 200_000, None),
                    event("penalty", date(2023, 1, 20), 3, 200_000, date(2023, 3, 1)),
                    event("refund", date(2025, 8, 1), 1, 700_000, date(2025, 8, 20)),
                ],
            )
        )
        assert found["tax_violation_severity_24"] == 5
        assert found["tax_violations_open"] == 1
        assert found["tax_penalties_24"] == 1
        assert found["tax_refunds_24_fen"] == 700_000
