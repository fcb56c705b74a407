"""The training table: firms as they were known on snapshot days, and what became of them.

Every row is a firm on a day. Its indicators come from the serving code, as of that day; its outcome
is whether it went bad within the twelve months after. A firm that had gone bad before is not in the
table. Beside the row with all categories stands one with a random choice of the optional categories
withheld, so that a partial consent is ordinary to the model and refusing tells it nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.features.compute import compute, reference_values
from creditlink.features.grid import MONTHS
from creditlink.features.reference import Reference, fit_reference
from creditlink.records.frames import CATEGORY_FRAMES, RecordSet
from creditlink.training.city import City

OUTCOME_MONTHS = 12
OPTIONAL_CATEGORIES = tuple(c for c in CATEGORY_FRAMES if c != "registration")

WITHHELD_SHARE = 0.35
"""Chance that a category is withheld in a row's second copy. Source: design choice; partial consent as ordinary."""

LABELS = ("firm", "as_of", "copy", "is_bad", "hazard_12m", "industry")
"""Columns of a dataset that are not indicators."""


@dataclass(frozen=True)
class Plan:
    """Which days are learned from and which day judges.

    A training day's outcome window ends on or before the day that judges, as it would have in life.
    """

    train: tuple[date, ...]
    test: date


def plan_for(snapshots: Sequence[date], first_period: date, history_months: int = 18) -> Plan:
    """Choose the newest snapshot to judge, and all earlier ones with history and a finished outcome.

    Raises
    ------
    ValueError
        No snapshot is left to learn from; the message says what the city would need.
    """
    test = max(snapshots)
    enough = [day for day in snapshots if _months_between(first_period, day) >= history_months]
    train = tuple(sorted(day for day in enough if add_months(day, OUTCOME_MONTHS) <= test))
    if not train:
        raise ValueError(
            f"no snapshot has {history_months} months of history after {first_period} and an outcome known by {test}: "
            f"make a city of at least {history_months + OUTCOME_MONTHS + 1} months"
        )
    return Plan(train, test)


def outcomes(city: City, as_of: date) -> pl.DataFrame:
    """Return `firm, is_bad, hazard_12m` of firms in business and not yet bad on `as_of`."""
    end = add_months(as_of, OUTCOME_MONTHS)
    rows = city.truth.filter(
        (pl.col("as_of") == as_of)
        & pl.col("hazard_12m").is_not_null()
        & (pl.col("default_on").is_null() | (pl.col("default_on") > as_of))
    )
    is_bad = (pl.col("default_on") <= end).fill_null(value=False).cast(pl.Int8).alias("is_bad")
    return rows.select("firm", is_bad, "hazard_12m").sort("firm")


def granted_records(
    records: RecordSet, as_of: date, firms: pl.Series, withheld: dict[str, NDArray[np.bool_]]
) -> RecordSet:
    """Return the records of `firms` that windows before `as_of` can reach, without what is withheld.

    Parameters
    ----------
    firms : Int32, ascending, shape (n,)
    withheld : category -> shape (n,), True where the firm refuses it; categories not named are granted
    """
    numbers = firms.to_numpy()
    size = int(max(numbers.max(), records.registration["firm"].max() or 0)) + 1 if len(numbers) else 1
    oldest = add_months(as_of.replace(day=1), -MONTHS)
    frames = {}
    for category, names in CATEGORY_FRAMES.items():
        keep = np.zeros(size, dtype=bool)
        refuses = withheld.get(category)
        keep[numbers if refuses is None else numbers[~refuses]] = True
        for name in names:
            frame = records.frame(name)
            if name != "registration" and name != "credit_events":
                frame = frame.filter((pl.col("period") >= oldest) & (pl.col("period") <= as_of))
            frames[name] = frame.filter(pl.Series(keep[frame["firm"].to_numpy()]))
    return RecordSet(**frames)


def snapshot(
    city: City,
    as_of: date,
    reference: Reference,
    *,
    copy: int = 0,
    seed: int = 0,
    withhold: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the rows of one day: LABELS and every indicator.

    Parameters
    ----------
    copy : 0 for all categories granted; any other number draws categories to withhold per firm
    withhold : instead of the draw, withhold exactly these categories from every firm
    """
    labels = outcomes(city, as_of)
    n = labels.height
    if withhold is not None:
        withheld = {c: np.ones(n, dtype=bool) for c in withhold}
    elif copy == 0:
        withheld = {}
    else:
        rng = np.random.default_rng([seed, copy, as_of.toordinal()])
        withheld = {c: rng.random(n) < WITHHELD_SHARE for c in OPTIONAL_CATEGORIES}
    records = granted_records(city.records, as_of, labels["firm"], withheld)
    features = compute(records, as_of, reference)
    industry = records.registration.select("firm", "industry")
    labels = labels.join(industry, on="firm", how="left", maintain_order="left").select(
        "firm",
        pl.lit(as_of).alias("as_of"),
        pl.lit(copy, pl.Int8).alias("copy"),
        "is_bad",
        "hazard_12m",
        "industry",
    )
    return labels.hstack(features.drop("firm"))


def measure_reference(city: City, as_of: date, firms: pl.Series) -> Reference:
    """Measure the reference table on `firms`, with all categories, as of a training day."""
    labels = outcomes(city, as_of).filter(pl.col("firm").is_in(firms.implode()))
    records = granted_records(city.records, as_of, labels["firm"], {})
    values = reference_values(records, as_of)
    industry = labels.join(records.registration.select("firm", "industry"), on="firm", maintain_order="left")[
        "industry"
    ]
    return fit_reference(industry, values.drop("firm"), labels["is_bad"])


def build(
    city: City,
    days: Sequence[date],
    reference: Reference,
    *,
    copies: int,
    seed: int,
    step: Callable[[], None] = lambda: None,
) -> pl.DataFrame:
    """Return all rows of `days`: one copy with everything granted and `copies` with categories withheld."""
    parts = []
    for day in days:
        for copy in range(copies + 1):
            parts.append(snapshot(city, day, reference, copy=copy, seed=seed))
            step()
    return pl.concat(parts)


def folds(firms: pl.Series, seed: int, shares: Sequence[float] = (0.7, 0.15, 0.15)) -> NDArray[np.int8]:
    """Assign every firm to fit (0), early stopping (1) or calibration (2), the same on every day.

    A firm is in one fold only: its other snapshots would give its outcome away. The fold hangs on the
    firm's number and the seed, not on which firms are present.
    """
    mixed = firms.hash(seed).to_numpy().astype(np.float64) / 2.0**64
    return np.searchsorted(np.cumsum(shares)[:-1], mixed, side="right").astype(np.int8)


def add_months(day: date, months: int) -> date:
    """Return the same day `months` later; the last of the month where that day does not exist."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    first_next = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = date.fromordinal(first_next.toordinal() - 1).day
    # A month's end stays a month's end: twelve months after 28 February 2023 is 29 February 2024.
    end_of_month = (date.fromordinal(day.toordinal() + 1)).day == 1
    return date(year, month + 1, last if end_of_month else min(day.day, last))


def _months_between(first: date, day: date) -> int:
    return (day.year - first.year) * 12 + day.month - first.month
