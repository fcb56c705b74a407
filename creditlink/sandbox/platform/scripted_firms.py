"""The scripted firms of the developers' pages: their records at the offices, and their people at the platform.

Every row follows from the month alone: the same firms say the same in every sandbox, whatever city lies beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.kit.clock import add_months
from creditlink.portal.developers.script import FIRMS, ScriptedFirm
from creditlink.sandbox.city.write import FIRMS_SCHEMA

PART = "part-scripted.parquet"
"""The file of each frame's folder that holds these firms' rows, beside the city's own."""

FIRST_NUMBER = 1_900_000_000
"""The firms' numbers, far beyond those of any city."""

_MONTHS = {"steady": 48, "listed": 48, "quarterly": 48, "thin": 5, "none": 0}
_QUARTER = 3

Values = dict[str, object]
RowsOf = Callable[[ScriptedFirm, date, int], Iterator[Values]]
"""Yields a firm's rows of a month: its first day, and its place, from 0."""


def write_scripted_firms(city: Path, *, until: date) -> None:
    """Write the firms' rows into the folder of a city, up to the month `until`; offices say what is known of it.

    A folder that is no city yet becomes one of these firms alone.
    """
    numbers = {firm.slug: FIRST_NUMBER + place for place, firm in enumerate(FIRMS)}
    frames: dict[str, tuple[list[Values], dict[str, pl.DataType | type[pl.DataType]]]] = {
        "firms": (
            [
                {
                    "firm": numbers[firm.slug], "uscc": firm.uscc, "name_zh": firm.name, "name_en": firm.name_en,
                    "legal_representative": "陈伟明",
                }
                for firm in FIRMS
            ],
            dict(FIRMS_SCHEMA),
        ),
        "registration": ([_registration(firm, numbers[firm.slug], until) for firm in FIRMS], _schema("registration")),
    }  # fmt: skip
    for name, rows_of in _ROWS.items():
        rows = [
            {"firm": numbers[firm.slug], "period": period, **row}
            for firm in FIRMS
            for place, period in _months(firm, until)
            for row in rows_of(firm, period, place)
        ]
        frames[name] = (rows, _schema(name))
    for name in FRAME_SCHEMAS:
        values, schema = frames.get(name, ([], _schema(name)))
        _write(city / name / PART, pl.DataFrame(values, schema=schema))
    _write(city / "firms" / PART, pl.DataFrame(frames["firms"][0], schema=frames["firms"][1]))
    if not (city / "manifest.json").exists():
        (city / "manifest.json").write_text(json.dumps({"seed": 1}))


def _schema(name: str) -> dict[str, pl.DataType | type[pl.DataType]]:
    return dict(FRAME_SCHEMAS[name])


def _write(path: Path, frame: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)


def _months(firm: ScriptedFirm, until: date) -> Iterator[tuple[int, date]]:
    count = _MONTHS[firm.records]
    for place in range(count):
        yield place, add_months(until, place - count + 1)


def _registration(firm: ScriptedFirm, number: int, until: date) -> Values:
    young = firm.records in ("thin", "none")
    return {
        "firm": number, "industry": "H62" if firm.records == "quarterly" else "C33", "region": "440606",
        "entity_type": "company", "status": "active", "established_on": add_months(until, -7 if young else -120),
        "registered_capital_fen": 500_000_000, "paid_in_capital_fen": 500_000_000, "linked_struck_off": False,
    }  # fmt: skip


def _sales_fen(period: date) -> int:
    """Return a month's sales: 800,000 yuan, a little more each year, less around the New Year."""
    season = {1: 94, 2: 86, 12: 106}.get(period.month, 100)
    return 800_000 * season * (100 + 4 * (period.year - 2020)) // 100


def _declarations(firm: ScriptedFirm, period: date, place: int) -> Iterator[Values]:
    by_quarter = firm.records == "quarterly"
    if by_quarter and (period.month % _QUARTER or place < _QUARTER - 1):
        return
    months = _QUARTER if by_quarter else 1
    first = add_months(period, 1 - months)
    sales = sum(_sales_fen(add_months(first, one)) for one in range(months))
    output, inputs = sales * 13 // 100, sales * 9 // 100
    due_on = add_months(period, 1) + timedelta(days=14)
    filed_on = due_on - timedelta(days=6)
    yield {
        "period": first, "months": months, "filing": "quarterly" if by_quarter else "monthly",
        "taxable_sales_fen": sales, "exempt_sales_fen": 0, "output_tax_fen": output, "input_tax_fen": inputs,
        "payable_fen": output - inputs, "paid_fen": output - inputs, "due_on": due_on, "filed_on": filed_on,
        "known_on": filed_on,
    }  # fmt: skip


