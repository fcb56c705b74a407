"""The score without each category of records: what the firm gains or loses by granting it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
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
    x: NDArray[np.float32],
    *,
    categories: Collection[str],
    points: NDArray[np.integer],
    settings: ScorableSettings,
) -> list[tuple[WithoutCategory, ...]]:
    """Return, for each firm, the score without each of `categories` of which anything is known, in their order.

    Parameters
    ----------
    x : what the model read of the firms, shape (n, k), missing as NaN
    categories : optional categories that the firms granted
    points : the firms' points, shape (n,)
    """
    found: list[list[WithoutCategory]] = [[] for _ in range(len(x))]
    for category in categories:
        taken = [number for number, name in enumerate(model.features) if name in TAKEN[category]]
        (firms,) = np.nonzero(~np.isnan(x[:, taken]).all(axis=1))
        if not firms.size:
            continue
        left = blanked(x[firms], model.features, category)
        enough = _scorable(left, model.features, settings)
        scored = model.score_matrix(np.asfortranarray(left[enough])) if enough.any() else None
        place = iter(range(len(firms)))
        for firm, is_enough in zip(firms.tolist(), enough.tolist(), strict=True):
            if scored is None or not is_enough:
                found[firm].append(WithoutCategory(category, None, None, None, None))
                continue
            k = next(place)
            without = int(scored.points[k])
            gained = int(points[firm]) - without
            found[firm].append(
                WithoutCategory(category, without, str(scored.grade[k]), float(scored.pd_12m[k]), gained)
            )
    return [tuple(scores) for scores in found]


def _scorable(x: NDArray[np.float32], names: Sequence[str], settings: ScorableSettings) -> NDArray[np.bool_]:
    read = [evidence.indicator for evidence in settings.evidence]
    columns = {name: x[:, names.index(name)].astype(np.float64) for name in read if name in names}
    return scorable(pl.DataFrame(columns), settings)
