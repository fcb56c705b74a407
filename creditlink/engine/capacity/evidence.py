"""What the records say of one firm's cash: sales, margin, and what it is known to pay."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.facts.known_places import known_places
from creditlink.engine.rounding import whole_fen

YEAR = 12


@dataclass(frozen=True)
class CashEvidence:
    """What is known of a firm's cash, by month where not said otherwise; None: not known."""

    sales_fen: int | None  # net of VAT, mean of twelve months
    sales_growth: float | None  # of three months over the same three a year ago
    deviation: float | None  # of a month's sales around their course, as a share
    by_quarter: bool  # sales are known by quarter only: within one nobody sees ups and downs
    months_suffice: bool  # sales of at least six of twelve months
    margin: float | None  # profit before income tax over revenue: the lower of the newest and the two years' mean
    income_tax_fen: int | None  # paid with the returns filed within twelve months
    vat_fen: int | None
    base_fen: int | None  # contribution base
    energy_fen: int | None  # bills of electricity, water and gas


def cash_evidence(records: RecordSet, features: Mapping[str, float | None], as_of: date) -> CashEvidence:
    """Return what is known of the one firm in `records` as of a day; `features` are its indicators.

    Raises
    ------
    ValueError
        `records` are of more than one firm.
    """
    if records.registration.height != 1:
        raise ValueError(f"the records of one firm are expected, got {records.registration.height}")
    margins = [m for m in (features["profit_margin"], features["profit_margin_24"]) if m is not None]
    deviation = next(
        (v for n in ("sales_noise_24", "sales_volatility_24", "sales_volatility_12") if (v := features[n]) is not None),
        None,
    )
    return CashEvidence(
        sales_fen=_monthly(features["sales_12_fen"]),
        sales_growth=features["sales_growth_3"],
        deviation=deviation,
        by_quarter=_by_quarter(records, as_of),
        months_suffice=features["sales_volatility_12"] is not None or features["sales_12_fen"] == 0,
        margin=min(margins) if margins else None,
        income_tax_fen=_income_tax(records, as_of) if margins else None,
        vat_fen=_monthly(features["tax_paid_12_fen"]),
        base_fen=_whole(features["contribution_base_12_fen"]),
        energy_fen=_energy(records, as_of),
    )


def _monthly(yearly: float | None) -> int | None:
    return None if yearly is None else whole_fen(yearly / YEAR)


def _whole(fen: float | None) -> int | None:
    return None if fen is None else whole_fen(fen)


def _by_quarter(records: RecordSet, as_of: date) -> bool:
    """Return whether the newest declaration covers a quarter, and no invoice of twelve months says how it was sold."""
    declared, invoiced = records.vat_declarations, records.invoice_months
    periods, months = declared["period"].to_list(), declared["months"].to_list()
    known = known_places(declared, "vat_declarations", as_of)
    if not known or (months[max(known, key=lambda place: periods[place])] or 1) == 1:
        return False
    first, written = _year_before(as_of).replace(day=1), invoiced["period"].to_list()
    sold = invoiced["direction"].to_list()
    return not any(
        sold[place] == "output" and written[place] >= first for place in known_places(invoiced, "invoice_months", as_of)
    )


def _income_tax(records: RecordSet, as_of: date) -> int:
    """Return a twelfth of what was paid with the returns that were filed in the twelve months up to `as_of`."""
    returns, since, total = records.income_tax_returns, _year_before(as_of), 0
    filed_on, paid, payable = (returns[column].to_list() for column in ("filed_on", "paid_fen", "payable_fen"))
    for place in known_places(returns, "income_tax_returns", as_of):
        if filed_on[place] is not None and since < filed_on[place] <= as_of:
            total += (payable[place] or 0) if paid[place] is None else paid[place]
    return whole_fen(total / YEAR)


def _energy(records: RecordSet, as_of: date) -> int | None:
    """Return the mean monthly bill of each meter kind over the known months of twelve, added up."""
    meters, first, this = records.meter_months, _year_before(as_of).replace(day=1), as_of.replace(day=1)
    kinds, periods, amounts = (meters[column].to_list() for column in ("kind", "period", "amount_fen"))
    bills: dict[str, list[int]] = {}
    for place in known_places(meters, "meter_months", as_of):
        if amounts[place] is not None and first <= periods[place] < this:
            bills.setdefault(kinds[place], []).append(amounts[place])
    return sum(whole_fen(sum(each) / len(each)) for each in bills.values()) if bills else None


def _year_before(day: date) -> date:
    last = calendar.monthrange(day.year - 1, day.month)[1]
    return date(day.year - 1, day.month, min(day.day, last))
