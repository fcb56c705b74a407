"""Dimension 1, tax: declarations, payments, arrears and the taxpayer's standing."""

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
    log_ratio,
    ratio,
)
from creditlink.engine.features.months.window import (
    faded,
    faded_mean,
    known,
    latest,
    longest_gap,
    mean,
    noise,
    peak,
    positive,
    season,
    total,
    trend,
    trough,
    volatility,
)

_tax = partial(Indicator, category="tax", dimension="tax")

_VAT = "Source: Provisional Regulations on Value-Added Tax (State Council Decree 691), art. 23: periods and filing days"
_ADMIN = "Source: Law on the Administration of Tax Collection, art. 32: late payment"
_GRADE = "Source: Measures for Tax Credit Administration (SAT Announcement 2014 No. 40): grades A, B, M, C, D"
_BANK_TAX = "Source: bank-tax loan practice (银税互动): sales and their course over declared months"

NO_STANDING = "missing when the tax office told neither a standing nor an event"
NO_RETURN = "missing without a return of income tax in the window"
_INCOME = "Source: Enterprise Income Tax Law, art. 54: quarterly prepayment, settlement within five months of the year"
_EVENTS = "Source: Law on the Administration of Tax Collection, ch. 5; Measures for Tax Credit Administration, art. 20"
_PERSISTENCE = "Source: design choice after real invoices: size and persistence of trade over the whole record"

_RECORD_SALES = (
    "Sales are those declared, taxable or exempt, a quarter's spread over its months as the invoices moved; a month "
    "without a declaration takes the invoiced amount, and a firm that writes invoices sold nothing in a month without."
)

