"""Every item of every record frame: names for people, unit and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from creditlink.engine.facts.frames import FRAME_SCHEMAS

Unit = Literal["fen", "day", "count", "days", "months", "kWh_or_m3", "tonnes", "share", "code", "flag"]


@dataclass(frozen=True)
class Item:
    """One column of a record frame."""

    frame: str
    name: str
    label_zh: str
    label_en: str
    unit: Unit

    @property
    def type(self) -> str:
        """Return the column's type in the frame."""
        return str(FRAME_SCHEMAS[self.frame][self.name]).partition("(")[0]

    def as_json(self) -> dict[str, object]:
        """Return it for the public reference."""
        return {
            "frame": self.frame,
            "name": self.name,
            "label_zh": self.label_zh,
            "label_en": self.label_en,
            "unit": self.unit,
            "type": self.type,
        }


_ROWS: dict[str, tuple[tuple[str, str, str, Unit], ...]] = {
    "registration": (
        ("industry", "行业(GB/T 4754)", "Industry (GB/T 4754)", "code"),
        ("region", "行政区划(GB/T 2260)", "Region (GB/T 2260)", "code"),
        ("entity_type", "主体类型", "Entity type", "code"),
        ("status", "登记状态", "Registration status", "code"),
        ("established_on", "成立日期", "Founded on", "day"),
        ("registered_capital_fen", "注册资本", "Registered capital", "fen"),
        ("paid_in_capital_fen", "实缴资本", "Paid-in capital", "fen"),
        (
            "linked_struck_off",
            "与吊销企业同址或同法人",
            "Address or representative of a struck-off firm",
            "flag",
        ),
    ),
    "vat_declarations": (
        ("months", "所属期月数", "Months covered", "months"),
        ("filing", "申报方式", "How often VAT is filed", "code"),
        ("taxable_sales_fen", "应税销售额", "Taxable sales", "fen"),
        ("exempt_sales_fen", "免税销售额", "Exempt sales", "fen"),
        ("output_tax_fen", "销项税额", "Output tax", "fen"),
        ("input_tax_fen", "进项税额", "Input tax", "fen"),
        ("payable_fen", "应纳税额", "Tax payable", "fen"),
        ("paid_fen", "已缴税额", "Tax paid", "fen"),
        ("due_on", "申报期限", "Due on", "day"),
        ("filed_on", "申报日期", "Filed on", "day"),
    ),
    "income_tax_returns": (
        ("kind", "预缴或汇算清缴", "Prepayment or annual settlement", "code"),
        ("revenue_fen", "本年累计营业收入", "Revenue of the year to date", "fen"),
        ("profit_fen", "本年累计利润总额", "Profit of the year to date", "fen"),
        ("payable_fen", "应纳所得税额", "Income tax payable", "fen"),
        ("paid_fen", "已缴所得税额", "Income tax paid", "fen"),
        ("due_on", "申报期限", "Due on", "day"),
        ("filed_on", "申报日期", "Filed on", "day"),
    ),
    "invoice_months": (
        ("direction", "销项或进项", "Sales or purchases", "code"),
        ("invoices", "有效正数发票份数", "Valid positive invoices", "count"),
        ("amount_fen", "不含税金额", "Amount without tax", "fen"),
        ("tax_fen", "税额", "Tax", "fen"),
        ("void_invoices", "作废发票份数", "Void invoices", "count"),
        ("red_invoices", "红字发票份数", "Red-letter invoices", "count"),
        ("red_amount_fen", "红字发票金额", "Red-letter amount", "fen"),
        ("counterparties", "交易对手数", "Counterparties", "count"),
        ("top1_amount_fen", "最大交易对手金额", "Largest counterparty's amount", "fen"),
        ("top5_amount_fen", "前五大交易对手金额", "Five largest counterparties' amount", "fen"),
        ("hhi", "交易对手集中度", "Counterparty concentration (Herfindahl)", "share"),
    ),
    "tax_standing": (
        ("taxpayer_grade", "纳税信用等级", "Taxpayer grade", "code"),
        ("taxpayer_kind", "纳税人类型", "Taxpayer kind", "code"),
        ("arrears_fen", "欠税金额", "Tax arrears", "fen"),
        ("arrears_days", "欠税天数", "Days of the oldest arrear", "days"),
    ),
    "tax_events": (
        ("kind", "违法、处罚或退税", "Violation, penalty or refund", "code"),
        ("occurred_on", "发生日期", "Occurred on", "day"),
        ("severity", "严重程度", "Severity", "code"),
        ("amount_fen", "涉及金额", "Amount", "fen"),
        ("ended_on", "办结日期", "Settled on", "day"),
    ),
    "payroll_months": (
        ("headcount", "参保人数", "Insured headcount", "count"),
        ("base_fen", "缴费基数总额", "Sum of contribution bases", "fen"),
        ("due_fen", "应缴金额", "Contributions due", "fen"),
        ("paid_fen", "实缴金额", "Contributions paid", "fen"),
        ("due_on", "缴费期限", "Due on", "day"),
        ("paid_on", "缴费日期", "Paid on", "day"),
        ("joiners", "新增参保人数", "Joiners", "count"),
        ("leavers", "减少参保人数", "Leavers", "count"),
    ),
    "fund_months": (
        ("headcount", "公积金缴存人数", "Covered by the housing fund", "count"),
        ("due_fen", "应缴存额", "Deposits due", "fen"),
        ("paid_fen", "实缴存额", "Deposits paid", "fen"),
        ("due_on", "缴存期限", "Due on", "day"),
        ("paid_on", "缴存日期", "Paid on", "day"),
    ),
    "meter_months": (
        ("kind", "电、水或气", "Electricity, water or gas", "code"),
        ("usage", "用量", "Usage", "kWh_or_m3"),
        ("night_usage", "夜间用电量", "Usage at night", "kWh_or_m3"),
        ("weekend_usage", "周末用电量", "Usage at weekends", "kWh_or_m3"),
        ("amount_fen", "账单金额", "Bill", "fen"),
        ("due_on", "缴费期限", "Due on", "day"),
        ("paid_on", "缴费日期", "Paid on", "day"),
        ("method", "缴费方式", "Payment method", "code"),
        ("read_quality", "抄表质量", "Read quality", "code"),
        ("disconnected", "当月停供", "Disconnected in the month", "flag"),
    ),
    "credit_events": (
        ("kind", "事件类型", "Kind of event", "code"),
        ("occurred_on", "发生日期", "Occurred on", "day"),
        ("severity", "严重程度", "Severity", "code"),
        ("amount_fen", "涉及金额", "Amount", "fen"),
        ("ended_on", "终止日期", "Ended on", "day"),
    ),
    "contract_months": (
        ("signed", "签订合同数", "Contracts signed", "count"),
        ("performed", "履行合同数", "Contracts performed", "count"),
        ("breached", "违约合同数", "Contracts breached", "count"),
        ("signed_fen", "签订合同金额", "Amount signed", "fen"),
        ("performed_fen", "履行合同金额", "Amount performed", "fen"),
        ("breached_fen", "违约合同金额", "Amount breached", "fen"),
        ("government_due_fen", "政府单位当月应付款", "Due from public bodies", "fen"),
        ("government_late_fen", "政府单位逾期未付款", "Paid late by public bodies", "fen"),
    ),
    "property_grants": (
        ("kind", "知识产权类型", "Kind of property", "code"),
        ("granted", "授权数量", "Granted", "count"),
    ),
    "shipment_months": (
        ("shipments", "发货次数", "Shipments", "count"),
        ("tonnes", "货运重量", "Tonnes shipped", "tonnes"),
        ("stored_tonnes", "日均库存重量", "Tonnes in store on an average day", "tonnes"),
    ),
    "customs_months": (
        ("direction", "出口或进口", "Exports or imports", "code"),
        ("declarations", "报关单数", "Customs declarations", "count"),
        ("amount_fen", "完税价格", "Customs value", "fen"),
        ("faults", "改单退单数", "Declarations corrected or refused", "count"),
    ),
}

ITEMS: dict[str, tuple[Item, ...]] = {frame: tuple(Item(frame, *row) for row in rows) for frame, rows in _ROWS.items()}
"""Record frame -> its items, in the order of the frame's columns."""
