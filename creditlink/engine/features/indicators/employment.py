"""Dimension 2, employment and social security: people, their pay, and contributions paid on time."""

from __future__ import annotations

from functools import partial

import polars as pl

from creditlink.engine.features.indicator import (
    FEW_MONTHS,
    NO_DENOMINATOR,
    NO_RECORD,
    NO_REFERENCE,
    Indicator,
    against_industry,
    growth,
    log_above_zero,
    log_ratio,
    ratio,
)
from creditlink.engine.features.months.window import (
    faded_mean,
    known,
    latest,
    longest_gap,
    mean,
    peak,
    total,
    trend,
    trough,
)

_people = partial(Indicator, category="social_security", dimension="employment")

_LAW = "Source: Social Insurance Law of the PRC, art. 60 and 86: contributions due monthly, late payment"
_NANYANG = "Source: Nanyang 社保信用贷 (published platform practice): years insured × contributions × headcount"
_PRACTICE = "Source: city credit platforms' employment indicators (published catalogues)"
_FUND = "Source: Regulations on the Administration of the Housing Provident Fund (State Council Decree 350), art. 15"

_fund = partial(Indicator, category="housing_fund", dimension="employment")

# A paragraph per indicator reads as a catalogue; one argument a line would not.
# fmt: off
INDICATORS = (
    _people(
        "headcount", "参保人数", "Insured headcount", unit="people", window=3, direction=-1, missing=NO_RECORD,
        formula="headcount of the newest known month of m01..m03", source=_PRACTICE, reason_code="R051",
        expression=latest("heads", 3), actionable=True,
    ),
    _people(
        "headcount_change_3", "参保人数3个月变化", "Change of headcount over 3 months", unit="ratio", window=6,
        direction=-1, missing=NO_DENOMINATOR, formula="mean(headcount m01..m03) / mean(headcount m04..m06) − 1",
        source=_PRACTICE, reason_code="R052", expression=ratio(mean("heads", 3), mean("heads", 4, 6)) - 1,
        actionable=True,
    ),
    _people(
        "headcount_change_12", "参保人数12个月变化", "Change of headcount over 12 months", unit="ratio", window=15,
        direction=-1, missing=NO_DENOMINATOR, formula="mean(headcount m01..m03) / mean(headcount m13..m15) − 1",
        source=_PRACTICE, reason_code="R053", expression=ratio(mean("heads", 3), mean("heads", 13, 15)) - 1,
        actionable=True,
    ),
    _people(
        "headcount_min_max_12", "参保人数稳定度", "Smallest over largest headcount in 12 months", unit="ratio",
        window=12, direction=-1, missing=NO_DENOMINATOR, formula="min(headcount m01..m12) / max(headcount m01..m12)",
        source=_PRACTICE, reason_code="R054", expression=ratio(trough("heads", 12), peak("heads", 12)),
    ),
    _people(
        "contribution_base_12_fen", "月均缴费基数", "Contribution base of a mean month", unit="fen", window=12,
        direction=-1, missing=NO_RECORD, formula="mean(contribution base m01..m12)", source=_LAW, reason_code="R055",
        expression=mean("base", 12),
    ),
    _people(
        "contribution_base_growth_12", "缴费基数同比增长", "Growth of the contribution base", unit="ratio", window=24,
        direction=-1, missing=NO_DENOMINATOR, formula="mean(base m01..m12) / mean(base m13..m24) − 1", source=_LAW,
        reason_code="R056", expression=growth("base", 12, 12), actionable=True,
        version=2,
    ),
    _people(
        "contribution_base_growth_3", "近3月缴费基数同比增长", "Growth of the contribution base, 3 months",
        unit="ratio", window=15, direction=-1, missing=NO_DENOMINATOR,
        formula="mean(base m01..m03) / mean(base m13..m15) − 1", source=_LAW, reason_code="R057",
        expression=growth("base", 3, 12), actionable=True,
        version=2,
    ),
    _people(
        "insured_gap_24", "最长断缴月数(24月)", "Longest gap in insurance in 24 months", unit="months", window=24,
        direction=1, missing=NO_RECORD,
        formula="longest run of months m01..m24 without an insured person since the oldest record", source=_LAW,
        reason_code="R058", expression=longest_gap("insured", 24), actionable=True,
        version=2,
    ),
    _people(
        "contributions_late_6", "逾期缴费次数(6月)", "Late contributions in 6 months", unit="count", window=6,
        direction=1, missing=NO_RECORD, formula="months m01..m06 paid after the due day, or due and not paid",
        source=_LAW, reason_code="R059", expression=total("contributions_late", 6), actionable=True,
    ),
    _people(
        "contributions_late_12", "逾期缴费次数(12月)", "Late contributions in 12 months", unit="count", window=12,
        direction=1, missing=NO_RECORD, formula="months m01..m12 paid after the due day, or due and not paid",
        source=_LAW, reason_code="R060", expression=total("contributions_late", 12), actionable=True,
    ),
    _people(
        "contributions_days_late_12", "平均缴费逾期天数", "Mean days a contribution was late", unit="days", window=12,
        direction=1, missing=NO_RECORD,
        formula="mean over due months m01..m12 of max(0, paid − due), counted to as_of while not paid", source=_LAW,
        reason_code="R061", expression=mean("contributions_days_late", 12), actionable=True,
    ),
    _people(
        "contributions_worst_days_late_12", "最长缴费逾期天数", "Most days a contribution was late", unit="days",
        window=12, direction=1, missing=NO_RECORD, formula="max over due months m01..m12 of days late", source=_LAW,
        reason_code="R062", expression=peak("contributions_days_late", 12), actionable=True,
    ),
    _people(
        "contributions_unpaid_fen", "社保欠费余额", "Contributions due and unpaid", unit="fen", window=24,
        direction=1, missing=NO_RECORD, formula="sum over m01..m24 of contributions due and not paid by as_of",
        source=_LAW, reason_code="R063", expression=total("contributions_unpaid", 24), actionable=True,
    ),
    _people(
        "joiner_rate_12", "入职率(12月)", "Joiners over headcount", unit="ratio", window=12, direction=0,
        missing=NO_DENOMINATOR, formula="sum(joiners m01..m12) / mean(headcount m01..m12)", source=_PRACTICE,
        reason_code="R064", expression=ratio(total("joiners", 12), mean("heads", 12)),
    ),
    _people(
        "leaver_rate_12", "离职率(12月)", "Leavers over headcount", unit="ratio", window=12, direction=1,
        missing=NO_DENOMINATOR, formula="sum(leavers m01..m12) / mean(headcount m01..m12)", source=_PRACTICE,
        reason_code="R065", expression=ratio(total("leavers", 12), mean("heads", 12)),
    ),
    _people(
        "payroll_per_head_fen", "人均缴费基数", "Contribution base per head", unit="fen", window=12, direction=-1,
        missing=NO_DENOMINATOR, formula="sum(base m01..m12) / sum(headcount m01..m12)", source=_PRACTICE,
        reason_code="R066", expression=ratio(total("base", 12), total("heads", 12)),
    ),
    _people(
        "payroll_per_head_z", "人均缴费基数行业偏离度", "Payroll per head against its industry", unit="deviations",
        window=12, direction=0, missing=NO_REFERENCE,
        formula="robust z-score in the industry of ln(base / headcount)", source=_PRACTICE, reason_code="R067",
        expression=against_industry("payroll_per_head", log_ratio(total("base", 12), total("heads", 12))),
    ),
    _people(
        "insured_strength", "社保信用强度", "Insurance strength", unit="score", window=36, direction=-1,
        missing=NO_RECORD,
        formula="ln(1 + months insured m01..m36 / 12 × mean monthly contributions in yuan × mean headcount, m01..m12)",
        source=_NANYANG, reason_code="R069",
        expression=(known("heads", 36) * mean("contributions_due", 12) * mean("heads", 12) * (1 / 1200)).log1p(),
    ),
    _people(
        "contributions_late_habit_36", "社保缴费逾期倾向(36月)", "Habit of contributing late", unit="ratio", window=36,
        direction=1, missing=NO_RECORD, formula="share of due contributions m01..m36 paid late or not at all, months "
        "weighted by half every 12 months back", source=_LAW, reason_code="R070",
        expression=faded_mean("contributions_late", 36), actionable=True,
    ),
    _people(
        "contributions_days_late_habit_36", "社保缴费逾期天数倾向(36月)", "Days a contribution is usually late",
        unit="days", window=36, direction=1, missing=NO_RECORD, formula="mean days late of due contributions "
        "m01..m36, months weighted by half every 12 months back", source=_LAW, reason_code="R071",
        expression=faded_mean("contributions_days_late", 36), actionable=True,
    ),
    _people(
        "contributions_days_ahead_24", "平均提前缴费天数(24月)", "Mean days a contribution was early", unit="days",
        window=24, direction=-1, missing=NO_RECORD, formula="mean over due months m01..m24 of max(0, due − paid)",
        source=_LAW, reason_code="R191", expression=mean("contributions_days_ahead", 24), actionable=True,
    ),
    _people(
        "headcount_trend_24", "参保人数趋势(24月)", "Trend of headcount over 24 months", unit="ratio", window=24,
        direction=-1, missing=FEW_MONTHS, formula="slope a year of a straight line through ln(headcount) m01..m24",
        source=_PRACTICE, reason_code="R176", expression=trend("heads", 24), actionable=True,
    ),
    _people(
        "headcount_trend_36", "参保人数趋势(36月)", "Trend of headcount over 36 months", unit="ratio", window=36,
        direction=-1, missing=FEW_MONTHS, formula="slope a year of a straight line through ln(headcount) m01..m36",
        source=_PRACTICE, reason_code="R211", expression=trend("heads", 36), actionable=True,
    ),
    _people(
        "contributions_late_share_3", "近3月逾期缴费占比", "Share of contributions late in 3 months", unit="ratio",
        window=3, direction=1, missing=NO_RECORD,
        formula="due contributions m01..m03 paid after the due day or not at all / due contributions", source=_LAW,
        reason_code="R204", expression=mean("contributions_late", 3), actionable=True,
    ),
    _people(
        "size_by_staff", "用工反映的规模", "Size by staff", unit="score", window=36, direction=-1,
        missing=NO_REFERENCE,
        formula="ln(mean headcount of the known months m01..m36) + the industry's median of ln(sales / headcount) over "
        "12 months, a month's sales in yuan",
        source=_PRACTICE, reason_code="R205",
        expression=log_above_zero(mean("heads", 36) * (1 / 1200)) + pl.col("reference:sales_per_head:median"),
    ),
    _fund(
        "housing_fund_coverage", "公积金覆盖率", "Share of staff in the housing fund", unit="ratio", window=12,
        direction=-1, missing=NO_DENOMINATOR, formula="sum(fund headcount m01..m12) / sum(insured headcount m01..m12)",
        source=_FUND, reason_code="R068", expression=ratio(total("fund_heads", 12), total("heads", 12)),
        also=("social_security",), actionable=True,
        version=2,
    ),
    _fund(
        "fund_headcount_change_12", "公积金人数12个月变化", "Change of housing-fund headcount over 12 months",
        unit="ratio", window=15, direction=-1, missing=NO_DENOMINATOR,
        formula="mean(fund headcount m01..m03) / mean(fund headcount m13..m15) − 1", source=_FUND, reason_code="R175",
        expression=ratio(mean("fund_heads", 3), mean("fund_heads", 13, 15)) - 1, actionable=True,
    ),
    _fund(
        "fund_late_12", "公积金逾期缴存次数(12月)", "Late housing-fund deposits in 12 months", unit="count", window=12,
        direction=1, missing=NO_RECORD, formula="months m01..m12 deposited after the due day, or due and not deposited",
        source=_FUND, reason_code="R172", expression=total("fund_late", 12), actionable=True,
    ),
    _fund(
        "fund_late_habit_36", "公积金逾期倾向(36月)", "Habit of depositing late", unit="ratio", window=36, direction=1,
        missing=NO_RECORD, formula="share of due deposits m01..m36 made late or not at all, months weighted by half "
        "every 12 months back", source=_FUND, reason_code="R173", expression=faded_mean("fund_late", 36),
        actionable=True,
    ),
    _fund(
        "fund_days_ahead_24", "平均提前缴存天数(24月)", "Mean days a deposit was early", unit="days", window=24,
        direction=-1, missing=NO_RECORD, formula="mean over due months m01..m24 of max(0, due − paid)", source=_FUND,
        reason_code="R192", expression=mean("fund_days_ahead", 24), actionable=True,
    ),
    _fund(
        "fund_unpaid_fen", "公积金欠缴余额", "Housing-fund deposits due and unpaid", unit="fen", window=24, direction=1,
        missing=NO_RECORD, formula="sum over m01..m24 of deposits due and not made by as_of", source=_FUND,
        reason_code="R174", expression=total("fund_unpaid", 24), actionable=True,
    ),
)
# fmt: on
"""Employment indicators in reporting order."""
