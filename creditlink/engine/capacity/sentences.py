"""The sentences of a capacity's derivation, in Chinese and English."""

from __future__ import annotations

from creditlink.engine.capacity.settings import OTHERWISE
from creditlink.engine.explanation.sentences import value_text

Texts = tuple[str, str]


def money(fen: int) -> Texts:
    """Return an amount in words."""
    return value_text("", fen, "fen")


def share(ratio: float) -> Texts:
    """Return a share in words."""
    return value_text("", ratio, "ratio")


def sales(fen: int) -> Texts:
    """Return what a month sells."""
    zh, en = money(fen)
    return f"近12个月月均销售额{zh}（不含增值税）。", f"Mean monthly sales of 12 months: {en}, net of VAT."


def course(fall: float) -> Texts:
    """Return how a fall of sales is carried forward."""
    zh, en = share(fall)
    return (
        f"近3个月销售额同比下降{zh}，按同等幅度下调月均销售额。",
        f"Sales of the last 3 months lie {en} below the same months a year ago: the fall is carried forward.",
    )


def steady() -> Texts:
    """Return that sales do not fall; a rise is not counted on."""
    return (
        "近3个月销售额未同比下降；增长部分不计入。",
        "Sales do not fall against a year ago; a rise is not counted on.",
    )


def course_unknown() -> Texts:
    """Return that the course of sales is not known."""
    return (
        "缺少上年同期销售额，无法判断近期走势；如有下降，额度会更低。",
        "Sales of a year ago are not known, nor therefore the recent course: a fall would lower the limit.",
    )


def margin_known(margin: float, cash_fen: int) -> Texts:
    """Return what the firm's own returns leave of its sales."""
    part, amount = share(margin), money(cash_fen)
    return (
        f"企业所得税预缴申报利润率{part[0]}（取最近一期与24个月平均中较低者），税前利润每月{amount[0]}；"
        "工资、能源等成本已在其中扣除。",
        f"Profit margin of {part[1]} by the income-tax prepayments (the lower of the newest and of 24 months' mean), "
        f"{amount[1]} a month before income tax. Payroll, energy and other costs are already inside it.",
    )


def margin_assumed(margin: float, cash_fen: int, section: str) -> Texts:
    """Return that the industry's margin stands in for the firm's own."""
    part, amount = share(margin), money(cash_fen)
    of = ("通用", "general") if section == OTHERWISE else (f"{section}门类行业", f"section {section}'s")
    return (
        f"没有企业所得税预缴申报，按{of[0]}保守默认利润率{part[0]}计算，每月{amount[0]}，已是税后、付薪、付能源费之后；"
        "取得申报后额度可升可降。",
        f"No income-tax prepayment is known: {of[1]} cautious default margin of {part[1]} stands in, {amount[1]} a "
        "month, after income tax, payroll and energy. A return could raise or lower the limit.",
    )


def income_tax(fen: int) -> Texts:
    """Return what income tax takes."""
    zh, en = money(fen)
    return f"近12个月缴纳企业所得税月均{zh}。", f"Income tax paid with the returns of 12 months: {en} a month."


def income_tax_inside() -> Texts:
    """Return that the assumed margin is after income tax."""
    return (
        "未取得所得税申报；默认利润率已是税后，不再扣减。实际税负更高时额度会更低。",
        "No income-tax return is known; the default margin is after income tax, so nothing is subtracted. A heavier "
        "tax would lower the limit.",
    )


def vat(fen: int) -> Texts:
    """Return that VAT passes through."""
    zh, en = money(fen)
    return (
        f"月均缴纳增值税{zh}：销售额不含增值税，税款由客户承担，不再扣减。",
        f"VAT of {en} a month passes through: sales are net of it, the customer pays it, nothing is subtracted again.",
    )


def vat_unknown() -> Texts:
    """Return that VAT is not known, which changes nothing."""
    return (
        "未取得增值税缴纳记录；销售额不含增值税，不影响额度。",
        "VAT paid is not known; sales are net of it, so the limit does not depend on it.",
    )


def payroll(base_fen: int, cost_fen: int, employer_share: float) -> Texts:
    """Return what staff cost, inside the margin."""
    base, cost, part = money(base_fen), money(cost_fen), share(employer_share)
    return (
        f"用工成本每月{cost[0]}（月均缴费基数{base[0]}加单位缴费{part[0]}），已在利润率内。",
        f"Staff cost {cost[1]} a month (contribution base {base[1]} and the employer's {part[1]}): inside the margin.",
    )


def energy(fen: int) -> Texts:
    """Return what energy costs, inside the margin."""
    zh, en = money(fen)
    return (
        f"水电气账单月均{zh}，已在利润率内。",
        f"Bills of electricity, water and gas: {en} a month, inside the margin.",
    )


METERS: dict[str, Texts] = {
    "electricity": ("电费", "Bills of electricity are"),
    "water": ("水费", "Bills of water are"),
    "gas": ("燃气费", "Bills of gas are"),
}
"""How the bills of a meter kind are called at the head of `not_known`."""


def not_known(what: Texts, why: Texts) -> Texts:
    """Return that a cost is not known and could only lower the limit."""
    return (
        f"{what[0]}未知：{why[0]}。如超出利润率已含部分，额度会更低。",
        f"{what[1]} not known: {why[1]}. Beyond what the margin already pays for, it would lower the limit.",
    )


