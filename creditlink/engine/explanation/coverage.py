"""The score without each category of records: what the firm gains or loses by granting it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.features.withhold import TAKEN, blanked
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.settings import ScorableSettings


@dataclass(frozen=True)
class WithoutCategory:
    """A firm's score had it refused one category; no score where too little record is left.

    `points_gained` is what granting the category changed: the score less the one without it.
    """

    category: str
    points: int | None
    grade: str | None
    pd_12m: float | None
    points_gained: int | None

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self))


def without_each(
    model: CreditModel,
    row: NDArray[np.float32],
    *,
    categories: Collection[str],
    points: int,
    settings: ScorableSettings,
) -> tuple[WithoutCategory, ...]:
    """Return the score without each of `categories` of which anything is known, in their order.

    Parameters
    ----------
    row : what the model read of the firm, shape (k,), missing as NaN
    categories : optional categories that the firm granted
    points : the firm's points
    """
    scores = []
    for category in categories:
        taken = [number for number, name in enumerate(model.features) if name in TAKEN[category]]
        if np.isnan(row[taken]).all():
            continue
        x = blanked(row[None, :], model.features, category)
        values = dict(zip(model.features, x[0].astype(np.float64), strict=True))
        if not scorable(values, settings)[0]:
            scores.append(WithoutCategory(category, None, None, None, None))
            continue
        scored = model.score_matrix(np.asfortranarray(x))
        without = int(scored.points[0])
        scores.append(
            WithoutCategory(category, without, str(scored.grade[0]), float(scored.pd_12m[0]), points - without)
        )
    return tuple(scores)
