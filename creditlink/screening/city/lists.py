"""Which list a firm of a screening belongs to, and its size class. Pure."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring import peers

LISTS = ("none", "high_risk", "whitelist", "cultivation")
"""The lists a firm can be on.

`high_risk`: grade E, or a knock-out applies. `whitelist`: scored, grade A or better, registered as active, no
knock-out, and eligible for at least one product. `cultivation` (培育池): scored, active, no knock-out, grade B
to D, and sales that grew over the year: not yet the safest, and on the way up.

Source: design after the published practice of Foshan (培育池), Nanyang (白名单) and Shenzhen (high-risk firms).
"""

SIZES = ("unknown", *peers.SIZES)
"""Size classes by insured headcount, with the bounds of the peers: those of industry, used for all sections."""


def size_classes(headcount: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Return positions in SIZES, shape (n,); NaN is unknown."""
    classes = np.searchsorted(peers.HEAD_BOUNDS, headcount, side="right") + 1
    return np.where(np.isnan(headcount), 0, classes).astype(np.uint32)


def list_of(
    grade: NDArray[np.int8],
    *,
    scored: NDArray[np.bool_],
    active: NDArray[np.bool_],
    knocked_out: NDArray[np.bool_],
    eligible: NDArray[np.int16],
    sales_growth: NDArray[np.float64],
) -> NDArray[np.uint32]:
    """Return positions in LISTS, shape (n,).

    Parameters
    ----------
    grade : 0 for A+ … 5 for E. eligible : number of products open to each firm.
    sales_growth : of twelve months over the twelve before; NaN is unknown, and no growth.
    """
    high = knocked_out | (scored & (grade == 5))
    fine = scored & active & ~knocked_out
    white = fine & (grade <= 1) & (eligible > 0)
    cultivated = fine & (grade >= 2) & (grade <= 4) & (sales_growth > 0)
    return np.select([high, white, cultivated], [1, 2, 3], 0).astype(np.uint32)


def enum(codes: NDArray[np.uint32], categories: tuple[str, ...]) -> pl.Series:
    """Return positions as a column of their names, without a text per firm."""
    return pl.Series(categories, dtype=pl.Enum(categories)).gather(codes)
