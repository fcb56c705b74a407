"""A small made-up economy: long record frames for a few firms, complete enough for every indicator."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, METER_KINDS, RecordSet

AS_OF = date(2026, 3, 17)
LAST_PERIOD = date(2026, 2, 1)


def months_back(count: int, last: date = LAST_PERIOD) -> list[date]:
    """First days of `count` months up to `last`, newest first."""
    out, year, month = [], last.year, last.month
    for _ in range(count):
        out.append(date(year, month, 1))
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return out


def frame(name: str, rows: list[dict]) -> pl.DataFrame:
    """Rows as a record frame; a column not given is null."""
    schema = FRAME_SCHEMAS[name]
    return pl.DataFrame([{c: row.get(c) for c in schema} for row in rows], schema=schema)


def registration(firms: int = 1, **changes) -> pl.DataFrame:
    """Plain registered companies numbered from 0."""
    row = {
        "industry": "C26",
        "region": "440604",
        "entity_type": "company",
        "status": "active",
        "established_on": date(2018, 5, 4),
        "registered_capital_fen": 100_000_000,
        "paid_in_capital_fen": 60_000_000,
        "linked_struck_off": False,
    } | changes
    return frame("registration", [{"firm": f} | row for f in range(firms)])


def declarations(sales: list[int | None], firm: int = 0, **changes) -> pl.DataFrame:
    """Monthly VAT declarations, newest first; None leaves the month out. Filed on time, 3 % burden."""
    rows = []
    for period, value in zip(months_back(len(sales)), sales, strict=True):
        if value is None:
            continue
        due = period + timedelta(days=45)
        rows.append(
            {
                "firm": firm,
                "period": period,
                "months": 1,
                "filing": "monthly",
                "taxable_sales_fen": value,
                "exempt_sales_fen": 0,
                "output_tax_fen": value * 13 // 100,
                "input_tax_fen": value // 10,
                "payable_fen": value * 3 // 100,
                "paid_fen": value * 3 // 100,
                "due_on": due,
                "filed_on": due - timedelta(days=3),
                "known_on": due - timedelta(days=2),
            }
            | changes
        )
    return frame("vat_declarations", rows)


def quarters(
    sales: list[int], first: date, firm: int = 0, *, exempt: bool = False, late_days: int = -3, **changes
) -> pl.DataFrame:
    """Quarterly VAT declarations of a small-scale taxpayer, oldest first, from the quarter that begins on `first`.

    Due on the 15th after the quarter; 1 % tax, none where `exempt`.
    """
    rows = []
    for number, value in enumerate(sales):
        month = first.month - 1 + 3 * number
        period = date(first.year + month // 12, month % 12 + 1, 1)
        due = date(first.year + (month + 3) // 12, (month + 3) % 12 + 1, 15)
        filed = due + timedelta(days=late_days)
        rows.append(
            {
                "firm": firm,
                "period": period,
                "months": 3,
                "filing": "quarterly",
                "taxable_sales_fen": 0 if exempt else value,
                "exempt_sales_fen": value if exempt else 0,
                "output_tax_fen": 0 if exempt else value // 100,
                "input_tax_fen": 0,
                "payable_fen": 0 if exempt else value // 100,
                "paid_fen": 0 if exempt else value // 100,
                "due_on": due,
                "filed_on": filed,
                "known_on": max(filed, due) + timedelta(days=1),
            }
            | changes
        )
    return frame("vat_declarations", rows)


def invoices(amounts: dict[date, int], firm: int = 0, direction: str = "output") -> pl.DataFrame:
    """Months of invoices, month -> fen; known a few days after the month."""
    return frame(
        "invoice_months",
        [
            {
                "firm": firm,
                "period": period,
                "direction": direction,
                "invoices": 2,
                "amount_fen": fen,
                "tax_fen": fen // 100,
                "void_invoices": 0,
                "red_invoices": 0,
                "red_amount_fen": 0,
                "known_on": period + timedelta(days=34),
            }
            for period, fen in amounts.items()
        ],
    )


def meters(usage: list[float | None], firm: int = 0, kind: str = "electricity", **changes) -> pl.DataFrame:
    """Monthly readings, newest first; None leaves the month out. Bills paid on time."""
    rows = []
    for period, value in zip(months_back(len(usage)), usage, strict=True):
        if value is None:
            continue
        due = period + timedelta(days=40)
        rows.append(
            {
                "firm": firm,
                "period": period,
                "kind": kind,
                "usage": value,
                "amount_fen": round(value * 70),
                "due_on": due,
                "paid_on": due - timedelta(days=1),
                "method": "direct_debit",
                "read_quality": "actual",
                "disconnected": False,
                "known_on": period + timedelta(days=35),
            }
            | changes
        )
    return frame("meter_months", rows)


def payroll(heads: list[int], firm: int = 0, **changes) -> pl.DataFrame:
    """Monthly contributions, newest first, paid on time."""
    rows = []
    for period, count in zip(months_back(len(heads)), heads, strict=True):
        due = period + timedelta(days=44)
        rows.append(
            {
                "firm": firm,
                "period": period,
                "headcount": count,
                "base_fen": count * 600_000,
                "due_fen": count * 200_000,
                "paid_fen": count * 200_000,
                "due_on": due,
                "paid_on": due - timedelta(days=4),
                "joiners": 1,
                "leavers": 1,
                "known_on": period + timedelta(days=42),
            }
            | changes
        )
    return frame("payroll_months", rows)


def economy(firms: int, seed: int = 7, months: int = 40) -> RecordSet:
    """Random records of every frame for `firms` firms, with gaps, nulls, lateness and corrections.

    Every firm lacks some category; months run past AS_OF, as an operator's database would.
    """
    rng = np.random.default_rng(seed)
    periods = months_back(months, date(2026, 5, 1))
    parts: dict[str, list[pl.DataFrame]] = {}
    numbers = np.sort(rng.choice(10 * firms + 10, firms, replace=False))
    for firm in numbers:
        for name, rows in _firm_rows(rng, int(firm), periods).items():
            if rows:
                parts.setdefault(name, []).append(frame(name, rows))
    return RecordSet.of(**{name: pl.concat(frames) for name, frames in parts.items()})


def _firm_rows(rng: np.random.Generator, firm: int, periods: list[date]) -> dict[str, list[dict]]:
    size = float(np.exp(rng.normal(13, 1)))
    rows: dict[str, list[dict]] = {name: [] for name in FRAME_SCHEMAS}
    rows["registration"].append(
        {
            "firm": firm,
            "industry": str(rng.choice(["C26", "F52", "I65"])),
            "region": "440604",
            "entity_type": str(rng.choice(["company", "sole_trader"])),
            "status": "active",
            "established_on": date(2015, 1, 1) + timedelta(days=int(rng.integers(3000))),
            "registered_capital_fen": int(rng.integers(1, 100)) * 10_000_000,
            "paid_in_capital_fen": None if rng.random() < 0.5 else 1_000_000,
            "linked_struck_off": bool(rng.random() < 0.1),
        }
    )
    has = {name: rng.random() < 0.75 for name in FRAME_SCHEMAS}
    for period in periods:
        base = {"firm": firm, "period": period}

        def late(period: date = period) -> dict:
            due = period + timedelta(days=45)
            paid = due + timedelta(days=int(rng.integers(-10, 30)))
            return {"due_on": due, "known_on": min(paid, due) + timedelta(days=int(rng.integers(0, 3)))} | {
                "done": None if rng.random() < 0.1 else paid
            }

        def put(name: str, base: dict = base, **values: object) -> None:
            if has[name] and rng.random() < 0.9:
                rows[name].append(base | values)
                if rng.random() < 0.1:
                    again = dict(rows[name][-1])
                    again["known_on"] += timedelta(days=int(rng.integers(1, 200)))
                    for key, value in again.items():
                        if key.endswith("_fen") and isinstance(value, int):
                            again[key] = value + 100
                    rows[name].append(again)

        amount = int(size * rng.lognormal(0, 0.3)) * int(rng.random() > 0.05)
        terms = late()
        quarterly = firm % 3 == 0
        if not quarterly or period.month % 3 == 1:
            put(
                "vat_declarations",
                months=3 if quarterly else 1,
                filing="quarterly" if quarterly else "monthly",
                exempt_sales_fen=amount // 7 if quarterly else 0,
                taxable_sales_fen=amount,
                output_tax_fen=amount // 10,
                input_tax_fen=amount // 12,
                payable_fen=amount // 40,
                paid_fen=amount // 50,
                due_on=terms["due_on"],
                filed_on=terms["done"],
                known_on=terms["known_on"],
            )
        for direction in ("output", "input"):
            put(
                "invoice_months",
                direction=direction,
                invoices=int(rng.integers(1, 40)),
                amount_fen=amount,
                tax_fen=amount // 10,
                void_invoices=int(rng.integers(0, 3)),
                red_invoices=int(rng.integers(0, 2)),
                red_amount_fen=amount // 30,
                counterparties=int(rng.integers(1, 9)),
                top1_amount_fen=amount // 3,
                top5_amount_fen=amount // 2,
                hhi=float(rng.random()),
                known_on=period + timedelta(days=33),
            )
        put(
            "tax_standing",
            taxpayer_grade=str(rng.choice(list("ABMCD"))),
            taxpayer_kind="general",
            arrears_fen=int(rng.integers(0, 2)) * 5000,
            arrears_days=int(rng.integers(0, 60)),
            known_on=period + timedelta(days=34),
        )
        for kind, months in (("prepayment", 3), ("settlement", 12)):
            if period.month % months == 1:
                terms = late()
                put(
                    "income_tax_returns",
                    kind=kind,
                    revenue_fen=amount * months,
                    profit_fen=int(amount * rng.normal(0.05, 0.1)),
                    payable_fen=amount // 100,
                    paid_fen=amount // 100,
                    due_on=terms["due_on"],
                    filed_on=terms["done"],
                    known_on=terms["known_on"],
                )
        if rng.random() < 0.15:
            occurred = period + timedelta(days=int(rng.integers(0, 28)))
            put(
                "tax_events",
                kind=str(rng.choice(["violation", "penalty", "refund"])),
                occurred_on=occurred,
                severity=int(rng.integers(1, 4)),
                amount_fen=int(rng.integers(0, 10**6)),
                ended_on=None if rng.random() < 0.5 else occurred + timedelta(days=90),
                known_on=occurred + timedelta(days=int(rng.integers(0, 20))),
            )
        terms, heads = late(), int(rng.integers(0, 30))
        put(
            "payroll_months",
            headcount=heads,
            base_fen=heads * 510_000,
            due_fen=heads * 150_000,
            paid_fen=heads * 150_000 if terms["done"] else 0,
            due_on=terms["due_on"],
            paid_on=terms["done"],
            joiners=int(rng.integers(0, 3)),
            leavers=int(rng.integers(0, 3)),
            known_on=terms["known_on"],
        )
        terms = late()
        put(
            "fund_months",
            headcount=heads // 2 + 1,
            due_fen=heads * 50_000,
            paid_fen=heads * 50_000 if terms["done"] else 0,
            due_on=terms["due_on"],
            paid_on=terms["done"],
            known_on=terms["known_on"],
        )
        for kind in METER_KINDS:
            terms = late()
            put(
                "meter_months",
                kind=kind,
                usage=None if (usage := float(rng.lognormal(7, 1))) < 400 else usage,
                night_usage=usage / 4 if kind == "electricity" and rng.random() < 0.8 else None,
                weekend_usage=usage / 5 if kind == "electricity" and rng.random() < 0.8 else None,
                amount_fen=int(rng.integers(1000, 90000)),
                due_on=terms["due_on"],
                paid_on=terms["done"],
                method=str(rng.choice(["direct_debit", "transfer", "cash"])),
                read_quality=str(rng.choice(["actual", "estimated"])),
                disconnected=bool(rng.random() < 0.03),
                known_on=terms["known_on"],
            )
        if rng.random() < 0.1:
            occurred = period + timedelta(days=int(rng.integers(0, 28)))
            put(
                "credit_events",
                kind=str(rng.choice(["penalty", "licence", "court_enforcement", "dishonest_debtor", "red_list"])),
                occurred_on=occurred,
                severity=int(rng.integers(1, 4)),
                amount_fen=int(rng.integers(0, 10**6)),
                ended_on=None if rng.random() < 0.5 else occurred + timedelta(days=200),
                known_on=occurred + timedelta(days=int(rng.integers(0, 20))),
            )
        known = period + timedelta(days=32)
        put(
            "contract_months",
            signed=2,
            performed=int(rng.integers(0, 3)),
            breached=int(rng.integers(0, 2)),
            signed_fen=amount,
            performed_fen=amount // int(rng.integers(1, 4)),
            breached_fen=amount // 9,
            government_due_fen=amount // 5,
            government_late_fen=amount // int(rng.integers(6, 20)),
            known_on=known,
        )
        put("property_grants", kind=str(rng.choice(["patent", "software"])), granted=1, known_on=known)
        put(
            "shipment_months",
            shipments=int(rng.integers(0, 20)),
            tonnes=float(rng.random()),
            stored_tonnes=None if rng.random() < 0.3 else float(rng.random()),
            known_on=known,
        )
        for direction in ("export", "import"):
            put(
                "customs_months",
                direction=direction,
                declarations=int(rng.integers(1, 20)),
                amount_fen=amount // 3,
                faults=int(rng.integers(0, 2)),
                known_on=known,
            )
    return rows
