"""The levers a firm has: groups of indicators that it can act on, and how far each can reasonably go.

A group moves together (a firm that pays its bills in time has fewer late ones in 6 months and in 12), from
where the firm is towards the best tenth of its peers and no further: what a tenth of them do is possible.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.explanation.ranking import IndicatorLike, ReasonBook
from creditlink.engine.scoring.model import CreditModel

WHOLE_UNITS = frozenset({"count", "months", "people", "score", "flag", "fen"})
"""Units whose values are whole numbers; others are shown with four digits after the point."""

_NESTED = re.compile(r"(?P<stem>[a-z_]+)_(?P<months>\d+)")


@dataclass(frozen=True, eq=False)
class Lever:
    """One group of indicators: their numbers among the model's features."""

    group: str
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Levers:
    """What is the same for every firm: built once per model."""

    levers: tuple[Lever, ...]
    indicators: tuple[IndicatorLike, ...]  # in the order of the model's features
    cuts: Mapping[int, NDArray[np.float32]]  # feature -> thresholds of the trees, ascending
    nested: tuple[tuple[int, int], ...]  # (of fewer months, of more): a count that cannot be above the other


def levers_of(model: CreditModel, book: ReasonBook) -> Levers:
    """Return the levers of a model: indicators that a firm can act on, with a direction, that some tree reads."""
    cuts = _cuts(model)
    by_group: dict[int, list[int]] = {}
    for feature, indicator in enumerate(book.indicators):
        if indicator.actionable and indicator.direction and feature in cuts:
            by_group.setdefault(int(book.group_of[feature]), []).append(feature)
    return Levers(
        levers=tuple(Lever(book.groups[group], tuple(members)) for group, members in by_group.items()),
        indicators=book.indicators,
        cuts=cuts,
        nested=_nested(book.indicators),
    )


def targets(
    levers: Levers, model: CreditModel, row: NDArray[np.float32], industry: str | None, size: str | None
) -> NDArray[np.float64]:
    """Return how far each indicator can go, shape (k,): the best tenth of the peers, or where the firm is already.

    Parameters
    ----------
    row : what the model read of the firm, shape (k,)
    """
    best = row.astype(np.float64)
    for lever in levers.levers:
        for feature in lever.members:
            indicator = levers.indicators[feature]
            reach = model.peers.best(industry, size, indicator.name, indicator.direction)
            if reach is None or np.isnan(row[feature]):
                continue
            if indicator.direction > 0:
                best[feature] = min(best[feature], max(reach, 0.0) if row[feature] >= 0 else reach)
            else:
                best[feature] = max(best[feature], reach)
    return best


def settle(levers: Levers, feature: int, before: float, wanted: float) -> float:
    """Return the least move that no tree distinguishes from `wanted`, as a number that people can read.

    Returns `before` where no tree distinguishes the two.
    """
    indicator, cuts = levers.indicators[feature], levers.cuts[feature]
    grain = 1.0 if indicator.unit in WHOLE_UNITS else 1e-4
    if indicator.direction < 0:
        passed = cuts[(cuts > before) & (cuts <= wanted)]
        return before if not passed.size else math.ceil(round(float(passed[-1]) / grain, 6)) * grain
    passed = cuts[(cuts > wanted) & (cuts <= before)]
    if not passed.size:
        return before
    whole = math.floor(round(float(passed[0]) / grain, 6)) * grain
    below = whole if np.float32(whole) < passed[0] else whole - grain
    return below if below >= 0 or before < 0 else max(0.0, wanted)


def coherent(levers: Levers, row: NDArray[np.float64]) -> bool:
    """Return whether no count of fewer months is above the same count of more."""
    return not any(row[fewer] > row[more] for fewer, more in levers.nested)


def _cuts(model: CreditModel) -> dict[int, NDArray[np.float32]]:
    cuts: dict[int, set[float]] = {}
    for tree in json.loads(bytes(model.booster.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]:
        for left, feature, cut in zip(
            tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True
        ):
            if left != -1:
                cuts.setdefault(int(feature), set()).add(float(np.float32(cut)))
    return {feature: np.array(sorted(values), np.float32) for feature, values in cuts.items()}


def _nested(indicators: Sequence[IndicatorLike]) -> tuple[tuple[int, int], ...]:
    counts: dict[str, list[tuple[int, int]]] = {}
    for feature, indicator in enumerate(indicators):
        named = _NESTED.fullmatch(indicator.name)
        if named and indicator.unit == "count":
            counts.setdefault(named["stem"], []).append((int(named["months"]), feature))
    return tuple(
        (fewer, more)
        for rows in counts.values()
        for (_, fewer), (_, more) in zip(sorted(rows), sorted(rows)[1:], strict=False)
    )
