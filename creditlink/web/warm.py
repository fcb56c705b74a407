"""What a server's process does once before its first request, so that no bank's request pays for it."""

from __future__ import annotations

import gc
from datetime import date

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.matching import encoding
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.snapshot import snapshot
from creditlink.kit.clock import add_months, month_start


def warm_up(live: LiveModel, book: ProductBook, *, as_of: date) -> None:
    """Compute the profile of a firm with one empty record a source: compiles kernels, expressions and the book."""
    row = {
        "firm": 0, "industry": "C30", "region": "440604", "entity_type": "company", "status": "active",
        "established_on": date(2015, 1, 1), "registered_capital_fen": 100, "paid_in_capital_fen": 100,
        "linked_struck_off": False,
    }  # fmt: skip
    frames = {name: _one_row(name, as_of) for name in FRAME_SCHEMAS}
    frames["registration"] = pl.DataFrame([row], schema=FRAME_SCHEMAS["registration"])
    profiles = profile_many(RecordSet(**frames), as_of=as_of, live=live, book=book, granted=frozenset())
    snapshot(profiles, 0, live=live, missing={})
    firm = profiles.matches.explain(0)
    encoding.pack(firm)
    firm.near_misses(1)


def _one_row(name: str, as_of: date) -> pl.DataFrame:
    """Return a record frame with one row of last month that says nothing: it takes every loop over records."""
    row = dict.fromkeys(FRAME_SCHEMAS[name]) | {"firm": 0, "known_on": as_of, "occurred_on": as_of}
    row["period"] = add_months(month_start(as_of), -1)
    for key in ("kind", "direction"):
        if isinstance(kinds := FRAME_SCHEMAS[name].get(key), pl.Enum):
            row[key] = kinds.categories[0]
    return pl.DataFrame([{c: row[c] for c in FRAME_SCHEMAS[name]}], schema=FRAME_SCHEMAS[name])


def settle_memory() -> None:
    """Take what is loaded by now out of the garbage collector's rounds.

    Libraries, the model and the products live as long as the process. Walking through them stopped every thread for
    a quarter of a second, about once in ten requests.
    """
    gc.collect()
    gc.freeze()
