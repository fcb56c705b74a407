"""A CSV file of firms to register, read row by row: what is registered, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from creditlink.enterprises.service import Registration
from creditlink.kit.files.csvfile import CsvRecord, WrongRow, rows
from creditlink.kit.files.textfile import TextFile

COLUMNS = tuple(field.name for field in fields(Registration))
NEEDED = ("uscc", "name", "industry", "region")

_FEN = ("registered_capital_fen", "paid_in_capital_fen")
_LONGEST_NUMBER = 30
_YES = ("1", "true", "yes", "是")
_NO = ("0", "false", "no", "否")


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """A row that can be read, and the line it starts at."""

    line: int
    registration: Registration


def read_entries(file: TextFile) -> Iterator[RegistrationRow | WrongRow]:
    """Yield every row as a registration or as the first thing that is wrong with it; empty cells count as absent.

    Raises
    ------
    HeaderInvalid
        The header lacks a column, names one twice or one that does not exist; nothing was read then.
    """
    for row in rows(file, known=COLUMNS, needed=NEEDED):
        yield _entry(row) if isinstance(row, CsvRecord) else row


def _entry(row: CsvRecord) -> RegistrationRow | WrongRow:
    values: dict[str, Any] = dict.fromkeys(NEEDED, "")
    for name, cell in row.values.items():
        if not (text := cell.strip()):
            continue
        try:
            values[name] = _value(name, text)
        except ValueError as wrong:
            return WrongRow(row.line, name, text, str(wrong))
    return RegistrationRow(row.line, Registration(**values))


def _value(name: str, text: str) -> object:
    """Return a cell as its column's type; ValueError says what it must be."""
    if name in _FEN:
        if not (text.isascii() and text.isdigit()):
            raise ValueError("must be a whole number of fen")
        return int(text[:_LONGEST_NUMBER])  # one that is too long is refused later
    if name == "established_on":
        try:
            return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 (a day, not an instant)
        except ValueError:
            raise ValueError("must be a day YYYY-MM-DD") from None
    if name == "linked_struck_off":
        if text.lower() not in (*_YES, *_NO):
            raise ValueError(f"must be one of {', '.join((*_YES, *_NO))}")
        return text.lower() in _YES
    return text
