"""Several service points of one kind, summed to the one row per month that indicators read."""

from __future__ import annotations

import polars as pl

from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS

# From best to worst: a sum is as good as its worst part.
_BY_QUALITY = ("actual", "substituted", "estimated")


def sum_service_points(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a `meter_months` frame with one row for each firm, month and kind.

    Usage and amount are summed, over the points that have a reading; a month in which only some have
    one counts as estimated, one in which none has stays without. Usage at night and at weekends is known
    where every point with a reading has it: of some points only, it would be too small a share of the
    whole. The bill counts as due on the earliest due day and as paid on the last payment, or not while
    one point is unpaid. The method is that of the largest bill. Supply was cut where it was cut at any point.
    """
    keys = list(FRAME_KEYS["meter_months"])
    read, paid = pl.col("usage").is_not_null(), pl.col("paid_on").is_not_null()
    intervals = [pl.col(name).filter(read) for name in ("night_usage", "weekend_usage")]
    quality = (
        pl.col("read_quality")
        .cast(pl.String)
        .replace_strict({name: rank for rank, name in enumerate(_BY_QUALITY)}, return_dtype=pl.Int8)
    )
    summed = (
        frame.sort(*keys, "amount_fen", "method", descending=[False, False, False, True, False])
        .group_by(keys, maintain_order=True)
        .agg(
            pl.when(read.any()).then(pl.col("usage").sum()).alias("usage"),
            *(pl.when(read.any() & part.is_not_null().all()).then(part.sum()) for part in intervals),
            pl.col("amount_fen").sum(),
            pl.col("due_on").min(),
            pl.when(paid.all()).then(pl.col("paid_on").max()).alias("paid_on"),
            pl.col("method").first(),
            pl.when(read.any() & ~read.all()).then(pl.lit(2, pl.Int8)).otherwise(quality.max()).alias("rank"),
            pl.col("disconnected").any(),
            pl.col("known_on").max(),
        )
    )
    named = pl.col("rank").replace_strict(
        dict(enumerate(_BY_QUALITY)), return_dtype=FRAME_SCHEMAS["meter_months"]["read_quality"]
    )
    return summed.with_columns(named.alias("read_quality")).select(FRAME_SCHEMAS["meter_months"].keys())
