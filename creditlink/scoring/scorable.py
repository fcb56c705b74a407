"""Whether there is enough record of a firm to score it at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.scoring.sentences import CATEGORY_LABELS
from creditlink.scoring.settings import ScorableSettings


@dataclass(frozen=True)
class NotScorable:
    """Why a firm has no score."""

    code: str  # N01: no record at all; N02: a record too short
    least_months: int
    months: Mapping[str, int]
    sentence_zh: str
    sentence_en: str


def scorable(months: Mapping[str, NDArray[np.int64]], settings: ScorableSettings) -> NDArray[np.bool_]:
    """Return for which firms at least one category has months enough, shape (n,).

    Parameters
    ----------
    months
        Category -> months on record, shape (n,); a category that was not granted has none.

    Raises
    ------
    ValueError
        A category of the settings is not in `months`.
    """
    absent = [category for category in settings.categories if category not in months]
    if absent:
        raise ValueError(f"months: no counts for {', '.join(absent)}")
    best = np.maximum.reduce([np.asarray(months[category]) for category in settings.categories])
    enough: NDArray[np.bool_] = best >= settings.least_months
    return enough


def refusal(months: Mapping[str, int], settings: ScorableSettings) -> NotScorable | None:
    """Return why one firm is not scored, or None if it is.

    Raises
    ------
    ValueError
        A category of the settings is not in `months`.
    """
    if scorable({category: np.array([count]) for category, count in months.items()}, settings)[0]:
        return None
    held = {category: int(months[category]) for category in settings.categories}
    longest = max(held, key=lambda category: held[category])
    names_zh = "、".join(CATEGORY_LABELS[category][0] for category in held)
    names_en = ", ".join(CATEGORY_LABELS[category][1] for category in held)
    least = settings.least_months
    if held[longest] == 0:
        return NotScorable(
            "N01",
            least,
            held,
            f"没有{names_zh}中任何一类的记录，无法评分；至少一类需要{least}个月。",
            f"No record of any of {names_en}: {least} months of one of them are needed for a score.",
        )
    zh, en = CATEGORY_LABELS[longest]
    return NotScorable(
        "N02",
        least,
        held,
        f"最长的记录为{zh}{held[longest]}个月，评分至少需要{least}个月。",
        f"The longest record is {en} with {held[longest]} months; a score needs {least}.",
    )
