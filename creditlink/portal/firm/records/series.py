"""The drawings above a table of records: each a few numbers of one unit, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext

from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.kit.clock import add_months
from creditlink.portal.site import lang
from creditlink.portal.staff.drawing.lines import DayLine, DrawnLines, drawn
from creditlink.profiles.lineage.months import KnownFact

_COLOURS = ("index", "second", "third")
_DRAWN = {
    "vat_declarations": (("taxable_sales_fen", "exempt_sales_fen"), ("payable_fen", "paid_fen")),
    "invoice_months": (("amount_fen",),),
    "payroll_months": (("headcount",), ("base_fen",), ("due_fen", "paid_fen")),
    "fund_months": (("headcount",), ("due_fen", "paid_fen")),
    "meter_months": (("usage", "night_usage"), ("amount_fen",)),
    "tax_standing": (("arrears_fen",),),
    "contract_months": (("signed_fen", "performed_fen"),),
    "shipment_months": (("shipments",), ("tonnes",)),
    "customs_months": (("amount_fen",),),
}
"""Record frame -> its drawings, each the items of one unit."""

_SPLIT = {"invoice_months": "direction", "customs_months": "direction"}
"""Frames of which each value of a code has a line of its own."""

_WAN_FEN = 1_000_000
_LEAST = 2  # months: one is no line


@dataclass(frozen=True)
class DrawnSeries:
    """One drawing, what it shows and in which unit."""

    label: str
    lines: DrawnLines


def series_of(frame: str, rows: Sequence[KnownFact]) -> list[DrawnSeries]:
    """Return the drawings of one table; the same figures stand in the table below them."""
    found = []
    for names in _DRAWN.get(frame, ()):
        one = _series(frame, names, rows)
        if one is not None:
            found.append(one)
    return found


def _series(frame: str, names: Sequence[str], rows: Sequence[KnownFact]) -> DrawnSeries | None:
    items = {one.name: one for one in ITEMS[frame]}
    months = sorted({row.period for row in rows if any(row.value_of(name) is not None for name in names)})
    if len(months) < _LEAST:
        return None
    span = [months[0]]
    while span[-1] < months[-1]:
        span.append(add_months(span[-1], 1))
    money = items[names[0]].unit == "fen"
    split = _SPLIT.get(frame)
    lines: list[DayLine] = []
    for name in names:
        item = items[name]
        label = item.label_zh if lang() == "zh" else item.label_en
        parts = sorted({str(row.value_of(split)) for row in rows}, reverse=True) if split else [None]
        for part in parts:
            kept = [row for row in rows if part is None or str(row.value_of(split or "")) == part]
            values = _by_month(kept, name, money=money)
            shown = label if part is None else f"{label} ({_part(part)})"
            lines.append(DayLine(shown, _COLOURS[len(lines) % len(_COLOURS)], _filled(span, values, months)))
    known = [line for line in lines if any(value is not None for value in line.values)]
    unit = gettext("in ten thousand yuan") if money else _unit(items[names[0]].unit, rows)
    title = ("、" if lang() == "zh" else ", ").join(line.name for line in known)
    largest = max((value for line in known for value in line.values if value is not None), default=0.0)
    digits = "%.0f" if largest >= 10 else "%.1f"
    return DrawnSeries(f"{title} · {unit}" if unit else title, drawn(span, known, unit=digits, days_as="%Y-%m"))


def _by_month(rows: Sequence[KnownFact], name: str, *, money: bool) -> dict[object, float]:
    """Return the sums by month: a firm with two meters has two facts of one."""
    values: dict[object, float] = {}
    for row in rows:
        value = row.value_of(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            values[row.period] = values.get(row.period, 0.0) + (value / _WAN_FEN if money else float(value))
    return values


def _filled(span: Sequence[object], values: dict[object, float], months: Sequence[object]) -> list[float | None]:
    """Return a value for each month; quarterly figures are joined across the months between them."""
    if len(span) > 2 * len(months):
        joined, last = [], None
        for month in span:
            last = values.get(month, last)
            joined.append(last)
        return joined
    return [values.get(month) for month in span]


def _part(code: str) -> str:
    words = {
        "output": gettext("sales"), "input": gettext("purchases"), "export": gettext("exports"),
        "import": gettext("imports"),
    }  # fmt: skip
    return str(words.get(code, code))


def _unit(unit: str, rows: Sequence[KnownFact]) -> str:
    if unit == "kWh_or_m3":
        return str(gettext("kWh") if rows[0].category == "electricity" else gettext("m³"))
    return str(gettext("tonnes")) if unit == "tonnes" else ""
