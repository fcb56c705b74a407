"""Points in whole steps of a fine grid, and shares that add up to their whole to the last bit. Pure.

A step is a power of two, so that a number of steps is a float64 without rounding, and so is every sum of them that a
score can reach.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, floor
from typing import TypeVar

STEPS = 2**30
"""Steps in a point: a step is below a billionth of one, and finer than what a score promises of its sums."""

Player = TypeVar("Player", bound=Hashable)


def steps_of(points: float) -> int:
    """Return the whole number of steps nearest to `points`."""
    return round(Fraction(points) * STEPS)


def points_of(steps: int) -> float:
    """Return a number of steps in points, exactly."""
    return steps / STEPS


def shapley(players: Sequence[Player], value: Callable[[frozenset[Player]], Fraction]) -> dict[Player, Fraction]:
    """Return each player's Shapley value, as exact fractions.

    Parameters
    ----------
    players : few: `value` is asked once for each of their subsets
    value : what a set of players reaches together

    Source: Shapley 1953, "A value for n-person games".
    """
    n, known = len(players), {}
    for size in range(n + 1):
        for chosen in combinations(players, size):
            known[frozenset(chosen)] = value(frozenset(chosen))
    shares = {}
    for player in players:
        total = Fraction(0)
        for others, reached in known.items():
            if player not in others:
                total += (known[others | {player}] - reached) / (n * comb(n - 1, len(others)))
        shares[player] = total
    return shares


def whole_steps(shares: Mapping[Player, Fraction]) -> dict[Player, int]:
    """Return shares in whole steps whose sum is the shares' sum; the largest remainders are rounded up.

    Raises
    ------
    ValueError
        The shares do not add up to a whole number of steps.
    """
    total = sum(shares.values(), Fraction(0))
    if total.denominator != 1:
        raise ValueError(f"shares add up to {total}, which is not whole")
    down = {name: floor(share) for name, share in shares.items()}
    left = int(total) - sum(down.values())
    # Stable: among equal remainders the first named goes first, whatever the order of a set was.
    for name in sorted(shares, key=lambda one: down[one] - shares[one])[:left]:
        down[name] += 1
    return down
