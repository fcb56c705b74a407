"""What a firm does each month: true sales, production, purchases; and what it lets the tax office see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from creditlink.sandbox.city.economy import SEASONS, TRADES, Calendar, Floats
from creditlink.sandbox.city.latent import INFLATES, Bools, Firms, Paths

_SEASON_TABLE = np.array([SEASONS[trade.season] for trade in TRADES])


@dataclass(frozen=True)
class Activity:
    """One block's doings; matrices are (n, months)."""

    present: Bools  # the firm is at work
    health: Floats
    sales: Floats  # true monthly sales in yuan, 0 in a month without
    production: Floats  # smooth true output relative to the firm's usual, about 1; drives energy
    invoiced: Floats  # sales in yuan as shown to the tax office
    defaulted: Bools  # the month of default and all after
    trend: Floats  # slow part of log sales relative to usual; drives headcount


def _smoothed(matrix: Floats, weight: float) -> Floats:
    out = np.empty_like(matrix)
    level = matrix[:, 0].copy()
    for t in range(matrix.shape[1]):
        level += weight * (matrix[:, t] - level)
        out[:, t] = level
    return out


def simulate(firms: Firms, paths: Paths, calendar: Calendar) -> Activity:
    """Turn the hidden state of one block into a month-by-month course of business."""
    rng, n, months = firms.stream("activity"), len(firms), calendar.months
    index = np.arange(months)
    health = paths.health[:, :months]
    since = paths.since_default[:, :months]
    defaulted = since >= 0
    # In default a firm shrinks month by month; health says nothing more after that.
    decline = np.where(defaulted, -0.35 - 0.16 * since, 0.0)
    # Health shows in sales with some delay.
    felt = _smoothed(health - firms.level[:, None], 0.45)
    drift = firms.growth[:, None] * (index - months / 2)
    shock = firms.of_trade("exposure")[:, None] * calendar.sales_shock[:months]
    slow = drift + 0.60 * felt + shock + decline
    season = firms.season[:, None] * _SEASON_TABLE[firms.trade][:, calendar.month_of_year[:months]]

    # Volatility is the firm's own, and rises as health falls.
    spread = np.exp(-0.28 - 0.14 * (firms.size - 12) + 0.22 * rng.standard_normal(n))
    spread = np.clip(spread, 0.15, 2.0)[:, None] * np.exp(-0.30 * np.clip(health, -3, 2))
    noise = spread * rng.standard_normal((n, months)) - spread**2 / 2
    lump = 0.10 * _smoothed(rng.standard_normal((n, months)) * 2.2, 0.35)
    gap_chance = np.clip(firms.gap[:, None] * np.exp(-0.60 * np.clip(health, -3, 2)), 0, 0.97)
    silent = rng.random((n, months)) < gap_chance
    # The new year's month is the quietest.
    silent |= (calendar.month_of_year[:months] == 1) & (rng.random((n, months)) < 0.05)

    present = paths.present(firms, months)
    sales = np.exp(np.clip(firms.size[:, None] + slow + season + noise + lump, 3, 20.5))
    sales = np.where(present & ~silent, sales, 0.0)
    production = np.exp(slow + 0.45 * season + lump)
    idle = firms.is_kind("dormant")[:, None] & (rng.random((n, months)) < 0.9)
    production = np.where(idle, 0.02, production)

    shell = firms.is_kind("shell")[:, None]
    cheat = (firms.inflates == INFLATES.index("tax"))[:, None]
    # A manipulator hides its decline: it declares about what it once sold, and rather more.
    factor = np.exp(0.45 + 0.30 * rng.standard_normal(n))[:, None]
    shown = np.where(
        cheat & present & ~silent,
        np.exp(firms.size[:, None] + 0.5 * season + 0.25 * rng.standard_normal((n, months)) + 0.012 * index) * factor,
        sales,
    )
    # A shell sells paper: nothing is made.
    production = np.where(shell, 0.0, production)
    return Activity(present, health, sales, production, shown, defaulted, slow)
