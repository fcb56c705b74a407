"""What a table is asked for and what it shows: columns, filters, order, pages, cells, CSV. Pure.

Everything stands in the address: `sort=points` or `sort=-points` (falling), `page=2`, `export=csv`, and each filter by
its name. A page with several tables gives each a prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Generic, Literal, TypeVar
from urllib.parse import urlencode

import polars as pl

from creditlink.kit.clock import SHANGHAI, day_from
from creditlink.kit.files.csvexport import csv_of
from creditlink.kit.money import grouped_yuan, yuan_text

Row = TypeVar("Row")
Value = str | int | float | date | datetime | None
Kind = Literal["text", "number", "points", "money", "share", "day", "instant", "own"]
ALIGNED = frozenset({"number", "points", "money", "share"})
"""Kinds whose figures stand under each other."""
A_PAGE = 25
MOST = 10_000
"""How many rows can be paged through or exported: whoever meets more narrows the list."""
_LONGEST = 200
_BOM = "\ufeff"  # spreadsheets read the Chinese by it


class SheetRefused(Exception):
    """The address asks for what the table cannot show."""

    def __init__(self, what: str, text: str = "") -> None:
        super().__init__(what, text)
        self.what, self.text = what, text  # day | number | choice | sort | page | narrow | said: the text says it all


@dataclass(frozen=True)
class SheetColumn(Generic[Row]):
    """One column.

    Parameters
    ----------
    value : what it sorts and exports by; money in fen, a share in [0, 1], None for what is not known.
    text : what it shows, where that is not its value: the name of a code.
    link, note, tone : where the cell leads, a second line under it, and a state's tone (`ok`, `warn`, `bad`, `idle`).
    note_label : the note's own column when exported; without one it is left out there.
    unit : beside the label.
    kind : `own` has its cell written by the page, through the macro's caller.
    """

    name: str
    label: str
    value: Callable[[Row], Value]
    kind: Kind = "text"
    text: Callable[[Row], str] | None = None
    link: Callable[[Row], str | None] | None = None
    note: Callable[[Row], str] | None = None
    tone: Callable[[Row], str] | None = None
    note_label: str = ""
    unit: str = ""
    digits: int = 0
    sorts: bool = True


@dataclass(frozen=True)
class SheetFilter(Generic[Row]):
    """One field above the table; `meets` says which rows stay, where the rows are at hand and not in a query."""

    name: str
    label: str
    kind: Literal["words", "choice", "day", "number", "hidden"] = "words"
    choices: Sequence[tuple[str, str]] = ()
    meets: Callable[[Row, Value], bool] | None = None
    blank: str = ""  # what choosing nothing shows; empty: any


@dataclass(frozen=True)
class SheetAsked:
    """What the address asks of one table."""

    sort: str
    falls: bool
    page: int
    export: bool
    values: Mapping[str, Value]  # of filters that hold something
    written: Mapping[str, str]  # as they were typed
    others: tuple[tuple[str, str], ...]  # what else is in the address, and stays there

    @property
    def order(self) -> str:
        """Return the order as the address says it."""
        return ("-" if self.falls else "") + self.sort


@dataclass(frozen=True)
class SheetCell:
    """One cell: its text, or the instant that the page writes in its language."""

    column: str
    label: str
    kind: Kind
    text: str
    instant: datetime | None = None
    href: str | None = None
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Sheet(Generic[Row]):
    """A table as a page shows it; `rows` are those of the page, or all that are exported."""

    label: str
    columns: Sequence[SheetColumn[Row]]
    filters: Sequence[SheetFilter[Row]]
    asked: SheetAsked
    rows: Sequence[Row]
    total: int  # `MOST` + 1: there are more than can be paged through
    prefix: str = ""
    empty: str = ""
    refusal: str = ""  # why it is not shown
    per_page: int = A_PAGE
    cells: Sequence[tuple[Row, Sequence[SheetCell]]] = field(init=False)

    def __post_init__(self) -> None:
        shown = () if self.asked.export else self.rows
        object.__setattr__(self, "cells", [(row, [cell_of(column, row) for column in self.columns]) for row in shown])

    @property
    def is_narrowed(self) -> bool:
        """Return whether a filter holds something."""
        return bool(self.asked.written)

    @property
    def counted(self) -> str | None:
        """Return how many rows there are; None: more than are counted."""
        return None if self.total > MOST else f"{self.total:,}"

    @property
    def span(self) -> tuple[int, int]:
        """Return the numbers of the first and the last row of this page, from 1."""
        before = (self.asked.page - 1) * self.per_page
        return before + 1, before + len(self.rows)

    def direction(self, column: SheetColumn[Row]) -> str | None:
        """Return a column's `aria-sort`; None: the table is not in its order."""
        if column.name != self.asked.sort:
            return None
        return "descending" if self.asked.falls else "ascending"

    def sorted_by(self, column: SheetColumn[Row]) -> str:
        """Return the address of the table in a column's order, turned round if that is its order already."""
        rising = self.direction(column) != "ascending"
        if self.direction(column) is None and column.kind in ALIGNED | {"instant", "day"}:
            rising = False  # who sorts by figures or days wants the largest or the latest first
        return self._address(sort=column.name if rising else f"-{column.name}")

    @property
    def previous(self) -> str | None:
        """Return the address of the page before."""
        return self._address(page=str(self.asked.page - 1)) if self.asked.page > 1 else None

    @property
    def next(self) -> str | None:
        """Return the address of the page after."""
        return (
            self._address(page=str(self.asked.page + 1))
            if self.asked.page * self.per_page < min(self.total, MOST)
            else None
        )

    @property
    def csv(self) -> str:
        """Return the address of the export."""
        return self._address(export="csv")

    @property
    def whole(self) -> str:
        """Return the address of the table with nothing narrowed."""
        return "?" + urlencode(self.asked.others) + self._anchor

    @property
    def orders(self) -> list[tuple[str, str, bool]]:
        """Return every order to choose from, as (value, label, whether it falls)."""
        return [
            (sign + column.name, column.label, sign == "-")
            for column in self.columns
            if column.sorts
            for sign in ("", "-")
        ]

    def _address(self, **changes: str) -> str:
        own = {**self.asked.written, "sort": self.asked.order} | changes
        return "?" + urlencode([*self.asked.others, *((self.prefix + k, v) for k, v in own.items())]) + self._anchor

    @property
    def _anchor(self) -> str:
        return f"#{self.prefix}sheet" if self.prefix else ""


