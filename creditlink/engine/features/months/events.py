"""Dated facts of a firm, in force or past, counted as of a day: public credit, and violations of tax law.

An event counts from the day it occurred, not from the end of its month: a firm entered in the list
of dishonest debtors yesterday is on it today.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import EVENT_KINDS, TAX_EVENT_KINDS, RecordSet
from creditlink.engine.features.months.grid import day_number, numbers, refuse_unknown
from creditlink.engine.features.months.rows import Numbers

DAYS_OF_MONTH = 30.4375

PUBLIC = (
    "events:penalty_severity_24",
    "events:penalties_12",
    "events:enforcements_36",
    "events:enforcements_open_fen",
    "events:dishonest_debtor",
    "events:red_list",
    "events:licences",
)
TAX = (
    "events:tax_penalties_24",
    "events:tax_violation_severity_24",
    "events:tax_violations_open",
    "events:tax_refunds_24_fen",
)
COLUMNS = (*PUBLIC, *TAX)
"""What `event_columns` returns, in order."""

FRAMES = ("credit_events", "tax_events")
"""The frames of events."""

_READ = ("firm", "kind", "occurred_on", "known_on", "ended_on", "severity", "amount_fen")


def event_columns(records: RecordSet, as_of: date, firms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Count events per firm as known on `as_of`.

    Parameters
    ----------
    firms : sorted firm numbers of shape (n,)

    Returns
    -------
    array of shape (len(COLUMNS), n); NaN for firms of which nothing is known: public credit that was never searched
    and has no event, a tax office that told neither a standing nor an event
    """
    out = np.full((len(COLUMNS), len(firms)), np.nan)
    public = _Known.of(records.credit_events, "credit_events", as_of, firms)
    if public is not None:
        _write(out[: len(PUBLIC)], _of_public_credit(public), public.seen())
    tax = _Known.of(records.tax_events, "tax_events", as_of, firms)
    standing = records.tax_standing
    told = np.zeros(len(firms), bool)
    if standing.height:
        known = numbers(standing["known_on"]) <= day_number(as_of)
        place = np.searchsorted(firms, numbers(standing["firm"])[known])
        told[place[place < len(firms)]] = True
    if tax is not None:
        _write(out[len(PUBLIC) :], _of_tax(tax), tax.seen() | told)
    else:
        out[len(PUBLIC) :, told] = 0.0
    return out


def _write(out: NDArray[np.float64], counted: tuple[NDArray[np.float64], ...], seen: NDArray[np.bool_]) -> None:
    for row, values in zip(out, counted, strict=True):
        row[seen] = values[seen]


@dataclass(frozen=True, eq=False)
class _Known:
    """The events known on a day, of each the row known last; arrays of shape (events,)."""

    firms: int
    place: NDArray[np.int64]  # of the event's firm
    kind: Numbers
    months: NDArray[np.float64]  # since it occurred
    in_force: NDArray[np.bool_]
    severity: NDArray[np.float64]
    amount: NDArray[np.float64]

    @classmethod
    def of(cls, frame: pl.DataFrame, name: str, as_of: date, firms: NDArray[np.int64]) -> _Known | None:
        """Return those of a frame; None where it is empty."""
        if not frame.height:
            return None
        today = day_number(as_of)
        rows = {c: numbers(frame[c]) for c in _READ}
        keep = np.flatnonzero((rows["known_on"] <= today) & (rows["occurred_on"] <= today))
        # Among the rows of one event the one known last counts; lexsort is stable and sorts by its last key first.
        keep = keep[np.lexsort([rows[c][keep] for c in ("known_on", "occurred_on", "kind", "firm")])]
        same = np.ones(max(len(keep) - 1, 0), dtype=bool)
        for c in ("firm", "kind", "occurred_on"):
            same &= rows[c][keep[1:]] == rows[c][keep[:-1]]
        keep = keep[np.append(~same, True)[: len(keep)]]
        refuse_unknown(np.sort(rows["firm"]), firms, name)
        known = {c: column[keep] for c, column in rows.items()}
        return cls(
            firms=len(firms),
            place=np.searchsorted(firms, known["firm"]),
            kind=known["kind"],
            months=(today - known["occurred_on"]) / DAYS_OF_MONTH,
            in_force=~(known["ended_on"] <= today),
            severity=np.nan_to_num(known["severity"], nan=1.0),
            amount=np.nan_to_num(known["amount_fen"]),
        )

    def count(self, wanted: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return how many of the wanted events each firm has, or the sum of their weights; shape (n,)."""
        weights = None if weight is None else weight[wanted]
        return np.bincount(self.place[wanted], weights=weights, minlength=self.firms).astype(np.float64)

    def seen(self) -> NDArray[np.bool_]:
        """Return which firms have any event, shape (n,)."""
        return self.count(np.ones(len(self.place), dtype=bool)) > 0


def _of_public_credit(known: _Known) -> tuple[NDArray[np.float64], ...]:
    kind = {name: known.kind == code for code, name in enumerate(EVENT_KINDS)}
    penalty, enforcement = kind["penalty"], kind["court_enforcement"]
    return (
        known.count(penalty & (known.months < 24), known.severity),
        known.count(penalty & (known.months < 12)),
        known.count(enforcement & (known.months < 36)),
        known.count(enforcement & known.in_force, known.amount),
        np.minimum(known.count(kind["dishonest_debtor"] & known.in_force), 1.0),
        np.minimum(known.count(kind["red_list"] & known.in_force), 1.0),
        known.count(kind["licence"] & known.in_force),
    )


def _of_tax(known: _Known) -> tuple[NDArray[np.float64], ...]:
    kind = {name: known.kind == code for code, name in enumerate(TAX_EVENT_KINDS)}
    recent = known.months < 24
    return (
        known.count(kind["penalty"] & recent),
        known.count(kind["violation"] & recent, known.severity),
        known.count(kind["violation"] & known.in_force),
        known.count(kind["refund"] & recent, known.amount),
    )
