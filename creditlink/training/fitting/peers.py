"""Measuring the tables of peers: tenths of every indicator by industry and size."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.peers import ALL_PEERS, LEAST_FIRMS, TENTHS, PeerTable, size_of
from creditlink.training.dataset import FEATURES


def peer_table(rows: pl.DataFrame) -> PeerTable:
    """Return the table of the firms in `rows`: `firm`, `industry` and the indicators, each firm once.

    Raises
    ------
    ValueError
        A firm appears twice: twenty rows would not be twenty firms.
    """
    if rows["firm"].n_unique() != rows.height:
        raise ValueError("firm: peers are counted by firm, and one is there twice")
    section = rows["industry"].str.slice(0, 1)
    known = zip(rows["sales_12_fen"].to_list(), rows["headcount"].to_list(), strict=True)
    size = pl.Series([size_of(*pair) for pair in known], dtype=pl.String)
    values = {name: rows[name].cast(pl.Float64).to_numpy() for name in FEATURES}
    keys = [pl.Series([ALL_PEERS] * rows.height), section, section + "/" + size]
    out: dict[str, dict[str, tuple[int, tuple[float, ...]]]] = {}
    for column in keys:
        for key in sorted(column.drop_nulls().unique().to_list()):
            here = (column == key).fill_null(value=False).to_numpy()
            row = {name: tenths for name, all_ in values.items() if (tenths := _tenths(all_[here])) is not None}
            if row:
                out[str(key)] = row
    return PeerTable(out)


def _tenths(values: NDArray[np.float64]) -> tuple[int, tuple[float, ...]] | None:
    known = values[~np.isnan(values)]
    if len(known) < LEAST_FIRMS:
        return None
    quantiles = np.quantile(known, TENTHS)
    # Three digits: enough to compare with, too few to tell one firm's books from the tenth of twenty.
    return len(known) // 10 * 10, tuple(float(f"{q:.3g}") for q in quantiles)
