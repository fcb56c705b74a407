"""Rows of firms that a booster was not fitted on, as far as calibration and interval read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.training.city import City
from creditlink.training.dataset import FEATURES, build, matrix
from creditlink.training.fitting.conformal import evidence_of
from creditlink.training.fitting.fit import FittedBooster, margin

DAYS_OF_YEAR = 365.25

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """n rows: a hundredth of what the indicators of as many rows take, so that several cities can calibrate.

    Attributes
    ----------
    margin : log-odds of bad as the booster gives them, shape (n,)
    is_bad, hazard : the outcome, and its true probability, shape (n,)
    years : from the day that the calibration is for, 0 or less, shape (n,)
    gone : category -> which rows lack it, each of shape (n,)
    evidence : the number of the interval's bin, shape (n,)
    """

    margin: Floats
    is_bad: NDArray[np.int8]
    hazard: Floats
    years: Floats
    gone: Mapping[str, NDArray[np.bool_]]
    evidence: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.margin)

    @classmethod
    def of(cls, fitted: FittedBooster, rows: pl.DataFrame, absence: Absence, today: date) -> HeldOut:
        """Return rows of a training table.

        Parameters
        ----------
        rows : labels and indicators, as `dataset.build` returns them
        absence : says by which indicators a category is known
        today : the day that the calibration is for
        """
        x = matrix(rows)
        return cls(
            margin=margin(fitted.booster, x),
            is_bad=rows["is_bad"].to_numpy(),
            hazard=rows["hazard_12m"].to_numpy(),
            years=(rows["as_of"] - today).dt.total_days().to_numpy() / DAYS_OF_YEAR,
            gone=absence.absent(FEATURES, x),
            evidence=evidence_of(FEATURES, x),
        )

    @classmethod
    def together(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """Return the rows of several, one after another; at least one of them."""
        return cls(
            margin=np.concatenate([part.margin for part in parts]),
            is_bad=np.concatenate([part.is_bad for part in parts]),
            hazard=np.concatenate([part.hazard for part in parts]),
            years=np.concatenate([part.years for part in parts]),
            gone={name: np.concatenate([part.gone[name] for part in parts]) for name in parts[0].gone},
            evidence=np.concatenate([part.evidence for part in parts]),
        )


def of_city(
    city: City,
    days: Sequence[date],
    reference: Reference,
    fitted: FittedBooster,
    absence: Absence,
    today: date,
    *,
    seed: int,
    step: Callable[[], None] = lambda: None,
) -> HeldOut:
    """Return all rows of a city that the booster has not seen, of which one day at a time is in memory.

    Parameters
    ----------
    days : quarter-ends with outcomes, at least one
    seed : decides what is withheld
    step : called as `dataset.build` calls it, once for each copy of a day

    Others are as for `HeldOut.of`.
    """
    parts = []
    for day in days:
        rows = build(city, [day], reference, seed=seed, step=step)
        parts.append(HeldOut.of(fitted, rows, absence, today))
    return HeldOut.together(parts)
