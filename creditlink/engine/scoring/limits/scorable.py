"""Whether there is enough record of a firm to score it at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.settings import ScorableSettings
from creditlink.engine.vocabulary import CATEGORIES

Fact = str | float | date | None
"""One firm's value of an indicator or a registration column; None or NaN: not known."""

Facts = pl.DataFrame | Mapping[str, Fact]
"""Facts by name: columns of many firms, or one firm's values."""


@dataclass(frozen=True)
class NotScorable:
    """Why a firm has no score."""

    code: str
    least_months: int
    categories: tuple[str, ...]
    sentence_zh: str
    sentence_en: str

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, for a stored profile."""
        return asdict(self) | {"categories": list(self.categories)}


def scorable(features: Facts, settings: ScorableSettings) -> NDArray[np.bool_]:
    """Return for which firms there is evidence of a long enough record, shape (n,).

    Parameters
    ----------
    features
        One row per firm, a column per indicator, null is missing; or one firm's values by name.

    Raises
    ------
    ValueError
        `features` lack an indicator of the settings.
    """
    enough = np.zeros(features.height if isinstance(features, pl.DataFrame) else 1, bool)
    for evidence in settings.evidence:
        if evidence.indicator not in features:
            raise ValueError(f"scorable: no column {evidence.indicator!r}")
        values = np.atleast_1d(np.asarray(features[evidence.indicator], dtype=np.float64))
        enough |= values >= evidence.at_least  # a missing value is NaN, and not at least anything
    return enough


def refusal(settings: ScorableSettings) -> NotScorable:
    """Return what a firm that cannot be scored gets to read."""
    categories = tuple(dict.fromkeys(evidence.category for evidence in settings.evidence))
    names_zh = "、".join(CATEGORIES[category].noun_zh for category in categories)
    names_en = ", ".join(CATEGORIES[category].adjective_en for category in categories)
    least = settings.least_months
    return NotScorable(
        code="N01",
        least_months=least,
        categories=categories,
        sentence_zh=f"{names_zh}中没有一类数据有{least}个月的记录，无法评分。",
        sentence_en=f"No score: none of {names_en} has {least} months of record.",
    )
