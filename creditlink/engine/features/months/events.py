"""Public-credit events of a firm: dated facts, in force or past, counted as of a day.

An event counts from the day it occurred, not from the end of its month: a firm entered in the list
of dishonest debtors yesterday is on it today.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.facts.frames import EVENT_KINDS, RecordSet
from creditlink.engine.features.months.grid import day_number, numbers, refuse_unknown

DAYS_OF_MONTH = 30.4375

COLUMNS = (
    "events:penalty_severity_24",
    "events:penalties_12",
    "events:enforcements_36",
    "events:enforcements_open_fen",
    "events:dishonest_debtor",
    "events:red_list",
    "events:licences",
)
"""What `event_columns` returns, in order."""

_READ = ("firm", "kind", "occurred_on", "known_on", "ended_on", "severity", "amount_fen")


def event_columns(records: RecordSet, as_of: date, firms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Count events per firm as known on `as_of`.

    Parameters
    ----------
    firms : sorted firm numbers of shape (n,)

    Returns
    -------
    array of shape (len(COLUMNS), n); NaN for firms of which no event is known
    """
    out = np.full((len(COLUMNS), len(firms)), np.nan)
    if not records.credit_events.height:
        return out
    frame = records.credit_events
    today = day_number(as_of)
    rows = {c: numbers(frame[c]) for c in _READ}
    keep = np.flatnonzero((rows["known_on"] <= today) & (rows["occurred_on"] <= today))
    # Among the rows of one event the one known last counts; lexsort is stable and sorts by its last key first.
    keep = keep[np.lexsort([rows[c][keep] for c in ("known_on", "occurred_on", "kind", "firm")])]
    same = np.ones(max(len(keep) - 1, 0), dtype=bool)
    for c in ("firm", "kind", "occurred_on"):
        same &= rows[c][keep[1:]] == rows[c][keep[:-1]]
    keep = keep[np.append(~same, True)[: len(keep)]]
    known = {c: column[keep] for c, column in rows.items()}
    place = np.searchsorted(firms, known["firm"])
    refuse_unknown(np.sort(rows["firm"]), firms, "credit_events")
    kind, in_force = known["kind"], ~(known["ended_on"] <= today)
    months = (today - known["occurred_on"]) / DAYS_OF_MONTH
    severity, amount = np.nan_to_num(known["severity"], nan=1.0), np.nan_to_num(known["amount_fen"])

    def per_firm(wanted: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        weights = None if weight is None else weight[wanted]
        return np.bincount(place[wanted], weights=weights, minlength=len(firms)).astype(np.float64)

    penalty, enforcement = kind == EVENT_KINDS.index("penalty"), kind == EVENT_KINDS.index("court_enforcement")
    counted = (
        per_firm(penalty & (months < 24), severity),
        per_firm(penalty & (months < 12)),
        per_firm(enforcement & (months < 36)),
        per_firm(enforcement & in_force, amount),
        np.minimum(per_firm((kind == EVENT_KINDS.index("dishonest_debtor")) & in_force), 1.0),
        np.minimum(per_firm((kind == EVENT_KINDS.index("red_list")) & in_force), 1.0),
        per_firm((kind == EVENT_KINDS.index("licence")) & in_force),
    )
    seen = per_firm(np.ones(len(place), dtype=bool)) > 0
    for row, values in zip(out, counted, strict=True):
        row[seen] = values[seen]
    return out
