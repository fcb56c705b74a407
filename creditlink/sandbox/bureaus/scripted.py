"""Scripted rows at the bureaus of taxes and supplies, by month: what their golden wire files are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from creditlink.engine.vocabulary import SUPPLIES
from creditlink.kit.clock import add_months

Values = dict[str, object]
Scripted = Callable[[date, int], Iterator[Values]]
"""Yields the rows of a month: its first day, and its place, from 0. A row may have a period and a day of its own."""

_QUARTER = 3


def _declarations(period: date, place: int) -> Iterator[Values]:
    """Yield one month, several occasions of one month, one quarter with exempt sales, one month not filed: in turn."""
    filing = ("monthly", "occasion", "quarterly", "monthly")[place % 4]
    if filing == "quarterly":
        period = date(period.year, (period.month - 1) // _QUARTER * _QUARTER + 1, 1)
    months = _QUARTER if filing == "quarterly" else 1
    due_on = add_months(period, months) + timedelta(days=14)
    row: Values = {"period": period, "months": months, "filing": filing, "due_on": due_on, "known_on": due_on}
    if place % 4 == _QUARTER:
        yield row
        return
    exempt = 1_000_000 if filing == "quarterly" else 0
    amounts = {"taxable_sales_fen": 5_000_000 + place, "exempt_sales_fen": exempt, "output_tax_fen": 650_000}
    paid = {"input_tax_fen": 400_000, "payable_fen": 250_000, "paid_fen": 250_000 if place else 0}
    yield {**row, **amounts, **paid, "filed_on": due_on - timedelta(days=4)}


def _returns(period: date, place: int) -> Iterator[Values]:
    """Yield a prepayment for each quarter that begins; with the first, the settlement of the next year: a refund."""
    if period.month % _QUARTER != 1:
        return
    due_on = add_months(period, _QUARTER) + timedelta(days=14)
    amounts = {"revenue_fen": 15_000_000 + place, "profit_fen": -120_050, "payable_fen": 0, "paid_fen": 0}
    days = {"due_on": due_on, "filed_on": due_on - timedelta(days=3), "known_on": due_on}
    yield {"kind": "prepayment", **amounts, **days}
    if place < _QUARTER:
        year = date(period.year + 1, 1, 1)
        settled = {"revenue_fen": 60_000_000, "profit_fen": 2_400_000, "payable_fen": -35_000, "paid_fen": -35_000}
        last = date(year.year + 1, 5, 31)
        ends = {"due_on": last, "filed_on": last - timedelta(days=9), "known_on": last}
        yield {"period": year, "kind": "settlement", **settled, **ends}


def _invoices(_period: date, place: int) -> Iterator[Values]:
    """Yield one or two invoices a month, now and then one in red letters or void, and purchases every other month."""
    odd, red = place % 2, int(place % 4 == 1)
    net, back = 2_400_000 + 100_000 * odd, 50_000 * red
    tax = (net - back) * 13 // 100
    sold = {"invoices": 1 + odd, "counterparties": 1 + odd, "amount_fen": net - back, "tax_fen": tax}
    yield {"direction": "output", **sold, "void_invoices": odd, "red_invoices": red, "red_amount_fen": back}
    if odd:
        bought = {"invoices": 1, "counterparties": 1, "amount_fen": 1_100_000, "tax_fen": 143_000}
        yield {"direction": "input", **bought, "void_invoices": 0, "red_invoices": 0, "red_amount_fen": 0}


def _standing(_period: date, place: int) -> Iterator[Values]:
    grade = ("A", "B", "M", "C")[place % 4]
    arrears: Values = {"arrears_fen": 12_550, "arrears_days": 9} if place % 2 else {"arrears_fen": 0, "arrears_days": 0}
    yield {"taxpayer_grade": grade, "taxpayer_kind": "general" if place % 2 else "small_scale", **arrears}


def _events(period: date, place: int) -> Iterator[Values]:
    """Yield a violation, a penalty or a refund: the first without an amount, and open."""
    kind = ("violation", "penalty", "refund")[place % 3]
    day = period + timedelta(days=8)
    amount = None if kind == "violation" else 200_000 + place
    ended_on = day + timedelta(days=10) if kind == "penalty" else None
    severity = 1 if kind == "refund" else 1 + place % 3
    yield {"kind": kind, "occurred_on": day, "severity": severity, "amount_fen": amount, "ended_on": ended_on}


def _meters(period: date, place: int) -> Iterator[Values]:
    """Yield a month of each supply: electricity by an interval meter; of each, one not read, one cut off."""
    due_on = add_months(period, 1) + timedelta(days=19)
    read = place % 4 != 1
    for number, kind in enumerate(SUPPLIES):
        usage = 1_200.5 + 10 * place + number if read else None
        parts = {"night_usage": 300.25, "weekend_usage": 150.0} if read and kind == "electricity" else {}
        yield {
            "kind": kind, "usage": usage, "night_usage": None, "weekend_usage": None, **parts,
            "amount_fen": 96_040 + place, "due_on": due_on,
            "paid_on": due_on - timedelta(days=5) if place % 3 else None,
            "method": ("direct_debit", "transfer", "cash")[place % 3],
            "read_quality": "actual" if read else "estimated", "disconnected": place % 4 == 3,
        }  # fmt: skip


SCRIPT: dict[str, Scripted] = {
    "vat_declarations": _declarations,
    "income_tax_returns": _returns,
    "invoice_months": _invoices,
    "tax_standing": _standing,
    "tax_events": _events,
    "meter_months": _meters,
}
"""Frame -> its rows of a month."""

CORRECTED: dict[str, Values] = {
    "vat_declarations": {"paid_fen": 250_000},
    "tax_standing": {"arrears_fen": 0, "taxpayer_grade": "A"},
    "tax_events": {"ended_on": date(2024, 4, 30)},
    "meter_months": {"paid_on": date(2024, 4, 20)},
}
"""Frame -> what a later version of a row says anew; the other frames have none: an invoice is never corrected."""