def beyond(excess_fen: int, known_fen: int, room_fen: int) -> Texts:
    """Return that known costs exceed what the margin can hold."""
    excess, known, room = money(excess_fen), money(known_fen), money(room_fen)
    return (
        f"已知用工与能源成本{known[0]}超出利润率所能包含的{room[0]}，再扣减{excess[0]}。",
        f"Known staff and energy costs of {known[1]} exceed the {room[1]} that the margin has room for: {excess[1]} "
        "more is subtracted.",
    )


def within(room_fen: int) -> Texts:
    """Return that known costs are inside the margin."""
    zh, en = money(room_fen)
    return (
        f"已知用工与能源成本未超出利润率所含的{zh}，不再扣减。",
        f"Known staff and energy costs lie within the {en} that the margin has room for: nothing more is subtracted.",
    )


def cash(fen: int) -> Texts:
    """Return what is left a month."""
    zh, en = money(fen)
    return f"月均可用现金{zh}。", f"Cash left in a mean month: {en}."


def stress(deviation: float, factor: float, fen: int, *, by_quarter: bool) -> Texts:
    """Return what a poor month leaves."""
    part, kept, amount = share(deviation), share(factor), money(fen)
    guessed = ("（按季度波动推算）", " (worked out from its quarters)") if by_quarter else ("", "")
    return (
        f"企业自身月销售额波动{part[0]}{guessed[0]}，压力情形下保留{kept[0]}，即每月{amount[0]}。",
        f"The firm's own sales vary by {part[1]} a month{guessed[1]}: a poor month keeps {kept[1]}, or {amount[1]}.",
    )


def no_stress() -> Texts:
    """Return that nothing is left to stress."""
    return "可用现金不为正，无需再做压力测算。", "No cash is left to be stressed."


def debt(loans: int, fen: int, owed_fen: int) -> Texts:
    """Return what the loans of the institution that asks take."""
    if not loans:
        return (
            "贵机构在本平台没有该企业未结清的贷款。",
            "Your institution has no loan to this firm outstanding on this platform.",
        )
    amount, owed = money(fen), money(owed_fen)
    return (
        f"贵机构在本平台对该企业未结清贷款{loans}笔，余额{owed[0]}，每月还本付息{amount[0]}。",
        f"Loans of your institution on this platform: {loans}, {owed[1]} outstanding, {amount[1]} a month.",
    )


def debt_elsewhere() -> Texts:
    """Return that debt to others is not known."""
    return (
        "其他机构的贷款未知：平台没有征信类数据，企业也未授权其他机构的贷款信息；如有负债，额度会更低。",
        "Debt to other lenders is not known: there is no category of credit records, and the firm granted no other "
        "lender's loans. Any would lower the limit.",
    )


def instalment(cover: float, fen: int) -> Texts:
    """Return what instalments may take."""
    zh, en = money(fen)
    return (
        f"按偿债覆盖倍数{cover:g}并扣除现有还款，每月可承担新增还款{zh}。",
        f"With a cover of {cover:g} and after present instalments, new ones may take {en} a month.",
    )


def limit(months: int, fen: int, instalment_fen: int, rate_bps: int, bound: str) -> Texts:
    """Return one term's limit; `bound` is what keeps it from being more: cash, sales or nothing_left."""
    amount, each, rate = money(fen), money(instalment_fen), share(rate_bps / 10_000)
    if fen == 0:
        return f"{months}个月：额度为0。", f"{months} months: the limit is 0."
    why = {"cash": ("受可用现金限制", "bound by cash"), "sales": ("受年销售额比例限制", "bound by the share of sales")}[
        bound
    ]
    return (
        f"{months}个月：{amount[0]}，年利率{rate[0]}等额本息每月{each[0]}，{why[0]}。",
        f"{months} months: {amount[1]}, {each[1]} a month in equal instalments at {rate[1]} a year, {why[1]}.",
    )


def nothing_left() -> Texts:
    """Return why every limit is zero: the firm keeps no cash."""
    return (
        "扣除成本与税费后没有正的可用现金，不能承担新增贷款，额度为0。",
        "After costs and tax no cash is left: the firm can bear no further loan, and the limit is 0.",
    )


def debt_takes_all() -> Texts:
    """Return why every limit is zero: present debt takes it."""
    return (
        "现有贷款已用尽可承担的还款或负债空间，额度为0。",
        "Present loans take all that instalments, or the share of sales, allow: the limit is 0.",
    )


def too_little() -> Texts:
    """Return why every limit is zero: less than the smallest step."""
    return (
        "可承担的金额不足一个取整单位，额度为0。",
        "What can be borne is less than one rounding step: the limit is 0.",
    )


def suggested(months: int, fen: int) -> Texts:
    """Return the suggestion in a sentence."""
    zh, en = money(fen)
    return (
        f"建议额度{zh}（{months}个月），仅供参考，不影响评分。",
        f"Suggested limit: {en} over {months} months; advice only, and no part of the score.",
    )


INSUFFICIENT: dict[str, Texts] = {
    "no_sales": ("销售额未知，无法测算还款能力：{0}。", "Sales are not known, so nothing can be derived: {1}."),
    "few_months": (
        "近12个月中有销售记录的月份不足6个月，无法测算还款能力。",
        "Fewer than 6 of the last 12 months have known sales: too little to derive a limit from.",
    ),
}
"""Why there is no number, by code."""
