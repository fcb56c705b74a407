"""What the months hold: how each record frame is read into items.

An item is one number per firm and month, such as sales, days late or kilowatt-hours. A formula sees
the row that speaks for a month as plain numbers: days since 1970 for dates, codes for categories,
NaN for null. What a row says of a day after `as_of` (filed, paid) has not happened yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from creditlink.engine.facts.frames import (
    DIRECTIONS,
    METER_KINDS,
    PAY_METHODS,
    READ_QUALITIES,
    RETURN_KINDS,
    TRADE_DIRECTIONS,
)
from creditlink.engine.features.months import rows


@dataclass(frozen=True)
class Formula:
    """The columns that an item reads, and the compiled loop of `rows` that reads them.

    A row that speaks for a quarter is read in each of its months, or with `once` only in the last: a quarter's
    declaration is filed late once. With `silence` an unknown month since the firm's first counts as zero.
    """

    columns: tuple[str, ...]
    read: Callable[..., None]
    constant: float = 0.0
    once: bool = False
    silence: bool = False


def _plain(column: str, plus: float = 0.0) -> Formula:
    return Formula((column,), rows.plain, plus)


def _silent(column: str) -> Formula:
    return Formula((column,), rows.plain, silence=True)


def _days_late(done: str, *, once: bool = False) -> Formula:
    return Formula(("due_on", done), rows.days_late, once=once)


def _ahead(done: str, *, once: bool = False) -> Formula:
    return Formula(("due_on", done), rows.days_ahead, once=once)


def _late(done: str, *, once: bool = False) -> Formula:
    return Formula(("due_on", done), rows.late, once=once)


@dataclass(frozen=True)
class FrameItems:
    """How one frame becomes items: item suffix -> its formula.

    With a `kind_column` a suffix gives one item per kind (`electricity_late`), and with `pooled` also
    the sum over kinds (`bills_late`) and the number of kinds known (`bills_count_late`).
    """

    frame: str
    items: Mapping[str, Formula]
    kind_column: str | None = None
    prefixes: tuple[str, ...] = ("",)  # one per value of `kind_column`, in the order of its codes
    pooled: str | None = None  # prefix of the items that add all kinds; with `_count` after it, that count them
    span_column: str | None = None  # months that a row speaks for; without, one

    def names(self, suffix: str) -> tuple[str, ...]:
        """Return every item that comes from `suffix`."""
        kinds = tuple(prefix + suffix for prefix in self.prefixes)
        return kinds if self.pooled is None else (*kinds, self.pooled + suffix, f"{self.pooled}count_{suffix}")


SOURCES: tuple[FrameItems, ...] = (
    FrameItems(
        "vat_declarations",
        {
            "sales": Formula(("taxable_sales_fen", "exempt_sales_fen", "months"), rows.share_of_two),
            "taxable": Formula(("taxable_sales_fen", "months"), rows.share),
            "vat_payable": Formula(("payable_fen", "months"), rows.share),
            "vat_paid": Formula(("paid_fen", "months"), rows.share),
            "filing_days_late": _days_late("filed_on", once=True),
            "filing_late": _late("filed_on", once=True),
            "filing_days_ahead": _ahead("filed_on", once=True),
            "unfiled": Formula(("due_on", "filed_on"), rows.undone, once=True),
            "filed": Formula(("filed_on",), rows.done_by_today),
        },
        span_column="months",
    ),
    FrameItems(
        "income_tax_returns",
        {
            "margin": Formula(("profit_fen", "revenue_fen"), rows.quotient),
            "loss": Formula(("profit_fen",), rows.negative),
            "late": _late("filed_on"),
        },
        "kind",
        tuple({"prepayment": "prepaid_", "settlement": "settled_"}[kind] for kind in RETURN_KINDS),
        "returns_",
    ),
    FrameItems(
        "invoice_months",
        {
            "amount": _silent("amount_fen"),
            "gross": Formula(("amount_fen", "red_amount_fen"), rows.sum_of_two),
            "invoices": _plain("invoices"),
            "issued": Formula(("invoices", "void_invoices", "red_invoices"), rows.sum_of_three),
            "void": _plain("void_invoices"),
            "red": _plain("red_amount_fen"),
            "parties": _plain("counterparties"),
            "top1": _plain("top1_amount_fen"),
            "top5": _plain("top5_amount_fen"),
            "hhi": _plain("hhi"),
        },
        "direction",
        tuple({"output": "sold_", "input": "bought_"}[d] for d in DIRECTIONS),
    ),
    FrameItems(
        "tax_standing",
        {
            "tax_grade": _plain("taxpayer_grade", plus=1.0),
            "arrears": _plain("arrears_fen"),
            "arrears_days": _plain("arrears_days"),
        },
    ),
    FrameItems(
        "payroll_months",
        {
            "heads": _plain("headcount"),
            "insured": _silent("headcount"),
            "base": _plain("base_fen"),
            "contributions_due": _plain("due_fen"),
            "contributions_unpaid": Formula(("due_on", "paid_on", "due_fen", "paid_fen"), rows.unpaid_rest),
            "contributions_days_late": _days_late("paid_on"),
            "contributions_late": _late("paid_on"),
            "contributions_days_ahead": _ahead("paid_on"),
            "joiners": _plain("joiners"),
            "leavers": _plain("leavers"),
        },
    ),
    FrameItems(
        "fund_months",
        {
            "fund_heads": _plain("headcount"),
            "fund_unpaid": Formula(("due_on", "paid_on", "due_fen", "paid_fen"), rows.unpaid_rest),
            "fund_late": _late("paid_on"),
            "fund_days_ahead": _ahead("paid_on"),
        },
    ),
    FrameItems(
        "meter_months",
        {
            "usage": _plain("usage"),
            "night": _plain("night_usage"),
            "weekend": _plain("weekend_usage"),
            "by_interval": Formula(("usage", "night_usage"), rows.beside),
            "bill": _plain("amount_fen"),
            "unpaid": Formula(("due_on", "paid_on", "amount_fen"), rows.unpaid_whole),
            "days_late": _days_late("paid_on"),
            "late": _late("paid_on"),
            "days_ahead": _ahead("paid_on"),
            "debit": Formula(("method",), rows.equals, PAY_METHODS.index("direct_debit")),
            "estimated": Formula(("read_quality",), rows.differs, READ_QUALITIES.index("actual")),
            "disconnected": _plain("disconnected"),
        },
        "kind",
        tuple(f"{kind}_" for kind in METER_KINDS),
        "bills_",
    ),
    FrameItems(
        "contract_months",
        {
            "signed": _plain("signed"),
            "performed": _plain("performed"),
            "breached": _plain("breached"),
            "performed_amount": _plain("performed_fen"),
            "breached_amount": _plain("breached_fen"),
            "government_due": _plain("government_due_fen"),
            "government_late": _plain("government_late_fen"),
        },
    ),
    FrameItems(
        "property_grants",
        {"property": _plain("granted")},
        "kind",
        ("patent_", "model_", "mark_", "software_"),
        "any_",
    ),
    FrameItems(
        "shipment_months",
        {
            "shipments": _silent("shipments"),
            "stored": _plain("stored_tonnes"),
            "stored_beside": Formula(("tonnes", "stored_tonnes"), rows.beside),
        },
    ),
    FrameItems(
        "customs_months",
        {
            "amount": _silent("amount_fen"),
            "declarations": _plain("declarations"),
            "faults": _plain("faults"),
        },
        "direction",
        tuple(f"{direction}_" for direction in TRADE_DIRECTIONS),
        "customs_",
    ),
)