def asked_of(
    arguments: Iterable[tuple[str, str]],
    columns: Sequence[SheetColumn[Row]],
    filters: Sequence[SheetFilter[Row]] = (),
    *,
    first: str,
    prefix: str = "",
) -> SheetAsked:
    """Return what an address asks of a table.

    Parameters
    ----------
    arguments : the address's query, in its order; a name that comes again counts once, the first time.
    first : the order where none is asked for.

    Raises
    ------
    SheetRefused
        An order, a page or a filter's value is not one of this table.
    """
    names = {prefix + one for one in ("sort", "page", "export", *(each.name for each in filters))}
    own: dict[str, str] = {}
    others = []
    for name, text in arguments:
        if name in names:
            own.setdefault(name.removeprefix(prefix), text.strip()[:_LONGEST])
        elif name != "lang":
            others.append((name, text))
    order, page = own.get("sort") or first, own.get("page") or "1"
    if order.removeprefix("-") not in {column.name for column in columns if column.sorts}:
        raise SheetRefused("sort", order)
    if not (page.isascii() and page.isdigit() and len(page) < 6 and int(page) > 0):
        raise SheetRefused("page", page)
    written = {each.name: own[each.name] for each in filters if own.get(each.name)}
    values = {each.name: _value(each, written[each.name]) for each in filters if each.name in written}
    return SheetAsked(
        order.removeprefix("-"), order.startswith("-"), int(page), own.get("export") == "csv", values, written,
        tuple(others),
    )  # fmt: skip


