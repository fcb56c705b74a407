"""Judging a day: counts of the last days held against what was expected of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Date, cast, distinct, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.scoring.measures import smoothed_shares
from creditlink.kit.clock import SHANGHAI, start_of_day
from creditlink.profiles.tables import Profile
from creditlink.watch.counting import WatchedModel
from creditlink.watch.rules.drift import DriftFinding, judge, nearest, worst
from creditlink.watch.rules.settings import WatchSettings
from creditlink.watch.tables import SeriesCount, SeriesFinding

OF_SOURCES = ("coverage.", "override")
"""Series that depend on sources and lenders, not on the model: any model's days before are their reference."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedSeries:
    """What was found of a series, over how many days, and what it was held against."""

    window_days: int
    finding: DriftFinding
    against: str


@dataclass(frozen=True)
class _Expectation:
    """Shares, and how many firms they rest on."""

    before: Floats
    after: Floats
    firms: int
    against: str


def judge_day(
    session: Session, watched: WatchedModel, day: date, settings: WatchSettings, *, since: date
) -> dict[str, JudgedSeries]:
    """Judge every series of a model on a day, and keep what was found. Again: the same rows.

    Parameters
    ----------
    since : the first day that counts: the model was put to use, or a person settled an alarm, on the day before it
    """
    history = _history(session, watched, day, settings)
    repeats = {days: _distinct_share(session, watched, day, days, since) for days in settings.windows_days}
    judged: dict[str, JudgedSeries] = {}
    for series, rows in sorted(history.items()):
        of_windows = list(_judged(series, rows, day, settings, since, repeats))
        if of_windows:
            days, _ = worst([(one.window_days, one.finding) for one in of_windows])
            judged[series] = next(one for one in of_windows if one.window_days == days)
    _keep(session, watched, day, judged)
    return judged


def _judged(
    series: str,
    rows: Sequence[SeriesCount],
    day: date,
    settings: WatchSettings,
    since: date,
    repeats: Mapping[int, float],
) -> Iterator[JudgedSeries]:
    for days in settings.windows_days:
        first = max(since, day - timedelta(days=days - 1))
        window = [row for row in rows if first <= row.day <= day]
        # The same days again, or a longer window in which nothing happened before.
        if not window or (days > 1 and len(window) == 1 and window[0].day == day):
            continue
        counts = np.sum([row.counts for row in window], axis=0)
        expectation = _expected(series, rows, window, first, settings)
        if expectation is None:
            firms = round(float(counts.sum()) * repeats[days])
            yield JudgedSeries(days, DriftFinding(firms, 0.0, float("inf"), "few"), "nothing")
            continue
        shares = nearest(counts.tolist(), expectation.before, expectation.after)
        found = judge(
            counts.tolist(), shares, firms=round(float(counts.sum()) * repeats[days]),
            reference_firms=expectation.firms, thresholds=settings.thresholds,
        )  # fmt: skip
        yield JudgedSeries(days, found, expectation.against)


def _expected(
    series: str, rows: Sequence[SeriesCount], window: Sequence[SeriesCount], first: date, settings: WatchSettings
) -> _Expectation | None:
    """Return what was expected of a window: by the training, by the first days, or by the days before it."""
    if series.startswith(OF_SOURCES):
        oldest = first - timedelta(days=settings.trailing_days)
        return _from_counts([row for row in rows if oldest <= row.day < first], settings, "days_before")
    if any(not row.expected or not row.expected_after for row in window):
        ends = rows[0].day + timedelta(days=settings.baseline_days)
        return None if first < ends else _from_counts([row for row in rows if row.day < ends], settings, "first_days")
    weights = np.array([float(sum(row.counts)) for row in window])
    before = np.average([row.expected for row in window if row.expected], axis=0, weights=weights)
    after = np.average([row.expected_after for row in window if row.expected_after], axis=0, weights=weights)
    firms = min(row.expected_firms or 0 for row in window)
    return _Expectation(np.asarray(before), np.asarray(after), firms, "training")


def _from_counts(rows: Sequence[SeriesCount], settings: WatchSettings, against: str) -> _Expectation | None:
    if not rows:
        return None
    counts = np.sum([row.counts for row in rows], axis=0)
    least = settings.baseline_firms if against == "first_days" else settings.thresholds.fewest
    if counts.sum() < least:
        return None
    shares = smoothed_shares(counts)
    return _Expectation(shares, shares, int(counts.sum()), against)


def _history(
    session: Session, watched: WatchedModel, day: date, settings: WatchSettings
) -> dict[str, list[SeriesCount]]:
    """Return series -> the days that matter, oldest first; of the sources' series any model's, added up by day."""
    oldest = day - timedelta(days=settings.trailing_days + max(settings.windows_days))
    of_model = (SeriesCount.purpose == watched.purpose) & (SeriesCount.model_id == watched.model_id)
    began = session.scalar(select(func.min(SeriesCount.day)).where(of_model)) or day
    baseline = SeriesCount.day < began + timedelta(days=settings.baseline_days)
    found = select(SeriesCount).where(SeriesCount.purpose == watched.purpose, SeriesCount.day <= day)
    recent = SeriesCount.day >= oldest
    rows = session.scalars(found.where(recent | (of_model & baseline)).order_by(SeriesCount.day)).all()
    history: dict[str, list[SeriesCount]] = defaultdict(list)
    for row in rows:
        if row.series.startswith(OF_SOURCES) or row.model_id == watched.model_id:
            history[row.series].append(row)
    return {series: rows for series, rows in history.items() if rows[-1].day == day or _lately(rows, day, settings)}


def _lately(rows: Sequence[SeriesCount], day: date, settings: WatchSettings) -> bool:
    return rows[-1].day > day - timedelta(days=max(settings.windows_days))


def _distinct_share(session: Session, watched: WatchedModel, day: date, days: int, since: date) -> float:
    """Return different firms over firms counted day by day: one seen every day is one firm, not thirty."""
    if days == 1:
        return 1.0
    first = max(since, day - timedelta(days=days - 1))
    on = cast(func.timezone(SHANGHAI.key, Profile.created_at), Date)
    seen, firms = session.execute(
        select(
            func.count(distinct(tuple_(Profile.enterprise_id, on))), func.count(distinct(Profile.enterprise_id))
        )
        .join(Consent, Consent.id == Profile.consent_id)
        .where(
            Consent.purpose == watched.purpose, Profile.model_id == watched.model_id,
            Profile.created_at >= start_of_day(first), Profile.created_at < start_of_day(day + timedelta(days=1)),
        )
    ).one()  # fmt: skip
    return firms / seen if seen else 1.0


def _keep(session: Session, watched: WatchedModel, day: date, judged: Mapping[str, JudgedSeries]) -> None:
    rows = [
        {
            "day": day, "purpose": watched.purpose, "model_id": watched.model_id, "series": series,
            "window_days": one.window_days, "firms": one.finding.firms, "index": one.finding.index,
            "chance": one.finding.limit if np.isfinite(one.finding.limit) else None, "level": one.finding.level,
            "against": one.against,
        }
        for series, one in judged.items()
    ]  # fmt: skip
    if rows:
        added = insert(SeriesFinding)
        names = ("window_days", "firms", "index", "chance", "level", "against")
        kept = {name: added.excluded[name] for name in names}
        keys = ["day", "purpose", "model_id", "series"]
        session.execute(added.on_conflict_do_update(index_elements=keys, set_=kept), rows)
