"""Reading a table nobody prepared: Parquet, or text with any separator and encoding, into typed columns.

What cannot be read ends with an error that names file, line and column; what can be read in one
sensible way only is read so, and counted as a finding.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from creditlink.training.columns import typed_column

SEPARATORS = (",", ";", "\t", "|")
_INNER = "\x1f"  # the unit separator: what columns of blanks are joined with before parsing
_PROBED_LINES = 200


class TableError(ValueError):
    """A table cannot be used; the message names the file, and the column and row where there are such."""


@dataclass(frozen=True)
class Finding:
    """Something odd in a table that does not stop the run.

    `row` is the first row concerned, counted from 1 below the header; None where it is about the
    whole column or file. `count` is how many rows, lines or columns are concerned.
    """

    file: str
    column: str | None
    row: int | None
    count: int
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return the members for a report."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.file}" + (f": column {self.column}" if self.column else "")
        return f"{where}: {self.message}" + (f" (first in row {self.row})" if self.row else "")


@dataclass(frozen=True, eq=False)
class RawTable:
    """Typed columns (Float64, Date or String; null is missing), and what was odd about them."""

    name: str
    frame: pl.DataFrame
    findings: tuple[Finding, ...]


def read_table(path: Path, *, header: bool = True) -> RawTable:
    """Read a Parquet file or a text table.

    Parameters
    ----------
    header : whether the first line of a text table names the columns; else they are `column_1` …

    Raises
    ------
    TableError
        The file is absent, empty, not a table, or a line has another number of fields than the first.
    """
    name = path.name
    if path.is_dir():
        raise TableError(f"{name}: is a folder, not a table")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(f"{name}: {error.strerror}") from None
    if not content.strip():
        raise TableError(f"{name}: the file is empty")
    if content[:4] == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        frame = _parquet(name, content)
        findings: list[Finding] = []
    else:
        text, findings = decode(name, content)
        frame, more = _text(name, text, header)
        findings = [*findings, *more]
    if not frame.height:
        raise TableError(f"{name}: there is no row below the header")
    columns = []
    for series in frame.iter_columns():
        column, odd = typed_column(series)
        findings += [Finding(name, series.name, o.row, o.count, o.message) for o in odd]
        if column is not None:
            columns.append(column)
    if not columns:
        raise TableError(f"{name}: no column holds numbers, text or dates")
    return RawTable(name, pl.DataFrame(columns), tuple(findings))


def decode(name: str, content: bytes) -> tuple[str, list[Finding]]:
    """Return the text of a file in UTF-8, UTF-16 or GBK, or in a mixture of UTF-8 and GBK lines.

    Raises
    ------
    TableError
        The file is not text, or a line is neither UTF-8 nor GBK.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if content.startswith(mark):
            try:
                return content.decode(encoding), []
            except UnicodeDecodeError as error:
                raise TableError(f"{name}: not readable as {encoding} at byte {error.start}") from None
    if b"\x00" in content[:65536]:
        raise TableError(f"{name}: not a table: neither Parquet nor text")
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    lines, foreign, plain = [], [], 0
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            lines.append(line.decode("utf-8"))
            plain += not line.isascii()
            continue
        except UnicodeDecodeError:
            foreign.append(number)
        try:
            lines.append(line.decode("gb18030"))
        except UnicodeDecodeError:
            raise TableError(f"{name}: line {number} is neither UTF-8 nor GBK") from None
    what = "mixed encodings: UTF-8 lines and" if plain else "not UTF-8:"
    message = f"{what} {len(foreign)} lines read as GBK, the first is line {foreign[0]}"
    return "\n".join(lines), [Finding(name, None, None, len(foreign), message)]


def separator_of(lines: list[str]) -> str | None:
    """Return the separator that cuts every line into the same number (> 1) of fields, a comma if several do.

    None where no such separator is found; a blank stands for any run of blanks.
    """
    best, most = None, 1
    for separator in SEPARATORS:
        counts = {len(row) for row in csv.reader(lines, delimiter=separator) if row}
        if len(counts) == 1 and (fields := counts.pop()) > most:
            best, most = separator, fields
    if best is None and len({len(line.split()) for line in lines}) == 1 and len(lines[0].split()) > 1:
        return " "
    return best


def _parquet(name: str, content: bytes) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{name}: not readable as Parquet ({error})") from None


def _text(name: str, text: str, header: bool) -> tuple[pl.DataFrame, list[Finding]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [line for line in text.split("\n", _PROBED_LINES)[:_PROBED_LINES] if line.strip()]
    first = lines[0]
    if first.lstrip()[:1] in "{[<":
        raise TableError(f"{name}: not a table: it begins with {first.lstrip()[:1]!r}, as JSON or HTML does")
    separator = separator_of(lines)
    if separator is None:
        # Ragged lines: the separator that the first line has most of, so that the line at fault is named.
        separator = max(SEPARATORS, key=first.count)
        if not first.count(separator):
            raise TableError(
                f"{name}: not a table: the first line holds no comma, semicolon, tab, bar or blank columns"
            )
    findings = []
    if separator not in (",", "\t") or (separator == "\t" and Path(name).suffix.lower() == ".csv"):
        shown = {" ": "blanks", "\t": "tabs"}.get(separator, repr(separator))
        findings.append(Finding(name, None, None, 1, f"columns are separated by {shown}, not by commas"))
    if separator == " ":
        text, separator = "\n".join(_INNER.join(line.split()) for line in text.split("\n")), _INNER
    _refuse_ragged(name, text, separator)
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            separator=separator,
            infer_schema=False,
            has_header=header,
        )
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{name}: not readable as a table ({str(error).splitlines()[0]})") from None
    if header:
        names = next(csv.reader([first], delimiter=separator if separator != _INNER else " "))
        twice = [column for column, count in Counter(n.strip() for n in names).items() if count > 1 and column]
        if twice and separator != _INNER:
            raise TableError(f"{name}: column {twice[0]!r} stands twice in the header")
        frame.columns = [n.strip() or f"column_{k}" for k, n in enumerate(frame.columns, 1)]
    else:
        frame.columns = [f"column_{k}" for k in range(1, frame.width + 1)]
    if separator in (";", "\t", _INNER):
        decimal = r"^\s*-?\d+,\d+\s*$"
        frame = frame.with_columns(
            pl.when(pl.col(c).str.contains(decimal)).then(pl.col(c).str.replace(",", ".")).otherwise(pl.col(c)).alias(c)
            for c in frame.columns
        )
    return frame, findings


def _refuse_ragged(name: str, text: str, separator: str) -> None:
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    expected: int | None = None
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            expected = len(row) if expected is None else expected
            if len(row) != expected:
                raise TableError(
                    f"{name}: line {reader.line_num} has {len(row)} fields, the first line has {expected}"
                    + ("" if expected > 1 else "; is the separator another one?")
                )
    except csv.Error as error:
        raise TableError(f"{name}: line {reader.line_num}: {error}") from None


def names_like(wanted: str, columns: list[str]) -> str:
    """Return a hint for an absent column: those of nearly that name, or the first few there are."""
    squeezed = re.sub(r"\W|_", "", wanted).lower()
    near = [c for c in columns if re.sub(r"\W|_", "", c).lower() == squeezed] or [
        c for c in columns if squeezed in c.lower()
    ]
    listed = near or columns[:12]
    return ", ".join(listed) + ("" if near or len(columns) <= 12 else f" … ({len(columns)} columns)")
