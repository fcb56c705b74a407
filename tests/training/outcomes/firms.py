"""Applicants made up for tests: a few indicators carry the risk, the others are missing."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.training.outcomes.applicants import LEARNED, ROW_SCHEMA, Applicants, applicants_of

CARRIERS = ("sales_12_fen", "headcount", "bills_late_6", "sales_volatility_12")
"""Indicators that have values; each is known of four firms in five."""


def made_up(rows, *, seed=0, level=-2.5, approve=1.0, by_lot=0.0, hidden=0.0, proxy=0.0):
    """Return applicants, and their true hazards.

    hidden : how far officers see what no indicator shows
    proxy : how far the headcount tells sole traders, who are a little riskier, and nothing else
    """
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(0, 1, rows) for name in CARRIERS}
    trader = rng.random(rows) < 0.4
    values["headcount"] = values["headcount"] - proxy * trader
    unseen = rng.normal(0, 1, rows)
    seen = sum((BY_NAME[name].direction or 1) * values[name] for name in CARRIERS if name != "headcount" or not proxy)
    hazard = sigmoid(level + 0.8 * seen + hidden * unseen + (0.6 * trader if proxy else 0.0))
    bad = rng.random(rows) < hazard
    judged = seen + hidden * unseen + 0.5 * rng.normal(0, 1, rows)
    approved = judged <= np.quantile(judged, approve)
    lot = ~approved & (rng.random(rows) < by_lot)
    lent = approved | lot
    columns = {name: np.where(rng.random(rows) < 0.8, column, np.nan) for name, column in values.items()}
    columns |= {
        "firm": np.arange(rows) // 2,  # each asks twice
        "as_of": [date(2025, 1 + 3 * (k % 4), 1) for k in range(rows)],
        "is_bad": [int(b) if there else None for b, there in zip(bad, lent, strict=True)],
        "approved": approved,
        "by_lot": lot,
        "outcome": ["declined" if not there else "bad" if b else "good" for b, there in zip(bad, lent, strict=True)],
        "entity_type": np.where(trader, "sole_trader", "company"),
        "region": ["440604"] * rows,
        "industry": ["C33"] * rows,
    }
    empty = pl.Series([None] * rows)
    made = {name: pl.Series(column) for name, column in columns.items()}
    made |= {name: made[name].fill_nan(None) for name in CARRIERS}
    table = pl.DataFrame([made.get(name, empty).cast(kind).alias(name) for name, kind in ROW_SCHEMA.items()])
    return applicants_of(table, counts=None, source="made up", horizon_months=12, cut=None), hazard


def shuffled(applicants: Applicants, seed=0) -> Applicants:
    """Return the same applicants with every indicator drawn anew: nothing is left to learn."""
    rng = np.random.default_rng(seed)
    mixed = applicants.rows.with_columns(
        applicants.rows.select(LEARNED)[rng.permutation(applicants.rows.height)].iter_columns()
    )
    return applicants_of(mixed, counts=None, source="made up", horizon_months=12, cut=None)