def _returns(_firm: ScriptedFirm, period: date, place: int) -> Iterator[Values]:
    """Yield the prepayment of each quarter, in its last month, and in December the settlement of the year."""
    if period.month % _QUARTER or place < _QUARTER - 1:
        return
    months = min(period.month, place + 1)
    revenue = sum(_sales_fen(add_months(period, -one)) for one in range(months))
    profit = revenue * 8 // 100
    kinds = [("prepayment", add_months(period, 1 - _QUARTER), add_months(period, 1) + timedelta(days=14))]
    if period.month == 12 and place >= 11:
        kinds.append(("settlement", date(period.year, 1, 1), date(period.year + 1, 5, 31)))
    for kind, first, due_on in kinds:
        paid = profit // 4 if kind == "prepayment" else 0
        filed_on = due_on - timedelta(days=6)
        yield {
            "period": first, "kind": kind, "revenue_fen": revenue, "profit_fen": profit, "payable_fen": paid,
            "paid_fen": paid, "due_on": due_on, "filed_on": filed_on, "known_on": filed_on,
        }  # fmt: skip


def _invoices(_firm: ScriptedFirm, period: date, _place: int) -> Iterator[Values]:
    for direction, share in (("output", 100), ("input", 69)):
        amount = _sales_fen(period) * share // 100
        yield {
            "direction": direction, "invoices": 40, "amount_fen": amount, "tax_fen": amount * 13 // 100,
            "void_invoices": 0, "red_invoices": 0, "red_amount_fen": 0, "counterparties": 16,
            "top1_amount_fen": amount // 6, "top5_amount_fen": amount // 2, "hhi": 0.09,
            "known_on": add_months(period, 1),
        }  # fmt: skip


def _standing(firm: ScriptedFirm, period: date, _place: int) -> Iterator[Values]:
    grade = {"thin": "M", "listed": "C"}.get(firm.records, "A")
    yield {
        "taxpayer_grade": grade, "taxpayer_kind": "general", "arrears_fen": 0, "arrears_days": 0,
        "known_on": add_months(period, 1),
    }  # fmt: skip


def _payroll(_firm: ScriptedFirm, period: date, _place: int) -> Iterator[Values]:
    due_on = add_months(period, 1) + timedelta(days=14)
    paid_on = due_on - timedelta(days=8)
    yield {
        "headcount": 26, "base_fen": 26 * 620_000, "due_fen": 26 * 161_200, "paid_fen": 26 * 161_200, "due_on": due_on,
        "paid_on": paid_on, "joiners": 0, "leavers": 0, "known_on": paid_on,
    }  # fmt: skip


def _meters(_firm: ScriptedFirm, period: date, _place: int) -> Iterator[Values]:
    usage = _sales_fen(period) / 4_000.0 / 10
    due_on = add_months(period, 1) + timedelta(days=19)
    paid_on = due_on - timedelta(days=12)
    yield {
        "kind": "electricity", "usage": usage, "night_usage": usage * 0.2, "weekend_usage": usage * 0.15,
        "amount_fen": int(usage * 70), "due_on": due_on, "paid_on": paid_on, "method": "direct_debit",
        "read_quality": "actual", "disconnected": False, "known_on": paid_on,
    }  # fmt: skip


def _credit_events(firm: ScriptedFirm, period: date, place: int) -> Iterator[Values]:
    """Yield, for the listed firm, one entry a year ago that still stands."""
    if firm.records == "listed" and place == _MONTHS["listed"] - 12:
        day = period + timedelta(days=9)
        yield {
            "kind": "dishonest_debtor", "occurred_on": day, "severity": 3, "amount_fen": 120_000_000, "ended_on": None,
            "known_on": day + timedelta(days=3),
        }  # fmt: skip


_ROWS: dict[str, RowsOf] = {
    "vat_declarations": _declarations,
    "income_tax_returns": _returns,
    "invoice_months": _invoices,
    "tax_standing": _standing,
    "payroll_months": _payroll,
    "meter_months": _meters,
    "credit_events": _credit_events,
}
"""Frame -> its rows of a month; in the other frames these firms have none."""