# A paragraph per indicator reads as a catalogue; one argument a line would not.
# fmt: off
INDICATORS = (
    _tax(
        "sales_3_fen", "近3月销售额", "Sales of the last 3 months", unit="fen", window=3, direction=-1,
        missing=NO_RECORD, formula=f"sum of sales m01..m03, scaled to the known months. {_RECORD_SALES}",
        source=_BANK_TAX, reason_code="R001", expression=3 * mean("turnover", 3), actionable=True,
        version=2,
    ),
    _tax(
        "sales_6_fen", "近6月销售额", "Sales of the last 6 months", unit="fen", window=6, direction=-1,
        missing=NO_RECORD, formula="sum of sales m01..m06, scaled to the known months", source=_BANK_TAX,
        reason_code="R002", expression=6 * mean("turnover", 6), actionable=True,
        version=2,
    ),
    _tax(
        "sales_12_fen", "近12月销售额", "Sales of the last 12 months", unit="fen", window=12, direction=-1,
        missing=NO_RECORD, formula="sum of sales m01..m12, scaled to the known months", source=_BANK_TAX,
        reason_code="R003", expression=12 * mean("turnover", 12), actionable=True,
        version=2,
    ),
    _tax(
        "sales_growth_12", "销售额同比增长(12月)", "Sales growth, 12 months over the 12 before", unit="ratio",
        window=24, direction=-1, missing=NO_DENOMINATOR, formula="mean(sales m01..m12) / mean(sales m13..m24) − 1",
        source=_BANK_TAX, reason_code="R004", expression=growth("turnover", 12, 12), actionable=True,
        version=2,
    ),
    _tax(
        "sales_growth_3", "近3月销售额同比增长", "Sales growth, 3 months over the same 3 a year ago", unit="ratio",
        window=15, direction=-1, missing=NO_DENOMINATOR, formula="mean(sales m01..m03) / mean(sales m13..m15) − 1",
        source=_BANK_TAX, reason_code="R005", expression=growth("turnover", 3, 12), actionable=True,
        version=2,
    ),
    _tax(
        "sales_momentum", "近期销售动能", "Recent sales against the year", unit="ratio", window=12, direction=-1,
        missing=NO_DENOMINATOR, formula="mean(sales m01..m03) / mean(sales m01..m12)", source=_BANK_TAX,
        reason_code="R006", expression=ratio(mean("turnover", 3), mean("turnover", 12)), actionable=True,
        version=2,
    ),
    _tax(
        "sales_volatility_12", "销售波动率(12月)", "Volatility of sales over 12 months", unit="ratio", window=12,
        direction=1, missing=FEW_MONTHS,
        formula="deviation of sales m01..m12 around a fitted straight line / mean(sales m01..m12)", source=_BANK_TAX,
        reason_code="R007", expression=volatility("turnover", 12),
        version=2,
    ),
    _tax(
        "sales_zero_months_12", "零销售月数(12月)", "Months without sales in 12", unit="months", window=12,
        direction=1, missing=NO_RECORD, formula="known months m01..m12 with sales not above zero",
        source=_BANK_TAX, reason_code="R008", expression=known("turnover", 12) - positive("turnover", 12),
        actionable=True,
        version=2,
    ),
    _tax(
        "sales_longest_gap_24", "最长无销售间隔(24月)", "Longest gap without sales in 24 months", unit="months",
        window=24, direction=1, missing=NO_RECORD,
        formula="longest run of months m01..m24 with no sales since the oldest record", source=_BANK_TAX,
        reason_code="R009", expression=longest_gap("turnover", 24),
        version=2,
    ),
    _tax(
        "sales_trough_share_12", "最差月份销售占比", "Worst month against the mean month", unit="ratio", window=12,
        direction=-1, missing=NO_DENOMINATOR, formula="min(sales m01..m12) / mean(sales m01..m12)", source=_BANK_TAX,
        reason_code="R010", expression=ratio(trough("turnover", 12), mean("turnover", 12)),
        version=2,
    ),
    _tax(
        "sales_from_peak", "较峰值销售水平", "Recent sales against the best month in 24", unit="ratio", window=24,
        direction=-1, missing=NO_DENOMINATOR, formula="mean(sales m01..m03) / max(sales m01..m24)", source=_BANK_TAX,
        reason_code="R011", expression=ratio(mean("turnover", 3), peak("turnover", 24)), actionable=True,
        version=2,
    ),
    _tax(
        "sales_seasonality_24", "销售季节性强度", "Strength of the season in sales", unit="ratio", window=24,
        direction=0, missing=FEW_MONTHS, formula="correlation of sales m01..m12 with sales m13..m24",
        source=_BANK_TAX, reason_code="R012", expression=season("turnover", 24),
        version=2,
    ),
    _tax(
        "tax_filed_share_24", "按期应申报月份的已申报占比(24月)", "Share of due months filed in 24", unit="ratio",
        window=24, direction=-1, missing=NO_DENOMINATOR,
        formula="months m01..m24 that filed declarations cover / months that due declarations cover", source=_VAT,
        reason_code="R013", expression=ratio(total("filed", 24), known("filed", 24)), actionable=True,
        version=2,
    ),
    _tax(
        "tax_late_filings_6", "逾期申报次数(6月)", "Late filings in 6 months", unit="count", window=6, direction=1,
        missing=NO_RECORD, source=_VAT,
        formula="declarations whose period ends in m01..m06, filed after the due day, or due and not filed",
        reason_code="R014", expression=total("filing_late", 6), actionable=True,
        version=2,
    ),
    _tax(
        "tax_late_filings_12", "逾期申报次数(12月)", "Late filings in 12 months", unit="count", window=12,
        direction=1, missing=NO_RECORD, source=_VAT,
        formula="declarations whose period ends in m01..m12, filed after the due day, or due and not filed",
        reason_code="R015", expression=total("filing_late", 12), actionable=True,
        version=2,
    ),
    _tax(
        "tax_days_late_12", "平均申报逾期天数(12月)", "Mean days a filing was late", unit="days", window=12,
        direction=1, missing=NO_RECORD,
        formula="mean over due declarations of m01..m12 of max(0, filed − due), counted to as_of while not filed",
        source=_VAT, reason_code="R016", expression=mean("filing_days_late", 12), actionable=True,
        version=2,
    ),
    _tax(
        "tax_unfiled_12", "应申报未申报次数(12月)", "Declarations due and not filed", unit="count", window=12,
        direction=1, missing=NO_RECORD, formula="declarations of m01..m12 due and not filed by as_of", source=_VAT,
        reason_code="R017", expression=total("unfiled", 12), actionable=True,
        version=2,
    ),
    _tax(
        "tax_paid_12_fen", "近12月缴纳增值税", "VAT paid in 12 months", unit="fen", window=12, direction=-1,
        missing=NO_RECORD, formula="sum of VAT paid m01..m12, scaled to the months that declarations cover",
        source=_ADMIN, reason_code="R018", expression=12 * mean("vat_paid", 12),
        version=2,
    ),
    _tax(
        "tax_paid_share_12", "应缴税款实缴率(12月)", "Share of VAT payable that was paid", unit="ratio", window=12,
        direction=-1, missing=NO_DENOMINATOR, formula="sum(VAT paid m01..m12) / sum(VAT payable m01..m12)",
        source=_ADMIN, reason_code="R019", expression=ratio(total("vat_paid", 12), total("vat_payable", 12)),
        actionable=True,
        version=2,
    ),
    _tax(
        "tax_burden_12", "增值税税负率(12月)", "Effective VAT burden", unit="ratio", window=12, direction=0,
        missing=NO_DENOMINATOR,
        formula="sum(VAT payable m01..m12) / sum(taxable sales m01..m12); exempt sales do not count",
        source="Source: State Taxation Administration, tax-burden early warning (增值税税负率)", reason_code="R020",
        expression=ratio(total("vat_payable", 12), total("taxable", 12)),
        version=2,
    ),
    _tax(
        "tax_burden_z", "税负率行业偏离度", "VAT burden against its industry", unit="deviations", window=12,
        direction=0, missing=NO_REFERENCE,
        formula="robust z-score in the industry of ln(VAT payable / taxable sales), 12 months",
        source="Source: State Taxation Administration, tax-burden early warning (增值税税负率)", reason_code="R021",
        expression=against_industry("tax_burden", log_ratio(total("vat_payable", 12), total("taxable", 12))),
        version=2,
    ),
    _tax(
        "tax_arrears_fen", "欠税余额", "Tax in arrears", unit="fen", window=12, direction=1, missing=NO_RECORD,
        formula="arrears of the newest known month of m01..m12", source=_ADMIN, reason_code="R022",
        expression=latest("arrears", 12), actionable=True,
    ),
    _tax(
        "tax_arrears_days", "欠税天数", "Days tax has been in arrears", unit="days", window=12, direction=1,
        missing=NO_RECORD, formula="arrears days of the newest known month of m01..m12", source=_ADMIN,
        reason_code="R023", expression=latest("arrears_days", 12), actionable=True,
    ),
    _tax(
        "tax_arrears_months_12", "存在欠税的月数(12月)", "Months with arrears in 12", unit="months", window=12,
        direction=1, missing=NO_RECORD, formula="months m01..m12 with arrears above zero", source=_ADMIN,
        reason_code="R024", expression=positive("arrears", 12), actionable=True,
    ),
    _tax(
        "tax_penalties_24", "税务处罚次数(24月)", "Tax penalties in 24 months", unit="count", window=24, direction=1,
        missing=NO_STANDING, formula="penalties imposed in the last 24 months", source=_ADMIN, reason_code="R025",
        expression=pl.col("events:tax_penalties_24"),
        version=2,
    ),
    _tax(
        "taxpayer_grade", "纳税信用等级", "Taxpayer credit grade", unit="rank", window=12, direction=1,
        missing=NO_RECORD, formula="A 1, B 2, M 3, C 4, D 5; newest known month of m01..m12", source=_GRADE,
        reason_code="R026", expression=latest("tax_grade", 12),
    ),
    _tax(
        "tax_record_months", "纳税记录月数", "Months of tax record", unit="months", window=36, direction=-1,
        missing=NO_RECORD, formula="months m01..m36 that filed declarations cover", source=_BANK_TAX,
        reason_code="R027", expression=known("sales", 36),
        version=2,
    ),
    _tax(
        "tax_late_habit_36", "申报逾期倾向(36月)", "Habit of filing late", unit="ratio", window=36, direction=0,
        missing=NO_RECORD, formula="share of due declarations m01..m36 filed late or not at all, months weighted by "
        "half every 12 months back", source=_VAT, reason_code="R028", expression=faded_mean("filing_late", 36),
        actionable=True,
        version=2,
    ),
    _tax(
        "tax_paid_share_24", "应缴税款实缴率(24月)", "Share of VAT payable that was paid, 24 months", unit="ratio",
        window=24, direction=-1, missing=NO_DENOMINATOR, formula="sum(VAT paid m01..m24) / sum(VAT payable m01..m24)",
        source=_ADMIN, reason_code="R029", expression=ratio(total("vat_paid", 24), total("vat_payable", 24)),
        actionable=True,
        version=2,
    ),
    _tax(
        "sales_volatility_24", "销售波动率(24月)", "Volatility of sales over 24 months", unit="ratio", window=24,
        direction=1, missing=FEW_MONTHS,
        formula="deviation of sales m01..m24 around a fitted straight line / mean(sales m01..m24)", source=_BANK_TAX,
        reason_code="R030", expression=volatility("turnover", 24),
        version=2,
    ),
    _tax(
        "sales_36_fen", "近36月销售总额", "Sales of the last 36 months", unit="fen", window=36, direction=-1,
        missing=NO_RECORD, formula="sum of sales over the known months m01..m36: large and lasting trade",
        source=_PERSISTENCE, reason_code="R048", expression=total("turnover", 36), actionable=True,
    ),
    _tax(
        "sales_active_months_36", "有销售月数(36月)", "Months with sales in 36", unit="months", window=36, direction=-1,
        missing=NO_RECORD, formula="months m01..m36 with sales above zero", source=_PERSISTENCE, reason_code="R049",
        expression=positive("turnover", 36), actionable=True,
    ),
    _tax(
        "sales_trend_24", "销售趋势(24月)", "Trend of sales over 24 months", unit="ratio", window=24, direction=-1,
        missing=FEW_MONTHS,
        formula="slope a year of a straight line through ln(sales) of the months m01..m24 with sales",
        source=_BANK_TAX, reason_code="R163", expression=trend("turnover", 24), actionable=True,
    ),
    _tax(
        "sales_noise_24", "销售起伏程度(24月)", "Ups and downs of sales over 24 months", unit="ratio", window=24,
        direction=1, missing=FEW_MONTHS, formula="deviation of ln(sales) around that line, months m01..m24 with sales",
        source=_BANK_TAX, reason_code="R164", expression=noise("turnover", 24),
    ),
    _tax(
        "profit_margin", "利润率", "Profit margin", unit="ratio", window=18, direction=-1, missing=NO_RETURN,
        formula="profit / revenue of the year to date, newest income-tax prepayment whose quarter begins in m01..m18",
        source=_INCOME, reason_code="R165", expression=latest("prepaid_margin", 18), actionable=True,
    ),
    _tax(
        "profit_margin_24", "平均利润率(24月)", "Mean profit margin of 24 months", unit="ratio", window=24,
        direction=-1, missing=NO_RETURN,
        formula="mean of profit / revenue to date over income-tax prepayments m01..m24",
        source=_INCOME, reason_code="R166", expression=mean("prepaid_margin", 24), actionable=True,
    ),
    _tax(
        "loss_quarters_share_24", "亏损季度占比(24月)", "Share of quarters at a loss", unit="ratio", window=24,
        direction=1, missing=NO_RETURN, formula="income-tax prepayments m01..m24 with a loss to date / prepayments",
        source=_INCOME, reason_code="R167", expression=mean("prepaid_loss", 24), actionable=True,
    ),
    _tax(
        "income_tax_late_24", "所得税逾期申报次数(24月)", "Late income-tax returns in 24 months", unit="count",
        window=24, direction=1, missing=NO_RETURN,
        formula="prepayments and settlements m01..m24 filed after the due day, or due and not filed", source=_INCOME,
        reason_code="R168", expression=total("returns_late", 24), actionable=True,
    ),
    _tax(
        "income_tax_late_habit_36", "所得税逾期申报倾向(36月)", "Habit of filing income tax late", unit="ratio",
        window=36, direction=1, missing=NO_RETURN,
        formula="share of due returns m01..m36 filed late or not at all, weighted by half every 12 months back",
        source=_INCOME, reason_code="R187",
        expression=ratio(faded("returns_late", 36), faded("returns_count_late", 36)),
        actionable=True,
    ),
    _tax(
        "profit_margin_change", "利润率变化", "Change of the profit margin", unit="ratio", window=24, direction=-1,
        missing=NO_RETURN, formula="mean margin of the prepayments m01..m12 − mean margin of those m13..m24",
        source=_INCOME, reason_code="R189", expression=mean("prepaid_margin", 12) - mean("prepaid_margin", 13, 24),
        actionable=True,
    ),
    _tax(
        "tax_days_ahead_24", "平均提前申报天数(24月)", "Mean days filed ahead", unit="days", window=24, direction=0,
        missing=NO_RECORD, formula="mean over due declarations m01..m24 of max(0, due − filed)",
        source=_VAT, reason_code="R190", expression=mean("filing_days_ahead", 24), actionable=True,
    ),
    _tax(
        "tax_violation_severity_24", "税收违法严重度(24月)", "Severity of tax violations in 24 months", unit="score",
        window=24, direction=1, missing=NO_STANDING,
        formula="sum of severity (1 minor, 2 ordinary, 3 serious) of violations of the last 24 months", source=_EVENTS,
        reason_code="R169", expression=pl.col("events:tax_violation_severity_24"),
    ),
    _tax(
        "tax_violations_open", "未办结税收违法数", "Tax violations not put right", unit="count", window=0, direction=1,
        missing=NO_STANDING, formula="violations known by as_of and not settled", source=_EVENTS, reason_code="R170",
        expression=pl.col("events:tax_violations_open"), actionable=True,
    ),
    _tax(
        "tax_refunds_24_fen", "近24月退税金额", "Tax refunded in 24 months", unit="fen", window=24, direction=0,
        missing=NO_STANDING, formula="sum of refunds of the last 24 months", source=_EVENTS, reason_code="R171",
        expression=pl.col("events:tax_refunds_24_fen"),
    ),
    _tax(
        "sales_24_fen", "近24月销售总额", "Sales of the last 24 months", unit="fen", window=24, direction=-1,
        missing=NO_RECORD, formula="sum of sales over the known months m01..m24", source=_PERSISTENCE,
        reason_code="R197", expression=total("turnover", 24), actionable=True,
    ),
    _tax(
        "sales_active_months_24", "有销售月数(24月)", "Months with sales in 24", unit="months", window=24, direction=-1,
        missing=NO_RECORD, formula="months m01..m24 with sales above zero", source=_PERSISTENCE, reason_code="R219",
        expression=positive("turnover", 24), actionable=True,
    ),
    _tax(
        "sales_trend_36", "销售趋势(36月)", "Trend of sales over 36 months", unit="ratio", window=36, direction=-1,
        missing=FEW_MONTHS,
        formula="slope a year of a straight line through ln(sales) of the months m01..m36 with sales",
        source=_BANK_TAX, reason_code="R198", expression=trend("turnover", 36), actionable=True,
    ),
    _tax(
        "sales_noise_36", "销售起伏程度(36月)", "Ups and downs of sales over 36 months", unit="ratio", window=36,
        direction=1, missing=FEW_MONTHS, formula="deviation of ln(sales) around that line, months m01..m36 with sales",
        source=_BANK_TAX, reason_code="R199", expression=noise("turnover", 36),
    ),
    _tax(
        "size_by_sales", "销售反映的规模", "Size by sales", unit="score", window=36, direction=-1,
        missing=NO_DENOMINATOR, formula="ln(mean sales in yuan of the known months m01..m36)", source=_PERSISTENCE,
        reason_code="R203", expression=log_ratio(total("turnover", 36), 100 * known("turnover", 36)),
    ),
)
# fmt: on
"""Tax indicators in reporting order."""
