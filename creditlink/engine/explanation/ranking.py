"""Which groups of indicators weigh most on a firm's score, for one firm and for millions.

Indicators that say much the same are one group, and a group's contribution is the sum of its
members'. Missing values are nobody's merit or fault: their contributions are summed by data
category, apart from the indicators, so that *too short a record* never reads as *a bad value*. A category or a source
of which nothing is known at all is no reason: its absence is neutral, whatever the cause
(docs/adr/0038-absence-is-neutral.md). What is left of missing values is one reason at most, and the last. A yes or no
that is for a firm as for most is no reason either: it sets nobody apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled
from creditlink.engine.explanation.sources import Source, sources_of
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


_FEW = 16
"""Firms of which every value is looked at: to narrow them down would cost more."""


@dataclass(frozen=True, eq=False)
class ReasonBook:
    """The groups of a model's indicators, built once per model.

    Groups are numbered: first those of indicators, in `groups`, then one for the missing values of
    each of `categories`. Below those, `supplies` are the utilities' companies that indicators read, alone or together:
    of one that the firm did not grant nothing is known, though others deliver; and `sources` are those of categories
    that have several.
    """

    indicators: tuple[IndicatorLike, ...]  # in the order of the model's features
    groups: tuple[str, ...]
    categories: tuple[str, ...]
    group_of: NDArray[np.intp]  # (k,): the group of each feature
    reads: NDArray[np.intp]  # (k, most): categories, supplies and sources of each feature, its category first, then -1
    supplies: tuple[tuple[str, ...], ...]  # numbered on from the categories
    sources: tuple[Source, ...]  # numbered on from the supplies
    evidence: tuple[tuple[int, ...], ...]  # of each source: the features that need it alone
    usual: NDArray[np.float32]  # (k,): of a flag what most firms have, else NaN


@dataclass(frozen=True, eq=False)
class Ranking:
    """The strongest groups of n firms, strongest first, and missing values last.

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
    features: Sequence[str],
    catalogue: Mapping[str, IndicatorLike],
    groups: Mapping[str, Sequence[str]],
    medians: Mapping[str, float] = MappingProxyType({}),
) -> ReasonBook:
    """Return the groups of a model with these features; an indicator in no group is one by itself.

    Parameters
    ----------
    catalogue
        Name -> indicator.
    groups
        Group -> names of indicators; those that the model does not read are left out.
    medians
        Name -> median of all firms that the model learned from.

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
    needed = [sources_of(name) for name in features]
    evidence = {
        source: tuple(place for place, needs in enumerate(needed) if needs == (source,))
        for source in dict.fromkeys(source for needs in needed for source in needs)
    }
    sources = tuple(source for source, features_of in evidence.items() if features_of)
    reads = np.full((len(indicators), 3 + max(len(indicator.categories) for indicator in indicators)), -1, np.intp)
    for row, indicator, needs in zip(reads, indicators, needed, strict=True):
        read = [categories.index(category) for category in indicator.categories]
        if indicator.name in SUPPLIES_OF:
            read.append(len(categories) + supplies.index(SUPPLIES_OF[indicator.name]))
        read += [len(categories) + len(supplies) + sources.index(source) for source in needs if source in sources]
        row[: len(read)] = read
    return ReasonBook(
        indicators=indicators,
        groups=distinct,
        categories=categories,
        group_of=np.array([distinct.index(name) for name in group_names], np.intp),
        reads=reads,
        supplies=supplies,
        sources=sources,
        evidence=tuple(evidence[source] for source in sources),
        usual=np.array([medians.get(i.name, np.nan) if i.unit == "flag" else np.nan for i in indicators], np.float32),
    )


def rank(
    scores: Scores,
    book: ReasonBook,
    *,
    limit: int = 4,
    least_points: float = 1.0,
    least_missing_points: float | None = None,
    adverse: bool = True,
    absent: Mapping[str, NDArray[np.bool_] | bool] | None = None,
) -> Ranking:
    """Return the groups that raise the PD of each firm most, or lower it most.

    Parameters
    ----------
    least_missing_points
        That missing values must cost to be a reason: one category's at most, in the last place, and only where they
        weigh more than what they displace. None: they are ranked with the others, and flags that most share too, as was
        done until November 2026.
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
    gone = gone_of(scores, book, absent or {}, sources=least_missing_points is not None)
    per_point = 1 / abs(scores.points_per_logit)
    _rank_rows(
        np.ascontiguousarray(scores.contributions.T),
        np.ascontiguousarray(scores.x.T),
        book.group_of,
        book.reads,
        gone,
        book.usual if least_missing_points is not None else np.full_like(book.usual, np.nan),
        len(book.groups),
        1.0 if adverse else -1.0,
        least_points * per_point,
        -1.0 if least_missing_points is None else max(least_points, least_missing_points) * per_point,
        group,
        lead,
        contribution,
    )
    return Ranking(group, lead, contribution)


