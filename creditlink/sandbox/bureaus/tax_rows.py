"""The tax bureau's rows: the city's declarations, returns, standing and events as the office writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from creditlink.kit.clock import add_months
from creditlink.kit.money import yuan_text
from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import day, rows_as
from creditlink.sandbox.bureaus.invoices import Invoice
from creditlink.sandbox.city.records import split

_FILINGS = {"monthly": "1", "quarterly": "2", "occasion": "3"}
_RETURNS = {"prepayment": "1", "settlement": "2"}
_EVENTS = {"violation": "1", "penalty": "2", "refund": "3"}
_MOST_OCCASIONS, _DAYS_APART = 3, 4


class DeclarationRow(NamedTuple):
    """One version of a VAT declaration, as the city records it; `occasion` tells those of one month apart."""

    firm: int
    period: date
    months: int
    filing: str
    taxable_sales_fen: int | None
    exempt_sales_fen: int | None
    output_tax_fen: int | None
    input_tax_fen: int | None
    payable_fen: int | None
    paid_fen: int | None
    due_on: date
    filed_on: date | None
    known_on: date
    version: int
    occasion: int


class ReturnRow(NamedTuple):
    """One version of a return of corporate income tax, as the city records it."""

    firm: int
    period: date
    kind: str
    revenue_fen: int | None
    profit_fen: int | None
    payable_fen: int | None
    paid_fen: int | None
    due_on: date
    filed_on: date | None
    known_on: date
    version: int


class StandingRow(NamedTuple):
    """One version of a taxpayer's standing in a month, as the city records it."""

    firm: int
    period: date
    taxpayer_grade: str
    taxpayer_kind: str
    arrears_fen: int | None
    arrears_days: int
    known_on: date
    version: int


class TaxEventRow(NamedTuple):
    """One version of a violation, penalty or refund, as the city records it."""

    firm: int
    period: date
    kind: str
    occurred_on: date
    severity: int
    amount_fen: int | None
    ended_on: date | None
    known_on: date
    version: int


Months = tuple[date, date]
"""First and last month of a range, both included."""


def declarations(frame: pl.DataFrame, asked: Months, seed: int) -> list[WireRow]:
    """Return the declarations whose last month was asked for; a month filed by occasion comes as several."""
    rows = [
        part
        for row in rows_as(frame.with_columns(occasion=pl.lit(0)), DeclarationRow)
        if asked[0] <= _last_month(row) <= asked[1]
        for part in _occasions(row, seed)
    ]
    return [_declaration(row) for row in sorted(rows, key=lambda row: (row.period, row.occasion, row.version))]


def returns(frame: pl.DataFrame, asked: Months, _seed: int) -> list[WireRow]:
    """Return the returns of income tax whose last month was asked for."""
    rows = rows_as(frame.sort("period", "kind", "version"), ReturnRow)
    return [_return(row) for row in rows if asked[0] <= _end(row) <= asked[1]]


def standings(frame: pl.DataFrame, asked: Months, _seed: int) -> list[WireRow]:
    """Return the standing of the months that were asked for."""
    return [_standing(row) for row in rows_as(frame, StandingRow) if asked[0] <= row.period <= asked[1]]


def events(frame: pl.DataFrame, asked: Months, _seed: int) -> list[WireRow]:
    """Return the events of the months that were asked for, by day."""
    rows = rows_as(frame.sort("occurred_on", "kind", "version"), TaxEventRow)
    return [_event(row) for row in rows if asked[0] <= row.period <= asked[1]]


MADE_FROM: dict[str, tuple[str, Callable[[pl.DataFrame, Months, int], list[WireRow]]]] = {
    "zzssb": ("vat_declarations", declarations),
    "qysds": ("income_tax_returns", returns),
    "nsrzt": ("tax_standing", standings),
    "wfcf": ("tax_events", events),
}
"""Resource -> the frame that holds it, and how the office writes the rows of a firm for a range of months."""


def invoice(row: Invoice) -> WireRow:
    """Return an invoice as the office writes it."""
    return {
        "lsh": row.record_id,
        "bbh": 0,
        "fphm": row.number,
        "kprq": day(row.issued_on, "%Y%m%d"),
        "fx": "X" if row.direction == "output" else "J",
        "dfdm": row.counterparty,
        "je": _yuan(row.amount_fen),
        "se": _yuan(row.tax_fen),
        "hj": _yuan(row.amount_fen + row.tax_fen),
        "zt": "1" if row.is_void else "0",
        "lrsj": _timestamp(row.known_on, hour=2),
    }


def _last_month(row: DeclarationRow) -> date:
    return add_months(row.period, row.months - 1)


