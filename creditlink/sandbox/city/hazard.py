"""The true probability of default within twelve months, by backward induction over the hidden state.

Health departs from a firm's own level by `z`: z' = ρ z + σ ε, and now and then a jump down. The monthly
probability of default is p = 1 − exp(−exp(b − β (z + shock))), where `b` is everything else that
weighs on a firm, its size and its age among them, and changes slowly.
D_n(z) = E[p(z') + (1 − p(z')) (1 − q) D_{n−1}(z')], q is the chance of leaving for another reason.
"""

from __future__ import annotations

import math

import numpy as np

from creditlink.sandbox.city.economy import Calendar, Floats

PERSISTENCE = 0.97
NOISE = 0.12
JUMP_CHANCE = 0.005
JUMP_SIZE = 0.6
SLOPE = 1.75
"""β: log-hazard per unit of health."""
BASE = -6.95
"""Log of the monthly hazard at health 0 with no other risk."""
LEAVE_CHANCE = 0.0012
HORIZON = 12

EXPOSURES = (0.5, 1.0, 1.5)
_Z = np.arange(-7.0, 4.001, 0.1)
_B = np.linspace(-16.0, 0.0, 49)


def step(z: Floats, normal: Floats, chance: Floats, size: Floats) -> Floats:
    """Return next month's departure of health from the firm's own level, shape (n,)."""
    return PERSISTENCE * z + NOISE * normal - np.where(chance < JUMP_CHANCE, JUMP_SIZE * size, 0.0)


def monthly(b: Floats, health: Floats) -> Floats:
    """Return the probability of default in one month."""
    return -np.expm1(-np.exp(b - SLOPE * health))


def _transition() -> Floats:
    edges = np.concatenate(([-np.inf], (_Z[1:] + _Z[:-1]) / 2, [np.inf]))
    erf = np.vectorize(math.erf)

    def spread(centre: Floats) -> Floats:
        below = 0.5 * (1 + erf((edges[None, :] - centre[:, None]) / (NOISE * math.sqrt(2))))
        return np.diff(below, axis=1)

    sizes = -np.log1p(-(np.arange(24) + 0.5) / 24)
    jumped = np.mean([spread(PERSISTENCE * _Z - JUMP_SIZE * size) for size in sizes], axis=0)
    return (1 - JUMP_CHANCE) * spread(PERSISTENCE * _Z) + JUMP_CHANCE * jumped


class HazardTable:
    """Log of D_12 over (snapshot, exposure, z, b); read with `at`."""

    def __init__(self, calendar: Calendar) -> None:
        move = _transition()
        shape = (len(calendar.snapshots), len(EXPOSURES), _Z.size, _B.size)
        self._log = np.empty(shape)
        for i, month in enumerate(calendar.snapshots):
            for j, exposure in enumerate(EXPOSURES):
                ahead = np.zeros((_Z.size, _B.size))
                for later in range(int(month) + HORIZON, int(month), -1):
                    health = _Z + exposure * calendar.health_shock[min(later, calendar.total - 1)]
                    p = monthly(_B[None, :], health[:, None])
                    ahead = move @ (p + (1 - p) * (1 - LEAVE_CHANCE) * ahead)
                self._log[i, j] = np.log(ahead)

    def at(self, snapshot: int, exposure: Floats, z: Floats, b: Floats) -> Floats:
        """Return the probability of default in the twelve months after a snapshot, shape (n,)."""
        level = np.searchsorted(EXPOSURES, exposure)
        u = np.clip((z - _Z[0]) / (_Z[1] - _Z[0]), 0, _Z.size - 1.001)
        v = np.clip((b - _B[0]) / (_B[1] - _B[0]), 0, _B.size - 1.001)
        i, j = u.astype(np.int64), v.astype(np.int64)
        fu, fv = u - i, v - j
        table = self._log[snapshot]
        low = table[level, i, j] * (1 - fv) + table[level, i, j + 1] * fv
        high = table[level, i + 1, j] * (1 - fv) + table[level, i + 1, j + 1] * fv
        return np.exp(low * (1 - fu) + high * fu)
