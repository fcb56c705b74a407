"""Facts for tests, as a connector would make them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from creditlink.kit.clock import add_months
from creditlink.records.pulls.delivery import Fact


def instant(day: date, hour: int = 10) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def payroll(period: date, headcount: int = 10, *, known: datetime | None = None, version: int = 0, **more) -> Fact:
    due = add_months(period, 1) + timedelta(days=19)
    values = {
        "headcount": headcount,
        "base_fen": headcount * 650_000,
        "due_fen": headcount * 218_000,
        "paid_fen": headcount * 218_000,
        "due_on": due.isoformat(),
        "paid_on": due.isoformat(),
        "joiners": 1,
        "leavers": 0,
    }
    return Fact("payroll_months", period, "", values | more, known or instant(due), version)


def declaration(period: date, sales: int = 1_000_000, *, known: datetime | None = None, version: int = 0) -> Fact:
    due = add_months(period, 1) + timedelta(days=14)
    values = {
        "months": 1,
        "filing": "monthly",
        "taxable_sales_fen": sales,
        "exempt_sales_fen": 0,
        "output_tax_fen": sales * 13 // 100,
        "input_tax_fen": sales // 10,
        "payable_fen": sales * 3 // 100,
        "paid_fen": sales * 3 // 100,
        "due_on": due.isoformat(),
        "filed_on": due.isoformat(),
    }
    return Fact("vat_declarations", period, "", values, known or instant(due), version)


def income_tax_return(period: date, kind: str = "prepayment", profit: int = 200_000) -> Fact:
    due = add_months(period, 3 if kind == "prepayment" else 16) + timedelta(days=14)
    values = {
        "revenue_fen": 3_000_000,
        "profit_fen": profit,
        "payable_fen": profit // 20,
        "paid_fen": profit // 20,
        "due_on": due.isoformat(),
        "filed_on": due.isoformat(),
    }
    return Fact("income_tax_returns", period, kind, values, instant(due))


def tax_event(period: date, kind: str = "penalty", record: str = "WF-1", severity: int = 1) -> Fact:
    day = period + timedelta(days=17)
    values = {"occurred_on": day.isoformat(), "severity": severity, "amount_fen": 50_000, "ended_on": None}
    return Fact("tax_events", period, f"{kind}/{record}", values, instant(day))


def standing(period: date) -> Fact:
    values = {
        "taxpayer_grade": "B",
        "taxpayer_kind": "general",
        "arrears_fen": 0,
        "arrears_days": 0,
    }
    return Fact("tax_standing", period, "", values, instant(add_months(period, 1)))


def invoice_month(period: date, direction: str = "output", amount: int = 5_000_000, **more) -> Fact:
    values = {
        "invoices": 12,
        "amount_fen": amount,
        "tax_fen": amount * 13 // 100,
        "void_invoices": 1,
        "red_invoices": 0,
        "red_amount_fen": 0,
        "counterparties": 3,
        "top1_amount_fen": amount // 2,
        "top5_amount_fen": amount,
        "hhi": 0.375,
    }
    return Fact("invoice_months", period, direction, values, **{"known_at": instant(add_months(period, 1))} | more)


def meter(period: date, kind: str = "electricity", point: str = "P1", usage: float | None = 1200.5, **more) -> Fact:
    due = add_months(period, 1) + timedelta(days=24)
    values = {
        "usage": usage,
        "night_usage": None,
        "weekend_usage": None,
        "amount_fen": 80_000,
        "due_on": due.isoformat(),
        "paid_on": due.isoformat(),
        "method": "direct_debit",
        "read_quality": "actual",
        "disconnected": False,
    }
    return Fact("meter_months", period, f"{kind}/{point}", values | more, instant(due))


def months(first: date, count: int) -> list[date]:
    return [add_months(first, i) for i in range(count)]


def three_years(first: date = date(2023, 8, 1), count: int = 36) -> dict[str, list[Fact]]:
    """Everything that four sources hold on an ordinary firm, by source."""
    span = months(first, count)
    return {
        "tax": [f(m) for m in span for f in (declaration, standing, invoice_month)]
        + [invoice_month(m, "input", 3_000_000) for m in span]
        + [income_tax_return(m) for m in span if m.month % 3 == 1]
        + [tax_event(span[-2], kind) for kind in ("violation", "penalty", "refund")],
        "social_security": [payroll(m) for m in span],
        **{kind: [meter(m, kind) for m in span] for kind in ("electricity", "water")},
    }
