"""What the months hold: how each record frame is read into items.

An item is one number per firm and month, such as sales, days late or kilowatt-hours. A formula sees
the row that speaks for a month as plain numbers: days since 1970 for dates, codes for categories,
NaN for null. What a row says of a day after `as_of` (filed, paid) has not happened yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from creditlink.engine.facts.frames import DIRECTIONS, METER_KINDS, PAY_METHODS, READ_QUALITIES
from creditlink.engine.features.months import rows


@dataclass(frozen=True)
class Formula:
    """The columns that an item reads, and the compiled loop of `rows` that reads them."""

    columns: tuple[str, ...]
    read: Callable[..., None]
    constant: float = 0.0


def _plain(column: str, plus: float = 0.0) -> Formula:
    return Formula((column,), rows.plain, plus)


def _days_late(done: str) -> Formula:
    return Formula(("due_on", done), rows.days_late)


def _late(done: str) -> Formula:
    return Formula(("due_on", done), rows.late)


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

    def names(self, suffix: str) -> tuple[str, ...]:
        """Return every item that comes from `suffix`."""
        kinds = tuple(prefix + suffix for prefix in self.prefixes)
        return kinds if self.pooled is None else (*kinds, self.pooled + suffix, f"{self.pooled}count_{suffix}")


SOURCES: tuple[FrameItems, ...] = (
    FrameItems(
        "vat_declarations",
        {
            "sales": _plain("taxable_sales_fen"),
            "vat_payable": _plain("payable_fen"),
            "vat_paid": _plain("paid_fen"),
            "filing_days_late": _days_late("filed_on"),
            "filing_late": _late("filed_on"),
            "unfiled": Formula(("due_on", "filed_on"), rows.undone),
            "filed": Formula(("filed_on",), rows.done_by_today),
        },
    ),
    FrameItems(
        "invoice_months",
        {
            "amount": _plain("amount_fen"),
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
            "tax_penalties": _plain("penalties"),
        },
    ),
    FrameItems(
        "payroll_months",
        {
            "heads": _plain("headcount"),
            "base": _plain("base_fen"),
            "contributions_due": _plain("due_fen"),
            "contributions_unpaid": Formula(("due_on", "paid_on", "due_fen", "paid_fen"), rows.unpaid_rest),
            "contributions_days_late": _days_late("paid_on"),
            "contributions_late": _late("paid_on"),
            "joiners": _plain("joiners"),
            "leavers": _plain("leavers"),
            "fund_heads": _plain("fund_headcount"),
        },
    ),
    FrameItems(
        "meter_months",
        {
            "usage": _plain("usage"),
            "bill": _plain("amount_fen"),
            "unpaid": Formula(("due_on", "paid_on", "amount_fen"), rows.unpaid_whole),
            "days_late": _days_late("paid_on"),
            "late": _late("paid_on"),
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
        {"shipments": _plain("shipments")},
    ),
)
