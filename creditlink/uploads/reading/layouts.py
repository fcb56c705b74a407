"""The layouts of the tax platform's exports: which column is called what, and where in a file its table begins. Pure.

A column is known by its label or by the code that the platform's XML has for it. Exports have lines above the header
(the firm's name and code, the query), further columns and an order that changes with every release: none of it counts.
Source: the electronic tax office's list of all invoices (全量发票查询导出结果) and of VAT declarations (增值税申报).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from creditlink.kit.files.csvfile import CsvRecord, WrongRow
from creditlink.kit.files.text import flaw, printable

if TYPE_CHECKING:
    from creditlink.uploads.reading.sheets import FileSheet, SheetLine

OWNER = "nsrsbh"
_ABOVE = 20
"""So many lines may stand above the header."""
_SHOWN = 60
_CODE = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{18}(?![0-9A-Z])")


@dataclass(frozen=True)
class Column:
    """A column of a layout: its code, what exports call it, and whether a table without it is another one."""

    code: str
    labels: tuple[str, ...]
    needed: bool = False


@dataclass(frozen=True)
class Layout:
    """One kind of export. A table with a column of `foreign` is another one: lines of goods, not of invoices."""

    name: str
    columns: tuple[Column, ...]
    foreign: tuple[str, ...] = ()

    def label(self, code: str) -> str:
        """Return what a column is called in the layout."""
        return next(column.labels[0] for column in self.columns if column.code == code)


DECLARATIONS = Layout(
    "declarations",
    (
        Column(OWNER, ("纳税人识别号", "统一社会信用代码", "社会信用代码", "社会信用代码(纳税人识别号)")),
        Column("skssqq", ("税款所属期起", "所属期起", "税款所属时期起"), needed=True),
        Column("skssqz", ("税款所属期止", "所属期止", "税款所属时期止"), needed=True),
        Column("sbrq", ("申报日期", "申报时间"), needed=True),
        Column("sbqx", ("申报期限", "申报截止日期")),
        Column("ysxse", ("应税销售额", "应征增值税不含税销售额", "按适用税率计税销售额"), needed=True),
        Column("msxse", ("免税销售额",)),
        Column("xxse", ("销项税额",)),
        Column("jxse", ("进项税额",)),
        Column("ynse", ("应纳税额", "应纳税额合计"), needed=True),
        Column("yjse", ("已缴税额", "实缴税额", "本期已缴税额"), needed=True),
        Column("sbzt", ("申报状态", "作废标志")),
    ),
)
INVOICES = Layout(
    "invoices",
    (
        Column("xh", ("序号",)),
        Column("fpdm", ("发票代码",)),
        Column("fphm", ("发票号码",)),
        Column("sdfphm", ("数电发票号码", "数电票号码")),
        Column("xfsbh", ("销方识别号", "销方纳税人识别号", "销售方识别号"), needed=True),
        Column("xfmc", ("销方名称", "销售方名称")),
        Column("gfsbh", ("购方识别号", "购方纳税人识别号", "购买方识别号"), needed=True),
        Column("gfmc", ("购买方名称", "购方名称")),
        Column("kprq", ("开票日期", "开票时间"), needed=True),
        Column("je", ("金额", "不含税金额"), needed=True),
        Column("se", ("税额",), needed=True),
        Column("jshj", ("价税合计",), needed=True),
        Column("fpzt", ("发票状态",), needed=True),
        Column("sfzsfp", ("是否正数发票",)),
    ),
    foreign=("货物或应税劳务名称", "hwlwmc"),
)
LAYOUTS = (DECLARATIONS, INVOICES)


@dataclass(frozen=True)
class FoundTable:
    """A table that was found: its layout, the codes of firms in the lines above it, and its rows by column."""

    layout: Layout
    owners: frozenset[str]
    rows: Iterator[CsvRecord | WrongRow]


def known_name(name: str) -> str | None:
    """Return the code of the column that a name stands for in any layout."""
    return _NAMES.get(_plain(name))


def find_table(sheet: FileSheet) -> FoundTable | None:
    """Return the first table in a sheet that has one of the layouts, or None."""
    lines = sheet.lines()
    above: list[SheetLine] = []
    for line in islice(lines, _ABOVE):
        cells = [_plain(cell) for cell in line.cells]
        for layout in LAYOUTS:
            places = _places(layout, cells)
            if places is not None:
                return FoundTable(layout, _codes(above), _rows(lines, layout, places))
        above.append(line)
    return None


def _places(layout: Layout, cells: list[str]) -> dict[str, int] | None:
    """Return where each column of a layout is in a header; None where it is not its header, or names one twice."""
    if any(_plain(name) in cells for name in layout.foreign):
        return None
    places: dict[str, int] = {}
    for column in layout.columns:
        names = {_plain(name) for name in (column.code, *column.labels)}
        found = [place for place, cell in enumerate(cells) if cell in names]
        if len(found) > 1 or (column.needed and not found):
            return None
        if found:
            places[column.code] = found[0]
    return places


def _rows(lines: Iterator[SheetLine], layout: Layout, places: dict[str, int]) -> Iterator[CsvRecord | WrongRow]:
    for line in lines:
        if line.problem is not None:
            yield WrongRow(line.number, "line", line.begin, line.problem)
            continue
        if not any(line.cells):
            continue
        values = {code: line.cells[place] if place < len(line.cells) else "" for code, place in places.items()}
        yield _judged(line.number, values, layout)


def _judged(number: int, values: dict[str, str], layout: Layout) -> CsvRecord | WrongRow:
    for code, value in values.items():
        wrong = flaw(value) or ("is a formula; an export holds values" if value.startswith("=") else None)
        if wrong is not None:
            return WrongRow(number, layout.label(code), printable(value)[:_SHOWN], wrong)
    return CsvRecord(number, values)


def _codes(above: list[SheetLine]) -> frozenset[str]:
    """Return the codes of firms in the lines above a header."""
    cells = chain.from_iterable(line.cells for line in above)
    return frozenset(code for cell in cells for code in _CODE.findall(cell.upper()))


def _plain(name: str) -> str:
    """Return a name of a column without what releases of the platform change: spaces, kinds of brackets, case."""
    return re.sub(r"\s+", "", name).translate(_BRACKETS).removesuffix("(元)").lower()


_BRACKETS = str.maketrans("（）", "()")
_NAMES = {
    _plain(name): column.code
    for layout in LAYOUTS
    for column in layout.columns
    for name in (column.code, *column.labels)
}