def _end(row: ReturnRow) -> date:
    """Return the last month of a return's quarter or year."""
    month = 12 if row.kind == "settlement" else (row.period.month + 2) // 3 * 3
    return date(row.period.year, month, 1)


def _occasions(row: DeclarationRow, seed: int) -> list[DeclarationRow]:
    """Return a month filed by occasion as up to three declarations that add up to it, the same every time."""
    if row.filing != "occasion":
        return [row]
    mark = split.mix(seed, row.firm, row.period.toordinal(), np.arange(_MOST_OCCASIONS + 1))
    count = 1 + int(mark[-1] % np.uint64(_MOST_OCCASIONS))
    weights = [1 + int(one % np.uint64(9)) for one in mark[:count]]

    def part(fen: int | None, number: int) -> int | None:
        if fen is None:
            return None
        before, until = sum(weights[:number]), sum(weights[: number + 1])
        return fen * until // sum(weights) - fen * before // sum(weights)

    return [
        row._replace(
            occasion=number + 1,
            taxable_sales_fen=part(row.taxable_sales_fen, number),
            exempt_sales_fen=part(row.exempt_sales_fen, number),
            output_tax_fen=part(row.output_tax_fen, number),
            input_tax_fen=part(row.input_tax_fen, number),
            payable_fen=part(row.payable_fen, number),
            paid_fen=part(row.paid_fen, number),
            # The last of them was filed when the city says that the month was.
            filed_on=row.filed_on
            and max(row.period, row.filed_on - timedelta(days=_DAYS_APART * (count - 1 - number))),
        )
        for number in range(count)
    ]


def _declaration(row: DeclarationRow) -> WireRow:
    month = f"{row.period:%Y%m}"
    return {
        "lsh": f"ZS{row.firm:07d}-{month}" + (f"-{row.occasion:02d}" if row.occasion else ""),
        "bbh": row.version,
        "skssqQ": month,
        "skssqZ": f"{_last_month(row):%Y%m}",
        "sbfs": _FILINGS[row.filing],
        "ysxse": _yuan(row.taxable_sales_fen),
        "msxse": _yuan(row.exempt_sales_fen),
        "xxse": _yuan(row.output_tax_fen),
        "jxse": _yuan(row.input_tax_fen),
        "ynse": _yuan(row.payable_fen),
        "yjse": _yuan(row.paid_fen),
        "sbqx": day(row.due_on, "%Y%m%d"),
        "sbrq": day(row.filed_on, "%Y%m%d"),
        "lrsj": _timestamp(row.known_on),
    }


def _return(row: ReturnRow) -> WireRow:
    month, kind = f"{row.period:%Y%m}", _RETURNS[row.kind]
    return {
        "lsh": f"SD{row.firm:07d}-{month}-{kind}",
        "bbh": row.version,
        "skssqQ": month,
        "skssqZ": f"{_end(row):%Y%m}",
        "sblx": kind,
        "yysr": _yuan(row.revenue_fen),
        "lrze": _yuan(row.profit_fen),
        "ybtse": _yuan(row.payable_fen),
        "yjse": _yuan(row.paid_fen),
        "sbqx": day(row.due_on, "%Y%m%d"),
        "sbrq": day(row.filed_on, "%Y%m%d"),
        "lrsj": _timestamp(row.known_on),
    }


def _standing(row: StandingRow) -> WireRow:
    month = f"{row.period:%Y%m}"
    return {
        "lsh": f"NZ{row.firm:07d}-{month}",
        "bbh": row.version,
        "ny": month,
        "xydj": row.taxpayer_grade,
        "nsrlx": "1" if row.taxpayer_kind == "general" else "2",
        "qsje": _yuan(row.arrears_fen),
        "qsts": row.arrears_days,
        "lrsj": _timestamp(row.known_on),
    }


def _event(row: TaxEventRow) -> WireRow:
    kind = _EVENTS[row.kind]
    return {
        "lsh": f"WF{row.firm:07d}-{row.occurred_on:%Y%m%d}-{kind}",
        "bbh": row.version,
        "sjlx": kind,
        "fsrq": day(row.occurred_on, "%Y%m%d"),
        "yzcd": str(row.severity),
        "je": _yuan(row.amount_fen),
        "bjrq": day(row.ended_on, "%Y%m%d"),
        "lrsj": _timestamp(row.known_on),
    }


def _yuan(fen: int | None) -> str:
    return "" if fen is None else yuan_text(fen)


def _timestamp(known_on: date, hour: int = 9) -> str:
    return f"{known_on:%Y%m%d}{hour:02d}3107+0800"
