"""A folder of real VAT invoices (the layout of `vat_invoices_cn`), served as a tax office would.

The source gives neither USCCs nor registration: the codes follow from the firm's number, industry and
kind are guessed from its masked name, and it is dated from its first invoice. These are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from creditlink.engine.facts.frames import days_of
from creditlink.kit import uscc
from creditlink.kit.clock import add_months, month_index, month_start
from creditlink.kit.files.csvfile import CsvRecord, HeaderInvalid, WrongRow, rows
from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of
from creditlink.kit.files.textfile import read_file

FILES = {"output": "nocredit_output_invoices.parquet", "input": "nocredit_input_invoices.parquet"}
FIRMS = "nocredit_firms.csv"
REGION = "440604"
_INDUSTRIES = (
    ("建筑", "E47"), ("建设", "E47"), ("装饰", "E50"), ("工程", "E48"), ("科技", "I65"), ("软件", "I65"),
    ("信息", "I65"), ("网络", "I64"), ("运输", "G54"), ("物流", "G54"), ("餐饮", "H62"), ("酒店", "H61"),
    ("医疗", "F51"), ("药", "F52"), ("机械", "C34"), ("设备", "C35"), ("制造", "C33"), ("印", "C23"),
    ("食品", "C14"), ("广告", "L72"), ("咨询", "L72"), ("劳务", "L72"), ("物业", "K70"), ("花", "A01"),
    ("园林", "N78"), ("汽车", "F52"), ("文化", "R88"),
)  # fmt: skip
_OTHER = "F51"


class RealInvoicesError(Exception):
    """The folder has no such invoices; the message names the file."""


@dataclass(frozen=True)
class RealInvoices:
    """The invoices of a folder by USCC, their days moved forward by `shift_months` whole months."""

    firms: pl.DataFrame  # firm, uscc, name
    rows: dict[str, pl.DataFrame]  # uscc -> invoices by day and record id
    shift_months: int


def load(folder: Path, *, today: date) -> RealInvoices:
    """Read a folder; its last full month becomes the last complete month before `today`.

    Raises
    ------
    RealInvoicesError
        A file is missing or lacks a column.
    """
    firms = _firms(folder)
    invoices = pl.concat([_read(folder, direction, name) for direction, name in FILES.items()])
    last = invoices["issued_on"].max()
    assert isinstance(last, date)  # noqa: S101 (for the type checker; the files are not empty)
    # The last month may have begun only: the one before it is the last full one.
    full = add_months(month_start(last), -1)
    shift = month_index(add_months(month_start(today), -1)) - month_index(full)
    moved = invoices.with_columns(issued_on=pl.col("issued_on").dt.offset_by(f"{shift}mo")).filter(
        pl.col("issued_on") < month_start(today)
    )
    by_firm = moved.sort("firm", "issued_on", "record_id").partition_by("firm", as_dict=True)
    codes = dict(zip(firms["firm"], firms["uscc"], strict=True))
    return RealInvoices(firms, {codes[key[0]]: rows for key, rows in by_firm.items() if key[0] in codes}, shift)


def real_firms(folder: Path, *, today: date) -> pl.DataFrame:
    """Return the folder's firms as the registry takes them: uscc, name, industry, region, kind, first day."""
    real = load(folder, today=today)
    first = {code: rows["issued_on"].min() for code, rows in real.rows.items()}
    rows: list[dict[str, object]] = []
    for firm in real.firms.to_dicts():
        began = first.get(firm["uscc"])
        rows.append(
            {
                "uscc": firm["uscc"],
                "name": firm["name"],
                "name_en": None,
                "industry": industry_of(firm["name"]),
                "region": REGION,
                "entity_type": "sole_trader" if "个体" in firm["name"] else "company",
                "status": "active",
                "established_on": month_start(began) if isinstance(began, date) else None,
                "registered_capital_fen": None,
                "paid_in_capital_fen": None,
                "linked_struck_off": False,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"established_on": pl.Date})


def industry_of(name: str) -> str:
    """Return the GB/T 4754 division that a masked name suggests."""
    return next((code for word, code in _INDUSTRIES if word in name), _OTHER)


def code_of(firm: str) -> str:
    """Return the well-formed USCC that follows from a firm's id alone."""
    digits = "".join(c for c in firm if c.isdigit())
    body = f"91{REGION}MA{int(digits or 0):07d}"
    return body + uscc.check_value(body)


def _firms(folder: Path) -> pl.DataFrame:
    path = folder / FIRMS
    if not path.is_file():
        raise RealInvoicesError(f"{path}: the file is missing")
    try:
        found = list(rows(read_file(path), known=None, needed=("firm", "name")))
    except HeaderInvalid as error:
        raise RealInvoicesError(f"{path}: {error}") from None
    if wrong := [row for row in found if isinstance(row, WrongRow)]:
        raise RealInvoicesError(f"{path}: {wrong[0]}")
    named = [(row.values["firm"], row.values["name"]) for row in found if isinstance(row, CsvRecord)]
    firms = pl.DataFrame(named, schema={"firm": pl.String, "name": pl.String}, orient="row")
    return firms.with_columns(uscc=pl.col("firm").map_elements(code_of, return_dtype=pl.String))


def _read(folder: Path, direction: str, name: str) -> pl.DataFrame:
    path = folder / name
    if not path.is_file():
        raise RealInvoicesError(f"{path}: the file is missing")
    try:
        frame = parquet_of(path.read_bytes())
    except ParquetUnreadable as error:
        raise RealInvoicesError(f"{path}: not readable as Parquet ({error})") from None
    needed = {"firm", "invoice_no", "date", "counterparty", "amount", "tax", "total", "status"}
    if needed - set(frame.columns):
        raise RealInvoicesError(f"{path}: column {min(needed - set(frame.columns))} is missing")
    fen = {f"{c}_fen": (pl.col(c).cast(pl.Float64) * 100).round(0).cast(pl.Int64) for c in ("amount", "tax")}
    return frame.select(
        pl.col("firm").cast(pl.String),
        record_id=pl.lit("R" + direction[0].upper()) + pl.int_range(pl.len()).cast(pl.String).str.zfill(7),
        number=pl.col("invoice_no").cast(pl.String),
        issued_on=days_of(frame["date"]),
        direction=pl.lit(direction),
        counterparty=pl.col("counterparty").cast(pl.String),
        is_void=pl.col("status") == "void",
        **fen,
    )
