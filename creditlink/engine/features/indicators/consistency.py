"""Dimension 5, public credit and consistency: what authorities recorded, and whether sources agree."""

from __future__ import annotations

from functools import partial
from typing import Literal

import polars as pl

from creditlink.engine.features.indicator import (
    NO_DENOMINATOR,
    NO_REFERENCE,
    NOT_SEARCHED,
    Indicator,
    Pool,
    against_industry,
    growth,
    log_ratio,
    ratio,
)
from creditlink.engine.features.indicators import employment, energy, tax
from creditlink.engine.features.indicators.energy import carbon_kg_12
from creditlink.engine.features.months.window import mean, total

_public = partial(
    Indicator,
    category="public_credit",
    dimension="consistency",
    missing=NOT_SEARCHED,
)
_check = partial(Indicator, category="tax", dimension="consistency", window=12)

_PENALTIES = "Source: Regulations on Publicity of Enterprise Information (State Council Decree 777), art. 6"
_COURT = "Source: Supreme People's Court, 法释〔2017〕7号: list of dishonest judgment debtors"
_RED = "Source: National Basic Catalogue of Credit Incentives: red lists"
_CROSS = "Source: Nanyang 宛美e贷 cross-validation of what a firm says; Shenzhen fake-registration model (published)"

_sales, _kwh, _heads = total("turnover", 12), total("electricity_usage", 12), mean("heads", 12)
_log_sales_per_kwh = log_ratio(_sales, _kwh)
_log_sales_per_head = log_ratio(_sales, _heads)
_log_payroll_to_sales = log_ratio(total("base", 12), _sales)

_SOURCES = (tax, employment, energy)
_EXPRESSIONS = {i.name: i.expression for module in _SOURCES for i in module.INDICATORS}


def _pool_formula(what: str, pool: Pool) -> str:
    if not pool.weights:
        return f"mean of the known of {what}: {', '.join(pool.parts)}"
    weighed = ", ".join(f"{weight:g} × {part}" for weight, part in zip(pool.weights, pool.parts, strict=True))
    if not pool.usual:
        return f"weighted mean of the known of {what}: {weighed}"
    usual = ", ".join(f"{value:g}" for value in pool.usual)
    return f"sum of the known of {what}: {weighed}; over the sum of the same weights × {usual}, what is usual"


def _pooled(
    name: str, label_zh: str, label_en: str, parts: tuple[str, ...], *, unit: str, window: int,
    direction: Literal[-1, 1], what: str, reason_code: str, weights: tuple[float, ...] = (),
    usual: tuple[float, ...] = (), also: tuple[str, ...] = ("social_security", "housing_fund", "utility"),
) -> Indicator:  # fmt: skip
    pool = Pool(parts, weights, usual)
    return Indicator(
        name, label_zh, label_en, category="tax", dimension="consistency", unit=unit, window=window,
        direction=direction, missing="missing when none of its parts is known",
        formula=_pool_formula(what, pool), source=_CROSS, reason_code=reason_code,
        expression=pool.of([_EXPRESSIONS[part] for part in parts]), also=also, pool=pool,
    )  # fmt: skip


REFERENCE_VALUES: dict[str, pl.Expr] = {
    "tax_burden": log_ratio(total("vat_payable", 12), total("taxable", 12)),
    "payroll_per_head": log_ratio(total("base", 12), total("heads", 12)),
    "sales_per_kwh": _log_sales_per_kwh,
    "sales_per_head": _log_sales_per_head,
    "payroll_to_sales": _log_payroll_to_sales,
}
"""What a reference table holds a median and a deviation of, per industry; all natural logarithms."""

_z_kwh = against_industry("sales_per_kwh", _log_sales_per_kwh)
_z_head = against_industry("sales_per_head", _log_sales_per_head)
_z_payroll = against_industry("payroll_to_sales", _log_payroll_to_sales)

