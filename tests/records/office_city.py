"""A small city with what the six offices hold: every kind of row, nothing where nothing is, corrections."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, PROPERTY_KINDS, TRADE_DIRECTIONS
from creditlink.kit.clock import add_months
from tests import factories as make

MONTHS = 30
FULL, CLEAN, SMALL = 0, 1, 2
"""Firms: known to every office; on no list and known to none; with a row or two."""
USCC = {firm: make.make_uscc(7_000_000 + firm) for firm in (FULL, CLEAN, SMALL)}


def write_office_city(folder: Path, until: date) -> Path:
    """Write the records of the six offices, with `until` as the last month."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"seed": 1}))
    _write(
        folder / "firms",
        pl.DataFrame({"firm": list(USCC), "uscc": list(USCC.values())}, schema_overrides={"firm": pl.Int32}),
    )
    months = [add_months(until, back - MONTHS + 1) for back in range(MONTHS)]
    rows = {
        "fund_months": [*_fund(FULL, months), *_fund(SMALL, months[-1:])],
        "credit_events": _events(months),
        "contract_months": [*_contracts(FULL, months), *_contracts(SMALL, months[:2])],
        "property_grants": _grants(months),
        "shipment_months": [*_shipments(FULL, months), *_shipments(SMALL, months[3:4])],
        "customs_months": [*_customs(FULL, months), *_customs(SMALL, months[-2:])],
    }
    for name, found in rows.items():
        _write(folder / name, pl.DataFrame(found, schema=FRAME_SCHEMAS[name], orient="row"))
    return folder


def _write(folder: Path, frame: pl.DataFrame) -> None:
    folder.mkdir(exist_ok=True)
    frame.write_parquet(folder / "part-0.parquet")


def _later(month: date, days: int = 12) -> date:
    return add_months(month, 1) + timedelta(days=days)


def _fund(firm: int, months: list[date]) -> list[tuple]:
    rows = []
    for at, month in enumerate(months):
        due = _later(month, 4)
        late = at % 7 == 3
        rows.append(
            (firm, month, 20 + at, 3_456_789, 0 if late else 3_456_789, due, None if late else due, _later(month, 5))
        )
        if late:  # paid late: a correction
            rows.append((firm, month, 20 + at, 3_456_789, 3_456_789, due, _later(month, 11), _later(month, 15)))
    return rows


def _events(months: list[date]) -> list[tuple]:
    def day(month: date, days: int) -> date:
        return month + timedelta(days=days)

    first, last = months[2], months[-4]
    return [
        # The city's own mark that the lists were searched; the platform gives its own.
        *((firm, months[-1], "searched", months[-1], 1, None, None, day(months[-1], 1)) for firm in USCC),
        (FULL, first, "penalty", day(first, 3), 2, 5_000_123, None, day(first, 20)),
        (FULL, first, "penalty", day(first, 3), 2, 5_000_123, day(first, 50), day(first, 60)),
        (FULL, first, "licence", day(first, 3), 1, None, None, day(first, 9)),
        (FULL, last, "court_enforcement", day(last, 10), 3, 123_456_789_01, None, day(last, 30)),
        (FULL, last, "dishonest_debtor", day(last, 27), 3, 0, None, day(last, 40)),
        (SMALL, last, "red_list", last, 1, 0, None, day(last, 2)),
    ]  # fmt: skip


def _contracts(firm: int, months: list[date]) -> list[tuple]:
    return [
        (firm, month, at, at + 1, at % 3, at * 10_050, (at + 1) * 9_901, (at % 3) * 1, due, late, _later(month))
        for at, month in enumerate(months)
        for due, late in [(None, None) if at % 2 else (70_000 + at, at)]
    ]


def _grants(months: list[date]) -> list[tuple]:
    full = [
        (FULL, month, kind, 1 + at % 4, _later(month)) for at, month in enumerate(months) for kind in PROPERTY_KINDS
    ]
    return [
        *full,
        (FULL, months[0], "patent", 9, _later(months[1])),
        (SMALL, months[5], "software", 1, _later(months[5])),
    ]


def _shipments(firm: int, months: list[date]) -> list[tuple]:
    return [
        (firm, month, 3 * at, at * 7.123456, None if at % 5 == 0 else at / 8, _later(month))
        for at, month in enumerate(months)
    ]


def _customs(firm: int, months: list[date]) -> list[tuple]:
    return [
        (firm, month, direction, 2 + at, 1_000_000_007 * (at + 1), at % 3, _later(month))
        for at, month in enumerate(months)
        for direction in TRADE_DIRECTIONS
    ]
