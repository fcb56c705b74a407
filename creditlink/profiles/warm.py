"""What a server's process does once before its first request, so that no bank's request pays for it."""

from __future__ import annotations

import gc
from datetime import date

import polars as pl

from creditlink.products import kept
from creditlink.products.book import ProductBook
from creditlink.profiles.live import LiveModel
from creditlink.profiles.pipeline import profile_many
from creditlink.profiles.snapshot import snapshot
from creditlink.records.frames import FRAME_SCHEMAS, RecordSet, empty


def warm_up(live: LiveModel, book: ProductBook, *, as_of: date) -> None:
    """Compute the profile of a firm without records: compiles kernels, expressions and the book's columns."""
    row = {
        "firm": 0, "industry": "C30", "region": "440604", "entity_type": "company", "status": "active",
        "established_on": date(2015, 1, 1), "registered_capital_fen": 100, "paid_in_capital_fen": 100,
        "linked_struck_off": False,
    }  # fmt: skip
    frames = {name: empty(name) for name in FRAME_SCHEMAS}
    frames["registration"] = pl.DataFrame([row], schema=FRAME_SCHEMAS["registration"])
    made = profile_many(RecordSet(**frames), as_of=as_of, live=live, book=book, granted=frozenset())
    snapshot(made, 0, live=live, missing={})
    firm = made.matches.explain(0)
    kept.pack(firm)
    firm.near_misses(1)


def settle_memory() -> None:
    """Take what is loaded by now out of the garbage collector's rounds.

    Libraries, the model and the products live as long as the process. Walking through them stopped every thread for
    a quarter of a second, about once in ten requests.
    """
    gc.collect()
    gc.freeze()
