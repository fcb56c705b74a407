"""Reading a table that nobody prepared: Parquet, or text with any separator and encoding, into typed columns.

What cannot be read ends with an error that names file, line and column; what can be read in only one
sensible way is read so, and counted as a finding.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from creditlink.kit.files.csvfile import records
from creditlink.kit.files.parquetfile import metadata_of, parquet_of
from creditlink.kit.files.textfile import TextFile, decode
from creditlink.training.table.columns import typed_column

SEPARATORS = (",", ";", "\t", "|")
_INNER = "\x1f"  # the unit separator: what columns of blanks are joined with before parsing
_PROBED_LINES = 200
_ROW_NUMBER = re.compile(
    r"^(__index_level_\d+__|Unnamed: \d+|level_\d+|index|row[ _.]?(no|num|number|names?|id)|行号|序号)$", re.IGNORECASE
)
"""What pandas, R and spreadsheets call the numbers of rows."""


class TableError(ValueError):
    """A table cannot be used; the message names the file, and the column and row where there are such."""


@dataclass(frozen=True)
class TableFinding:
    """Something odd in a table that does not stop the run.

    `row` is the first row concerned, counted from 1 below the header; None where it is about the
    whole column or file. `count` is how many rows, lines or columns are concerned.
    """

    file: str
    column: str | None
    row: int | None
    count: int
    message: str

    def to_dict(self) -> dict[str, object]:
        """Return the members for a report."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.file}" + (f": column {self.column}" if self.column else "")
        return f"{where}: {self.message}" + (f" (first in row {self.row})" if self.row else "")


@dataclass(frozen=True, eq=False)
class RawTable:
    """Typed columns (Float64, Date or String; null is missing), and what was odd about them.

    `row_labels` are columns that number or label the rows, such as the index that pandas writes: a row's place in
    some earlier table can reveal its outcome.
    """

    name: str
    frame: pl.DataFrame
    findings: tuple[TableFinding, ...]
    row_labels: tuple[str, ...] = ()


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
    labels: set[str] = set()
    decimal_comma = False
    if content[:4] == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        frame, labels = _parquet(name, content)
        findings: list[TableFinding] = []
    else:
        file, findings = _decode_text(name, content)
        frame, more, decimal_comma = _text(name, file, header)
        findings = [*findings, *more]
    if not frame.height:
        raise TableError(f"{name}: there is no row below the header")
    columns = []
    for series in frame.iter_columns():
        column, odd = typed_column(series, decimal_comma=decimal_comma)
        findings += [TableFinding(name, series.name, o.row, o.count, o.message) for o in odd]
        if column is not None:
            columns.append(column)
    if not columns:
        raise TableError(f"{name}: no column holds numbers, text or dates")
    labels |= {column.name for column in columns if _numbers_rows(column)}
    return RawTable(name, pl.DataFrame(columns), tuple(findings), tuple(sorted(labels)))


def _decode_text(name: str, content: bytes) -> tuple[TextFile, list[TableFinding]]:
    """Return the text of a file, mixed encodings allowed, and how it was read."""
    file = decode(content)
    if (nul := file.text.find("\0")) >= 0:
        line = file.text.count("\n", 0, nul) + 1
        raise TableError(f"{name}: line {line} holds the character U+0000: neither Parquet nor text")
    if wrong := min(file.unreadable, default=0):
        raise TableError(f"{name}: line {wrong} {file.unreadable[wrong]}")
    if file.foreign:
        message = f"mixed encodings: {len(file.foreign)} lines are not {file.encoding} as the others are"
        message += f", the first is line {min(file.foreign)}"
        return replace(file, foreign=frozenset()), [TableFinding(name, None, None, len(file.foreign), message)]
    if file.encoding != "GB18030":
        return file, []
    lines = [number for number, line in file.lines() if not line.isascii()]
    message = f"not UTF-8: read as GBK (GB18030), {len(lines)} lines hold Chinese, the first is line {lines[0]}"
    return file, [TableFinding(name, None, None, len(lines), message)]


def separator_of(lines: list[str]) -> str | None:
    """Return the separator that cuts every line into the same number (> 1) of fields, a comma if several do.

    None where no such separator is found; a blank means any run of blanks.
    """
    best, most = None, 1
    for separator in SEPARATORS:
        counts = {len(row) for row in csv.reader(lines, delimiter=separator) if row}
        if len(counts) == 1 and (fields := counts.pop()) > most:
            best, most = separator, fields
    if best is None and len({len(line.split()) for line in lines}) == 1 and len(lines[0].split()) > 1:
        return " "
    return best


def _parquet(name: str, content: bytes) -> tuple[pl.DataFrame, set[str]]:
    """Return the table of a Parquet file, and the columns that its writer says are pandas' index."""
    try:
        frame = parquet_of(content)
        about = json.loads(metadata_of(content).get("pandas", "{}"))
        index = about["index_columns"] if isinstance(about, dict) and "index_columns" in about else []
    except ValueError as error:
        raise TableError(f"{name}: not readable as Parquet ({error})") from None
    return frame, {column for column in index if isinstance(column, str) and column in frame.columns}


def _numbers_rows(column: pl.Series) -> bool:
    """Return whether a column has whole numbers and a name that row numbers get when a table is written."""
    if not _ROW_NUMBER.match(column.name) or column.dtype != pl.Float64 or column.null_count():
        return False
    return bool((column == column.round(0)).all()) and column.n_unique() > column.len() / 2


def _text(name: str, file: TextFile, header: bool) -> tuple[pl.DataFrame, list[TableFinding], bool]:
    """Return the columns as text, how they were told apart, and whether a comma is free to be a decimal mark."""
    text = file.text
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
        label = {" ": "blanks", "\t": "tabs"}.get(separator, repr(separator))
        findings.append(TableFinding(name, None, None, 1, f"columns are separated by {label}, not by commas"))
    if separator == " ":
        text, separator = "\n".join(_INNER.join(line.split()) for line in text.split("\n")), _INNER
    names = _refuse_ragged(name, replace(file, text=text), separator)
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
        twice = [column for column, count in Counter(n.strip() for n in names).items() if count > 1 and column]
        if twice:
            raise TableError(f"{name}: column {twice[0]!r} stands twice in the header")
        frame.columns = [n.strip() or f"Unnamed: {k}" for k, n in enumerate(names)]
    else:
        frame.columns = [f"column_{k}" for k in range(1, frame.width + 1)]
    return frame, findings, separator in (";", "\t", _INNER)


def _refuse_ragged(name: str, file: TextFile, separator: str) -> tuple[str, ...]:
    """Return the fields of the first line; every other has as many."""
    first: tuple[str, ...] = ()
    for record in records(file, separator):
        if record.problem is not None:
            raise TableError(f"{name}: line {record.line}: {record.problem}")
        first = first or record.fields
        if len(record.fields) != len(first):
            raise TableError(
                f"{name}: line {record.line} has {len(record.fields)} fields, the first line has {len(first)}"
                + ("" if len(first) > 1 else "; is the separator another one?")
            )
    return first


def names_like(wanted: str, columns: list[str]) -> str:
    """Return a hint for an absent column: those of nearly that name, or the first few there are."""
    squeezed = re.sub(r"\W|_", "", wanted).lower()
    near = [c for c in columns if re.sub(r"\W|_", "", c).lower() == squeezed] or [
        c for c in columns if squeezed in c.lower()
    ]
    listed = near or columns[:12]
    return ", ".join(listed) + ("" if near or len(columns) <= 12 else f" … ({len(columns)} columns)")
