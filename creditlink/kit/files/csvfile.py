"""CSV that people give us, record by record: a wrong one is named by line, field and value, the rest are read. Pure."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from creditlink.kit.files.text import flaw, printable
from creditlink.kit.files.textfile import TextFile

SEPARATORS = (",", ";", "\t")
_MOST_LINES = 100
"""A quoted field may hold line ends, but a longer record means a quote that was not closed."""
_SHOWN = 60
_UNCLOSED = "a quote opens in it that is not closed"


@dataclass(frozen=True, slots=True)
class Record:
    """A record: the line it starts at, the start of that line, and its fields or what is wrong with it."""

    line: int
    begin: str
    fields: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """A record under its header: column -> text as it came."""

    line: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A record that cannot be read; `field` is `line` where it is wrong as a whole."""

    line: int
    field: str
    value: str
    problem: str

    def __str__(self) -> str:
        """Return it as one sentence."""
        return f"line {self.line}: field {self.field!r}: value {self.value!r}: {self.problem}"


class HeaderInvalid(ValueError):
    """The header lacks a column (`lacks`), names one twice or one that does not exist; nothing was read then."""

    def __init__(self, line: int, value: str, problem: str, lacks: str | None = None) -> None:
        self.line, self.value, self.problem, self.lacks = line, printable(value), problem, lacks
        super().__init__(f"line {line}: the header {self.value!r} {problem}")


def records(file: TextFile, separator: str = ",") -> Iterator[Record]:
    """Yield the records; blank lines are passed over.

    A quote that is opened and not closed costs its own line only: where the lines that follow do not end it in a
    record of the first one's width, they are read by themselves.
    """
    lines = file.text.split("\n")
    width, at = 0, 0
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if flawed := file.flaw(number):
            yield Record(number, printable(line)[:_SHOWN], problem=flawed)
            continue
        if not line.strip(" "):
            continue
        if '"' not in line:
            fields: tuple[str, ...] | str = tuple(line.split(separator))
        else:
            fields, used = _quoted(lines, at - 1, separator, width)
            at += used - 1
        if isinstance(fields, str):
            yield Record(number, printable(line)[:_SHOWN], problem=fields)
        else:
            width = width or len(fields)
            yield Record(number, printable(line)[:_SHOWN], fields)


def rows(file: TextFile, *, known: Collection[str] | None, needed: Sequence[str]) -> Iterator[CsvRecord | WrongRow]:
    """Yield every record under the header of the file, or what is wrong with it.

    Parameters
    ----------
    known : the columns that there may be; None for any. They are separated by comma, semicolon or tab.

    Raises
    ------
    HeaderInvalid
        The header lacks a column, names one twice or one that does not exist.
    """
    separator = _separator(file, needed)
    found = records(file, separator)
    header = _header(next(found, None), known, needed)
    for record in found:
        if record.problem is not None:
            yield WrongRow(record.line, "line", record.begin, record.problem)
        elif len(record.fields) != len(header):
            problem = f"has {len(record.fields)} fields, the header has {len(header)}"
            yield WrongRow(record.line, "line", record.begin, problem)
        else:
            values = dict(zip(header, record.fields, strict=True))
            wrong = next(((name, said) for name, text in values.items() if (said := flaw(text))), None)
            if wrong:
                yield WrongRow(record.line, wrong[0], printable(values[wrong[0]])[:_SHOWN], wrong[1])
            else:
                yield CsvRecord(record.line, values)


def _header(first: Record | None, known: Collection[str] | None, needed: Sequence[str]) -> tuple[str, ...]:
    if first is None:
        raise HeaderInvalid(1, "", f"lacks the column {needed[0]}", needed[0])
    if first.problem is not None:
        raise HeaderInvalid(first.line, first.begin, f"cannot be read: {first.problem}")
    header = tuple(name.strip() for name in first.fields)
    for name in header:
        if known is not None and name not in known:
            raise HeaderInvalid(first.line, name, f"is none of {', '.join(known)}")
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise HeaderInvalid(first.line, twice[0], "names this column twice")
    for name in needed:
        if name not in header:
            raise HeaderInvalid(first.line, ",".join(header), f"lacks the column {name}", name)
    return header


def _separator(file: TextFile, needed: Sequence[str]) -> str:
    """Return what tells the columns of the header apart: spreadsheets write semicolons and tabs too."""
    first = next((line for _, line in file.lines() if line.strip(" ")), "")
    cut = {one: {name.strip(' "') for name in first.split(one)} for one in SEPARATORS}
    return max(SEPARATORS, key=lambda one: len(cut[one].intersection(needed)))


def _quoted(lines: Sequence[str], at: int, separator: str, width: int) -> tuple[tuple[str, ...] | str, int]:
    """Return the fields of the record that starts at a line, or what is wrong, and how many lines it takes."""
    fields = _parsed(lines[at], separator)
    if fields != _UNCLOSED:
        return fields, 1
    odd = True
    for end in range(at + 1, min(at + _MOST_LINES, len(lines))):
        odd ^= lines[end].count('"') % 2 == 1
        if not odd:
            fields = _parsed("\n".join(lines[at : end + 1]), separator)
            if isinstance(fields, tuple) and len(fields) == (width or len(fields)):
                return fields, end + 1 - at
            break
    return _UNCLOSED, 1


def _parsed(text: str, separator: str) -> tuple[str, ...] | str:
    try:
        return tuple(next(csv.reader([text], delimiter=separator, strict=True)))
    except csv.Error as error:
        return _UNCLOSED if "unexpected end of data" in str(error) else f"is not CSV: {error}"
