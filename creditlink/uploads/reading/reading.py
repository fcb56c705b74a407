"""One uploaded file: its table found, its owner checked, its rows read. Pure.

The same for `creditlink sources check-upload` and for the worker, so that what the command says is what happens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.kit.files.csvfile import CsvRecord, WrongRow
from creditlink.kit.files.text import printable
from creditlink.records.connectors.fields import FieldError
from creditlink.records.pulls.delivery import Fact
from creditlink.uploads.reading.declarations import read_declarations
from creditlink.uploads.reading.invoices import read_invoices
from creditlink.uploads.reading.layouts import DECLARATIONS, OWNER, FoundTable, Layout, find_table
from creditlink.uploads.reading.refusal import FileRefused
from creditlink.uploads.reading.sheets import OpenedFile, open_file
from creditlink.uploads.rules import UploadRules

_SHOWN = 60


@dataclass
class UploadReading:
    """What a file holds and what was wrong with it; `facts` are as known from the upload on."""

    layout: str
    format: str
    sha256: str
    rows: int = 0
    taken: int = 0
    repeated: int = 0  # rows that stood above in full
    left_out: int = 0  # taken back by the taxpayer, or of a month that is not over
    serial_gaps: int = 0  # places where rows were taken out of the list
    facts: list[Fact] = field(default_factory=list)
    wrong: list[WrongRow] = field(default_factory=list)


def read_upload(content: bytes, *, firm: str, now: datetime, rules: UploadRules) -> UploadReading:
    """Return what a firm's file holds.

    Parameters
    ----------
    firm : the code of the firm that uploads: the file must be its own
    now : the instant of the upload, from which its facts are known

    Raises
    ------
    FileRefused
        It cannot be read, is in no layout, another firm's, too large, or has no row that could be taken.
    """
    opened = open_file(content, most_unpacked=rules.unpacked_bytes, most_rows=rules.rows)
    table = _table(opened)
    reading = UploadReading(table.layout.name, opened.format, hashlib.sha256(content).hexdigest())
    if table.owners and firm not in table.owners:
        raise FileRefused("another_firm")
    since = add_months(month_start(day_of(now)), -rules.months)
    records = list(_records(table, reading, rules.rows))
    if table.layout is DECLARATIONS:
        own = firm in table.owners or any(OWNER in record.values for record in records)
        if not own:
            raise FileRefused("no_owner")
        if records and all(record.values.get(OWNER, firm).upper() != firm for record in records):
            raise FileRefused("another_firm")
        for record, one in zip(records, read_declarations(iter(records), firm=firm, since=since, now=now), strict=True):
            if isinstance(one, Fact):
                reading.facts.append(one)
                reading.taken += 1
            elif one is None:
                reading.left_out += 1
            else:
                reading.wrong.append(_wrong(record.line, one, table.layout))
    else:
        found = read_invoices(iter(records), firm=firm, since=since, now=now)
        if records and found.foreign == len(records):
            raise FileRefused("another_firm")
        reading.facts, reading.taken, reading.repeated = found.facts, found.taken, found.repeated
        reading.left_out, reading.serial_gaps = found.running, found.serial_gaps
        reading.wrong += [_wrong(line, error, table.layout) for line, error in found.wrong]
    reading.wrong.sort(key=lambda row: row.line)
    if not reading.facts:
        first = str(reading.wrong[0]) if reading.wrong else ""
        raise FileRefused("nothing_taken", first)
    return reading


def _table(opened: OpenedFile) -> FoundTable:
    for sheet in opened.sheets:
        table = find_table(sheet)
        if table is not None:
            return table
    raise FileRefused("no_layout")


def _records(table: FoundTable, reading: UploadReading, most: int) -> Iterator[CsvRecord]:
    for row in table.rows:
        reading.rows += 1
        if reading.rows > most:
            raise FileRefused("too_many_rows", f"more than {most}")
        if isinstance(row, WrongRow):
            reading.wrong.append(row)
        else:
            yield row


def _wrong(line: int, error: FieldError, layout: Layout) -> WrongRow:
    known = {column.code for column in layout.columns}
    label = layout.label(error.field) if error.field in known else error.field
    return WrongRow(line, label, printable(str(error.value or ""))[:_SHOWN], error.reason)
