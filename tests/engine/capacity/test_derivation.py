"""Capacity by hand: a quarterly trader, a factory, a sole trader, and firms that can bear nothing."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import creditlink
from creditlink.engine.capacity.debt import annuity, service_fen
from creditlink.engine.capacity.derivation import ROLES, Capacity, derive_capacity
from creditlink.engine.capacity.evidence import CashEvidence, cash_evidence
from creditlink.engine.capacity.settings import CapacitySettingError, parse
from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.compute import compute
from tests.engine.features.builders import (
    AS_OF,
    declarations,
    frame,
    invoices,
    meters,
    months_back,
    payroll,
    quarters,
    registration,
)

pytestmark = pytest.mark.pure

VALUES = tomllib.loads((Path(creditlink.__file__).parents[1] / "config" / "capacity.toml").read_text())
SETTINGS = parse(VALUES)
REFUSED = dict.fromkeys(("social_security", "utility"), "not_granted")

FACTORY = CashEvidence(
    sales_fen=50_000_000,
    sales_growth=0.1,
    deviation=0.2,
    by_quarter=False,
    months_suffice=True,
    margin=0.06,
    income_tax_fen=150_000,
    vat_fen=1_500_000,
    base_fen=12_000_000,
    energy_fen=4_200_000,
)

LOAN = {
    "application": "app_1", "outstanding_fen": 12_000_000, "rate_bps": 600, "months_left": 12,
    "repayment": "equal_instalment",
}  # fmt: skip


def returns(quarter_sales: int, margin_bps: int, first: date, count: int, **changes) -> pl.DataFrame:
    """Prepayments by quarter, from the beginning of each year, 5 % tax on the quarter's profit; filed 3 days early."""
    rows = []
    for number in range(count):
        month = first.month - 1 + 3 * number
        period = date(first.year + month // 12, month % 12 + 1, 1)
        quarter = (period.month + 2) // 3
        due = date(period.year + (quarter == 4), period.month % 12 + 4 if quarter < 4 else 1, 15)
        profit = quarter_sales * margin_bps // 10_000
        tax = max(profit, 0) // 20
        rows.append(
            {
                "firm": 0, "period": period, "kind": "prepayment", "revenue_fen": quarter_sales * quarter,
                "profit_fen": profit * quarter, "payable_fen": tax, "paid_fen": tax, "due_on": due,
                "filed_on": due - timedelta(days=3), "known_on": due,
            } | changes
        )  # fmt: skip
    return frame("income_tax_returns", rows)


def capacity(*, industry: str, loans=(), missing=REFUSED, months=None, as_of: date = AS_OF, **frames) -> Capacity:
    """By the whole line from records."""
    records = RecordSet.of(registration=registration(industry=industry), **frames)
    features = compute(records, as_of).row(0, named=True)
    terms = SETTINGS.terms_for(industry)
    known = cash_evidence(records, features, as_of)
    return derive_capacity(known, terms, loans=loans, missing=missing, asked_months=months)


def derived(known: CashEvidence, *, loans=(), missing=REFUSED, months=None) -> Capacity:
    return derive_capacity(known, SETTINGS.terms_for("C26"), loans=loans, missing=missing, asked_months=months)


def amounts(found: Capacity) -> dict[str, int | None]:
    return {line.name: line.amount_fen for line in found.lines}


def line(found: Capacity, name: str):
    return next(one for one in found.lines if one.name == name)


class TestQuarterlyTrader:
    """¥300,000 a quarter, 4 % profit; 5 % tax on ¥12,000 a quarter is ¥600, and ¥120 at the settlement."""

    SETTLED = returns(
        120_000_000, 400, date(2024, 1, 1), 1, kind="settlement", due_on=date(2025, 5, 31), filed_on=date(2025, 5, 20),
        known_on=date(2025, 5, 21), payable_fen=12_000, paid_fen=12_000,
    )  # fmt: skip
    FOUND = capacity(
        industry="F51",
        vat_declarations=quarters([30_000_000] * 8, date(2024, 1, 1)),
        income_tax_returns=pl.concat([returns(30_000_000, 400, date(2024, 1, 1), 8), SETTLED]),
    )

    def test_the_cash_is_what_tax_leaves_of_the_margin(self):
        assert amounts(self.FOUND) == {
            "sales": 10_000_000,
            "course": 0,
            "margin": 400_000,
            "income_tax": (4 * 60_000 + 12_000) // 12,
            "vat": 100_000,  # 1 %: passes through
            "payroll": None,
            "energy": None,
            "cash": 379_000,
            "stress": 0,  # sales never vary
            "debt_service": 0,
            "debt_elsewhere": None,
            "instalment": 315_833,  # 379,000 / 1.2
        }

    def test_the_limits_are_the_annuities_of_the_instalment(self):
        # Of a payment of 1 at 0.5 % a month: 5.8964, 11.6189, 22.5629, 32.8710.
        assert [limit.amount_fen for limit in self.FOUND.limits] == [1_800_000, 3_600_000, 7_100_000, 10_300_000]
        assert {limit.bound for limit in self.FOUND.limits} == {"cash"}
        assert (self.FOUND.suggested_fen, self.FOUND.suggested_months) == (3_600_000, 12)

    def test_missing_lines_say_why_and_which_way(self):
        staff = line(self.FOUND, "payroll")
        assert (staff.role, staff.if_known) == ("unknown", "lower")
        assert "企业未授权" in staff.text_zh
        assert "did not grant" in staff.text_en
        assert line(self.FOUND, "debt_elsewhere").if_known == "lower"
        assert line(self.FOUND, "vat").role == "outside"

    def test_the_term_that_is_asked_for_is_the_one_suggested(self):
        def suggested(months):
            found = capacity(
                industry="F51",
                vat_declarations=quarters([30_000_000] * 8, date(2024, 1, 1)),
                income_tax_returns=returns(30_000_000, 400, date(2024, 1, 1), 8),
                months=months,
            )
            return found.suggested_months

        assert [suggested(months) for months in (1, 6, 7, 18, 36, 60)] == [6, 6, 12, 24, 36, 36]


class TestFactory:
    """¥500,000 a month, 6 % profit, 20 insured at ¥6,000, 60,000 kWh at ¥0.70."""

    FOUND = capacity(
        industry="C26",
        vat_declarations=declarations([50_000_000] * 26),
        income_tax_returns=returns(150_000_000, 600, date(2024, 1, 1), 8),
        payroll_months=payroll([20] * 24),
        meter_months=meters([60_000.0] * 24),
    )

    def test_staff_and_energy_are_inside_the_margin_and_nothing_is_taken_twice(self):
        found = amounts(self.FOUND)
        assert found["payroll"] == 15_000_000  # 12,000,000 and a quarter more
        assert found["energy"] == 4_200_000
        assert found["costs_beyond_margin"] == 0  # of 47,000,000 that 6 % profit leaves for costs
        assert found["margin"] == 3_000_000
        assert found["income_tax"] == 4 * 450_000 // 12
        assert found["cash"] == 2_850_000
        assert {line(self.FOUND, name).role for name in ("payroll", "energy")} == {"inside"}

    def test_a_poor_month_by_its_own_ups_and_downs(self):
        found = derived(FACTORY)
        assert found.cash_fen == 2_850_000
        assert found.stressed_cash_fen == 2_333_295  # × exp(−0.2) = 0.8187
        assert found.instalment_fen == 1_944_413  # / 1.2
        assert found.suggested_fen == 22_500_000  # × 11.6189

    def test_a_supply_that_the_firm_keeps_back_is_said_apart_and_one_it_has_not_is_not(self):
        found = derived(FACTORY, missing={"water": "not_granted", "gas": "no_record"})
        assert line(found, "energy").amount_fen == 4_200_000
        assert line(found, "energy_water").text_zh.startswith("水费未知：企业未授权")
        assert line(found, "energy_water").if_known == "lower"
        assert "energy_gas" not in amounts(found)
        none = derived(
            replace(FACTORY, energy_fen=None), missing=dict.fromkeys(("electricity", "water"), "source_down")
        )
        assert "the source is down" in line(none, "energy").text_en
        assert "energy_water" not in amounts(none)

    def test_who_is_known_by_quarter_only_varies_more_within_it(self):
        found = derived(replace(FACTORY, by_quarter=True))
        assert found.stressed_cash_fen == 2_015_520  # × exp(−0.2 × √3) = 0.7072
        assert "按季度波动推算" in line(found, "stress").text_zh

    def test_costs_that_the_declared_profit_cannot_hold_are_subtracted(self):
        found = derived(replace(FACTORY, base_fen=36_000_000))  # costs ¥450,000 and ¥42,000 of ¥470,000
        assert line(found, "costs_beyond_margin").amount_fen == 45_000_000 + 4_200_000 - 47_000_000
        assert found.cash_fen == 3_000_000 - 150_000 - 2_200_000

    def test_a_fall_of_sales_is_carried_forward_and_a_rise_is_not(self):
        fallen, risen = derived(replace(FACTORY, sales_growth=-0.3)), derived(replace(FACTORY, sales_growth=0.9))
        assert line(fallen, "course").amount_fen == 15_000_000
        assert line(fallen, "margin").amount_fen == 35_000_000 * 6 // 100
        assert line(risen, "margin").amount_fen == 3_000_000

    def test_debt_is_capped_as_a_share_of_sales(self):
        rich = derived(replace(FACTORY, margin=0.5, deviation=0.0))
        assert rich.limits[-1].bound == "sales"
        assert rich.limits[-1].amount_fen == 120_000_000  # 20 % of ¥6,000,000


class TestWithoutMargin:
    def test_a_sole_trader_stands_on_its_industrys_cautious_margin(self):
        found = capacity(
            industry="F52",
            missing={"social_security": "no_record", "utility": "not_granted"},
            vat_declarations=quarters([6_000_000] * 8, date(2024, 1, 1), exempt=True),
        )
        # ¥20,000 a month at 1.5 %: ¥300; / 1.2 = ¥250; × 11.6189 = ¥2,904.
        assert line(found, "margin").share == 0.015
        assert line(found, "margin").source == "capacity.toml"
        assert line(found, "margin").if_known == "either"
        assert found.cash_fen == 30_000
        assert found.suggested_fen == 200_000
        assert "数据源没有该企业的记录" in line(found, "payroll").text_zh

    def test_staff_beyond_what_that_margin_pays_for_are_subtracted(self):
        found = capacity(
            industry="H62",  # margin 3 %, which pays for staff of 30 % of sales
            missing={"utility": "not_granted"},
            vat_declarations=quarters([6_000_000] * 8, date(2024, 1, 1), exempt=True),
            payroll_months=payroll([2] * 24),
        )
        assert line(found, "costs_beyond_margin").amount_fen == 1_500_000 - 600_000
        assert found.cash_fen == 60_000 - 900_000
        assert found.suggested_fen == 0
        assert found.text_en.startswith("After costs and tax no cash is left")
        assert {limit.bound for limit in found.limits} == {"nothing_left"}

    def test_an_industry_without_a_row_takes_the_general_one(self):
        assert SETTINGS.terms_for("R90")["section"] == "otherwise"
        assert SETTINGS.terms_for(None)["margin"] == 0.03


class TestNothingToBear:
    def test_a_loss_by_the_return_gives_no_limit_and_says_so(self):
        found = derived(replace(FACTORY, margin=-0.04, income_tax_fen=0))
        assert found.cash_fen == -2_000_000
        assert found.stressed_cash_fen == found.cash_fen  # a poor month does not make a loss smaller
        assert [limit.amount_fen for limit in found.limits] == [0, 0, 0, 0]
        assert found.suggested_fen == 0
        assert "没有正的可用现金" in found.text_zh

    def test_sales_of_nothing_are_an_answer(self):
        found = derived(replace(FACTORY, sales_fen=0, margin=None, deviation=None, base_fen=None, energy_fen=None))
        assert (found.state, found.suggested_fen) == ("derived", 0)

    def test_red_letters_beyond_sales_and_a_loss_do_not_make_a_profit(self):
        assert derived(replace(FACTORY, sales_fen=-5_000_000, margin=-0.5)).suggested_fen == 0

    def test_no_sales_known_is_no_number_and_says_why(self):
        found = derived(replace(FACTORY, sales_fen=None), missing={"tax": "not_granted"})
        assert (found.state, found.reason, found.suggested_fen) == ("insufficient", "no_sales", None)
        assert (found.limits, found.lines) == ((), ())
        assert "企业未授权" in found.text_zh
        assert "did not grant" in found.text_en

    def test_few_months_are_no_number(self):
        found = capacity(industry="C26", vat_declarations=declarations([50_000_000] * 5))
        assert (found.state, found.reason, found.suggested_fen) == ("insufficient", "few_months", None)
        assert capacity(industry="C26", vat_declarations=declarations([50_000_000] * 6)).state == "derived"


class TestDebt:
    def test_an_instalment_by_the_annuity(self):
        assert annuity(600, 12) == pytest.approx(11.618932, abs=1e-6)
        assert annuity(0, 24) == 24
        assert service_fen(LOAN) == 1_032_797

    def test_a_bullet_lays_its_principal_by(self):
        assert service_fen(LOAN | {"repayment": "bullet"}) == 60_000 + 1_000_000
        assert service_fen(LOAN | {"repayment": "revolving", "months_left": 1}) == 60_000 + 12_000_000

    def test_what_is_owed_after_its_term_is_due_at_once(self):
        assert service_fen(LOAN | {"months_left": 0}) == 12_000_000

    def test_service_and_debt_lower_the_limit(self):
        found = derived(FACTORY, loans=[LOAN])
        assert found.debt_service_fen == 1_032_797
        assert found.instalment_fen == 1_944_413 - 1_032_797
        rich = derived(replace(FACTORY, margin=0.5, deviation=0.0), loans=[LOAN])
        assert rich.limits[-1].amount_fen == 120_000_000 - 12_000_000

    def test_debt_that_takes_all_says_so(self):
        found = derived(FACTORY, loans=[LOAN | {"months_left": 0}])
        assert found.suggested_fen == 0
        assert found.text_en.startswith("Present loans take all")


class TestEvidence:
    def test_what_was_filed_after_the_day_or_before_the_year_does_not_count(self):
        known = returns(30_000_000, 400, date(2024, 1, 1), 8)
        records = RecordSet.of(
            registration=registration(),
            vat_declarations=quarters([30_000_000] * 8, date(2024, 1, 1)),
            income_tax_returns=known,
        )

        def tax(day):
            return cash_evidence(records, compute(records, day).row(0, named=True), day).income_tax_fen

        assert tax(date(2026, 1, 11)) == 15_000 + 5_000  # Q4 2024, filed on 12 January 2025, to Q3 2025
        assert tax(date(2026, 1, 12)) == 15_000  # Q4 2025 is filed on this day, but known on the 15th
        assert tax(date(2026, 1, 15)) == 20_000

    def test_bills_of_all_meters_add_up_and_months_without_a_bill_do_not_count(self):
        bills = pl.concat([meters([1000.0, None, 3000.0]), meters([100.0] * 13, kind="water")])
        records = RecordSet.of(registration=registration(), meter_months=bills)
        found = cash_evidence(records, compute(records, AS_OF).row(0, named=True), AS_OF)
        assert found.energy_fen == (70_000 + 210_000) // 2 + 7_000

    def test_a_quarterly_filer_with_invoices_is_known_by_month(self):
        filed = quarters([30_000_000] * 8, date(2024, 1, 1))

        def by_quarter(**frames):
            records = RecordSet.of(registration=registration(), **frames)
            return cash_evidence(records, compute(records, AS_OF).row(0, named=True), AS_OF).by_quarter

        sold = dict.fromkeys(months_back(26), 10_000_000)
        assert by_quarter(vat_declarations=filed)
        assert by_quarter(vat_declarations=filed, invoice_months=invoices(sold, direction="input"))
        assert by_quarter(vat_declarations=filed, invoice_months=invoices({date(2025, 2, 1): 5}))
        assert not by_quarter(vat_declarations=filed, invoice_months=invoices(sold))
        assert not by_quarter(vat_declarations=declarations([10_000_000] * 12))
        assert not by_quarter()

    def test_two_firms_are_refused(self):
        with pytest.raises(ValueError, match="got 2"):
            cash_evidence(RecordSet.of(registration=registration(2)), {}, AS_OF)


@given(
    sales=st.integers(0, 10**12),
    margin=st.none() | st.floats(-1, 1),
    growth=st.none() | st.floats(-1, 3),
    deviation=st.floats(0, 3),
    base=st.none() | st.integers(0, 10**11),
    energy=st.none() | st.integers(0, 10**11),
    owed=st.integers(0, 10**10),
)
def test_the_lines_add_up_and_more_trouble_never_raises_a_limit(sales, margin, growth, deviation, base, energy, owed):
    known = CashEvidence(
        sales, growth, deviation, False, True, margin, None if margin is None else 1000, None, base, energy
    )
    loan = LOAN | {"outstanding_fen": owed}
    found = derived(known, loans=[loan])
    lines = amounts(found)
    taken = sum(
        lines[n] or 0
        for n in ("income_tax", "costs_beyond_margin")
        if n in lines and line(found, n).role == "subtracts"
    )
    assert lines["margin"] - taken == lines["cash"] == found.cash_fen
    assert found.stressed_cash_fen == found.cash_fen - lines["stress"]
    for limit in found.limits:
        assert limit.amount_fen >= 0
        assert limit.instalment_fen <= found.instalment_fen + 1
    assert {one.role for one in found.lines} <= set(ROLES)
    for worse in (
        replace(known, deviation=deviation + 0.5),
        replace(known, sales_growth=min(growth or 0, 0) - 0.2),
        replace(known, base_fen=(base or 0) + 10**9),
    ):
        poorer = derived(worse, loans=[loan])
        if worse.margin is None or worse.margin >= 0:
            assert all(one.amount_fen <= two.amount_fen for one, two in zip(poorer.limits, found.limits, strict=True))
    assert all(one.amount_fen >= two.amount_fen for one, two in zip(derived(known).limits, found.limits, strict=True))


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"rate_bps": 6.0}, "rate_bps"),
            ({"rate_bps": True}, "rate_bps"),
            ({"cover": 0.9}, "cover"),
            ({"cover": float("nan")}, "cover"),
            ({"terms_months": []}, "terms_months"),
            ({"terms_months": [12, 6]}, "terms_months"),
            ({"terms_months": [6, 6, 12]}, "terms_months"),
            ({"suggested_months": 18}, "suggested_months"),
            ({"margins": {"C": {}}}, "margins"),
            ({"margins": VALUES["margins"] | {"Z": VALUES["margins"]["C"]}}, "margins.Z"),
            ({"margins": VALUES["margins"] | {"C": {"margin": 0.1}}}, "margins.C.energy_share"),
            ({"margins": VALUES["margins"] | {"C": VALUES["margins"]["C"] | {"margin": 3}}}, "margins.C.margin"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_a_wrong_line_is_named(self, change, named):
        with pytest.raises(CapacitySettingError, match=f"^{named}"):
            parse(VALUES | change)

    @pytest.mark.parametrize("name", sorted(VALUES))
    def test_an_absent_line_is_named(self, name):
        with pytest.raises(CapacitySettingError, match=f"^{name} is absent"):
            parse({key: value for key, value in VALUES.items() if key != name})
