"""The firms of a city on each quarter's last day: what is known of them, what is true, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.reference import Reference
from creditlink.kit.clock import add_months
from creditlink.training.city import City, CityError
from creditlink.training.dataset import FEATURES, OUTCOME_MONTHS, read_day

YEARS, QUARTERS = 3, 4
HISTORY_MONTHS = 18


@dataclass(frozen=True, eq=False)
class QuarterDay:
    """The firms in business on a day, n of them.

    Attributes
    ----------
    rows : firm, the indicators, and entity_type, region, industry
    hazard : the true probability of going bad within twelve months, shape (n,); nobody in the simulation knows it
    is_bad : whether the firm did, shape (n,); known twelve months later
    """

    as_of: date
    rows: pl.DataFrame
    hazard: NDArray[np.float64]
    is_bad: NDArray[np.int8]

    @property
    def ripe_on(self) -> date:
        """The day on which the outcomes are known."""
        return add_months(self.as_of, OUTCOME_MONTHS, ends_stay=True)


def days_of(city: City) -> list[date]:
    """Return the days of three years and the day after them: four of each year, and one that only judges.

    Raises
    ------
    CityError
        The city has too few months.
    """
    wanted = YEARS * QUARTERS + 1
    days = city.snapshots[-wanted:]
    if len(days) < wanted or add_months(city.first_period, HISTORY_MONTHS) > days[0]:
        months = HISTORY_MONTHS + 3 * wanted
        raise CityError(f"{city.path}/manifest.json: {YEARS} years need a city of at least {months} months")
    return days


def quarter_of(city: City, as_of: date, reference: Reference) -> QuarterDay:
    """Return the firms on a day, their indicators by the medians of a reference table and without its default rates."""
    day = read_day(city, as_of, Reference(reference.spread, {}))
    rows = day.rows()
    known = city.records.registration.select("firm", "region", "entity_type")
    named = rows.select("firm", "industry", *(pl.col(name).cast(pl.Float64) for name in FEATURES)).join(
        known, on="firm", how="left", maintain_order="left"
    )
    texts = named.with_columns(pl.col("industry", "region", "entity_type").cast(pl.String))
    return QuarterDay(as_of, texts, rows["hazard_12m"].to_numpy(), rows["is_bad"].to_numpy())


def together(days: Sequence[QuarterDay]) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Return the rows of several days, and the true probabilities, shape (n,)."""
    return pl.concat([day.rows for day in days]), np.concatenate([day.hazard for day in days])
