"""One made-up row of each kind of data, as the office of a firm of this class gives it.

No record of the firm is looked at before it agrees, not even one that is here under another consent: an example is
made up, and says so. The class is what the public register tells: a sole trader files VAT by quarter as a small-scale
taxpayer, most companies by month. docs/adr/0078-the-consent-page-and-financing.md
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import gettext

from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.vocabulary import SUPPLIES
from creditlink.enterprises.tables import Enterprise
from creditlink.portal.firm.records.disputes.shown import ColumnShown, columns
from creditlink.portal.firm.records.wording import frame_label
from creditlink.records.pulls.delivery import FactValue

Row = dict[str, FactValue]

_MONTHLY: Row = {
    "months": 1, "filing": "monthly", "taxable_sales_fen": 860_000_00, "exempt_sales_fen": 0,
    "output_tax_fen": 111_800_00, "input_tax_fen": 89_300_00, "payable_fen": 22_500_00, "paid_fen": 22_500_00,
    "due_on": "2026-04-15", "filed_on": "2026-04-13",
}  # fmt: skip
_QUARTERLY: Row = {
    "months": 3, "filing": "quarterly", "taxable_sales_fen": 364_000_00, "exempt_sales_fen": 0,
    "output_tax_fen": None, "input_tax_fen": None, "payable_fen": 3_640_00, "paid_fen": 3_640_00,
    "due_on": "2026-04-15", "filed_on": "2026-04-14",
}  # fmt: skip
_METERS: Row = {
    "due_on": "2026-04-20", "paid_on": "2026-04-18", "method": "direct_debit", "read_quality": "actual",
    "disconnected": False,
}  # fmt: skip
_SUPPLIED: dict[str, Row] = {
    "electricity": _METERS | {"usage": 8420.0, "night_usage": 1260.0, "weekend_usage": 980.0, "amount_fen": 6_315_00},
    "water": _METERS | {"usage": 126.0, "amount_fen": 441_00},
    "gas": _METERS | {"usage": 310.0, "amount_fen": 1_271_00},
}
_SUPPLIED_TO_A_SOLE_TRADER: dict[str, Row] = {
    "electricity": _METERS | {"usage": 610.0, "amount_fen": 458_00},
    "water": _METERS | {"usage": 14.0, "amount_fen": 49_00},
    "gas": _METERS | {"usage": 32.0, "amount_fen": 131_00},
}
_ROWS: dict[str, Row] = {
    "vat_declarations": _MONTHLY,
    "payroll_months": {
        "headcount": 18, "base_fen": 97_200_00, "due_fen": 24_300_00, "paid_fen": 24_300_00, "due_on": "2026-03-25",
        "paid_on": "2026-03-20", "joiners": 1, "leavers": 0,
    },
    "fund_months": {
        "headcount": 18, "due_fen": 9_720_00, "paid_fen": 9_720_00, "due_on": "2026-03-25", "paid_on": "2026-03-20",
    },
    "contract_months": {
        "signed": 4, "performed": 3, "breached": 0, "signed_fen": 420_000_00, "performed_fen": 315_000_00,
        "breached_fen": 0, "government_due_fen": 0, "government_late_fen": 0,
    },
    "property_grants": {"granted": 1},
    "shipment_months": {"shipments": 26, "tonnes": 41.5, "stored_tonnes": 12.0},
    "customs_months": {"declarations": 3, "amount_fen": 128_000_00, "faults": 0},
}  # fmt: skip
_OF_A_SOLE_TRADER: dict[str, Row] = {
    "vat_declarations": _QUARTERLY,
    "payroll_months": _ROWS["payroll_months"] | {
        "headcount": 3, "base_fen": 13_500_00, "due_fen": 3_375_00, "paid_fen": 3_375_00, "joiners": 0,
    },
    "fund_months": _ROWS["fund_months"] | {"headcount": 3, "due_fen": 1_350_00, "paid_fen": 1_350_00},
}  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A made-up row: what kind of row it is, of which period, of which class of firm, column by column."""

    frame: str
    period: str
    of_whom: str
    columns: list[ColumnShown]


def examples_for(firms: Iterable[Enterprise], categories: Iterable[str]) -> dict[str, Example]:
    """Return an example of each category; of a person's firms the first says which class."""
    firm = next(iter(firms), None)
    sole = firm is not None and firm.entity_type == "sole_trader"
    of_whom = gettext("a sole trader that files by quarter") if sole else gettext("a company that files by month")
    found = {}
    for category in categories:
        frame = "meter_months" if category in SUPPLIES else CATEGORIES[category].frames[0]
        rows = (_OF_A_SOLE_TRADER | _SUPPLIED_TO_A_SOLE_TRADER) if sole else {}
        key = category if category in SUPPLIES else frame
        row = rows.get(key) or (_ROWS | _SUPPLIED).get(key)
        if row is not None:
            quarter = frame == "vat_declarations" and sole
            period = gettext("%(first)s to %(last)s", first="2026-01", last="2026-03") if quarter else "2026-03"
            found[category] = Example(frame_label(frame), period, of_whom, columns(frame, row))
    return found
