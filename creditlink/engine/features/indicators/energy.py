"""Dimension 3, electricity, water and gas: what is used, and how its bills are paid."""

from __future__ import annotations

from functools import partial

import polars as pl

from creditlink.engine.facts.frames import METER_KINDS
from creditlink.engine.features.indicator import (
    FEW_MONTHS,
    NO_DENOMINATOR,
    NO_RECORD,
    NO_REFERENCE,
    Indicator,
    added,
    growth,
    log_above_zero,
    ratio,
)
from creditlink.engine.features.months.window import (
    faded,
    idle,
    mean,
    noise,
    peak,
    season,
    total,
    trend,
    trough,
    volatility,
)

_utility = partial(Indicator, category="utility", dimension="energy")

_ENERGY_LOAN = "Source: Zhejiang 电E贷 and Tongliang 能源贷 (published energy-loan practice)"
_SUPPLY = "Source: Regulations on Electricity Supply and Use (State Council Decree 196), art. 39: overdue bills"
_CARBON = (
    "Source: MEE and NBS, CO2 emission factors of electricity 2022 (0.5366 kg/kWh, national mean); "
    "provincial greenhouse-gas inventory guide (natural gas 2.162 kg/m³)"
)
_INTERVALS = "Source: State Grid load data products for finance (published practice): shifts seen in the load curve"
NO_INTERVALS = "missing without an interval meter, or when the denominator is not above zero"

KG_CO2_PER_KWH = 0.5366
KG_CO2_PER_M3_GAS = 2.162


carbon_kg_12 = added(
    KG_CO2_PER_KWH * total("electricity_usage", 12),
    KG_CO2_PER_M3_GAS * total("gas_usage", 12),
)
# fmt: on
"""Carbon dioxide of twelve months' electricity and gas, in kilograms."""

