"""Invoices of an export, brought to the office's own rows and summed to months by the office's own reader. Pure.

A number that stands twice with the same content is one invoice; with another content neither is taken, since nobody can
say which is true. Red letters are negative; an invoice that was reversed stays, and its red letter takes it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.kit.files.csvfile import CsvRecord
from creditlink.records.connectors import tax_invoices
from creditlink.records.connectors.fields import FieldError, SourceRow
from creditlink.records.pulls.delivery import Fact
from creditlink.uploads.reading.cells import plain_amount, plain_day

_NUMBER = re.compile(r"[0-9]{8,20}")
_STATES = {"正常": "0", "已作废": "1", "作废": "1"}
_REVERSED = "红冲"
_LABELS = {"hj": "jshj", "zt": "fpzt", "dfdm": "gfsbh", "fx": "xfsbh", "lsh": "fphm"}
"""Field of the office's row -> column of the export, where they differ."""
_REASONS = {"hj": "not the sum of amount and tax", "zt": "not a known state of an invoice"}
"""Field of the office's row -> what is wrong with it, where the office's reader says so in its own codes."""


@dataclass
class InvoiceReading:
    """What a list of invoices gave."""

    facts: list[Fact] = field(default_factory=list)
    wrong: list[tuple[int, FieldError]] = field(default_factory=list)  # by line
    repeated: int = 0  # rows that stood above in full
    running: int = 0  # rows of the month that is not over
    taken: int = 0
    foreign: int = 0  # rows in which the firm is neither seller nor buyer
    serial_gaps: int = 0  # places where the list's own numbers jump: rows were taken out


@dataclass
class _Invoices:
    """The rows of the file so far, by number of the invoice."""

    rows: dict[str, tuple[int, dict[str, object]]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    spoiled: set[date] = field(default_factory=set)  # months that lack a row


def read_invoices(records: Iterator[CsvRecord], *, firm: str, since: date, now: datetime) -> InvoiceReading:
    """Return the months of a list of invoices, and what was wrong with which line.

    Parameters
    ----------
    firm : the code of the firm that uploads
    since : the first month that is taken
    """
    reading, held = InvoiceReading(), _Invoices()
    today, before = day_of(now), None
    for record in records:
        serial = record.values.get("xh", "")
        if serial.isascii() and serial.isdigit() and len(serial) < 10:
            reading.serial_gaps += before is not None and int(serial) != before + 1
            before = int(serial)
        try:
            _take(record, firm, today, now, reading, held)
        except FieldError as error:
            reading.wrong.append((record.line, error))
            held.spoiled |= _month_said(record)
    for number in held.doubtful:
        line, row = held.rows.pop(number)
        reading.wrong.append((line, FieldError("fphm", number, "stands again below with another content")))
        held.spoiled.add(date.fromisoformat(str(row["kprq"])).replace(day=1))
    _sum_up(reading, held, since, today)
    return reading


def _take(record: CsvRecord, firm: str, today: date, now: datetime, reading: InvoiceReading, held: _Invoices) -> None:
    values = record.values
    seller, buyer = values["xfsbh"].upper(), values["gfsbh"].upper()
    if firm not in (seller, buyer):
        reading.foreign += 1
        raise FieldError("xfsbh", values["xfsbh"], "the firm is neither seller nor buyer")
    issued = SourceRow({"kprq": plain_day(values["kprq"])})
    try:
        day = issued.day("kprq", compact=True)
    except FieldError as error:
        raise FieldError("kprq", values["kprq"], error.reason) from None
    if day > today:
        raise FieldError("kprq", values["kprq"], f"after the day of the upload, {today}")
    row = _office_row(values, firm, day, now)
    number = str(row["lsh"])
    if number in held.rows:
        if held.rows[number][1] == row:
            reading.repeated += 1
            return
        held.doubtful.add(number)
        raise FieldError("fphm", number, f"stands in line {held.rows[number][0]} with another content")
    held.rows[number] = (record.line, row)


def _office_row(values: dict[str, str], firm: str, day: date, now: datetime) -> dict[str, object]:
    seller, buyer = values["xfsbh"].upper(), values["gfsbh"].upper()
    sold = seller == firm
    name = values.get("gfmc", "") if sold else values.get("xfmc", "")
    amount = plain_amount(values["je"])
    positive = values.get("sfzsfp", "")
    if positive in ("是", "否") and (positive == "否") != amount.startswith("-"):
        raise FieldError("sfzsfp", positive, f"does not go with the amount {values['je']}")
    state = values["fpzt"]
    return {
        "lsh": _number(values),
        "bbh": 0,
        "kprq": f"{day:%Y%m%d}",
        "fx": "X" if sold else "J",
        # A buyer without a code, a person, is known by name; without either all such are one.
        "dfdm": (buyer if sold else seller) or name or "-",
        "je": amount,
        "se": plain_amount(values["se"]),
        "hj": plain_amount(values["jshj"]),
        "zt": "0" if _REVERSED in state else _STATES.get(state, state),
        "lrsj": f"{now:%Y%m%d%H%M%S%z}",
    }


def _number(values: dict[str, str]) -> str:
    """Return what identifies an invoice: its 20 digits, or its code and 8 digits."""
    digital = values.get("sdfphm", "")
    code, number = values.get("fpdm", ""), values.get("fphm", "")
    named = digital or number
    if not _NUMBER.fullmatch(named) or (code and not digital and not _NUMBER.fullmatch(code)):
        raise FieldError("fphm", named, "not an invoice number of 8 to 20 digits")
    return digital or (f"{code}-{number}" if code else number)


def _month_said(record: CsvRecord) -> set[date]:
    """Return the month that lacks a row, if the row says which."""
    try:
        return {month_start(SourceRow({"kprq": plain_day(record.values["kprq"])}).day("kprq", compact=True))}
    except FieldError:
        return set()


def _sum_up(reading: InvoiceReading, held: _Invoices, since: date, today: date) -> None:
    """Read the rows as the office's, and sum them by month."""
    this = month_start(today)
    over: list[object] = []
    for _, row in held.rows.values():
        if str(row["kprq"])[:6] == f"{this:%Y%m}":
            reading.running += 1
        else:
            over.append(row)
    page = tax_invoices.Page(1, over, whole=True)
    facts, rejects, _, newest = tax_invoices.monthly_facts([page], since, add_months(this, -1))
    for _, error in rejects:
        number = error.row.record_id if error.row else None
        line = held.rows[number][0] if number in held.rows else 0
        name = _LABELS.get(error.field, error.field)
        reading.wrong.append((line, FieldError(name, error.value, _REASONS.get(error.field, error.reason))))
    reading.taken = len(newest)
    reading.facts = [replace(fact, complete=False) if fact.period in held.spoiled else fact for fact in facts]
