"""Which rows of one firm's frame count on a day: a query on some dozens of rows would cost ten times as much."""

from __future__ import annotations

from datetime import date

import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS


def known_places(frame: pl.DataFrame, name: str, as_of: date) -> list[int]:
    """Return the places in `frame` of the rows that `as_known` returns, in the order of the frame."""
    keys = zip(*(frame[key].to_list() for key in FRAME_KEYS[name]), strict=True)
    periods, known_on = frame["period"].to_list(), frame["known_on"].to_list()
    last: dict[tuple[object, ...], int] = {}
    for place, key in enumerate(keys):
        if known_on[place] is None or known_on[place] > as_of or periods[place] > as_of:
            continue
        if key not in last or known_on[place] >= known_on[last[key]]:
            last[key] = place
    return sorted(last.values())