def _value(each: SheetFilter[Row], text: str) -> Value:
    if each.kind == "choice" and text not in {code for code, _ in each.choices}:
        raise SheetRefused("choice", text)
    try:
        if each.kind == "day":
            day = day_from(text)
            if not 1900 <= day.year <= 2200:  # beyond, a day has no instant on every clock
                raise SheetRefused("day", text)
            return day
        if each.kind == "number":
            number = Decimal(text)
            if not number.is_finite() or abs(number.adjusted()) > 18:
                raise SheetRefused("number", text)
            return float(number)
    except (ValueError, InvalidOperation):
        raise SheetRefused(each.kind, text) from None
    return text


def as_day(value: Value) -> date:
    """Return the value of a filter by day."""
    if not isinstance(value, date):
        raise TypeError("not a filter by day")
    return value


def kept(rows: Iterable[Row], filters: Sequence[SheetFilter[Row]], values: Mapping[str, Value]) -> list[Row]:
    """Return the rows that meet every filter that holds something."""
    held = [(each.meets, values[each.name]) for each in filters if each.name in values]
    return [row for row in rows if all(meets is None or meets(row, value) for meets, value in held)]


def ordered(rows: Sequence[Row], columns: Sequence[SheetColumn[Row]], asked: SheetAsked) -> list[Row]:
    """Return rows in the asked order; equal ones keep theirs, and what is not known comes last either way."""
    value = next(column.value for column in columns if column.name == asked.sort)
    known = [(_key(found), row) for row in rows if (found := value(row)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=asked.falls)
    return [row for _, row in known] + [row for row in rows if value(row) is None]


def _key(value: Value) -> tuple[float, str]:
    if isinstance(value, datetime):
        return value.timestamp(), ""
    if isinstance(value, date):
        return value.toordinal(), ""
    return (0, value.casefold()) if isinstance(value, str) else (value or 0, "")


def cell_of(column: SheetColumn[Row], row: Row) -> SheetCell:
    """Return one cell as it is shown."""
    value = column.value(row)
    return SheetCell(
        column=column.name,
        label=column.label,
        kind=column.kind,
        text=column.text(row) if column.text is not None else _shown(value, column),
        instant=value if isinstance(value, datetime) and column.text is None else None,
        href=column.link(row) if column.link is not None else None,
        note=column.note(row) if column.note is not None else "",
        tone=column.tone(row) if column.tone is not None else "",
    )


def _shown(value: Value, column: SheetColumn[Row]) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, str | date):
        return str(value)
    if column.kind == "money":
        return grouped_yuan(int(value))
    if column.kind == "share":
        return f"{value * 100:.{column.digits}f}%"
    return f"{value:,.{column.digits}f}"


def csv_text(sheet: Sheet[Row]) -> str:
    """Return the rows as CSV: figures without separators, money in yuan, instants on the clock of Beijing."""
    columns: dict[str, list[str]] = {}
    for column in sheet.columns:
        label = f"{column.label} ({column.unit})" if column.unit else column.label
        columns[_unused(label, columns)] = [_plain(column, row) for row in sheet.rows]
        if column.note is not None and column.note_label:
            columns[_unused(column.note_label, columns)] = [column.note(row) for row in sheet.rows]
    return _BOM + csv_of(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)))


def _unused(label: str, taken: Mapping[str, object]) -> str:
    return _unused(label + "*", taken) if label in taken else label


def _plain(column: SheetColumn[Row], row: Row) -> str:
    value = column.value(row)
    if value is None:
        return ""
    if column.text is not None and isinstance(value, str):
        return column.text(row)
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    if column.kind == "money" and isinstance(value, int):
        return yuan_text(value)
    return str(value)
