"""The file in which an office gets the rows that did not read. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from creditlink.kit.clock import SHANGHAI
from creditlink.records.rejections.desk import ListedRejection

COLUMNS = (
    "编号", "统一社会信用代码", "资源", "记录号", "版本", "字段", "值（节选）", "问题", "首次发现", "最近发现", "次数",
)  # fmt: skip
"""The columns of a file for an office, who reads Chinese: id, firm, resource, record, …, days first and last met."""

_SCHEMA = {name: pl.Int64 if name in ("版本", "次数") else pl.String for name in COLUMNS}


def frame_of(entries: Sequence[ListedRejection]) -> pl.DataFrame:
    """Return entries as the rows of an office's file."""
    return pl.DataFrame([_row(entry) for entry in entries], schema=_SCHEMA, orient="row")


def _row(entry: ListedRejection) -> tuple[str | int | None, ...]:
    row = entry.row
    days = (f"{at.astimezone(SHANGHAI):%Y-%m-%d}" for at in (row.recorded_at, row.seen_at))
    return (
        entry.wire_id, entry.uscc, row.resource, row.record_id, row.row_version, row.field, row.excerpt, row.reason,
        *days, row.times,
    )  # fmt: skip
