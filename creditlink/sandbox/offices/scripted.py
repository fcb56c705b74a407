"""A city of four firms with a few scripted rows at every office: what golden wire files are made of.

The same rows every time: a golden file that is made anew differs where a dialect or a connector does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.kit.clock import add_months
from creditlink.sandbox.bureaus import scripted as bureaus
from creditlink.sandbox.bureaus.scripted import Scripted, Values
from creditlink.sandbox.city.codes import codes

PLAIN, CORRECTED, LONG, QUIET = range(4)
"""Firms: a few months; a month and its correction; more months than a page; known, with rows long ago only."""

STRANGER = 4
"""No firm of the city: its code is well-formed, and no office knows it."""

SINCE, UNTIL = date(2024, 1, 1), date(2024, 6, 30)
LONG_SINCE = date(2020, 3, 1)
_LONG_AGO = date(2019, 5, 1)
_MONTHS, _LONG_MONTHS = 4, 9
_CUSTOMS_MONTHS = 52
"""A page of customs has a hundred rows, whatever is asked for; a month has two."""


def usccs() -> list[str]:
    """Return the codes of the firms, and of the stranger, in their order."""
    serials = np.arange(STRANGER + 1, dtype=np.int64)
    found: list[str] = codes(serials, np.array(["91"] * 5), np.array(["440606"] * 5)).tolist()
    return found


def write_scripted(folder: Path) -> None:
    """Write the city to a folder that is empty or not there."""
    firms = pl.DataFrame(
        {"firm": range(STRANGER), "uscc": usccs()[:STRANGER]}, schema={"firm": pl.Int32, "uscc": pl.String}
    )
    for name, frame in {"firms": firms, **{frame: _frame(frame) for frame in _SCRIPT}}.items():
        (folder / name).mkdir(parents=True)
        frame.write_parquet(folder / name / "part-00000.parquet")
    (folder / "manifest.json").write_text(json.dumps({"seed": 1}))


def _frame(name: str) -> pl.DataFrame:
    rows = []
    for firm, first, months in (
        (PLAIN, add_months(SINCE, 1), _MONTHS),
        (CORRECTED, add_months(SINCE, 2), 1),
        (LONG, LONG_SINCE, _CUSTOMS_MONTHS if name == "customs_months" else _LONG_MONTHS),
        (QUIET, _LONG_AGO, 1),
    ):
        for place in range(months):
            period = add_months(first, place)
            known_on = add_months(period, 1) + timedelta(days=11)
            for said in _SCRIPT[name](period, place):
                row = {"firm": firm, "period": period, "known_on": known_on, **said}
                rows.append(row)
                if firm == CORRECTED and name in _CORRECTED:
                    rows.append(row | {"known_on": known_on + timedelta(days=20)} | _CORRECTED[name])
    return pl.DataFrame(rows, schema=FRAME_SCHEMAS[name])


def _events(period: date, place: int) -> Iterator[Values]:
    kind = ("penalty", "licence", "court_enforcement", "red_list", "dishonest_debtor")[place % 5]
    day = period + timedelta(days=11)
    amount = None if kind in ("licence", "red_list") else 500_000 + place
    yield {"kind": kind, "occurred_on": day, "severity": 1 + place % 3, "amount_fen": amount, "ended_on": None}


def _contracts(_period: date, place: int) -> Iterator[Values]:
    counts = {"signed": 3 + place, "performed": 2, "breached": place % 2}
    amounts = {"signed_fen": 12_500_000, "performed_fen": 8_000_050, "breached_fen": 100 * (place % 2)}
    public: Values = {"government_due_fen": 3_000_000, "government_late_fen": 100 * place} if place % 2 else {}
    yield {**counts, **amounts, "government_due_fen": None, "government_late_fen": None, **public}


def _grants(_period: date, place: int) -> Iterator[Values]:
    yield {"kind": ("patent", "utility_model", "trademark", "software")[place % 4], "granted": 1 + place % 3}


def _shipments(_period: date, place: int) -> Iterator[Values]:
    yield {"shipments": 12 + place, "tonnes": 182.5 + place, "stored_tonnes": None if place % 2 else 40.25}


def _customs(_period: date, place: int) -> Iterator[Values]:
    for direction in ("export", "import"):
        yield {"direction": direction, "declarations": 7, "amount_fen": 1_800_050 + place, "faults": place % 3}


def _funds(period: date, place: int) -> Iterator[Values]:
    due = add_months(period, 1) + timedelta(days=14)
    yield {
        "headcount": 12, "due_fen": 345_678, "paid_fen": 345_678 if place % 3 else 0, "due_on": due,
        "paid_on": due - timedelta(days=2) if place % 3 else None,
    }  # fmt: skip


_SCRIPT: dict[str, Scripted] = {
    **bureaus.SCRIPT,
    "credit_events": _events,
    "contract_months": _contracts,
    "property_grants": _grants,
    "shipment_months": _shipments,
    "customs_months": _customs,
    "fund_months": _funds,
}
_CORRECTED: dict[str, Values] = {
    **bureaus.CORRECTED,
    "credit_events": {"ended_on": date(2024, 4, 30)},
    "contract_months": {"signed": 4},
    "property_grants": {"granted": 2},
    "shipment_months": {"shipments": 11},
    "customs_months": {"declarations": 6},
    "fund_months": {"headcount": 13},
}