def gone_of(
    scores: Scores, book: ReasonBook, absent: Mapping[str, NDArray[np.bool_] | bool], *, sources: bool = True
) -> NDArray[np.bool_]:
    """Return of which categories, supplies and sources of the book nothing is known, shape (numbers, n).

    Parameters
    ----------
    absent : as for `rank`; what is known of a source is read from the scores' own inputs
    sources : whether to tell of sources; else each counts as there
    """
    count, first = len(scores), len(book.categories) + len(book.supplies)
    gone = np.zeros((first + len(book.sources), count), bool)
    for number, together in enumerate((*((category,) for category in book.categories), *book.supplies)):
        told = [absent.get(one, False) for one in together]
        if any(one is False for one in told):
            continue  # one of them is there, of all firms
        gone[number] = np.logical_and.reduce([np.broadcast_to(one, count) for one in told])
    missing = np.isnan(scores.x) if count <= _FEW else None
    for number, features in enumerate(book.evidence if sources else (), first):
        if missing is not None:
            gone[number] = missing[:, features].all(axis=1)
            continue
        left = np.arange(count)
        for feature in features:  # only firms of which nothing was found yet are looked at again
            left = left[np.isnan(scores.x[left, feature])]
        gone[number, left] = True
    return gone


def gaps_of(scores: Scores, book: ReasonBook, gone: NDArray[np.bool_], row: int, category: int) -> NDArray[np.intp]:
    """Return the features of a category that a firm's records were too short for, what weighs most first."""
    reads = book.reads
    missing = np.isnan(scores.x[row]) & (reads[:, 0] == category)
    neutral = np.where(reads >= 0, gone[reads, row], False).any(axis=1)
    short = np.flatnonzero(missing & ~neutral)
    return np.asarray(short[np.argsort(-scores.contributions[row, short], kind="stable")])


@compiled
def _rank_rows(
    shares: NDArray[np.float64],
    x: NDArray[np.float32],
    group_of: NDArray[np.intp],
    reads: NDArray[np.intp],
    gone: NDArray[np.bool_],
    usual: NDArray[np.float32],
    groups: int,
    sign: float,
    least: float,
    least_missing: float,
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
            elif x[feature, row] != usual[feature]:
                number = group_of[feature]
                totals[number] += share
                if sign * share > largest[number]:
                    largest[number] = sign * share
                    leader[number] = feature
        # Missing values are never a strength.
        ranked = totals.shape[0] if sign > 0 and least_missing < 0 else groups
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
        if sign > 0 and least_missing >= 0:
            best, weight = -1, 0.0
            for number in range(groups, totals.shape[0]):
                if totals[number] > weight:
                    best, weight = number, totals[number]
            if best >= 0 and weight >= least_missing:
                last = 0
                while last < group.shape[1] - 1 and group[row, last] >= 0:
                    last += 1
                if weight > contribution[row, last]:
                    group[row, last] = best
                    lead[row, last] = -1
                    contribution[row, last] = weight
