"""A firm's capacity: from sales to cash, from cash to instalments, from instalments to a limit by term. Pure.

Nothing is subtracted twice. Sales are net of VAT, so VAT is not a cost. A profit margin by the tax return is after
payroll and energy and before income tax; an industry's default margin is after all three. Payroll and bills that are
known are therefore shown, and subtracted only as far as the margin cannot hold them.

Source: Measures for Working Capital Loans (National Financial Regulatory Administration, Decree 2024 No. 2): a limit
follows from the cash that repays it and from sales; the cover is lenders' practice (debt-service cover ratio).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from creditlink.engine.capacity import sentences
from creditlink.engine.capacity.debt import LoanHeld, annuity, service_fen
from creditlink.engine.capacity.evidence import CashEvidence
from creditlink.engine.capacity.sentences import Texts
from creditlink.engine.capacity.settings import CapacityTerms
from creditlink.engine.facts.frames import METER_KINDS
from creditlink.engine.rounding import whole_fen
from creditlink.engine.vocabulary import missing_words

ROLES = ("starts", "subtracts", "inside", "outside", "sums", "unknown")
"""What a line does: starts the sum, lowers it, is inside the margin already, does not count, is a sum, is not known."""

OWN_TERMS = "capacity.toml"
PLATFORM = "platform"


@dataclass(frozen=True)
class CapacityLine:
    """One line of the derivation, by month; `if_known` is how a line that is not known could move the limit."""

    name: str
    role: str
    amount_fen: int | None
    source: str  # a data category, `capacity.toml` or `platform`
    text_zh: str
    text_en: str
    share: float | None = None
    if_known: str | None = None  # lower | either | same


@dataclass(frozen=True)
class TermLimit:
    """The largest loan of one term; `bound` is what keeps it from being larger: cash, sales, or nothing_left."""

    term_months: int
    amount_fen: int
    instalment_fen: int
    bound: str
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class Capacity:
    """What a firm can bear. Without enough evidence every number is None and `reason` says why."""

    state: str  # derived | insufficient
    reason: str | None
    suggested_fen: int | None
    suggested_months: int | None
    cash_fen: int | None
    stressed_cash_fen: int | None
    debt_service_fen: int | None
    instalment_fen: int | None
    limits: tuple[TermLimit, ...]
    lines: tuple[CapacityLine, ...]
    terms: CapacityTerms
    text_zh: str
    text_en: str

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self)) | {
            "limits": [asdict(limit) for limit in self.limits],
            "lines": [asdict(line) for line in self.lines],
        }


def derive_capacity(
    known: CashEvidence,
    terms: CapacityTerms,
    *,
    loans: Sequence[LoanHeld] = (),
    missing: Mapping[str, str],
    asked_months: int | None = None,
) -> Capacity:
    """Return what a firm can bear.

    Parameters
    ----------
    loans : what it owes the institution that asks.
    missing : category -> why it gave nothing, as the profile has it.
    asked_months : the term asked for; None: that of the terms.
    """
    if known.sales_fen is None:
        why = missing_words(missing.get("tax", "no_record"))
        return _insufficient("no_sales", terms, why)
    if not known.months_suffice:
        return _insufficient("few_months", terms, ("", ""))
    lines, sales, cash = _cash(known, terms, missing)
    stressed = cash
    if cash > 0 and known.deviation is not None:
        # The mean of three months that vary by themselves varies by that much less than each of them.
        deviation = known.deviation * (math.sqrt(3) if known.by_quarter else 1)
        factor = round(math.exp(-terms["stress_deviations"] * deviation), 4)
        stressed = whole_fen(cash * factor)
        words = sentences.stress(deviation, factor, stressed, by_quarter=known.by_quarter)
        lines.append(_line("stress", "subtracts", cash - stressed, "tax", words, share=factor))
    else:
        lines.append(_line("stress", "subtracts", 0, "tax", sentences.no_stress()))
    owed, service = sum(loan["outstanding_fen"] for loan in loans), sum(service_fen(loan) for loan in loans)
    room = max(whole_fen(stressed / terms["cover"]) - service, 0)
    lines += [
        _line("debt_service", "subtracts", service, PLATFORM, sentences.debt(len(loans), service, owed)),
        _line("debt_elsewhere", "unknown", None, PLATFORM, sentences.debt_elsewhere(), if_known="lower"),
        _line("instalment", "sums", room, OWN_TERMS, sentences.instalment(terms["cover"], room), share=terms["cover"]),
    ]
    ceiling = max(whole_fen(sales * 12 * terms["most_of_sales"]) - owed, 0)
    limits = tuple(_limit(months, room, ceiling, terms) for months in terms["terms_months"])
    chosen = _chosen(limits, asked_months or terms["suggested_months"])
    if chosen.amount_fen:
        words = sentences.suggested(chosen.term_months, chosen.amount_fen)
    elif stressed <= 0:
        words = sentences.nothing_left()
    elif not room or not ceiling:
        words = sentences.debt_takes_all()
    else:
        words = sentences.too_little()
    return Capacity(
        "derived", None, chosen.amount_fen, chosen.term_months, cash, stressed, service, room, limits, tuple(lines),
        terms, *words,
    )  # fmt: skip


def _cash(known: CashEvidence, terms: CapacityTerms, missing: Mapping[str, str]) -> tuple[list[CapacityLine], int, int]:
    """Return the lines from sales to cash, the sales a month that count, and the cash that they leave."""
    first = max(known.sales_fen or 0, 0)
    lines = [_line("sales", "starts", first, "tax", sentences.sales(first))]
    fall = 0 if known.sales_growth is None else whole_fen(first * min(max(-known.sales_growth, 0.0), 1.0))
    if known.sales_growth is None:
        lines.append(_line("course", "unknown", None, "tax", sentences.course_unknown(), if_known="lower"))
    else:
        words = sentences.course(-known.sales_growth) if fall else sentences.steady()
        lines.append(_line("course", "subtracts", fall, "tax", words))
    sales = first - fall
    own = known.margin is not None
    margin = terms["margin"] if known.margin is None else known.margin
    earned = whole_fen(sales * margin)
    if own:
        lines.append(_line("margin", "sums", earned, "tax", sentences.margin_known(margin, earned), share=margin))
    else:
        words = sentences.margin_assumed(margin, earned, terms["section"])
        lines.append(_line("margin", "sums", earned, OWN_TERMS, words, share=margin, if_known="either"))
    tax = known.income_tax_fen or 0
    if own:
        lines.append(_line("income_tax", "subtracts", tax, "tax", sentences.income_tax(tax)))
    else:
        lines.append(_line("income_tax", "inside", None, "tax", sentences.income_tax_inside(), if_known="lower"))
    if known.vat_fen is None:
        lines.append(_line("vat", "unknown", None, "tax", sentences.vat_unknown(), if_known="same"))
    else:
        lines.append(_line("vat", "outside", known.vat_fen, "tax", sentences.vat(known.vat_fen)))
    costs, excess = _costs(known, terms, missing, sales, None if known.margin is None else margin)
    cash = earned - tax - excess
    return [*lines, *costs, _line("cash", "sums", cash, PLATFORM, sentences.cash(cash))], sales, cash


def _costs(
    known: CashEvidence, terms: CapacityTerms, missing: Mapping[str, str], sales: int, own_margin: float | None
) -> tuple[list[CapacityLine], int]:
    """Return the lines of payroll and energy, and what of them the margin cannot hold."""
    lines, paid, room = [], 0, 0.0
    if known.base_fen is None:
        why = missing_words(missing.get("social_security", "no_record"))
        words = sentences.not_known(("用工成本", "Staff costs are"), why)
        lines.append(_line("payroll", "unknown", None, "social_security", words, if_known="lower"))
    else:
        cost = whole_fen(known.base_fen * (1 + terms["employer_share"]))
        paid, room = paid + cost, room + sales * terms["payroll_share"]
        words = sentences.payroll(known.base_fen, cost, terms["employer_share"])
        lines.append(_line("payroll", "inside", cost, "social_security", words))
    withheld = _withheld(missing)
    if known.energy_fen is None:
        why = missing_words(missing.get("utility") or next(iter(withheld.values()), "no_record"))
        words = sentences.not_known(("水电气费用", "Bills of electricity, water and gas are"), why)
        lines.append(_line("energy", "unknown", None, "utility", words, if_known="lower"))
    else:
        paid, room = paid + known.energy_fen, room + sales * terms["energy_share"]
        lines.append(_line("energy", "inside", known.energy_fen, "utility", sentences.energy(known.energy_fen)))
        for kind, cause in withheld.items():
            words = sentences.not_known(sentences.METERS[kind], missing_words(cause))
            lines.append(_line(f"energy_{kind}", "unknown", None, "utility", words, if_known="lower"))
    if not paid:
        return lines, 0
    # By the firm's own return all but the profit is cost, of whatever kind.
    holds = max(whole_fen(room if own_margin is None else sales * (1 - own_margin)), 0)
    excess = max(paid - holds, 0)
    words = sentences.beyond(excess, paid, holds) if excess else sentences.within(holds)
    source = OWN_TERMS if own_margin is None else "tax"
    return [*lines, _line("costs_beyond_margin", "subtracts", excess, source, words)], excess


def _withheld(missing: Mapping[str, str]) -> dict[str, str]:
    """Return the meter kinds whose bills may exist and were not seen -> why; a firm without gas has no record of it."""
    return {kind: cause for kind in METER_KINDS if (cause := missing.get(kind, "no_record")) != "no_record"}


def _limit(months: int, instalment: int, ceiling: int, terms: CapacityTerms) -> TermLimit:
    factor, step = annuity(terms["rate_bps"], months), terms["round_to_fen"]
    by_cash = instalment * factor
    amount = math.floor(min(by_cash, ceiling) / step) * step
    each = whole_fen(amount / factor)
    bound = "nothing_left" if not amount else "cash" if by_cash <= ceiling else "sales"
    return TermLimit(months, amount, each, bound, *sentences.limit(months, amount, each, terms["rate_bps"], bound))


def _chosen(limits: Sequence[TermLimit], months: int) -> TermLimit:
    """Return the limit of the first term that is long enough, or of the longest."""
    return next((limit for limit in limits if limit.term_months >= months), limits[-1])


def _insufficient(code: str, terms: CapacityTerms, why: Texts) -> Capacity:
    zh, en = (text.format(*why) for text in sentences.INSUFFICIENT[code])
    return Capacity("insufficient", code, None, None, None, None, None, None, (), (), terms, zh, en)


def _line(
    name: str,
    role: str,
    amount_fen: int | None,
    source: str,
    words: Texts,
    *,
    share: float | None = None,
    if_known: str | None = None,
) -> CapacityLine:
    return CapacityLine(name, role, amount_fen, source, *words, share=share, if_known=if_known)
