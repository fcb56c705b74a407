"""Whether outcomes, as far as they are ripe, agree with the probabilities that were given. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from creditlink.engine.scoring.measures import auc, auc_error

FEWEST_BADS = 10
"""Fewer say nothing of a ranking."""

CONTRADICTED_Z = 4.0
"""Observed less predicted, in standard errors of chance, beyond which PDs are contradicted: 6 in 100,000 by chance."""


@dataclass(frozen=True)
class OutcomeFinding:
    """How ripe loans came out.

    Attributes
    ----------
    z : observed less predicted bads, in standard errors of chance
    auc, auc_error : None where too few went bad
    """

    loans: int
    bads: int
    mean_pd: float | None
    bad_rate: float | None
    z: float | None
    auc: float | None
    auc_error: float | None

    @property
    def contradicts(self) -> bool:
        """Whether outcomes contradict the PDs by more than chance."""
        return self.z is not None and self.bads >= FEWEST_BADS and abs(self.z) > CONTRADICTED_Z


def held_against(pd_12m: ArrayLike, is_bad: ArrayLike) -> OutcomeFinding:
    """Hold the PDs of ripe loans against how they came out.

    Parameters
    ----------
    pd_12m : probabilities given at the decision, in (0, 1), shape (n,)
    is_bad : 0 or 1, shape (n,)

    Source: Spiegelhalter (1986) for the sum of Bernoulli variances; Hanley & McNeil (1982) for the AUC's error.
    """
    pds: NDArray[np.float64] = np.asarray(pd_12m, dtype=np.float64)
    bad: NDArray[np.float64] = np.asarray(is_bad, dtype=np.float64)
    if not len(pds):
        return OutcomeFinding(0, 0, None, None, None, None, None)
    bads, spread = int(bad.sum()), float(np.sqrt(np.sum(pds * (1 - pds))))
    z = (bads - float(pds.sum())) / spread if spread > 0 else None
    goods = len(pds) - bads
    area = auc(bad, pds) if min(bads, goods) >= FEWEST_BADS else None
    error = None if area is None else auc_error(area, bads, goods)
    return OutcomeFinding(len(pds), bads, float(pds.mean()), float(bad.mean()), z, area, error)
