"""Synthetic tables with the shape of real ones, traps included."""

import numpy as np
import polars as pl


def loans(rows=1200, seed=1):
    """A loan book without traps: numbers, a category, a date, missing values; about a quarter goes bad."""
    rng = np.random.default_rng(seed)
    income, debt = rng.lognormal(10, 0.6, rows), rng.beta(2, 4, rows)
    trade = rng.choice(["retail", "building", "transport", "food"], rows)
    risk = -2 - 1.6 * (np.log(income) - 10) + 7 * (debt - 0.33) + 1.2 * (trade == "building")
    bad = rng.random(rows) < 1 / (1 + np.exp(-risk))
    day = np.datetime64("2019-01-01") + rng.integers(0, 1500, rows)
    table = pl.DataFrame(
        {
            "income": np.round(income, 2),
            "debt_ratio": debt,
            "trade": trade,
            "granted_on": day,
            "staff": rng.integers(1, 60, rows).astype(float),
            "bad": bad.astype(np.int64),
        }
    )
    return table.with_columns(
        pl.when(pl.Series(rng.random(rows) < 0.2)).then(None).otherwise(pl.col("staff")).alias("staff")
    )


def trapped(rows=1500, seed=2):
    """The pattern of the SBA case: a term rewritten after the outcome, and what was made of it."""
    rng = np.random.default_rng(seed)
    table = loans(rows, seed)
    bad = table["bad"].to_numpy() == 1
    asked = 12 * rng.integers(2, 21, rows)
    # A loan that was charged off ended early, in an ordinary month; one paid in full kept its whole years, mostly.
    ended = np.maximum(3, (asked * rng.uniform(0.5, 1.0, rows)).astype(int))
    term = np.where(bad | (rng.random(rows) < 0.1), ended, asked)
    granted = table["granted_on"].cast(pl.Int32).to_numpy()
    return table.with_columns(
        pl.Series("term", term),
        pl.Series("term_days", term * 30),
        pl.Series("matures", granted + term * 30),
        granted=pl.Series(granted),
        written_off_on=pl.when(pl.col("bad") == 1).then(pl.col("granted_on").dt.offset_by("1y")),
        state=pl.when(pl.col("bad") == 1).then(pl.lit("CHGOFF")).otherwise(pl.lit("P I F")),
        written_off=pl.when(pl.col("bad") == 1).then(pl.col("income") * 0.4).otherwise(0.0),
        secured=pl.Series((term >= 150).astype(int)),
    )


def few_values(rows=3000, seed=1):
    """Most firms never dealt with the office, so their rows are equal, and half of them go bad; with the true rates."""
    rng = np.random.default_rng(seed)
    known = rng.random(rows) < 0.25
    filed = np.where(known, rng.poisson(6, rows), 0)
    late = rng.binomial(filed, 0.3)
    rate = np.where(known, 1 / (1 + np.exp(4 - 0.9 * late)), 0.5)
    return pl.DataFrame({"filed": filed, "late": late, "bad": (rng.random(rows) < rate).astype(int)}), rate
