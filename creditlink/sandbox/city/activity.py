"""What a firm does each month: true sales, production, purchases; and what it lets the tax office see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from creditlink.sandbox.city.economy import SEASONS, SILENT_SEASON, TRADES, USUAL_SIZE, Calendar, Floats
from creditlink.sandbox.city.latent import INFLATES, Bools, Firms, Paths

_SEASON_TABLE = np.array([SEASONS[trade.season] for trade in TRADES])


@dataclass(frozen=True)
class Activity:
    """What the firms of one block do; matrices are (n, months)."""

    present: Bools  # the firm is at work
    health: Floats
    sales: Floats  # true monthly sales in yuan, 0 in a month without
    production: Floats  # smooth true output relative to the firm's usual, about 1; drives energy
    invoiced: Floats  # sales in yuan as the tax office sees them
    defaulted: Bools  # the month of default and all after
    trend: Floats  # slow part of log sales relative to usual; drives headcount
    season: Floats  # log factor of the calendar month on sales


def _smooth(matrix: Floats, weight: float) -> Floats:
    out = np.empty_like(matrix)
    level = matrix[:, 0].copy()
    for t in range(matrix.shape[1]):
        level += weight * (matrix[:, t] - level)
        out[:, t] = level
    return out


def _silent(firms: Firms, health: Floats, calendar: Calendar, rng: np.random.Generator) -> Bools:
    """Return the months in which a firm sells nothing: some firms pause for months on end, some skip one."""
    n, months = health.shape
    chance = np.clip(firms.gap[:, None] * np.exp(-0.60 * np.clip(health, -3, 2)), 1e-3, 0.96)
    odds = np.log(chance / (1 - chance)) + SILENT_SEASON[calendar.month_of_year[:months]]
    chance = 1 / (1 + np.exp(-odds))
    lasting = rng.uniform(0.0, 0.7, n)
    draws = rng.random((n, months))
    out = np.zeros((n, months), dtype=bool)
    before = draws[:, 0] < chance[:, 0]
    for t in range(months):
        # The share of silent months follows the chance; only their order changes.
        before = draws[:, t] < chance[:, t] * (1 - lasting) + lasting * before
        out[:, t] = before
    return out


def simulate(firms: Firms, paths: Paths, calendar: Calendar) -> Activity:
    """Turn the hidden state of one block into a month-by-month course of business."""
    rng, n, months = firms.stream("activity"), len(firms), calendar.months
    index = np.arange(months)
    health = paths.health[:, :months]
    since = paths.since_default[:, :months]
    defaulted = since >= 0
    # In default a firm shrinks month by month; its health no longer matters.
    decline = np.where(defaulted, -0.35 - 0.16 * since, 0.0)
    # Health shows in sales with some delay.
    felt = _smooth(health - firms.level[:, None], 0.45)
    drift = firms.grown(calendar)[:, :months]
    shock = firms.of_trade("exposure")[:, None] * calendar.sales_shock[:months]
    slow = drift + 0.60 * felt + shock + decline
    season = firms.season[:, None] * _SEASON_TABLE[firms.trade][:, calendar.month_of_year[:months]]

    # Volatility is the firm's own, and rises as health falls.
    spread = np.exp(-0.22 - 0.12 * (firms.size - USUAL_SIZE) + 0.36 * rng.standard_normal(n))
    spread = np.clip(spread, 0.12, 2.2)[:, None] * np.exp(-0.30 * np.clip(health, -3, 2))
    noise = spread * rng.standard_normal((n, months)) - spread**2 / 2
    # Orders come in runs of months; the machines feel a part of it.
    runs = _smooth(rng.standard_normal((n, months)) * 2.2, 0.35)
    lump = 0.10 * runs
    orders = runs * np.minimum(np.exp(-1.5 + 0.8 * rng.standard_normal(n)), 0.8)[:, None]
    silent = _silent(firms, health, calendar, rng)

    present = paths.present(firms, months)
    sales = np.exp(np.clip(firms.size[:, None] + slow + season + noise + orders, 3, 20.5))
    sales = np.where(present & ~silent, sales, 0.0)
    production = np.exp(slow + 0.30 * season + lump)
    idle = firms.is_kind("dormant")[:, None] & (rng.random((n, months)) < 0.9)
    production = np.where(idle, 0.02, production)

    shell = firms.is_kind("shell")[:, None]
    cheat = (firms.inflates == INFLATES.index("tax"))[:, None]
    # A manipulator hides its decline: it declares what it once sold, and rather more.
    factor = np.exp(0.45 + 0.30 * rng.standard_normal(n))[:, None]
    shown = np.where(
        cheat & present & ~silent,
        np.exp(firms.size[:, None] + 0.5 * season + 0.25 * rng.standard_normal((n, months)) + 0.012 * index) * factor,
        sales,
    )
    # A shell sells paper: nothing is made.
    production = np.where(shell, 0.0, production)
    return Activity(present, health, sales, production, shown, defaulted, slow, season)
