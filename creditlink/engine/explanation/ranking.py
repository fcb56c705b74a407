"""Which groups of indicators weigh most on a firm's score, for one firm and for millions.

Indicators that say much the same are one group, and a group's contribution is the sum of its
members'. Missing values are nobody's merit or fault: their contributions are summed by data
category, apart from the indicators, so that *too short a record* never reads as *a bad value*. A category of which
nothing is known at all is no reason: its absence is neutral, whatever the cause (docs/adr/0038-absence-is-neutral.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled
from creditlink.engine.features.supplies import SUPPLIES_OF
from creditlink.engine.scoring.model import Scores


class IndicatorLike(Protocol):
    """What reasons need of an indicator of the catalogue."""

    @property
    def name(self) -> str:
        """Column of the feature frame."""

    @property
    def label_zh(self) -> str:
        """Chinese name."""

    @property
    def label_en(self) -> str:
        """English name."""

    @property
    def category(self) -> str:
        """Consent category it is explained under."""

    @property
    def dimension(self) -> str:
        """Dimension of the portrait."""

    @property
    def unit(self) -> str:
        """Unit of its values."""

    @property
    def direction(self) -> int:
        """+1 riskier when higher, -1 safer, 0 free."""

    @property
    def window(self) -> int:
        """Months it looks back; 0 for a state."""

    @property
    def reason_code(self) -> str:
        """Code, never reused."""

    @property
    def actionable(self) -> bool:
        """Whether a firm can act on it."""

    @property
    def categories(self) -> tuple[str, ...]:
        """All categories it reads, its own first."""


@dataclass(frozen=True, eq=False)
class ReasonBook:
    """The groups of a model's indicators, built once per model.

    Groups are numbered: first those of indicators, in `groups`, then one for the missing values of
    each of `categories`. Below those, `supplies` are the utilities' companies that indicators read, alone or together:
    of one that the firm did not grant nothing is known, though others deliver.
    """

    indicators: tuple[IndicatorLike, ...]  # in the order of the model's features
    groups: tuple[str, ...]
    categories: tuple[str, ...]
    group_of: NDArray[np.intp]  # (k,): the group of each feature
    reads: NDArray[np.intp]  # (k, most): the categories and supplies each feature reads, its own first, then -1
    supplies: tuple[tuple[str, ...], ...]  # numbered on from the categories


@dataclass(frozen=True, eq=False)
class Ranking:
    """The strongest groups of n firms, strongest first.

    Attributes
    ----------
    group
        Shape (n, limit): number of the group in the book; -1 where there are no more.
    lead
        Shape (n, limit): number of the feature that weighs most in the group; -1 for missing values.
    contribution
        Shape (n, limit): the group's, in log-odds of bad; 0 where there are no more.
    """

    group: NDArray[np.int16]
    lead: NDArray[np.int16]
    contribution: NDArray[np.float64]


def reason_book(
    features: Sequence[str], catalogue: Mapping[str, IndicatorLike], groups: Mapping[str, Sequence[str]]
) -> ReasonBook:
    """Return the groups of a model with these features; an indicator in no group is one by itself.

    Parameters
    ----------
    catalogue
        Name -> indicator.
    groups
        Group -> names of indicators; those that the model does not read are left out.

    Raises
    ------
    ValueError
        A feature is not in the catalogue.
    """
    absent = [name for name in features if name not in catalogue]
    if absent:
        raise ValueError(f"features not in the catalogue: {', '.join(absent)}")
    named = {member: group for group, members in groups.items() for member in members}
    indicators = tuple(catalogue[name] for name in features)
    group_names = [named.get(name, name) for name in features]
    distinct = tuple(dict.fromkeys(group_names))
    categories = tuple(dict.fromkeys(c for indicator in indicators for c in indicator.categories))
    supplies = tuple(dict.fromkeys(SUPPLIES_OF[name] for name in features if name in SUPPLIES_OF))
    reads = np.full((len(indicators), 1 + max(len(indicator.categories) for indicator in indicators)), -1, np.intp)
    for row, indicator in zip(reads, indicators, strict=True):
        row[: len(indicator.categories)] = [categories.index(category) for category in indicator.categories]
        if indicator.name in SUPPLIES_OF:
            row[-1] = len(categories) + supplies.index(SUPPLIES_OF[indicator.name])
    return ReasonBook(
        indicators=indicators,
        groups=distinct,
        categories=categories,
        group_of=np.array([distinct.index(name) for name in group_names], np.intp),
        reads=reads,
        supplies=supplies,
    )


def rank(
    scores: Scores,
    book: ReasonBook,
    *,
    limit: int = 4,
    least_points: float = 1.0,
    adverse: bool = True,
    absent: Mapping[str, NDArray[np.bool_] | bool] | None = None,
) -> Ranking:
    """Return the groups that raise the PD of each firm most, or lower it most.

    Parameters
    ----------
    adverse
        True: groups that cost points, missing values among them. False: strengths, which missing
        values never are.
    absent
        Category or supply -> whether nothing of it is known, per firm (n,) or for all: a missing indicator that
        reads one is no reason, nor one that reads several supplies of which none is known.
    """
    count = len(scores)
    group = np.full((count, limit), -1, np.int16)
    lead = np.full((count, limit), -1, np.int16)
    contribution = np.zeros((count, limit), np.float64)
    known = absent or {}
    gone = np.zeros((len(book.categories) + len(book.supplies), count), bool)
    for number, together in enumerate((*((category,) for category in book.categories), *book.supplies)):
        gone[number] = np.logical_and.reduce([np.broadcast_to(known.get(one, False), count) for one in together])
    _rank_rows(
        np.ascontiguousarray(scores.contributions.T),
        np.ascontiguousarray(scores.x.T),
        book.group_of,
        book.reads,
        gone,
        len(book.groups),
        1.0 if adverse else -1.0,
        least_points / abs(scores.points_per_logit),
        group,
        lead,
        contribution,
    )
    return Ranking(group, lead, contribution)


@compiled
def _rank_rows(
    shares: NDArray[np.float64],
    x: NDArray[np.float32],
    group_of: NDArray[np.intp],
    reads: NDArray[np.intp],
    gone: NDArray[np.bool_],
    groups: int,
    sign: float,
    least: float,
    group: NDArray[np.int16],
    lead: NDArray[np.int16],
    contribution: NDArray[np.float64],
) -> None:
    """Rank the groups of each row: `shares` and `x` are (k, n), `reads` (k, most), `gone` (categories, supplies; n)."""
    totals = np.empty(groups + gone.shape[0])
    largest = np.empty(groups)
    leader = np.empty(groups, np.int16)
    for row in range(shares.shape[1]):
        totals[:] = 0.0
        largest[:] = -np.inf
        for feature in range(shares.shape[0]):
            share = shares[feature, row]
            if np.isnan(x[feature, row]):
                neutral = False
                for category in reads[feature]:
                    if category >= 0 and gone[category, row]:
                        neutral = True
                if not neutral:
                    totals[groups + reads[feature, 0]] += share
            else:
                number = group_of[feature]
                totals[number] += share
                if sign * share > largest[number]:
                    largest[number] = sign * share
                    leader[number] = feature
        # Missing values are never a strength.
        ranked = totals.shape[0] if sign > 0 else groups
        for place in range(group.shape[1]):
            best, weight = -1, 0.0
            for number in range(ranked):
                if sign * totals[number] > weight:
                    best, weight = number, sign * totals[number]
            if best < 0 or weight < least:
                break
            group[row, place] = best
            lead[row, place] = leader[best] if best < groups else -1
            contribution[row, place] = totals[best]
            totals[best] = 0.0
