"""Counting a day's profiles by bin: what is kept of them is numbers that name no firm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer

from creditlink.consents.agreement.limits import OWN
from creditlink.consents.tables import Consent
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.vocabulary import GRADES, causes_of_evidence
from creditlink.kit.clock import start_of_day
from creditlink.profiles.tables import Profile
from creditlink.watch.rules.reference import GRADE, POINTS, DriftReference, ExpectedShares
from creditlink.watch.rules.segments import parts_of
from creditlink.watch.tables import SeriesCount

RESTED_ON = frozenset(("tax", "social_security", "utility"))
"""A score that lacks one of these is drawn to the mean: it says how consents were given, not how firms are."""

OLDEST = timedelta(days=62)
"""A profile as of an earlier day than this before it was made speaks of another time."""

STATUSES = ("delivered", "in_part", "no_record", "unavailable", "uploaded")
"""How a source answered for a category that was asked for."""

_STATUS = {
    "delivered": 0, "partial": 1, "no_record": 2, "pending": 3, "denied": 3, "timeout": 3, "source_down": 3,
    "uploaded": 4,
}  # fmt: skip


@dataclass(frozen=True)
class CountedSeries:
    """The counts of a series on a day, and what the model's reference expects of such days, if it has one."""

    series: str
    counts: list[int]
    expected: ExpectedShares | None


@dataclass(frozen=True)
class WatchedModel:
    """A model that profiles of a purpose were made with."""

    purpose: str
    model_id: str

    def __str__(self) -> str:
        return f"{self.purpose}:{self.model_id}"


@dataclass
class DayTally:
    """One day's profiles of one model and purpose, column by column."""

    indicators: Mapping[str, list[float]]
    as_of: dict[str, list[date]] = field(default_factory=lambda: defaultdict(list))
    points: list[float] = field(default_factory=list)
    grades: list[float] = field(default_factory=list)
    scored_as_of: list[date] = field(default_factory=list)
    parts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    coverage: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * len(STATUSES)))

    def add(self, profile: Profile) -> None:
        """Add a profile: each indicator whose category was delivered, the score where it rests on all it can."""
        for category, answer in profile.coverage.items():
            if answer["status"] in _STATUS:
                self.coverage[category][_STATUS[answer["status"]]] += 1
        causes = causes_of_evidence(profile.asked["missing"], {})[0]
        # No record is an answer, and the model was trained on such firms too; a source that is down says nothing.
        gone = {category for category, cause in causes.items() if cause != "no_record"}
        values = cast(Mapping[str, Sequence[float | None]], profile.explanation["indicators"])
        for name, column in self.indicators.items():
            if name not in values or gone.intersection(BY_NAME[name].categories):
                continue
            value = values[name][0]
            column.append(np.nan if value is None else value)
            self.as_of[name].append(profile.as_of)
        if profile.points is not None and profile.pd_12m is not None and profile.grade and not gone & RESTED_ON:
            for part in parts_of(profile.registration):
                self.parts[part].append(len(self.points))
            self.points.append(profile.points)
            self.grades.append(GRADES.index(profile.grade))
            self.scored_as_of.append(profile.as_of)

    def rows(self, reference: DriftReference) -> Iterable[CountedSeries]:
        """Yield what was counted of each series."""
        for name, column in self.indicators.items():
            if column:
                yield _row(reference, name, np.array(column), self.as_of[name])
        if self.points:
            points = np.array(self.points)
            yield _row(reference, POINTS, points, self.scored_as_of)
            yield _row(reference, GRADE, np.array(self.grades), self.scored_as_of)
            for part, places in sorted(self.parts.items()):
                name = f"{POINTS}@{part}"
                days = [self.scored_as_of[place] for place in places]
                yield _row(reference, name, points[places], days, bins=POINTS)
        for category, counts in sorted(self.coverage.items()):
            yield CountedSeries(f"coverage.{category}", counts, None)


def _row(
    reference: DriftReference, series: str, values: NDArray[np.float64], days: Sequence[date], bins: str | None = None
) -> CountedSeries:
    counts = reference.count(bins or series, values)
    distinct, times = np.unique(np.array(days, dtype="datetime64[D]"), return_counts=True)
    before, after, firms = np.zeros(len(counts)), np.zeros(len(counts)), 0
    for day, weight in zip(distinct.astype(date).tolist(), times / len(days), strict=True):
        expected = reference.expected(series, day)
        if expected is None:
            return CountedSeries(series, counts, None)
        before += expected.before * weight
        after += expected.after * weight
        firms = min(firms or expected.firms, expected.firms)
    return CountedSeries(series, counts, ExpectedShares(before, after, firms))


def models_of(session: Session, day: date) -> list[WatchedModel]:
    """Return the models, with their purposes, that profiles were made with on a day (Asia/Shanghai)."""
    begin, end = start_of_day(day), start_of_day(day + timedelta(days=1))
    rows = session.execute(
        select(Consent.purpose, Profile.model_id)
        .join(Profile, Profile.consent_id == Consent.id)
        # What firms look up of themselves is no sample of what lenders decide on.
        .where(Profile.created_at >= begin, Profile.created_at < end, Consent.purpose != OWN)
        .distinct()
        .order_by(Consent.purpose, Profile.model_id)
    )
    return [WatchedModel(*row) for row in rows]


def count_day(
    session: Session, watched: WatchedModel, day: date, reference: DriftReference, names: Sequence[str]
) -> int:
    """Count the profiles of a day and keep the counts; a firm's last profile of the day counts. Again: the same rows.

    Parameters
    ----------
    names : the indicators of the model

    Returns
    -------
    How many firms were counted.
    """
    tally = DayTally({name: [] for name in names})
    firms: set[UUID] = set()
    for profile in session.scalars(_profiles_of(watched, start_of_day(day), start_of_day(day + timedelta(days=1)))):
        if profile.enterprise_id in firms or day - profile.as_of > OLDEST:
            continue
        firms.add(profile.enterprise_id)
        tally.add(profile)
        session.expunge(profile)
    rows = [
        {
            "day": day, "purpose": watched.purpose, "model_id": watched.model_id, "series": one.series,
            "counts": one.counts, "expected": None if one.expected is None else one.expected.before.tolist(),
            "expected_after": None if one.expected is None else one.expected.after.tolist(),
            "expected_firms": None if one.expected is None else one.expected.firms,
        }
        for one in tally.rows(reference)
    ]  # fmt: skip
    if rows:
        added = insert(SeriesCount)
        kept = {name: added.excluded[name] for name in ("counts", "expected", "expected_after", "expected_firms")}
        keys = ["day", "purpose", "model_id", "series"]
        session.execute(added.on_conflict_do_update(index_elements=keys, set_=kept), rows)
    return len(firms)


def _profiles_of(watched: WatchedModel, begin: datetime, end: datetime) -> Select[Profile]:
    return (
        select(Profile)
        .join(Consent, Consent.id == Profile.consent_id)
        .where(
            Consent.purpose == watched.purpose, Profile.model_id == watched.model_id,
            Profile.created_at >= begin, Profile.created_at < end,
        )
        .options(undefer(Profile.asked), undefer(Profile.registration), undefer(Profile.explanation))
        .order_by(Profile.created_at.desc(), Profile.id)
        .execution_options(yield_per=200)
    )  # fmt: skip
