"""What the months hold: how each record frame is read into items.

An item is one number per firm and month, such as sales, days late or kilowatt-hours. A formula sees
the rows that were known on `as_of` as plain numbers: days since 1970 for dates, codes for
categories, NaN for null. What a row says of a day after `as_of` (filed, paid) has not happened yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.records.frames import DIRECTIONS, METER_KINDS, PAY_METHODS, READ_QUALITIES

Rows = Mapping[str, NDArray[np.float64]]
Formula = Callable[[Rows, int], NDArray[np.float64]]


def _plain(column: str) -> Formula:
    return lambda rows, today: rows[column]


def _days_late(done: str) -> Formula:
    """Days between due and done, counted to `as_of` while it is not done; missing before it is due."""

    def days(rows: Rows, today: int) -> NDArray[np.float64]:
        late = np.fmin(rows[done], float(today)) - rows["due_on"]
        return np.where(rows["due_on"] <= today, np.maximum(late, 0.0), np.nan)

    return days


def _late(done: str) -> Formula:
    """1 when done after the due day or not yet though due, else 0; missing before it is due."""
    days = _days_late(done)

    def flag(rows: Rows, today: int) -> NDArray[np.float64]:
        late = days(rows, today)
        return np.where(np.isnan(late), np.nan, late > 0)

    return flag


def _undone(done: str) -> Formula:
    """1 when due and not done by `as_of`, else 0; missing before it is due."""

    def flag(rows: Rows, today: int) -> NDArray[np.float64]:
        open_ = ~(rows[done] <= today)
        return np.where(rows["due_on"] <= today, open_, np.nan)

    return flag


def _unpaid_contributions(rows: Rows, today: int) -> NDArray[np.float64]:
    paid = np.where(rows["paid_on"] <= today, rows["paid_fen"], 0.0)
    return np.where(rows["due_on"] <= today, np.maximum(rows["due_fen"] - paid, 0.0), np.nan)


def _unpaid_bill(rows: Rows, today: int) -> NDArray[np.float64]:
    open_ = ~(rows["paid_on"] <= today)
    return np.where(rows["due_on"] <= today, open_ * rows["amount_fen"], np.nan)


def _is(column: str, code: int) -> Formula:
    return lambda rows, today: np.where(np.isnan(rows[column]), np.nan, rows[column] == code)


@dataclass(frozen=True)
class Source:
    """How one frame becomes items: item suffix -> the frame's columns it reads and its formula.

    With a `kind_column` a suffix gives one item per kind (`electricity_late`), and with `pooled` also
    the sum over kinds (`bills_late`) and the number of kinds known (`bills_count_late`).
    """

    frame: str
    items: Mapping[str, tuple[tuple[str, ...], Formula]]
    kind_column: str | None = None
    prefixes: tuple[str, ...] = ("",)  # one per value of `kind_column`, in the order of its codes
    pooled: str | None = None  # prefix of the items that add all kinds; with `_count` after it, that count them

    def names(self, suffix: str) -> tuple[str, ...]:
        """Return every item that comes from `suffix`."""
        kinds = tuple(prefix + suffix for prefix in self.prefixes)
        return kinds if self.pooled is None else (*kinds, self.pooled + suffix, f"{self.pooled}count_{suffix}")


SOURCES: tuple[Source, ...] = (
    Source(
        "vat_declarations",
        {
            "sales": (("taxable_sales_fen",), _plain("taxable_sales_fen")),
            "vat_payable": (("payable_fen",), _plain("payable_fen")),
            "vat_paid": (("paid_fen",), _plain("paid_fen")),
            "filing_days_late": (("due_on", "filed_on"), _days_late("filed_on")),
            "filing_late": (("due_on", "filed_on"), _late("filed_on")),
            "unfiled": (("due_on", "filed_on"), _undone("filed_on")),
            "filed": (("filed_on",), lambda rows, today: (rows["filed_on"] <= today).astype(np.float64)),
        },
    ),
    Source(
        "invoice_months",
        {
            "amount": (("amount_fen",), _plain("amount_fen")),
            "gross": (
                ("amount_fen", "red_amount_fen"),
                lambda rows, today: rows["amount_fen"] + rows["red_amount_fen"],
            ),
            "invoices": (("invoices",), _plain("invoices")),
            "issued": (
                ("invoices", "void_invoices", "red_invoices"),
                lambda rows, today: rows["invoices"] + rows["void_invoices"] + rows["red_invoices"],
            ),
            "void": (("void_invoices",), _plain("void_invoices")),
            "red": (("red_amount_fen",), _plain("red_amount_fen")),
            "parties": (("counterparties",), _plain("counterparties")),
            "top1": (("top1_amount_fen",), _plain("top1_amount_fen")),
            "top5": (("top5_amount_fen",), _plain("top5_amount_fen")),
            "hhi": (("hhi",), _plain("hhi")),
        },
        "direction",
        tuple({"output": "sold_", "input": "bought_"}[d] for d in DIRECTIONS),
    ),
    Source(
        "tax_standing",
        {
            "tax_grade": (("taxpayer_grade",), lambda rows, today: rows["taxpayer_grade"] + 1.0),
            "arrears": (("arrears_fen",), _plain("arrears_fen")),
            "arrears_days": (("arrears_days",), _plain("arrears_days")),
            "tax_penalties": (("penalties",), _plain("penalties")),
        },
    ),
    Source(
        "payroll_months",
        {
            "heads": (("headcount",), _plain("headcount")),
            "base": (("base_fen",), _plain("base_fen")),
            "contributions_due": (("due_fen",), _plain("due_fen")),
            "contributions_unpaid": (("due_on", "paid_on", "due_fen", "paid_fen"), _unpaid_contributions),
            "contributions_days_late": (("due_on", "paid_on"), _days_late("paid_on")),
            "contributions_late": (("due_on", "paid_on"), _late("paid_on")),
            "joiners": (("joiners",), _plain("joiners")),
            "leavers": (("leavers",), _plain("leavers")),
            "fund_heads": (("fund_headcount",), _plain("fund_headcount")),
        },
    ),
    Source(
        "meter_months",
        {
            "usage": (("usage",), _plain("usage")),
            "bill": (("amount_fen",), _plain("amount_fen")),
            "unpaid": (("due_on", "paid_on", "amount_fen"), _unpaid_bill),
            "days_late": (("due_on", "paid_on"), _days_late("paid_on")),
            "late": (("due_on", "paid_on"), _late("paid_on")),
            "debit": (("method",), _is("method", PAY_METHODS.index("direct_debit"))),
            "estimated": (
                ("read_quality",),
                lambda rows, today: (rows["read_quality"] != READ_QUALITIES.index("actual")).astype(np.float64),
            ),
            "disconnected": (("disconnected",), _plain("disconnected")),
        },
        "kind",
        tuple(f"{kind}_" for kind in METER_KINDS),
        "bills_",
    ),
    Source(
        "contract_months",
        {
            "signed": (("signed",), _plain("signed")),
            "performed": (("performed",), _plain("performed")),
            "breached": (("breached",), _plain("breached")),
        },
    ),
    Source(
        "property_grants",
        {"property": (("granted",), _plain("granted"))},
        "kind",
        ("patent_", "model_", "mark_", "software_"),
        "any_",
    ),
    Source(
        "shipment_months",
        {"shipments": (("shipments",), _plain("shipments"))},
    ),
)
