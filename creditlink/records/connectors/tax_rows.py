"""The tax bureau's rows but for invoices, each read as one fact: declarations, returns, standing, events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from creditlink.engine.vocabulary import TAXPAYER_GRADES
from creditlink.kit.clock import month_index, month_start
from creditlink.records.connectors.fields import FieldError, SourceRow, within
from creditlink.records.pulls.delivery import Fact, FactValue

Reader = Callable[[SourceRow, date, date], Fact | None]
"""Gives the fact of a row, for the asked range of months; None for one that the consent does not cover."""

_GRADES = {grade: grade for grade in TAXPAYER_GRADES}
_TAXPAYERS = {"1": "general", "2": "small_scale"}
_FILINGS = {"1": "monthly", "2": "quarterly", "3": "occasion"}
_RETURNS = {"1": "prepayment", "2": "settlement"}
_EVENTS = {"1": "violation", "2": "penalty", "3": "refund"}
_SEVERITIES = {code: code for code in ("1", "2", "3")}
# Within which part of the calendar a filing period lies, in months.
_LONGEST = {"monthly": 1, "occasion": 1, "quarterly": 3, "prepayment": 3, "settlement": 12}
_PARTS = {1: "month", 3: "quarter", 12: "year"}


def declaration(row: SourceRow, since: date, until: date) -> Fact | None:
    """Return a VAT declaration. Those by occasion stay apart by their record id, and are added up when they are read.

    Raises
    ------
    FieldError
        A field is not as the manual says.
    """
    record = row.record_id("lsh")
    filing = row.choice("sbfs", _FILINGS)
    span = _span(row, filing, since, until)
    if span is None:
        return None
    first, months = span
    amounts = {
        "taxable_sales_fen": ("ysxse", False),
        "exempt_sales_fen": ("msxse", False),
        "output_tax_fen": ("xxse", True),
        "input_tax_fen": ("jxse", True),
        "payable_fen": ("ynse", True),
        "paid_fen": ("yjse", True),
    }
    return Fact(
        frame="vat_declarations",
        period=first,
        subkey=record if filing == "occasion" else "",
        values={"months": months, "filing": filing, **_filed(row, amounts)},
        known_at=row.instant("lrsj", compact=True),
        version=row.whole("bbh"),
    )


def income_tax_return(row: SourceRow, since: date, until: date) -> Fact | None:
    """Return a return of corporate income tax: a prepayment, or a year's settlement, which may be a refund.

    Raises
    ------
    FieldError
        A field is not as the manual says.
    """
    row.record_id("lsh")
    kind = row.choice("sblx", _RETURNS)
    span = _span(row, kind, since, until)
    if span is None:
        return None
    amounts = {
        "revenue_fen": ("yysr", False),
        "profit_fen": ("lrze", True),
        "payable_fen": ("ybtse", True),
        "paid_fen": ("yjse", True),
    }
    return Fact(
        frame="income_tax_returns",
        period=span[0],
        subkey=kind,
        values=_filed(row, amounts),
        known_at=row.instant("lrsj", compact=True),
        version=row.whole("bbh"),
    )


def standing(row: SourceRow, since: date, until: date) -> Fact:
    """Return a taxpayer's standing in a month.

    Raises
    ------
    FieldError
        A field is not as the manual says.
    """
    row.record_id("lsh")
    return Fact(
        frame="tax_standing",
        period=within("ny", row.month("ny", compact=True), since, until),
        subkey="",
        values={
            "taxpayer_grade": row.choice("xydj", _GRADES),
            "taxpayer_kind": row.choice("nsrlx", _TAXPAYERS),
            "arrears_fen": row.fen("qsje", signed=False),
            "arrears_days": row.whole("qsts"),
        },
        known_at=row.instant("lrsj", compact=True),
        version=row.whole("bbh"),
    )


def event(row: SourceRow, since: date, until: date) -> Fact:
    """Return a violation, a penalty or a refund. Several of one day stay apart by their record ids.

    Raises
    ------
    FieldError
        A field is not as the manual says.
    """
    record = row.record_id("lsh")
    kind = row.choice("sjlx", _EVENTS)
    occurred = row.day("fsrq", compact=True)
    within("fsrq", month_start(occurred), since, until)
    severity = int(row.choice("yzcd", _SEVERITIES))
    if kind == "refund" and severity != 1:
        raise FieldError("yzcd", row.raw("yzcd"), "a refund has the severity 1")
    ended = None if row.is_empty("bjrq") else row.day("bjrq", compact=True)
    if ended is not None and ended < occurred:
        raise FieldError("bjrq", row.raw("bjrq"), f"before the day of the event, {occurred:%Y%m%d}")
    return Fact(
        frame="tax_events",
        period=month_start(occurred),
        subkey=f"{kind}/{record}",
        values={
            "occurred_on": occurred.isoformat(),
            "severity": severity,
            "amount_fen": None if row.is_empty("je") else row.fen("je", signed=False),
            "ended_on": ended.isoformat() if ended else None,
        },
        known_at=row.instant("lrsj", compact=True),
        version=row.whole("bbh"),
    )


READERS: dict[str, Reader] = {
    "zzssb": declaration,
    "qysds": income_tax_return,
    "nsrzt": standing,
    "wfcf": event,
}
"""Resource -> how its rows are read."""


def is_part(fact: Fact) -> bool:
    """Whether a fact is one of several that only together are a month: a declaration per occasion."""
    return fact.frame == "vat_declarations" and fact.subkey != ""


def _span(row: SourceRow, kind: str, since: date, until: date) -> tuple[date, int] | None:
    """Return the first month of a filing period and how many it has.

    The office sends the periods that end in the asked range. One that begins before it is no fault of the office, but
    the firm did not agree to so long a look back: None.
    """
    first, last = row.month("skssqQ", compact=True), row.month("skssqZ", compact=True)
    months = month_index(last) - month_index(first) + 1
    if months < 1:
        raise FieldError("skssqZ", row.raw("skssqZ"), f"before the first month, {first:%Y%m}")
    part = _LONGEST[kind]
    if (first.year, (first.month - 1) // part) != (last.year, (last.month - 1) // part):
        raise FieldError("skssqQ", row.raw("skssqQ"), f"not in one {_PARTS[part]} with the last month, {last:%Y%m}")
    within("skssqZ", last, since, until)
    return (first, months) if first >= month_start(since) else None


def _filed(row: SourceRow, amounts: dict[str, tuple[str, bool]]) -> dict[str, FactValue]:
    """Return what was declared, by column of the frame, and the days; of what was not filed all amounts are empty."""
    filed = not row.is_empty("sbrq")
    declared = {name: field for name, (field, _) in amounts.items() if not row.is_empty(field)}
    if not filed and declared:
        raise FieldError("sbrq", "", f"empty although {next(iter(declared.values()))} is declared")
    return {
        **{name: row.fen(field, signed=signed) if filed else None for name, (field, signed) in amounts.items()},
        "due_on": row.day("sbqx", compact=True).isoformat(),
        "filed_on": row.day("sbrq", compact=True).isoformat() if filed else None,
    }
