"""What to do about an indicator, in words that an owner acts on, and when the records show it. Pure."""

from __future__ import annotations

import re

_HABIT = 12  # months: of a habit over three years, what is asked for next

_STEPS: tuple[tuple[str, str, str], ...] = (
    (
        r"tax_(late_filings|days_late|unfiled)_\d+|tax_filed_share_\d+",
        "接下来 {n} 个月的增值税每期都在申报期限内申报；有漏报的先补报",
        "File each VAT return of the next {n} months by its due day; first file what is still open",
    ),
    (
        r"income_tax_late_.*",
        "接下来 {n} 个月的企业所得税预缴和汇算清缴都在期限内申报",
        "File each income-tax return of the next {n} months by its due day",
    ),
    (
        r"tax_arrears_.*",
        "缴清欠税；之后每期税款按期足额缴纳",
        "Pay the tax that is owed; then pay each tax in full by its due day",
    ),
    (
        r"tax_paid_share_\d+",
        "接下来 {n} 个月的税款每期足额缴纳",
        "Pay each tax of the next {n} months in full",
    ),
    (
        r"tax_violations_open",
        "到税务部门办结未了的违法事项，并取得办结证明",
        "Put open violations right with the tax office, and have it close them",
    ),
    (
        r"contributions_(late|days_late|worst_days_late|days_ahead)_.*",
        "接下来 {n} 个月的社保费每月都在期限内缴纳；可签约银行代扣",
        "Pay the social-security contributions of each of the next {n} months by the due day; a direct debit does it",
    ),
    (
        r"contributions_unpaid_fen",
        "补缴所欠社保费",
        "Pay the social-security contributions that are owed",
    ),
    (
        r"insured_gap_\d+",
        "连续 {n} 个月为员工参保，不断缴",
        "Keep staff insured for {n} months without a gap",
    ),
    (
        r"headcount.*|contribution_base_growth_\d+",
        "为全部在职员工足额参保；新招员工当月参保",
        "Insure everyone who works for you at their full wage, new staff from their first month",
    ),
    (
        r"housing_fund_coverage|fund_headcount_change_\d+",
        "为参保员工都缴存住房公积金",
        "Pay into the housing fund for everyone who is insured",
    ),
    (
        r"fund_(late|days_ahead).*",
        "接下来 {n} 个月的公积金每月在期限前缴存",
        "Deposit to the housing fund before the due day in each of the next {n} months",
    ),
    (r"fund_unpaid_fen", "补缴所欠公积金", "Pay the housing-fund deposits that are owed"),
    (
        r"bills_(late|days_late|worst_days_late|days_ahead|on_time_share).*",
        "接下来 {n} 个月的水、电、气费在期限前缴清；可签约代扣",
        "Pay the electricity, water and gas bills of the next {n} months before their due day; a direct debit does it",
    ),
    (r"bills_unpaid_fen", "缴清所欠水、电、气费", "Pay the electricity, water and gas bills that are owed"),
    (
        r"direct_debit.*",
        "与供电、供水、燃气公司签约代扣，接下来 {n} 个月都由代扣缴费",
        "Sign a direct debit with the electricity, water and gas companies, and let it pay for {n} months",
    ),
    (
        r"disconnections_\d+",
        "按期缴费，{n} 个月内不发生停供",
        "Pay in time, so that nothing is cut off for {n} months",
    ),
    (
        r"(electricity|water|gas)_(growth|trend|idle).*|energy_capacity_score|capacity_utilisation|night_share_change_\d+",
        "随生产而变：恢复或扩大生产后，{n} 个月内逐步显现",
        "It follows production: it shows within {n} months once more is produced",
    ),
    (
        r"sales_.*|invoiced_12_fen|invoices_\d+|invoice_active_months_\d+|months_since_invoice",
        "如实开票并申报全部销售；销售额连续 {n} 个月达到目标",
        "Invoice and declare all sales, and hold sales at the target for {n} months",
    ),
    (
        r"profit_margin.*|loss_quarters_share_\d+",
        "提高毛利、压降费用，接下来 {n} 个月的季度申报保持盈利",
        "Raise the margin or cut costs, so that the quarters of the next {n} months show a profit",
    ),
    (
        r"buyers_\d+",
        "接下来 {n} 个月向更多客户销售",
        "Sell to more customers over the next {n} months",
    ),
    (
        r"buyer_.*",
        "开发新客户，接下来 {n} 个月降低对最大客户的依赖",
        "Win further customers, so that the largest take less over the next {n} months",
    ),
    (
        r"supplier.*",
        "接下来 {n} 个月向更多供应商采购",
        "Buy from more suppliers over the next {n} months",
    ),
    (
        r"(void|red_letter)_.*",
        "开票前核对信息，接下来 {n} 个月减少作废和红字发票",
        "Check each invoice before it goes out, so that fewer are voided or reversed in the next {n} months",
    ),
    (
        r"declared_to_invoiced_gap",
        "接下来 {n} 个月的申报与开票一致；有差异的更正申报",
        "Declare what you invoiced in each of the next {n} months, and correct the returns that differ",
    ),
    (
        r"paid_in_.*",
        "股东补足实缴资本，并到登记机关变更、公示",
        "Have the owners pay in capital, and have the registrar record it",
    ),
    (
        r"intellectual_property_\d+",
        "申请专利、商标或软件著作权；获得授权后计入",
        "Apply for patents, trademarks or software copyrights; each counts once it is granted",
    ),
    (
        r"contracts_.*",
        "签订的合同到备案部门登记，并按约履行，持续 {n} 个月",
        "Have contracts registered and perform them as agreed, for {n} months",
    ),
    (
        r"shipment.*|stock_cover_\d+",
        "稳定发货、加快库存周转，持续 {n} 个月",
        "Ship steadily and turn stock over faster, for {n} months",
    ),
    (
        r"exports_growth_\d+",
        "随出口而变：出口恢复或扩大并如实报关后，{n} 个月内逐步显现",
        "It follows exports: it shows within {n} months once more is exported and declared in full",
    ),
    (
        r"foreign_trade_12_fen|customs_fault_share_\d+",
        "如实报关，申报前核对单证，持续 {n} 个月",
        "Declare to customs in full, with papers checked first, for {n} months",
    ),
    (
        r"enforcements_open_fen",
        "履行生效法律文书，并请法院出具结案证明",
        "Pay what the court ordered, and have it close the case",
    ),
)
_KNOWN = tuple((re.compile(pattern), zh, en) for pattern, zh, en in _STEPS)


def step_of(indicator: str, months: int) -> tuple[str, str] | None:
    """Return what to do about an indicator, in zh and en; None where there are no words for it.

    Parameters
    ----------
    months : of the indicator's window; 0: it looks at one moment.
    """
    asked = _HABIT if "habit" in indicator else max(months, 1)
    for pattern, zh, en in _KNOWN:
        if pattern.fullmatch(indicator):
            return zh.format(n=asked), en.format(n=asked)
    return None


def shows_when(months: int) -> tuple[str, str]:
    """Return when the records show what was done, in zh and en."""
    if months <= 1:
        return "主管机关更新后，下一次画像即显现", "It shows in the next profile after the office has recorded it"
    return (
        f"从下个月的数据起逐步显现，满 {months} 个月后完全显现",
        f"It begins to show with next month's records, and shows in full after {months} months",
    )
