"""The ranking beside the truth: was the best product first, and did approval odds hold? Pure.

The **best product** of a request is, of all products of the demo lenders that its firm does not fail by a published
rule, the one at the lowest yearly cost among those whose lender would have made an offer that fits: approved by its
hidden policy at that moment, at least four fifths of the amount, over the very term. Where nobody would, there is no
best product; such requests are counted, and judge no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.match import INELIGIBLE
from creditlink.engine.matching.offers.approval import expected_calibration_error
from creditlink.sandbox.year.market import JudgedRequest, YearApplication
from creditlink.sandbox.year.ordering import LEARNED, ORDERS, RULES

BINS = 10
CHANCE = "by_chance"


@dataclass(frozen=True, slots=True)
class OrderFigures:
    """How one order did, over the requests that have a best product."""

    order: str
    requests: int
    top1: float  # share in which the best product was first
    top3: float  # … among the first three
    lenders_tried: float  # mean number of products asked for, in this order, until an offer fits
    cost_above_best_bps: float  # how much dearer a year that offer is than the best one, mean

    def to_dict(self) -> dict[str, object]:
        """Return the figures as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class OddsCalibration:
    """How well approval odds fit; the curve has groups of equal size: mean odds, share approved, answers."""

    odds: str  # of which order
    over: str
    answers: int
    approved: float  # share
    mean_odds: float
    ece: float
    brier: float
    curve: tuple[tuple[float, float, int], ...]

    def to_dict(self) -> dict[str, object]:
        """Return the figures as plain data."""
        return asdict(self)


def best_place(judged: JudgedRequest) -> int | None:
    """Return the best product's position in the request's book, None where nobody would make a fitting offer."""
    good = judged.answers.approved & judged.answers.fits & (judged.listing.states != INELIGIBLE)
    if not good.any():
        return None
    return int(np.argmin(np.where(good, judged.answers.cost_bps, np.inf)))


def judge_orders(requests: Iterable[JudgedRequest]) -> list[OrderFigures]:
    """Return each order's figures, and last those of an order by chance over the same products (exact, not drawn)."""
    places: dict[str, list[tuple[int, int, float]]] = {order: [] for order in ORDERS}
    chance: list[tuple[float, float, float, float]] = []
    for judged in requests:
        best = best_place(judged)
        if best is None:
            continue
        good, cost = judged.answers.approved & judged.answers.fits, judged.answers.cost_bps
        for order in ORDERS:
            ranked = judged.listing.orders[order]
            at = int(np.flatnonzero(ranked == best)[0])
            first = int(np.flatnonzero(good[ranked])[0])
            places[order].append((at, first, float(cost[ranked[first]] - cost[best])))
        possible = judged.listing.orders[RULES]
        offers = good[possible]
        n, k = len(possible), int(offers.sum())
        above = float(cost[possible][offers].mean() - cost[best])
        chance.append((1 / n, min(3 / n, 1.0), (n + 1) / (k + 1), above))
    return [*(_figures(order, rows) for order, rows in places.items()), _by_chance(chance)]


def _figures(order: str, rows: Sequence[tuple[int, int, float]]) -> OrderFigures:
    if not rows:
        return OrderFigures(order, 0, 0.0, 0.0, 0.0, 0.0)
    at, first, above = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return OrderFigures(
        order,
        len(rows),
        round(float((at < 1).mean()), 4),
        round(float((at < 3).mean()), 4),
        round(float(first.mean() + 1), 3),
        round(float(above.mean()), 1),
    )


def _by_chance(rows: Sequence[tuple[float, float, float, float]]) -> OrderFigures:
    if not rows:
        return OrderFigures(CHANCE, 0, 0.0, 0.0, 0.0, 0.0)
    top1, top3, tried, above = (float(np.mean(column)) for column in zip(*rows, strict=True))
    return OrderFigures(CHANCE, len(rows), round(top1, 4), round(top3, 4), round(tried, 3), round(above, 1))


def of_answers(applications: Iterable[YearApplication]) -> list[OddsCalibration]:
    """Return how well the odds of both rankings fit the actual answers."""
    answered = [one for one in applications if not one.silent]
    yes = np.array([one.approved for one in answered], dtype=bool)
    return [
        calibration(np.array([one.odds[name] for one in answered]), yes, odds=name, over="answers")
        for name in (LEARNED, RULES)
    ]


def of_everything_shown(requests: Iterable[JudgedRequest]) -> list[OddsCalibration]:
    """Return the same over every product shown, as its lender would have answered: the firm's choice plays no part."""
    rows = [(judged, judged.listing.states != INELIGIBLE) for judged in requests]
    yes = np.concatenate([judged.answers.approved[seen] for judged, seen in rows] or [np.zeros(0, dtype=bool)])
    return [
        calibration(
            np.concatenate([judged.listing.odds[name][seen] for judged, seen in rows] or [np.zeros(0)]),
            yes,
            odds=name,
            over="everything_shown",
        )
        for name in (LEARNED, RULES)
    ]


def calibration(p: NDArray[np.float64], approved: NDArray[np.bool_], *, odds: str, over: str) -> OddsCalibration:
    """Return how well probabilities `p` of shape (n,) fit the outcomes."""
    if not len(p):
        return OddsCalibration(odds, over, 0, 0.0, 0.0, 0.0, 0.0, ())
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), BINS) if len(part)]
    return OddsCalibration(
        odds,
        over,
        len(p),
        round(float(approved.mean()), 4),
        round(float(p.mean()), 4),
        round(expected_calibration_error(p, approved, BINS), 4),
        round(float(np.mean((p - approved) ** 2)), 4),
        tuple((round(float(p[part].mean()), 4), round(float(approved[part].mean()), 4), len(part)) for part in parts),
    )
