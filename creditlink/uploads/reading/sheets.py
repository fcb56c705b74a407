"""Tables as numbered lines of texts, whatever file they came in. Pure.

CSV and XML through the readers of text files, Excel through openpyxl, OFD as the package of XML that it is
(GB/T 33190). What unpacks is measured before it is unpacked, and searched for document types before it is parsed.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from creditlink.kit.files import csvfile, textfile
from creditlink.kit.files.text import printable
from creditlink.uploads.reading import markup
from creditlink.uploads.reading.refusal import FileRefused

if TYPE_CHECKING:
    from openpyxl import Workbook

_MOST_PARTS = 2000
_MOST_COLUMNS = 64
_MOST_EMPTY = 1000
"""So many lines may be empty, or stand above the header."""
_DOCUMENT_TYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SHOWN = 60
# How spreadsheets keep a long number as text in CSV.
_AS_TEXT = re.compile(r'="([^"=]*)"')
_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of a table: its number in the file, and its cells or why it cannot be read."""

    number: int
    cells: tuple[str, ...] = ()
    problem: str | None = None
    begin: str = ""


@dataclass(frozen=True)
class FileSheet:
    """One way to read a file as a table; `lines` begins anew each time."""

    lines: Callable[[], Iterator[SheetLine]]


@dataclass(frozen=True)
class OpenedFile:
    """A file by its format, and the tables that it may hold."""

    format: str  # csv | xlsx | xml | ofd
    sheets: tuple[FileSheet, ...]


def open_file(content: bytes, *, most_unpacked: int, most_rows: int) -> OpenedFile:
    """Return the tables of a file; its format is told from what is in it, never from its name.

    Raises
    ------
    FileRefused
        It is no file that is read, or more than may be read.
    """
    if not content.strip():
        raise FileRefused("empty")
    if content.startswith(_OLE):
        # Also how Excel wraps a workbook with a password.
        wrapped = "EncryptedPackage".encode("utf-16-le") in content
        raise FileRefused("locked" if wrapped else "old_excel")
    if content.startswith(b"%PDF"):
        raise FileRefused("pdf")
    if content.startswith(b"PK"):
        return _package(content, most_unpacked, most_rows + _MOST_EMPTY)
    text = textfile.decode(content)
    if text.text.lstrip().startswith("<"):
        rows = markup.rows_of(text.text)
        return OpenedFile("xml", (FileSheet(lambda: _numbered(rows)),))
    return OpenedFile("csv", tuple(_csv(text, one) for one in csvfile.SEPARATORS))


def _package(content: bytes, most_unpacked: int, most_lines: int) -> OpenedFile:
    try:
        package = zipfile.ZipFile(io.BytesIO(content))
        parts = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise FileRefused("damaged", str(error)[:_SHOWN]) from None
    # No more than a part declares is unpacked of it: zipfile holds to that.
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > most_unpacked:
        raise FileRefused("unpacks_too_large")
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise FileRefused("locked")
    names = [part.filename for part in parts]
    if "xl/workbook.xml" in names:
        for name in names:
            # As UTF-16, the other encoding that every parser knows, it has a zero in every second byte.
            if _DOCUMENT_TYPE.search(_part(package, name).replace(b"\0", b"")):
                raise FileRefused("document_type")
        sheets = (_worksheet(content, number, most_lines) for number in range(_count_sheets(content)))
        return OpenedFile("xlsx", tuple(sheets))
    if any(name == "OFD.xml" or name.lower().endswith(".ofd") for name in names):
        rows = list(_invoices(package, most_unpacked))
        table = markup.with_header(rows)
        return OpenedFile("ofd", (FileSheet(lambda: _numbered(table)),))
    raise FileRefused("no_layout")


def _invoices(package: zipfile.ZipFile, most_unpacked: int) -> Iterator[dict[str, str]]:
    """Yield the invoice of an OFD file, or of each in a package of them."""
    left = most_unpacked
    for name in package.namelist():
        if name.lower().endswith(".ofd"):
            inner = _part(package, name)
            try:
                one = zipfile.ZipFile(io.BytesIO(inner))
            except (zipfile.BadZipFile, ValueError) as error:
                raise FileRefused("damaged", f"{printable(name)[:_SHOWN]}: {error}") from None
            left -= sum(part.file_size for part in one.infolist())
            if left < 0:
                raise FileRefused("unpacks_too_large")
            yield from (_invoice(one, inside) for inside in one.namelist() if markup.is_invoice(inside))
        elif markup.is_invoice(name):
            yield _invoice(package, name)


def _invoice(package: zipfile.ZipFile, name: str) -> dict[str, str]:
    return markup.invoice_of(textfile.decode(_part(package, name)).text)


def _part(package: zipfile.ZipFile, name: str) -> bytes:
    try:
        return package.read(name)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise FileRefused("damaged", str(error)[:_SHOWN]) from None
    except Exception as error:  # zlib and lzma have errors of their own
        raise FileRefused("damaged", type(error).__name__) from None


def _csv(text: textfile.TextFile, separator: str) -> FileSheet:
    def lines() -> Iterator[SheetLine]:
        for record in csvfile.records(text, separator):
            cells = tuple(_unwrapped(field) for field in record.fields)
            yield SheetLine(record.line, cells, record.problem, record.begin)

    return FileSheet(lines)


def _unwrapped(field: str) -> str:
    field = field.strip()
    kept = _AS_TEXT.fullmatch(field)
    return kept[1] if kept else field


def _numbered(rows: list[tuple[str, ...]]) -> Iterator[SheetLine]:
    """Yield the rows of XML: the header is line 0, so that rows count from 1."""
    return (SheetLine(number, cells) for number, cells in enumerate(rows))


def _worksheet(content: bytes, number: int, most_lines: int) -> FileSheet:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

    def lines() -> Iterator[SheetLine]:
        book = _workbook(content)
        try:
            sheet = book.worksheets[number]
            if not isinstance(sheet, ReadOnlyWorksheet):
                return
            sheet.reset_dimensions()  # what the file says of its size binds nobody
            for line, row in enumerate(sheet.iter_rows(max_col=_MOST_COLUMNS, values_only=True), 1):
                if line > most_lines:
                    raise FileRefused("too_many_rows")
                yield SheetLine(line, tuple(_text_of(value) for value in row))
        except FileRefused:
            raise
        except Exception as error:  # openpyxl raises whatever a malformed part makes it meet
            raise FileRefused("damaged", type(error).__name__) from None
        finally:
            book.close()

    return FileSheet(lines)


def _count_sheets(content: bytes) -> int:
    book = _workbook(content)
    try:
        return len(book.worksheets)
    finally:
        book.close()


def _workbook(content: bytes) -> Workbook:
    # Imported with the first workbook: most processes never see one, and it is a fifteenth of a start.
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that nobody here looks at
            return openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
    except Exception as error:  # see above
        raise FileRefused("damaged", type(error).__name__) from None


def _text_of(value: object) -> str:
    """Return a cell as text: numbers as they are written, days and times as ISO has them, a formula as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}" if abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return str(value)
