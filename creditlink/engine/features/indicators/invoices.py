"""Dimension 1, VAT invoices: turnover as buyers saw it, counterparties, voids and red letters."""

from __future__ import annotations

from functools import partial

from creditlink.engine.features.indicator import NO_DENOMINATOR, NO_RECORD, Indicator, growth, ratio
from creditlink.engine.features.months.window import faded, known, mean, newest_positive, positive, total

_invoice = partial(Indicator, category="tax", dimension="tax")

_INVOICES = "Source: Measures for the Administration of Invoices (State Council Decree 764); CUMCM 2020 problem C"
_CONCENTRATION = "Source: Herfindahl (1950); concentration of counterparties as in supply-chain lending"

# A paragraph per indicator reads as a catalogue; one argument a line would not.
# fmt: off
INDICATORS = (
    _invoice(
        "invoiced_12_fen", "近12月开票金额", "Invoiced sales of 12 months", unit="fen", window=12, direction=-1,
        missing=NO_RECORD, formula="sum of output invoices m01..m12, red letters subtracted", source=_INVOICES,
        reason_code="R031", expression=total("sold_amount", 12), actionable=True,
    ),
    _invoice(
        "invoice_active_months_12", "开票活跃月数(12月)", "Months with output invoices in 12", unit="months",
        window=12, direction=-1, missing=NO_RECORD, formula="months m01..m12 with at least one valid output invoice",
        source=_INVOICES, reason_code="R032", expression=positive("sold_invoices", 12), actionable=True,
    ),
    _invoice(
        "months_since_invoice", "距最近开票月数", "Months since the last output invoice", unit="months", window=36,
        direction=1, missing=NO_RECORD,
        formula="months back to the newest month with an output invoice; 37 when none", source=_INVOICES,
        reason_code="R033", expression=newest_positive("sold_invoices", 36), actionable=True,
    ),
    _invoice(
        "input_output_ratio_12", "进销比(12月)", "Purchases over sales", unit="ratio", window=12, direction=0,
        missing=NO_DENOMINATOR, formula="sum(input amount m01..m12) / sum(output amount m01..m12)", source=_INVOICES,
        reason_code="R034", expression=ratio(total("bought_amount", 12), total("sold_amount", 12)),
    ),
    _invoice(
        "margin_proxy_12", "毛利替代指标(12月)", "Margin proxy", unit="ratio", window=12, direction=0,
        missing=NO_DENOMINATOR, formula="(output amount − input amount) / output amount, m01..m12", source=_INVOICES,
        reason_code="R035",
        expression=ratio(total("sold_amount", 12) - total("bought_amount", 12), total("sold_amount", 12)),
    ),
    _invoice(
        "purchases_growth_3", "近3月采购同比增长", "Purchases growth, 3 months over the same 3 a year ago",
        unit="ratio", window=15, direction=-1, missing=NO_DENOMINATOR,
        formula="mean(input amount m01..m03) / mean(input amount m13..m15) − 1", source=_INVOICES, reason_code="R036",
        expression=growth("bought_amount", 3, 12), actionable=True,
        version=2,
    ),
    _invoice(
        "buyers_12", "月均购方户数", "Buyers in a mean month", unit="count", window=12, direction=-1,
        missing=NO_RECORD, formula="mean over m01..m12 of the distinct buyers of the month", source=_CONCENTRATION,
        reason_code="R037", expression=mean("sold_parties", 12), actionable=True,
    ),
    _invoice(
        "buyer_top1_share_12", "第一大购方占比", "Share of the largest buyer", unit="ratio", window=12, direction=1,
        missing=NO_DENOMINATOR, formula="sum(largest buyer's amount) / sum(gross output), m01..m12",
        source=_CONCENTRATION, reason_code="R038", expression=ratio(total("sold_top1", 12), total("sold_gross", 12)),
        actionable=True,
    ),
    _invoice(
        "buyer_top5_share_12", "前五大购方占比", "Share of the five largest buyers", unit="ratio", window=12,
        direction=1, missing=NO_DENOMINATOR, formula="sum(five largest buyers' amount) / sum(gross output), m01..m12",
        source=_CONCENTRATION, reason_code="R039", expression=ratio(total("sold_top5", 12), total("sold_gross", 12)),
        actionable=True,
    ),
    _invoice(
        "buyer_herfindahl_12", "购方集中度(赫芬达尔)", "Herfindahl index of buyers", unit="ratio", window=12,
        direction=1, missing=NO_RECORD, formula="mean over m01..m12 of the sum of squared buyer shares of the month",
        source=_CONCENTRATION, reason_code="R040", expression=mean("sold_hhi", 12), actionable=True,
    ),
    _invoice(
        "void_rate_12", "作废发票率", "Share of output invoices voided", unit="ratio", window=12, direction=1,
        missing=NO_DENOMINATOR, formula="voided / (valid + voided + red-letter) output invoices m01..m12",
        source=_INVOICES, reason_code="R041",
        expression=ratio(total("sold_void", 12), total("sold_issued", 12)),
        actionable=True,
    ),
    _invoice(
        "red_letter_rate_12", "红字发票金额占比", "Share of output reversed by red letters", unit="ratio", window=12,
        direction=1, missing=NO_DENOMINATOR, formula="red-letter amount / gross output amount, m01..m12",
        source=_INVOICES, reason_code="R042", expression=ratio(total("sold_red", 12), total("sold_gross", 12)),
        actionable=True,
    ),
    _invoice(
        "suppliers_12", "月均供方户数", "Suppliers in a mean month", unit="count", window=12, direction=-1,
        missing=NO_RECORD, formula="mean over m01..m12 of the distinct suppliers of the month", source=_CONCENTRATION,
        reason_code="R043", expression=mean("bought_parties", 12), actionable=True,
    ),
    _invoice(
        "supplier_top1_share_12", "第一大供方占比", "Share of the largest supplier", unit="ratio", window=12,
        direction=1, missing=NO_DENOMINATOR, formula="sum(largest supplier's amount) / sum(gross input), m01..m12",
        source=_CONCENTRATION, reason_code="R044",
        expression=ratio(total("bought_top1", 12), total("bought_gross", 12)), actionable=True,
    ),
    _invoice(
        "void_habit_36", "作废发票倾向(36月)", "Habit of voiding invoices", unit="ratio", window=36, direction=1,
        missing=NO_DENOMINATOR, formula="voided / issued output invoices m01..m36, months weighted by half every 12 "
        "months back", source=_INVOICES, reason_code="R045",
        expression=ratio(faded("sold_void", 36), faded("sold_issued", 36)), actionable=True,
    ),
    _invoice(
        "red_letter_habit_36", "红字发票倾向(36月)", "Habit of reversing invoices", unit="ratio", window=36,
        direction=1, missing=NO_DENOMINATOR,
        formula="red-letter amount / gross output amount m01..m36, months weighted by half every 12 months back",
        source=_INVOICES, reason_code="R046",
        expression=ratio(faded("sold_red", 36), faded("sold_gross", 36)), actionable=True,
    ),
    _invoice(
        "sales_silent_share_36", "无销售月份占比(36月)", "Share of silent months in 36", unit="ratio", window=36,
        direction=1, missing=NO_RECORD, formula="1 − months with sales / known months m01..m36",
        source=_INVOICES, reason_code="R047", expression=1 - positive("turnover", 36) / known("turnover", 36),
        actionable=True,
        version=2,
    ),
    _invoice(
        "invoices_36", "近36月开票份数", "Output invoices of the last 36 months", unit="count", window=36, direction=-1,
        missing=NO_RECORD, formula="valid output invoices m01..m36", source=_INVOICES, reason_code="R050",
        expression=total("sold_invoices", 36), actionable=True,
    ),
    _invoice(
        "purchases_36_fen", "近36月采购总额", "Purchases of the last 36 months", unit="fen", window=36, direction=-1,
        missing=NO_RECORD, formula="sum of input invoices m01..m36", source=_INVOICES, reason_code="R162",
        expression=total("bought_amount", 36),
    ),
    _invoice(
        "invoices_24", "近24月开票份数", "Output invoices of the last 24 months", unit="count", window=24, direction=-1,
        missing=NO_RECORD, formula="valid output invoices m01..m24", source=_INVOICES, reason_code="R213",
        expression=total("sold_invoices", 24), actionable=True,
    ),
    _invoice(
        "purchases_24_fen", "近24月采购总额", "Purchases of the last 24 months", unit="fen", window=24, direction=-1,
        missing=NO_RECORD, formula="sum of input invoices m01..m24", source=_INVOICES, reason_code="R214",
        expression=total("bought_amount", 24),
    ),
    _invoice(
        "buyers_24", "月均购方户数(24月)", "Buyers in a mean month of 24", unit="count", window=24, direction=-1,
        missing=NO_RECORD, formula="mean over m01..m24 of the distinct buyers of the month", source=_CONCENTRATION,
        reason_code="R215", expression=mean("sold_parties", 24), actionable=True,
    ),
    _invoice(
        "buyers_36", "月均购方户数(36月)", "Buyers in a mean month of 36", unit="count", window=36, direction=-1,
        missing=NO_RECORD, formula="mean over m01..m36 of the distinct buyers of the month", source=_CONCENTRATION,
        reason_code="R216", expression=mean("sold_parties", 36), actionable=True,
    ),
    _invoice(
        "suppliers_24", "月均供方户数(24月)", "Suppliers in a mean month of 24", unit="count", window=24, direction=-1,
        missing=NO_RECORD, formula="mean over m01..m24 of the distinct suppliers of the month", source=_CONCENTRATION,
        reason_code="R217", expression=mean("bought_parties", 24), actionable=True,
    ),
    _invoice(
        "suppliers_36", "月均供方户数(36月)", "Suppliers in a mean month of 36", unit="count", window=36, direction=-1,
        missing=NO_RECORD, formula="mean over m01..m36 of the distinct suppliers of the month", source=_CONCENTRATION,
        reason_code="R218", expression=mean("bought_parties", 36), actionable=True,
    ),
)
# fmt: on
"""Invoice indicators in reporting order."""
