"""Which groups of indicators weigh most on a firm's score, for one firm and for millions.

Indicators that say much the same are one group, and a group's contribution is the sum of its
members'. Missing values are nobody's merit or fault: what they contribute is collected per data
category, apart from the indicators, so that *no record* is never told as *a bad value*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creditlink.scoring.model import Scores

_ROWS = 2048  # at a time: the arrays of a block stay in the cache


class IndicatorLike(Protocol):
    """What reasons need to know of an indicator of the catalogue."""

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
    """The groups of a model's indicators, made once per model.

    Groups are numbered: first those of indicators, in `groups`, then one for the missing values of
    each of `categories`.
    """

    indicators: tuple[IndicatorLike, ...]  # in the order of the model's features
    groups: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]  # feature numbers, by group
    categories: tuple[str, ...]


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
    group_of = {member: group for group, members in groups.items() for member in members}
    collected: dict[str, list[int]] = {}
    for number, name in enumerate(features):
        collected.setdefault(group_of.get(name, name), []).append(number)
    indicators = tuple(catalogue[name] for name in features)
    return ReasonBook(
        indicators=indicators,
        groups=tuple(collected),
        members=tuple(tuple(members) for members in collected.values()),
        categories=tuple(dict.fromkeys(c for indicator in indicators for c in indicator.categories)),
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
        Category -> whether nothing of it is known, per firm or for all: an indicator that reads
        several categories is missing because of the first absent one.
    """
    count = len(scores)
    group = np.full((count, limit), -1, np.int16)
    lead = np.full((count, limit), -1, np.int16)
    contribution = np.zeros((count, limit))
    least = least_points / abs(scores.points_per_logit)
    members = _padded(book)
    for first in range(0, count, _ROWS):
        rows = slice(first, min(first + _ROWS, count))
        shares = scores.contributions.T[:, rows]
        missing = np.isnan(scores.x.T[:, rows])
        present = np.where(missing, 0.0, shares)
        totals = np.zeros((len(book.groups), present.shape[1]))
        for total, features in zip(totals, book.members, strict=True):
            for feature in features:  # one by one: the same order of adding for one firm and for many
                total += present[feature]
        if adverse:
            blame = _missing_totals(book, np.where(missing, shares, 0.0), missing, absent or {}, rows)
            totals = np.concatenate([totals, blame])
        weights = totals if adverse else -totals
        width = weights.shape[1]
        across = np.arange(width)
        # An indicator that stands out, not one that is merely present: its own share, in the same sense.
        own = np.where(missing, -np.inf, shares if adverse else -shares)
        own = np.concatenate([own, np.full((1, width), -np.inf)])  # the padding of `members`
        weights = weights.copy()
        for place in range(min(limit, len(weights))):
            best = weights.argmax(axis=0)
            holds = weights[best, across] >= max(least, np.finfo(np.float64).tiny)
            candidates = members[best]  # (width, most members)
            leader = candidates[across, own[candidates, across[:, None]].argmax(axis=1)]
            of_indicators = holds & (best < len(book.groups))
            group[rows, place] = np.where(holds, best, -1)
            lead[rows, place] = np.where(of_indicators, leader, -1)
            contribution[rows, place] = np.where(holds, totals[best, across], 0)
            weights[best, across] = -np.inf
    return Ranking(group, lead, contribution)


def _padded(book: ReasonBook) -> NDArray[np.intp]:
    """Return the members of each group, and none for missing values, padded with a feature that never leads."""
    most = max(len(group) for group in book.members)
    none = len(book.indicators)
    rows = [(*group, *[none] * (most - len(group))) for group in book.members]
    return np.array(rows + [(none,) * most] * len(book.categories), np.intp)


def _missing_totals(
    book: ReasonBook,
    shares: NDArray[np.float64],
    missing: NDArray[np.bool_],
    absent: Mapping[str, NDArray[np.bool_] | bool],
    rows: slice,
) -> NDArray[np.float64]:
    """Return what missing values contribute, by category: shape (categories, rows)."""
    totals = np.zeros((len(book.categories), shares.shape[1]))
    number = {category: n for n, category in enumerate(book.categories)}
    for feature, indicator in enumerate(book.indicators):
        if not missing[feature].any():
            continue
        share, open_rows = shares[feature], np.ones(shares.shape[1], bool)
        if len(indicator.categories) > 1:
            for category in indicator.categories:
                whole = np.asarray(absent.get(category, False))
                gone = open_rows & (whole[rows] if whole.ndim else whole)
                totals[number[category]] += np.where(gone, share, 0)
                open_rows &= ~gone
        totals[number[indicator.category]] += np.where(open_rows, share, 0)
    return totals
