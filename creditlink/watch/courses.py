"""How models in operation did over days: every series, outcomes as they ripen; for a page that draws lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.watch.counting import WatchedModel
from creditlink.watch.tables import OutcomeDay, SeriesFinding

SHOWN_DAYS = 90


def found_on(session: Session, watched: WatchedModel, day: date) -> Sequence[SeriesFinding]:
    """Return what was found of every series of a model on a day, what moved most first."""
    rows = select(SeriesFinding).where(
        SeriesFinding.purpose == watched.purpose, SeriesFinding.model_id == watched.model_id, SeriesFinding.day == day
    )
    return session.scalars(rows.order_by(SeriesFinding.index.desc(), SeriesFinding.series)).all()


def course_of(
    session: Session, watched: WatchedModel, series: str, until: date, *, days: int = SHOWN_DAYS
) -> Sequence[SeriesFinding]:
    """Return what was found of a series over the last days, the oldest first."""
    rows = select(SeriesFinding).where(
        SeriesFinding.purpose == watched.purpose, SeriesFinding.model_id == watched.model_id,
        SeriesFinding.series == series, SeriesFinding.day <= until, SeriesFinding.day > until - timedelta(days=days),
    )  # fmt: skip
    return session.scalars(rows.order_by(SeriesFinding.day)).all()


def outcomes_of(session: Session, watched: WatchedModel, until: date, *, part: str = "all") -> Sequence[OutcomeDay]:
    """Return how ripe loans of a model compared with what was predicted, as known day by day, the oldest first."""
    rows = select(OutcomeDay).where(
        OutcomeDay.purpose == watched.purpose, OutcomeDay.model_id == watched.model_id, OutcomeDay.part == part,
        OutcomeDay.day <= until, OutcomeDay.day > until - timedelta(days=SHOWN_DAYS),
    )  # fmt: skip
    return session.scalars(rows.order_by(OutcomeDay.day)).all()
