"""Whether there is enough record of a firm to score it at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.settings import ScorableSettings
from creditlink.engine.vocabulary import CATEGORIES, EDITION, FIRST_EDITION, name_of

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


def refusal(settings: ScorableSettings, edition: int = EDITION) -> NotScorable:
    """Return what a firm that cannot be scored gets to read, in the words of an edition."""
    categories = tuple(dict.fromkeys(evidence.category for evidence in settings.evidence))
    least = settings.least_months
    zh, en = _words_1(categories, least) if edition == FIRST_EDITION else _words(settings)
    return NotScorable(
        code="N01",
        least_months=least,
        categories=categories,
        sentence_zh=zh,
        sentence_en=en,
    )


_NAMED = {"tax": (("纳税申报", "tax declarations"), ("销售", "sales"))}
"""What counts of a category where not all of its records do: a firm that only bought has invoices too."""


def _words(settings: ScorableSettings) -> tuple[str, str]:
    by_months: dict[int, list[str]] = {}
    for evidence in settings.evidence:
        named = by_months.setdefault(evidence.months or settings.least_months, [])
        if (name := evidence.supply or evidence.category) not in named:
            named.append(name)
    zh: list[str] = []
    en: list[str] = []
    for months, names in by_months.items():
        nouns = [
            noun for name in names for noun in _NAMED.get(name) or [(name_of(name).noun_zh, name_of(name).noun_en)]
        ]
        zh.append(f"{'、'.join(noun for noun, _ in nouns)}记录{'均' if nouns[1:] else ''}不足{months}个月")
        have = "" if en else (" each have" if nouns[1:] else " has")
        en.append(f"{_both([noun for _, noun in nouns])}{have} fewer than {months}{'' if en else ' months of record'}")
    within = settings.within_months
    return (
        f"近{within}个月内，{'，'.join(zh)}，无法评分。",
        f"No score: within the last {within} months, {', and '.join(en)}.",
    )


def _both(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _words_1(categories: tuple[str, ...], least: int) -> tuple[str, str]:
    zh = "、".join(CATEGORIES[category].noun_zh for category in categories)
    en = ", ".join(CATEGORIES[category].adjective_en for category in categories)
    return (
        f"{zh}中没有一类数据有{least}个月的记录，无法评分。",
        f"No score: none of {en} has {least} months of record.",
    )
