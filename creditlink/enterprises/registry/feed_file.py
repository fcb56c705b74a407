"""A file of the registry's feed, row by row: CSV, or JSON lines. What cannot be read is named by line. Pure.

In CSV an amount is a whole number of fen, and a list (shareholders, branches, guarantees) is JSON in its cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from creditlink.enterprises.registry.change import FIELDS, FieldFlaw, excerpt
from creditlink.kit.files import csvfile, text
from creditlink.kit.files.textfile import JsonInvalid, TextFile, json_of

FORMS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
"""How a file's name ends -> its form."""

_NUMBERS = ("registered_capital_fen", "paid_in_capital_fen")
_LISTS = ("shareholders", "branches", "guarantees")
_LONGEST_NUMBER = 19
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A row as it came: its line, its members, or what is wrong with it as a whole."""

    line: int
    members: dict[str, object]
    flaw: FieldFlaw | None = None


class FormUnknown(ValueError):
    """The file's name does not say what it is."""


def read_feed(file: TextFile, name: str) -> Iterator[FeedRow]:
    """Yield the rows of a file; `name` says its form.

    Raises
    ------
    FormUnknown
        By how the name ends.
    HeaderInvalid
        The header of a CSV file lacks a column, names one twice or one that does not exist.
    """
    form = FORMS.get(PurePath(name).suffix.lower())
    if form is None:
        raise FormUnknown(f"the name must end in one of {', '.join(FORMS)}")
    yield from _of_csv(file) if form == "csv" else _of_lines(file)


def _of_lines(file: TextFile) -> Iterator[FeedRow]:
    for number, line in file.lines():
        if not line.strip(" \t\r"):
            continue
        if unreadable := file.flaw(number):
            yield FeedRow(number, {}, FieldFlaw("line", excerpt(line), unreadable))
            continue
        try:
            value = json_of(line)
        except JsonInvalid as error:
            yield FeedRow(number, {}, FieldFlaw("line", excerpt(line), f"is not JSON: {text.printable(str(error))}"))
            continue
        if not isinstance(value, dict):
            yield FeedRow(number, {}, FieldFlaw("line", excerpt(line), "must be an object"))
        else:
            yield row_of(number, value)


def row_of(number: int, value: Mapping[str, object]) -> FeedRow:
    """Return a row as it can be kept; one that holds what no column can is named by its first such member."""
    for where, problem in text.flaws(value):
        return FeedRow(number, {}, FieldFlaw(text.pointer(where), "", problem))
    if _depth(value) > _DEEPEST:
        return FeedRow(number, {}, FieldFlaw("line", "", f"is nested deeper than {_DEEPEST}"))
    return FeedRow(number, dict(value))


def _depth(value: object) -> int:
    waiting, deepest = [(value, 1)], 1
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting += [(member, depth + 1) for member in inner]
    return deepest


def _of_csv(file: TextFile) -> Iterator[FeedRow]:
    for row in csvfile.rows(file, known=FIELDS, needed=("uscc",)):
        if isinstance(row, csvfile.WrongRow):
            yield FeedRow(row.line, {}, FieldFlaw(row.field, row.value, row.problem))
            continue
        members: dict[str, object] = {}
        flaw = None
        for name, cell in row.values.items():
            if not (stripped := cell.strip()):
                continue
            try:
                members[name] = _cell(name, stripped)
            except (ValueError, JsonInvalid) as error:
                flaw = FieldFlaw(name, excerpt(stripped), str(error))
        yield FeedRow(row.line, members, flaw) if flaw else row_of(row.line, members)


def _cell(name: str, cell: str) -> object:
    """Return a cell as its column's type; ValueError says what it must be."""
    if name in _NUMBERS:
        if not (cell.isascii() and cell.isdigit() and len(cell) <= _LONGEST_NUMBER):
            raise ValueError("must be a whole number of fen")
        return int(cell)
    if name in _LISTS:
        try:
            return json_of(cell)
        except JsonInvalid as error:
            raise ValueError(f"must be a list as JSON: {text.printable(str(error))}") from None
    return cell
