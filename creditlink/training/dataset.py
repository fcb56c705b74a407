"""The training table: firms as they were known on snapshot days, and their outcomes.

Every row is a firm on a day. Its indicators come from the serving code, as of that day; its outcome
is whether it went bad within the twelve months after. A firm that had gone bad before is not in the
table. Beside the row with everything is one with a random choice of the optional categories refused
and one with a random choice of sources lacking, so that a partial consent and a source that is not connected
are ordinary to the model, and a refusal says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import FRAME_SCHEMAS, OPTIONAL_CATEGORIES, RecordSet
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.compute import compute, reference_values
from creditlink.engine.features.months import events
from creditlink.engine.features.months.grid import MONTHS
from creditlink.engine.features.reference import Reference, fit_reference
from creditlink.engine.features.withhold import without
from creditlink.kit.clock import add_months
from creditlink.training.city import City
from creditlink.training.withholding import draw_lacking, draw_refusals, lacking_sources

OUTCOME_MONTHS = 12

TRAIN_DAYS = 8
"""Snapshot days to learn from at most, the newest: what lies further back was another economy.

Source: design choice; two years of quarter-ends, whose outcomes span almost three.
"""

FEATURES = tuple(i.name for i in CATALOGUE)
"""The columns a model reads, in the order of the catalogue."""

EVERYTHING, REFUSED, LACKING = COPIES = (0, 1, 2)
"""The copies of a row: with everything, with categories refused, with sources lacking."""

LABELS = ("firm", "as_of", "copy", "refused", "is_bad", "hazard_12m", "industry")
"""Columns of a dataset that are not indicators; `refused` is a bit set over OPTIONAL_CATEGORIES."""


@dataclass(frozen=True)
class SnapshotPlan:
    """The days to learn from and the day that judges.

    A training day's outcome window ends on or before the day that judges, as it would have in life.
    """

    train: tuple[date, ...]
    test: date


def plan_for(snapshots: Sequence[date], first_period: date, history_months: int = 18) -> SnapshotPlan:
    """Choose the newest snapshot to judge, and the newest of those with history and an outcome finished by then.

    Raises
    ------
    ValueError
        No snapshot is left to learn from; the message says what the city would need.
    """
    test = max(snapshots)
    enough = [day for day in snapshots if _months_between(first_period, day) >= history_months]
    train = tuple(sorted(day for day in enough if add_months(day, OUTCOME_MONTHS, ends_stay=True) <= test))
    if not train:
        raise ValueError(
            f"no snapshot has {history_months} months of history after {first_period} and an outcome known by {test}: "
            f"make a city of at least {history_months + OUTCOME_MONTHS + 1} months"
        )
    return SnapshotPlan(train[-TRAIN_DAYS:], test)


def outcomes(city: City, as_of: date) -> pl.DataFrame:
    """Return `firm, is_bad, hazard_12m` of firms in business and not yet bad on `as_of`."""
    end = add_months(as_of, OUTCOME_MONTHS, ends_stay=True)
    rows = city.truth.filter(
        (pl.col("as_of") == as_of)
        & pl.col("hazard_12m").is_not_null()
        & (pl.col("default_on").is_null() | (pl.col("default_on") > as_of))
    )
    is_bad = (pl.col("default_on") <= end).fill_null(value=False).cast(pl.Int8).alias("is_bad")
    return rows.select("firm", is_bad, "hazard_12m").sort("firm")


def known_records(records: RecordSet, as_of: date, firms: pl.Series) -> RecordSet:
    """Return the records of `firms` that windows before `as_of` can reach.

    Parameters
    ----------
    firms : Int32, ascending, shape (n,)
    """
    numbers = firms.to_numpy()
    size = int(max(numbers.max(), records.registration["firm"].max() or 0)) + 1 if len(numbers) else 1
    oldest = add_months(as_of.replace(day=1), -MONTHS)
    keep = np.zeros(size, dtype=bool)
    keep[numbers] = True
    frames = {}
    for name in FRAME_SCHEMAS:
        frame = records.frame(name)
        if name != "registration" and name not in events.FRAMES:
            frame = frame.filter((pl.col("period") >= oldest) & (pl.col("period") <= as_of))
        frames[name] = frame.filter(pl.Series(keep[frame["firm"].to_numpy()]))
    return RecordSet(**frames)


@dataclass(frozen=True, eq=False)
class SnapshotDay:
    """One snapshot day: its firms, their outcomes, and what was known of them."""

    as_of: date
    labels: pl.DataFrame  # firm, is_bad, hazard_12m, industry; ascending by firm
    records: RecordSet
    reference: Reference
    features: pl.DataFrame  # with everything; one column per indicator

    def rows(self, copy: int = EVERYTHING, *, seed: int = 0) -> pl.DataFrame:
        """Return LABELS and indicators of one copy, what is withheld drawn by the seed, the copy and the day."""
        rng = np.random.default_rng([seed, copy, self.as_of.toordinal()])
        if copy == EVERYTHING:
            return self._labelled(self.features, copy)
        if copy == REFUSED:
            return self.refusing(draw_refusals(rng, self.labels.height), copy)
        return self.lacking(draw_lacking(rng, self.labels.height), copy)

    def refusing(self, refused: Mapping[str, NDArray[np.bool_]], copy: int = REFUSED) -> pl.DataFrame:
        """Return the rows where firms refuse: category -> who does, shape (n,)."""
        features = without(self.features, {c: pl.Series(mask) for c, mask in refused.items()})
        return self._labelled(features, copy, refused)

    def lacking(self, lacking: dict[str, NDArray[np.bool_]], copy: int = LACKING) -> pl.DataFrame:
        """Return the rows where sources lack firms: source -> which firms, shape (n,)."""
        records = lacking_sources(self.records, self.labels["firm"], lacking)
        return self._labelled(compute(records, self.as_of, self.reference).drop("firm"), copy)

    def _labelled(
        self, features: pl.DataFrame, copy: int, refused: Mapping[str, NDArray[np.bool_]] | None = None
    ) -> pl.DataFrame:
        bits = np.zeros(self.labels.height, np.uint16)
        for category, mask in (refused or {}).items():
            bits |= mask.astype(np.uint16) << OPTIONAL_CATEGORIES.index(category)
        labels = self.labels.with_columns(
            pl.lit(self.as_of).alias("as_of"), pl.lit(copy, pl.Int8).alias("copy"), pl.Series("refused", bits)
        )
        return labels.select(LABELS).hstack(features)


def read_day(city: City, as_of: date, reference: Reference) -> SnapshotDay:
    """Return a snapshot day of a city, its indicators computed as of that day."""
    labels = outcomes(city, as_of)
    records = known_records(city.records, as_of, labels["firm"])
    industry = records.registration.select("firm", "industry")
    labels = labels.join(industry, on="firm", how="left", maintain_order="left")
    return SnapshotDay(as_of, labels, records, reference, compute(records, as_of, reference).drop("firm"))


def measure_reference(city: City, as_of: date, firms: pl.Series) -> Reference:
    """Measure the reference table on `firms`, with all categories, as of a training day."""
    labels = outcomes(city, as_of).filter(pl.col("firm").is_in(firms.implode()))
    records = known_records(city.records, as_of, labels["firm"])
    values = reference_values(records, as_of)
    industry = labels.join(records.registration.select("firm", "industry"), on="firm", maintain_order="left")[
        "industry"
    ]
    return fit_reference(industry, values.drop("firm"), labels["is_bad"])


def build(
    city: City, days: Sequence[date], reference: Reference, *, seed: int, step: Callable[[], None] = lambda: None
) -> pl.DataFrame:
    """Return all rows of `days`, every copy of them, in the single precision in which a model reads them."""
    parts = []
    for as_of in days:
        day = read_day(city, as_of, reference)
        for copy in COPIES:
            parts.append(day.rows(copy, seed=seed).with_columns(pl.col(FEATURES).cast(pl.Float32)))
            step()
    return pl.concat(parts)


def matrix(rows: pl.DataFrame) -> NDArray[np.float32]:
    """Return the indicators of a dataset in catalogue order, shape (n, k), missing as NaN."""
    return rows.select(pl.col(FEATURES).cast(pl.Float32).fill_null(np.nan)).to_numpy()


def folds(firms: pl.Series, seed: int, shares: Sequence[float] = (0.7, 0.1, 0.2)) -> NDArray[np.int8]:
    """Assign every firm to fit (0), early stopping (1) or calibration (2), the same on every day.

    A firm is in one fold only: its other snapshots would give its outcome away. The fold depends on the
    firm's number and the seed, not on which firms are present.
    """
    mixed = firms.hash(seed).to_numpy().astype(np.float64) / 2.0**64
    return np.searchsorted(np.cumsum(shares)[:-1], mixed, side="right").astype(np.int8)


def _months_between(first: date, day: date) -> int:
    return (day.year - first.year) * 12 + day.month - first.month
