"""A bank that decides by a score and its officers' eyes, and lends to a few declined firms by lot. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.sandbox.years.world import QuarterDay
from creditlink.training.dataset import FEATURES
from creditlink.training.outcomes.applicants import APPROVED, BY_LOT, OUTCOME, SEGMENTS
from creditlink.training.recalibration.outcomes import AS_OF, BAD, FIRM, PD

Floats = NDArray[np.float64]

INSIGHT, NOISE = 0.3, 0.5
"""How far officers see from the score towards the truth, and how far they stray by chance, in log-odds.

What they see is in no column: approved firms differ from declined ones by more than the score, as in life.
"""


@dataclass(frozen=True)
class BankPlan:
    """Shares: of the firms that ask in a quarter, of these approved, of the declined lent to by lot."""

    ask: float = 0.4
    approve: float = 0.7
    by_lot: float = 0.1

    def __post_init__(self) -> None:
        for name in ("ask", "approve", "by_lot"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not between 0 and 1")


@dataclass(frozen=True, eq=False)
class QuarterDecided:
    """What a quarter's applicants look like once decided on: rows as `Applicants` has them, and the truth."""

    day: QuarterDay
    rows: pl.DataFrame  # outcomes filled in as they will be known
    hazard: Floats


def decide_quarter(day: QuarterDay, logit: Floats, plan: BankPlan, rng: np.random.Generator) -> QuarterDecided:
    """Return the applicants of a day and what the bank does with them.

    Parameters
    ----------
    logit : log-odds of bad that the bank's model gives every firm of the day, shape (n,)
    """
    asks = np.flatnonzero(rng.random(len(logit)) < plan.ask)
    said, hazard = logit[asks], day.hazard[asks]
    truth = np.log(hazard / (1 - hazard))
    judged = said + INSIGHT * (truth - said) + NOISE * rng.standard_normal(len(asks))
    approved = judged <= np.quantile(judged, plan.approve)
    by_lot = ~approved & (rng.random(len(asks)) < plan.by_lot)
    lent, bad = approved | by_lot, day.is_bad[asks]
    told = np.where(~lent, "declined", np.where(bad == 1, "bad", "good"))
    rows = day.rows[asks].select(
        pl.col("firm").cast(pl.Int32).alias(FIRM),
        pl.lit(day.as_of).alias(AS_OF),
        pl.Series(np.where(lent, bad, -1)).cast(pl.Int8).replace({-1: None}).alias(BAD),
        pl.Series(approved).alias(APPROVED),
        pl.Series(by_lot).alias(BY_LOT),
        pl.Series(told).alias(OUTCOME),
        pl.Series(1 / (1 + np.exp(-said))).alias(PD),
        *SEGMENTS,
        *FEATURES,
    )
    return QuarterDecided(day, rows, hazard)
