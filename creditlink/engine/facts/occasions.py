"""Several declarations or events of one key, joined to the one row that indicators read."""

from __future__ import annotations

import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS

_MOST_MONTHS = 3
_MONEY = [name for name in FRAME_SCHEMAS["vat_declarations"] if name.endswith("_fen")]


def sum_occasions(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a `vat_declarations` frame with one row for each firm and period.

    The occasions of a month are added up: the money of those that were filed, null where none was. The sum counts as
    due on the earliest due day and as filed on the last day of filing, or not while one occasion is unfiled.

    A monthly or quarterly declaration covers all sales of its period, those declared by occasion before among them:
    occasions within it add nothing.
    """
    keys = list(FRAME_KEYS["vat_declarations"])
    by_occasion = pl.col("filing").eq_missing(pl.lit("occasion", FRAME_SCHEMAS["vat_declarations"]["filing"]))
    periodic = frame.filter(~by_occasion)
    length = pl.col("months").fill_null(1)
    covered = pl.concat(
        [
            periodic.filter(length > later).select("firm", pl.col("period").dt.offset_by(f"{later}mo"))
            for later in range(_MOST_MONTHS)
        ]
    )
    filed = pl.col("filed_on").is_not_null()
    summed = (
        frame.filter(by_occasion)
        .join(covered, on=keys, how="anti")
        .group_by(keys)
        .agg(
            pl.col("months").max(),
            pl.col("filing").first(),
            *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in _MONEY),
            pl.col("due_on").min(),
            pl.when(filed.all()).then(pl.col("filed_on").max()).alias("filed_on"),
            pl.col("known_on").max(),
        )
    )
    return pl.concat([periodic, summed.select(periodic.columns)]).sort(keys)


def join_events(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of events, `tax_events` or `credit_events`, with one row for each firm, kind and day.

    Two events of one kind on one day count as one: as severe as the worse, their amounts added up, settled when the
    last is, open while one is.
    """
    keys = list(FRAME_KEYS["tax_events"])
    settled = pl.col("ended_on").is_not_null()
    amount = pl.col("amount_fen")
    joined = frame.group_by(keys).agg(
        pl.col("severity").max(),
        pl.when(amount.is_not_null().any()).then(amount.sum()).alias("amount_fen"),
        pl.when(settled.all()).then(pl.col("ended_on").max()).alias("ended_on"),
        pl.col("known_on").max(),
    )
    return joined.select(frame.columns).sort(keys)
