"""VAT declarations of an export, each brought to the office's own row and read as one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from creditlink.kit.clock import add_months, day_of, month_index, month_start
from creditlink.kit.files.csvfile import CsvRecord
from creditlink.records.connectors import tax_rows
from creditlink.records.connectors.fields import FieldError, SourceRow
from creditlink.records.pulls.delivery import Fact
from creditlink.uploads.reading.cells import plain_amount, plain_day
from creditlink.uploads.reading.layouts import OWNER

_AMOUNTS = ("ysxse", "msxse", "xxse", "jxse", "ynse", "yjse")
_OPTIONAL = ("msxse", "xxse", "jxse")
"""Columns that an export of a small-scale taxpayer has not: nothing."""
_VOID = ("是", "已作废", "作废")
_FILINGS = {1: "1", 3: "2"}
_DUE_DAY = 15
"""Of the month after the period. Source: Provisional Regulations on VAT (State Council Decree 691), art. 23."""


def read_declarations(
    records: Iterator[CsvRecord], *, firm: str, since: date, now: datetime
) -> Iterator[Fact | FieldError | None]:
    """Yield for each record its fact, what is wrong with it, or None for one that the taxpayer took back.

    Parameters
    ----------
    firm : the code of the firm that uploads
    since : the first month that is taken
    """
    seen: dict[date, str] = {}
    for record in records:
        try:
            yield _declaration(record, firm, since, now, seen)
        except FieldError as error:
            name = error.field.lower()
            yield FieldError(name, record.values.get(name) or error.value, error.reason)


def _declaration(record: CsvRecord, firm: str, since: date, now: datetime, seen: dict[date, str]) -> Fact | None:
    values = record.values
    owner = values.get(OWNER, firm).upper()
    if owner != firm:
        raise FieldError(OWNER, owner, "another taxpayer's")
    if values.get("sbzt") in _VOID:
        return None
    today = day_of(now)
    first, last = (_month(values, name) for name in ("skssqq", "skssqz"))
    end = add_months(last, 1)
    filed = _day("sbrq", values["sbrq"])
    if end > today:
        raise FieldError("skssqz", values["skssqz"], "the period is not over")
    if not end <= filed <= today:
        raise FieldError("sbrq", values["sbrq"], f"not between the period's end and the day of the upload, {today}")
    due = values.get("sbqx", "")
    months = month_index(last) - month_index(first) + 1
    row: dict[str, object] = {
        "lsh": f"line-{record.line}",
        "bbh": 0,
        "sbfs": _FILINGS.get(months, "1"),
        "skssqQ": f"{first:%Y%m}",
        "skssqZ": f"{last:%Y%m}",
        "sbqx": plain_day(due) if due else f"{end.replace(day=_DUE_DAY):%Y%m%d}",
        "sbrq": f"{filed:%Y%m%d}",
        "lrsj": f"{now:%Y%m%d%H%M%S%z}",
    }
    row |= {name: plain_amount(values.get(name, "") or ("0" if name in _OPTIONAL else "")) for name in _AMOUNTS}
    for name in _AMOUNTS:
        if row[name] == "":
            raise FieldError(name, "", "is empty")
    fact = tax_rows.declaration(SourceRow(row), since, today)
    if fact is None:
        raise FieldError("skssqq", values["skssqq"], f"before {since:%Y-%m}, the first month that is taken")
    _check_overlap(first, months, values["skssqq"], str(sorted(fact.values.items())), seen)
    return fact


def _check_overlap(first: date, months: int, said: str, content: str, seen: dict[date, str]) -> None:
    covered = [add_months(first, k) for k in range(months)]
    again = [month for month in covered if month in seen]
    if again:
        same = "the same declaration" if all(seen.get(m) == content for m in covered) else "another declaration"
        raise FieldError("skssqq", said, f"{same} for {again[0]:%Y-%m} stands above")
    seen.update(dict.fromkeys(covered, content))


def _month(values: dict[str, str], name: str) -> date:
    text = values[name]
    # A period is written by its days or by its months.
    return month_start(_day(name, f"{text}-01" if len(text) == 7 else text))


def _day(name: str, text: str) -> date:
    plain = plain_day(text)
    try:
        return SourceRow({name: plain}).day(name, compact=True)
    except FieldError as error:
        raise FieldError(name, text, error.reason) from None