# A paragraph per indicator reads as a catalogue; one argument a line would not.
# fmt: off
INDICATORS = (
    _public(
        "penalty_severity_24", "行政处罚严重度(24月)", "Severity of penalties in 24 months", unit="score", window=24,
        direction=1, formula="sum of severity (1 minor, 2 ordinary, 3 serious) of penalties of the last 24 months",
        source=_PENALTIES, reason_code="R141", expression=pl.col("events:penalty_severity_24"),
        version=2,
    ),
    _public(
        "penalties_12", "行政处罚次数(12月)", "Penalties in 12 months", unit="count", window=12, direction=1,
        formula="penalties of the last 12 months", source=_PENALTIES, reason_code="R142",
        expression=pl.col("events:penalties_12"),
        version=2,
    ),
    _public(
        "enforcements_36", "被执行案件数(36月)", "Court enforcement cases in 36 months", unit="count", window=36,
        direction=1, formula="court enforcement cases of the last 36 months", source=_COURT, reason_code="R143",
        expression=pl.col("events:enforcements_36"),
        version=2,
    ),
    _public(
        "enforcements_open_fen", "未结被执行金额", "Amount of open enforcement cases", unit="fen", window=0,
        direction=1, formula="sum of the amounts of enforcement cases not ended by as_of", source=_COURT,
        reason_code="R144", expression=pl.col("events:enforcements_open_fen"), actionable=True,
        version=2,
    ),
    _public(
        "dishonest_debtor", "失信被执行人", "On the dishonest-debtor list", unit="flag", window=0, direction=1,
        formula="1 while listed, else 0", source=_COURT, reason_code="R145",
        expression=pl.col("events:dishonest_debtor"), actionable=True,
        version=2,
    ),
    _public(
        "red_list", "守信激励红名单", "On a red list", unit="flag", window=0, direction=-1,
        formula="1 while listed, else 0", source=_RED, reason_code="R146", expression=pl.col("events:red_list"),
        version=2,
    ),
    _check(
        "sales_per_kwh_fen", "每千瓦时销售额", "Sales per kWh", unit="fen/kWh", direction=0, missing=NO_DENOMINATOR,
        formula="sum(sales m01..m12) / sum(kWh m01..m12)", source=_CROSS, reason_code="R151", also=("utility",),
        expression=ratio(_sales, _kwh),
        version=2,
    ),
    _check(
        "sales_per_kwh_z", "每千瓦时销售额行业偏离度", "Sales per kWh against its industry", unit="deviations",
        direction=0, missing=NO_REFERENCE, formula="robust z-score in the industry of ln(sales / kWh)", source=_CROSS,
        reason_code="R152", also=("utility",), expression=_z_kwh,
        version=2,
    ),
    _check(
        "sales_per_head_fen", "人均销售额", "Sales per head", unit="fen", direction=0, missing=NO_DENOMINATOR,
        formula="sum(sales m01..m12) / mean(headcount m01..m12)", source=_CROSS, reason_code="R153",
        also=("social_security",), expression=ratio(_sales, _heads),
        version=2,
    ),
    _check(
        "sales_per_head_z", "人均销售额行业偏离度", "Sales per head against its industry", unit="deviations",
        direction=0, missing=NO_REFERENCE, formula="robust z-score in the industry of ln(sales / mean headcount)",
        source=_CROSS, reason_code="R154", also=("social_security",), expression=_z_head,
        version=2,
    ),
    _check(
        "payroll_to_sales_12", "薪酬销售比", "Payroll over sales", unit="ratio", direction=0, missing=NO_DENOMINATOR,
        formula="sum(contribution base m01..m12) / sum(sales m01..m12)", source=_CROSS, reason_code="R155",
        also=("social_security",), expression=ratio(total("base", 12), _sales),
        version=2,
    ),
    _check(
        "payroll_to_sales_z", "薪酬销售比行业偏离度", "Payroll over sales against its industry", unit="deviations",
        direction=0, missing=NO_REFERENCE, formula="robust z-score in the industry of ln(contribution base / sales)",
        source=_CROSS, reason_code="R156", also=("social_security",), expression=_z_payroll,
        version=2,
    ),
    _check(
        "declared_to_invoiced_gap", "申报与开票差异", "Declared against invoiced sales", unit="ratio", direction=1,
        missing=NO_DENOMINATOR, source=_CROSS, reason_code="R157", actionable=True,
        formula="|ln(sum(declared sales) / sum(invoiced sales))| over the months m01..m12 that have both",
        expression=log_ratio(total("declared_beside", 12), total("invoiced_beside", 12)).abs(),
        version=2,
    ),
    _check(
        "sales_energy_divergence", "销售与用电背离度", "Sales growth beyond electricity growth", unit="ratio",
        window=24, direction=0, missing=NO_DENOMINATOR,
        formula="sales growth − electricity growth, m01..m12 over m13..m24",
        source=_CROSS, reason_code="R158", also=("utility",),
        expression=growth("turnover", 12, 12) - growth("electricity_usage", 12, 12),
        version=2,
    ),
    _check(
        "sales_headcount_divergence", "销售与用工背离度", "Sales growth beyond headcount growth", unit="ratio",
        window=24, direction=0, missing=NO_DENOMINATOR,
        formula="sales growth − headcount growth, m01..m12 over m13..m24",
        source=_CROSS, reason_code="R159", also=("social_security",),
        expression=growth("turnover", 12, 12) - growth("heads", 12, 12),
        version=2,
    ),
    _check(
        "unsupported_sales_z", "无支撑销售偏离度", "Sales that neither energy nor staff supports", unit="deviations",
        direction=1, missing=NO_REFERENCE,
        formula="largest known of max(0, z) of sales per kWh, sales per head and sales over payroll", source=_CROSS,
        reason_code="R160", also=("utility", "social_security"),
        expression=pl.max_horizontal(_z_kwh, _z_head, -_z_payroll).clip(lower_bound=0),
        version=2,
    ),
    _check(
        "carbon_intensity", "碳排放强度", "Carbon dioxide per unit of sales", unit="kg/fen", direction=0,
        missing=NO_DENOMINATOR, formula="carbon dioxide m01..m12 / sum(sales m01..m12)",
        source="Source: Quzhou carbon accounts (published): emission per unit of output", reason_code="R161",
        also=("utility",), expression=ratio(carbon_kg_12, _sales),
        version=2,
    ),
    _pooled(
        "late_habit_across", "各部门逾期倾向", "Habit of being late, across offices",
        ("tax_late_habit_36", "income_tax_late_habit_36", "contributions_late_habit_36", "fund_late_habit_36",
         "bills_late_habit_36"),
        unit="ratio", window=36, direction=1, what="the habits of being late", reason_code="R194",
    ),
    _pooled(
        "days_ahead_across", "各部门平均提前缴纳天数", "Days paid ahead, across offices",
        ("tax_days_ahead_24", "contributions_days_ahead_24", "fund_days_ahead_24", "bills_days_ahead_24"),
        unit="days", window=24, direction=-1, what="the days paid ahead", reason_code="R195",
    ),
    _pooled(
        "trend_across", "销售、用工、用电趋势", "Trend of sales, staff and electricity together",
        ("sales_trend_24", "headcount_trend_24", "electricity_trend_24"),
        unit="ratio", window=24, direction=-1, what="the trends of two years", reason_code="R196",
    ),
    _pooled(
        "late_against_usual_36", "逾期与通常水平之比(36月)", "Late against the usual, across offices",
        ("tax_late_habit_36", "income_tax_late_habit_36", "contributions_late_habit_36", "fund_late_habit_36",
         "bills_late_habit_36"),
        unit="ratio", window=36, direction=1, what="the habits of being late, by their observations a quarter",
        reason_code="R207", weights=(1, 0.4, 3, 3, 5), usual=(0.05, 0.05, 0.075, 0.09, 0.13),
    ),
    _pooled(
        "late_against_usual_3", "近3月逾期与通常水平之比", "Late in 3 months against the usual, across offices",
        ("contributions_late_share_3", "bills_late_share_3"),
        unit="ratio", window=3, direction=1, what="the shares paid late, by their observations a quarter",
        reason_code="R208", weights=(3, 5), usual=(0.075, 0.13), also=("social_security", "utility"),
    ),
    _pooled(
        "ahead_against_usual_24", "提前缴纳与通常水平之比(24月)", "Days ahead against the usual, across offices",
        ("tax_days_ahead_24", "contributions_days_ahead_24", "fund_days_ahead_24", "bills_days_ahead_24"),
        unit="ratio", window=24, direction=-1, what="the days paid ahead, by their observations a quarter",
        reason_code="R209", weights=(1, 3, 3, 5), usual=(3.5, 4, 4, 5),
    ),
    _pooled(
        "size_across", "综合经营规模", "Size by sales, staff and electricity",
        ("size_by_sales", "size_by_staff", "size_by_electricity"),
        unit="score", window=36, direction=-1, what="the sizes that each office's records tell", reason_code="R210",
        weights=(4, 2, 2), also=("social_security", "utility"),
    ),
)
# fmt: on
"""Public-credit and consistency indicators in reporting order."""
