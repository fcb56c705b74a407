"""The labels of the pages in Chinese and English, and codes of the claims in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from creditlink.engine.vocabulary import REGISTRATION_LABELS

_LABELS: Mapping[str, tuple[str, str]] = {
    "title": ("企业信用报告", "Credit report"),
    "recipient": ("提供给", "For"),
    "purpose": ("用途", "Purpose"),
    "made_at": ("出具时间", "Made on"),
    "valid_until": ("有效期至", "Valid until"),
    "made_by": ("出具方", "Made by"),
    "by_firm": ("企业自行出具", "the firm itself"),
    "grade": ("信用等级", "Grade"),
    "points": ("信用分", "Points"),
    "pd": ("12 个月违约概率", "Default within 12 months"),
    "interval": ("可信区间", "Interval"),
    "as_of": ("数据截至", "Data as of"),
    "profile": ("信用画像编号", "Credit profile"),
    "profile_until": ("画像有效期至", "Profile valid until"),
    "not_scorable": ("资料不足，未予评分", "Not scored: too little record"),
    "partial": ("部分数据缺失，等级已受限", "Some required data is missing; the grade is capped"),
    "firm": ("登记信息", "Registration"),
    "uscc": ("统一社会信用代码", "Unified social credit code"),
    "name": ("企业名称", "Name"),
    "industry": ("行业（GB/T 4754）", "Industry (GB/T 4754)"),
    "region": ("行政区划（GB/T 2260）", "Region (GB/T 2260)"),
    "entity_type": ("主体类型", "Form"),
    "status": ("登记状态", "Status"),
    "established_on": ("成立日期", "Founded on"),
    "registered_capital_fen": ("注册资本", "Registered capital"),
    "paid_in_capital_fen": ("实缴资本", "Paid-in capital"),
    "legal_representative": ("法定代表人", "Legal representative"),
    "operator": ("经营者", "Owner"),
    "address": ("住所", "Address"),
    "premises": ("经营场所", "Premises"),
    "scale": ("等级与违约概率", "Grades and probabilities of default"),
    "score": ("得分构成", "What makes up the score"),
    "base": ("起始分（尚无任何数据）", "Start: nothing known yet"),
    "calibration": ("校准", "Calibration"),
    "total": ("信用分", "Score"),
    "reasons": ("主要扣分因素", "What lowers the score"),
    "strengths": ("主要加分因素", "What raises the score"),
    "knock_outs": ("否决事项", "What rules out credit"),
    "human_review": ("须人工复核", "Needs review by a person"),
    "records": ("逐月记录", "Records month by month"),
    "month": ("月份", "Month"),
    "sales": ("申报销售额", "Declared sales"),
    "tax": ("已缴增值税", "VAT paid"),
    "headcount": ("参保人数", "Insured staff"),
    "electricity": ("用电量", "Electricity"),
    "wan": ("万元", "CNY 10k"),
    "people": ("人", "people"),
    "kwh": ("千瓦时", "kWh"),
    "coverage": ("数据来源", "What it was computed from"),
    "category": ("数据", "Data"),
    "answer": ("情况", "Answer"),
    "months": ("月数", "Months"),
    "span": ("起止", "From and to"),
    "contested": ("异议", "Disputed data"),
    "none_contested": ("出具时没有针对所用数据的异议。", "No data behind this report was disputed when it was made."),
    "open": ("处理中", "open"),
    "without_it": ("不计该数据时", "Without it"),
    "left_out": ("企业未提供的部分", "Left out by the firm"),
    "basis": ("计算依据", "Basis"),
    "model": ("模型", "Model"),
    "bundle": ("规则版本", "Rules"),
    "report": ("报告编号", "Report"),
    "digest": ("摘要（SHA-256）", "Digest (SHA-256)"),
    "verify": ("核验", "Verify"),
    "scan": ("扫码核验", "Scan to verify"),
    "verify_how": (
        "扫描二维码，或打开下列地址，即可核对本报告是否真实、是否仍然有效。附件 report.jws 为签名原文，可离线核验。",
        "Scan the code, or open the address below, to see whether this report is genuine and still valid. The attached "
        "report.jws is what was signed; it can be verified offline.",
    ),
    "note": (
        "本报告由 CreditLink 依据企业授权取得的数据计算，仅供所列对象用于所列用途，不构成担保或授信承诺。",
        "CreditLink computed this report from data that the firm agreed to share. It is for the recipient and purpose "
        "named above only, and neither a guarantee nor a promise of credit.",
    ),
    "mark": ("仅供{recipient}用于{purpose}", "Only for {recipient}: {purpose}"),
    "page": ("第 {n} / {of} 页", "Page {n} of {of}"),
    "quarterly": ("* 按季申报，一行为整季。", "* Filed by the quarter: the row is the whole quarter."),
}

_CODES: Mapping[str, tuple[str, str]] = {
    **REGISTRATION_LABELS,
    "delivered": ("已取得", "received"),
    "partial": ("部分取得", "received in part"),
    "not_granted": ("未授权", "not shared"),
    "not_requested": ("未查询", "not asked for"),
    "not_connected": ("未接入", "no source connected"),
    "pending": ("来源未回复", "not answered yet"),
    "no_record": ("来源无记录", "no record"),
    "denied": ("来源拒绝", "refused by the source"),
    "timeout": ("来源超时", "no answer in time"),
    "source_down": ("来源故障", "source down"),
    "uploaded": ("企业自行上传", "uploaded by the firm"),
}


def labels(language: str) -> dict[str, str]:
    """Return every label of the pages in a language."""
    return {name: both[language != "zh"] for name, both in _LABELS.items()}


def code(name: str | None, language: str) -> str:
    """Return a code of the claims in words; one without words as it is."""
    if name is None:
        return "–"
    both = _CODES.get(name)
    return both[language != "zh"] if both else name
