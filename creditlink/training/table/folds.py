"""Cutting rows into folds of like size and like share of events, no group in two of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bad = NDArray[np.int8]
Ints = NDArray[np.int64]
Cut = tuple[Ints, Ints]
"""Row numbers of the rest and of the fold."""


def folds_of(is_bad: Bad, group: Ints, count: int, seed: int) -> Sequence[Cut]:
    """Return row numbers of the rest and of each fold.

    Groups of several rows come first, the largest before all others, each where it leaves the folds most alike; rows by
    themselves then fill the folds up.

    Raises
    ------
    ValueError
        Fewer groups with the event, or without it, than folds.
    """
    random = np.random.default_rng(seed)
    _, member, size = np.unique(group, return_inverse=True, return_counts=True)
    events = np.bincount(member, weights=is_bad).astype(np.int64)
    if min(int((events > 0).sum()), int((events < size).sum())) < count:
        raise ValueError(f"the rows fall into too few different ones for {count} folds")
    fold = np.empty(len(is_bad), np.int64)
    load = np.zeros((count, 2))  # rows without and with the event
    of_group = np.empty(len(size), np.int64)
    kinds = np.column_stack([size - events, events])
    share = kinds / kinds.sum(axis=0)
    several = random.permutation(np.flatnonzero(size > 1))
    for g in several[np.argsort(-share[several].max(axis=1), kind="stable")]:
        # What the fold would hold of either kind; the fuller of both decides, then their sum.
        after = load + share[g] * (kinds[g] > 0)
        of_group[g] = np.lexsort((after.sum(axis=1), after[:, kinds[g] > 0].max(axis=1)))[0]
        load[of_group[g]] += share[g]
    together = size[member] > 1
    fold[together] = of_group[member[together]]
    for kind in (0, 1):
        alone = random.permutation(np.flatnonzero(~together & (is_bad == kind)))
        held = np.bincount(fold[together & (is_bad == kind)], minlength=count)
        fold[alone] = np.repeat(np.arange(count), _level(held, len(alone)))
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count)]


def _level(held: Ints, more: int) -> Ints:
    """Return how many of `more` rows each fold gets, so that those that hold least end alike."""
    order = np.argsort(held, kind="stable")
    for count in range(len(held), 0, -1):
        level, left = divmod(more + int(held[order[:count]].sum()), count)
        if level >= held[order[count - 1]]:
            break
    given = np.zeros(len(held), np.int64)
    filled = order[:count]
    given[filled] = level - held[filled]
    given[filled[:left]] += 1
    return given