# A paragraph per indicator reads as a catalogue; one argument a line would not.
# fmt: off
INDICATORS = (
    _utility(
        "energy_capacity_score", "用能产能评分", "Energy capacity score", unit="score", window=12, direction=-1,
        missing=NO_RECORD, formula="(INT(mean(kWh m01..m12) / 1000) + 1) × 10", source=_ENERGY_LOAN,
        reason_code="R081", expression=((mean("electricity_usage", 12) * 0.001).floor() + 1) * 10, actionable=True,
    ),
    _utility(
        "capacity_utilisation", "产能利用率", "Capacity utilisation", unit="ratio", window=12, direction=-1,
        missing=NO_DENOMINATOR, formula="mean(kWh m01..m03) / max(kWh m01..m12)", source=_ENERGY_LOAN,
        reason_code="R082", expression=ratio(mean("electricity_usage", 3), peak("electricity_usage", 12)),
        actionable=True,
    ),
    _utility(
        "electricity_growth_12", "用电量同比增长(12月)", "Electricity growth, 12 months over the 12 before",
        unit="ratio", window=24, direction=-1, missing=NO_DENOMINATOR,
        formula="(kWh m01..m12 − kWh m13..m24) / kWh m13..m24", source=_ENERGY_LOAN, reason_code="R083",
        expression=growth("electricity_usage", 12, 12), actionable=True,
        version=2,
    ),
    _utility(
        "electricity_growth_3", "近3月用电量同比增长", "Electricity growth, 3 months over the same 3 a year ago",
        unit="ratio", window=15, direction=-1, missing=NO_DENOMINATOR,
        formula="mean(kWh m01..m03) / mean(kWh m13..m15) − 1", source=_ENERGY_LOAN, reason_code="R084",
        expression=growth("electricity_usage", 3, 12), actionable=True,
        version=2,
    ),
    _utility(
        "electricity_volatility_12", "用电波动率", "Volatility of electricity use", unit="ratio", window=12,
        direction=1, missing=FEW_MONTHS,
        formula="deviation of kWh m01..m12 around a fitted straight line / mean(kWh m01..m12)", source=_ENERGY_LOAN,
        reason_code="R085", expression=volatility("electricity_usage", 12),
    ),
    _utility(
        "electricity_idle_months_12", "用电停产月数", "Idle months by electricity", unit="months", window=12,
        direction=1, missing=NO_RECORD, formula="months m01..m12 with kWh below 5 % of the peak month",
        source=_ENERGY_LOAN, reason_code="R086", expression=idle("electricity_usage", 12), actionable=True,
    ),
    _utility(
        "electricity_trough_share_12", "最低月用电占比", "Lowest month of electricity against the mean", unit="ratio",
        window=12, direction=-1, missing=NO_DENOMINATOR, formula="min(kWh m01..m12) / mean(kWh m01..m12)",
        source=_ENERGY_LOAN, reason_code="R087",
        expression=ratio(trough("electricity_usage", 12), mean("electricity_usage", 12)),
    ),
    _utility(
        "electricity_seasonality_24", "用电季节性强度", "Strength of the season in electricity", unit="ratio",
        window=24, direction=0, missing=FEW_MONTHS, formula="correlation of kWh m01..m12 with kWh m13..m24",
        source=_ENERGY_LOAN, reason_code="R088", expression=season("electricity_usage", 24),
    ),
    _utility(
        "bills_late_6", "逾期水电气账单数(6月)", "Late utility bills in 6 months", unit="count", window=6,
        direction=1, missing=NO_RECORD,
        formula="electricity, water and gas bills m01..m06 paid after the due day, or due and unpaid", source=_SUPPLY,
        reason_code="R089", expression=total("bills_late", 6), actionable=True,
    ),
    _utility(
        "bills_on_time_share_12", "按时缴费率(12月)", "Share of utility bills paid on time", unit="ratio", window=12,
        direction=-1, missing=NO_DENOMINATOR, formula="1 − late bills / due bills, all meters, m01..m12",
        source=_ENERGY_LOAN, reason_code="R090",
        expression=1 - ratio(total("bills_late", 12), total("bills_count_late", 12)), actionable=True,
    ),
    _utility(
        "bills_days_late_3", "近3月平均账单逾期天数", "Mean days a recent bill was late", unit="days", window=3,
        direction=1, missing=NO_RECORD, formula="mean over due bills of all meters m01..m03 of days late",
        source=_SUPPLY, reason_code="R091",
        expression=ratio(total("bills_days_late", 3), total("bills_count_days_late", 3)), actionable=True,
    ),
    _utility(
        "bills_days_late_12", "平均账单逾期天数(12月)", "Mean days a bill was late", unit="days", window=12,
        direction=1, missing=NO_RECORD, formula="mean over due bills of all meters m01..m12 of days late",
        source=_SUPPLY, reason_code="R092",
        expression=ratio(total("bills_days_late", 12), total("bills_count_days_late", 12)), actionable=True,
    ),
    _utility(
        "bills_worst_days_late_12", "最长账单逾期天数(12月)", "Most days a bill was late", unit="days", window=12,
        direction=1, missing=NO_RECORD, formula="max over due bills of all meters m01..m12 of days late",
        source=_SUPPLY, reason_code="R093",
        expression=pl.max_horizontal(*(peak(f"{kind}_days_late", 12) for kind in METER_KINDS)), actionable=True,
    ),
    _utility(
        "bills_unpaid_fen", "水电气欠费余额", "Utility bills due and unpaid", unit="fen", window=24, direction=1,
        missing=NO_RECORD, formula="sum of bills m01..m24 due and not paid by as_of, all meters", source=_SUPPLY,
        reason_code="R094", expression=total("bills_unpaid", 24), actionable=True,
    ),
    _utility(
        "direct_debit_share_12", "代扣缴费占比", "Share of bills by direct debit", unit="ratio", window=12,
        direction=-1, missing=NO_DENOMINATOR,
        formula="bills by direct debit / bills with a method, all meters m01..m12", source=_ENERGY_LOAN,
        reason_code="R095", expression=ratio(total("bills_debit", 12), total("bills_count_debit", 12)),
        actionable=True,
    ),
    _utility(
        "disconnections_24", "停供次数(24月)", "Months with a disconnection in 24", unit="count", window=24,
        direction=1, missing=NO_RECORD, formula="months m01..m24 with a disconnection, summed over meters",
        source=_SUPPLY, reason_code="R096", expression=total("bills_disconnected", 24), actionable=True,
    ),
    _utility(
        "estimated_reads_share_12", "估抄表占比", "Share of reads that were not actual", unit="ratio", window=12,
        direction=0, missing=NO_DENOMINATOR, formula="estimated or substituted reads / reads, all meters m01..m12",
        source=_ENERGY_LOAN, reason_code="R097",
        expression=ratio(total("bills_estimated", 12), total("bills_count_estimated", 12)),
    ),
    _utility(
        "water_growth_12", "用水量同比增长", "Water growth, 12 months over the 12 before", unit="ratio", window=24,
        direction=-1, missing=NO_DENOMINATOR, formula="mean(water m01..m12) / mean(water m13..m24) − 1",
        source=_ENERGY_LOAN, reason_code="R098", expression=growth("water_usage", 12, 12), actionable=True,
        version=2,
    ),
    _utility(
        "water_idle_months_12", "用水停用月数", "Idle months by water", unit="months", window=12, direction=1,
        missing=NO_RECORD, formula="months m01..m12 with water below 5 % of the peak month", source=_ENERGY_LOAN,
        reason_code="R099", expression=idle("water_usage", 12), actionable=True,
    ),
    _utility(
        "gas_growth_12", "用气量同比增长", "Gas growth, 12 months over the 12 before", unit="ratio", window=24,
        direction=-1, missing=NO_DENOMINATOR, formula="mean(gas m01..m12) / mean(gas m13..m24) − 1",
        source=_ENERGY_LOAN, reason_code="R100", expression=growth("gas_usage", 12, 12), actionable=True,
        version=2,
    ),
    _utility(
        "gas_idle_months_12", "用气停用月数", "Idle months by gas", unit="months", window=12, direction=1,
        missing=NO_RECORD, formula="months m01..m12 with gas below 5 % of the peak month", source=_ENERGY_LOAN,
        reason_code="R101", expression=idle("gas_usage", 12), actionable=True,
    ),
    _utility(
        "carbon_12_kg", "近12月碳排放", "Carbon dioxide of 12 months", unit="kg", window=12, direction=0,
        missing=NO_RECORD, formula="0.5366 × kWh + 2.162 × gas m³, m01..m12", source=_CARBON, reason_code="R102",
        expression=carbon_kg_12,
    ),
    _utility(
        "bills_late_habit_36", "账单逾期倾向(36月)", "Habit of paying bills late", unit="ratio", window=36, direction=1,
        missing=NO_RECORD, formula="share of due bills of all meters m01..m36 paid late or not at all, months weighted "
        "by half every 12 months back", source=_ENERGY_LOAN, reason_code="R103",
        expression=ratio(faded("bills_late", 36), faded("bills_count_late", 36)), actionable=True,
    ),
    _utility(
        "bills_days_late_habit_36", "账单逾期天数倾向(36月)", "Days a bill is usually late", unit="days", window=36,
        direction=1, missing=NO_RECORD, formula="mean days late of due bills of all meters m01..m36, months weighted "
        "by half every 12 months back", source=_ENERGY_LOAN, reason_code="R104",
        expression=ratio(faded("bills_days_late", 36), faded("bills_count_days_late", 36)), actionable=True,
    ),
    _utility(
        "direct_debit_habit_36", "代扣缴费倾向(36月)", "Habit of paying by direct debit", unit="ratio", window=36,
        direction=-1, missing=NO_DENOMINATOR, formula="share of bills of all meters m01..m36 by direct debit, months "
        "weighted by half every 12 months back", source=_ENERGY_LOAN, reason_code="R105",
        expression=ratio(faded("bills_debit", 36), faded("bills_count_debit", 36)), actionable=True,
    ),
    _utility(
        "bills_days_ahead_24", "平均提前缴费天数(24月)", "Mean days a bill was paid early", unit="days", window=24,
        direction=-1, missing=NO_RECORD, formula="mean over due bills of all meters m01..m24 of max(0, due − paid)",
        source=_SUPPLY, reason_code="R193", actionable=True,
        expression=ratio(total("bills_days_ahead", 24), total("bills_count_days_ahead", 24)),
    ),
    _utility(
        "electricity_trend_24", "用电趋势(24月)", "Trend of electricity over 24 months", unit="ratio", window=24,
        direction=-1, missing=FEW_MONTHS, formula="slope a year of a straight line through ln(kWh) m01..m24",
        source=_ENERGY_LOAN, reason_code="R180", expression=trend("electricity_usage", 24), actionable=True,
    ),
    _utility(
        "electricity_noise_24", "用电起伏程度(24月)", "Ups and downs of electricity over 24 months", unit="ratio",
        window=24, direction=1, missing=FEW_MONTHS, formula="deviation of ln(kWh) around that line, m01..m24",
        source=_ENERGY_LOAN, reason_code="R181", expression=noise("electricity_usage", 24),
    ),
    _utility(
        "bills_late_share_3", "近3月逾期账单占比", "Share of bills late in 3 months", unit="ratio", window=3,
        direction=1, missing=NO_DENOMINATOR,
        formula="due bills of all meters m01..m03 paid after the due day or not at all / due bills", source=_SUPPLY,
        reason_code="R212", expression=ratio(total("bills_late", 3), total("bills_count_late", 3)), actionable=True,
    ),
    _utility(
        "size_by_electricity", "用电反映的规模", "Size by electricity", unit="score", window=36, direction=-1,
        missing=NO_REFERENCE,
        formula="ln(mean kWh of the known months m01..m36) + the industry's median of ln(sales / kWh), sales in yuan",
        source=_ENERGY_LOAN, reason_code="R206",
        expression=log_above_zero(mean("electricity_usage", 36) * 0.01) + pl.col("reference:sales_per_kwh:median"),
    ),
    _utility(
        "night_share_12", "夜间用电占比", "Share of electricity used at night", unit="ratio", window=12, direction=0,
        missing=NO_INTERVALS, formula="kWh between 22:00 and 08:00 / kWh of the same months, m01..m12",
        source=_INTERVALS, reason_code="R177",
        expression=ratio(total("electricity_night", 12), total("electricity_by_interval", 12)),
    ),
    _utility(
        "night_share_change_3", "夜间用电占比变化", "Recent night share against the year", unit="ratio", window=12,
        direction=-1, missing=NO_INTERVALS, formula="night share of m01..m03 / night share of m01..m12 − 1",
        source=_INTERVALS, reason_code="R178", actionable=True,
        expression=ratio(
            ratio(total("electricity_night", 3), total("electricity_by_interval", 3)),
            ratio(total("electricity_night", 12), total("electricity_by_interval", 12)),
        ) - 1,
    ),
    _utility(
        "weekend_share_12", "周末用电占比", "Share of electricity used at weekends", unit="ratio", window=12,
        direction=0, missing=NO_INTERVALS, formula="kWh on Saturdays and Sundays / kWh of the same months, m01..m12",
        source=_INTERVALS, reason_code="R179",
        expression=ratio(total("electricity_weekend", 12), total("electricity_by_interval", 12)),
    ),
)
# fmt: on
"""Energy indicators in reporting order."""
