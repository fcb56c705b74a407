"""What the watch found, as staff read it: by day, by series, and what is open; ready for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.vocabulary import CATEGORIES, CONSENT_CATEGORIES, GRADES
from creditlink.lifecycle.restraint import frozen_purposes
from creditlink.lifecycle.tables import PurposeStanding
from creditlink.watch.counting import STATUSES, WatchedModel
from creditlink.watch.ripening import OVERRIDE
from creditlink.watch.rules.reference import GRADE, POINTS
from creditlink.watch.tables import DriftAlarm, OutcomeDay, SeriesCount, SeriesFinding

WINDOW = timedelta(days=30)
MOST_SERIES = 20
MOST_DAYS = 400
MOST_ALARMS = 200

_SERIES = {
    POINTS: ("评分", "Score"),
    GRADE: ("等级分布", "Grade mix"),
    OVERRIDE: ("银行改判", "Overrides by lenders"),
}
_PARTS = {"region": ("地区", "region"), "industry": ("行业", "industry"), "entity_type": ("主体类型", "legal form")}


@dataclass(frozen=True)
class SeriesName:
    """What a series is called."""

    zh: str
    en: str


def name_of(series: str) -> SeriesName:
    """Return what people call a series; one that the code no longer knows is called by its name."""
    head, _, part = series.partition("@")
    if part:
        by, _, value = part.partition(":")
        zh, en = _PARTS.get(by, (by, by))
        return SeriesName(f"{name_of(head).zh}（{zh}{value}）", f"{name_of(head).en}, {en} {value}")
    if head.startswith("coverage."):
        category = head.removeprefix("coverage.")
        known = CONSENT_CATEGORIES.get(category) or CATEGORIES.get(category)
        labels = (category, category) if known is None else (known.label_zh, known.label_en)
        return SeriesName(f"数据取得：{labels[0]}", f"Delivery: {labels[1]}")
    if head in BY_NAME:
        return SeriesName(BY_NAME[head].label_zh, BY_NAME[head].label_en)
    return SeriesName(*_SERIES.get(head, (head, head)))


def overview(session: Session, day: date | None, purpose: str | None) -> dict[str, object]:
    """Return the state of every model that is live, as of a day; None: the last day watched."""
    shown = day or session.scalar(select(func.max(SeriesFinding.day)))
    standings = select(PurposeStanding).where(PurposeStanding.status == "live").order_by(PurposeStanding.purpose)
    if purpose is not None:
        standings = standings.where(PurposeStanding.purpose == purpose)
    frozen = frozen_purposes(session)
    models: list[dict[str, object]] = []
    for row in session.scalars(standings):
        watched = WatchedModel(row.purpose, row.model_id)
        freeze = frozen.get(row.purpose)
        models.append(
            {
                "purpose": row.purpose,
                "model_id": row.model_id,
                "since": row.since_at,
                "frozen_since": None if freeze is None else freeze.since,
                "frozen_because": None if freeze is None else freeze.because,
                **(_found(session, watched, shown) if shown else _NOTHING),
                "outcomes": _outcomes(session, watched, shown),
                "alarms": [alarm_json(one) for one in _alarms(session, watched)],
            }
        )
    return {"day": shown, "models": models}


_NOTHING: dict[str, object] = {
    "score": None, "levels": {}, "series": [], "grades": [], "sources": [], "overrides": None,
}  # fmt: skip


def _found(session: Session, watched: WatchedModel, day: date) -> dict[str, object]:
    mine = (SeriesFinding.purpose == watched.purpose) & (SeriesFinding.model_id == watched.model_id)
    rows = session.scalars(select(SeriesFinding).where(mine, SeriesFinding.day == day)).all()
    by_name = {row.series: row for row in rows}
    told = [row for row in rows if row.level in ("moved", "shifted")]
    told.sort(key=lambda row: (row.level != "shifted", -row.index, row.series))
    levels: dict[str, int] = {}
    for row in rows:
        levels[row.level] = levels.get(row.level, 0) + 1
    counts = _window(session, watched, day)
    grades = counts.get(GRADE, [])
    overrides = counts.get(OVERRIDE)
    return {
        "score": finding_json(by_name[POINTS]) if POINTS in by_name else None,
        "levels": levels,
        "series": [finding_json(row) for row in told[:MOST_SERIES]],
        "grades": [
            {"grade": grade, "profiles": count, "share": _share(count, grades)}
            for grade, count in zip(GRADES, grades[: len(GRADES)], strict=False)
        ],
        "sources": [
            _source(series, row) for series, row in sorted(counts.items()) if series.startswith("coverage.")
        ],
        "overrides": None if overrides is None else _overrides(overrides),
    }  # fmt: skip


def _window(session: Session, watched: WatchedModel, day: date) -> dict[str, list[int]]:
    """Return the counts of the last thirty days of what is shown as it is."""
    shown = SeriesCount.series.in_([GRADE, OVERRIDE]) | SeriesCount.series.startswith("coverage.")
    rows = session.scalars(
        select(SeriesCount).where(
            SeriesCount.purpose == watched.purpose, SeriesCount.model_id == watched.model_id, shown,
            SeriesCount.day > day - WINDOW, SeriesCount.day <= day,
        )
    )  # fmt: skip
    found: dict[str, list[int]] = {}
    for row in rows:
        before = found.get(row.series, [0] * len(row.counts))
        found[row.series] = [one + other for one, other in zip(before, row.counts, strict=True)]
    return found


def _share(count: int, counts: Sequence[int]) -> float:
    return count / sum(counts) if sum(counts) else 0.0


def _source(series: str, counts: Sequence[int]) -> dict[str, object]:
    name = name_of(series)
    return {
        "category": series.removeprefix("coverage."), "label_zh": name.zh, "label_en": name.en,
        "profiles": sum(counts), **dict(zip(STATUSES, counts, strict=True)),
        "missing_share": 1 - _share(counts[0] + counts[1], counts) if sum(counts) else 0.0,
    }  # fmt: skip


def _overrides(counts: Sequence[int]) -> dict[str, object]:
    as_decided, stricter, looser = counts
    return {
        "answers": sum(counts), "as_decided": as_decided, "stricter": stricter, "looser": looser,
        "rate": _share(stricter + looser, counts),
    }  # fmt: skip


def _outcomes(session: Session, watched: WatchedModel, day: date | None) -> list[dict[str, object]]:
    mine = (OutcomeDay.purpose == watched.purpose) & (OutcomeDay.model_id == watched.model_id)
    newest = select(func.max(OutcomeDay.day)).where(mine)
    if day is not None:
        newest = newest.where(OutcomeDay.day <= day)
    rows = session.scalars(
        select(OutcomeDay).where(mine, OutcomeDay.day == newest.scalar_subquery()).order_by(OutcomeDay.part)
    )
    names = ("part", "loans", "bads", "waiting", "lag_days", "mean_pd", "bad_rate", "z", "auc", "auc_error")
    return [{"day": row.day, **{name: getattr(row, name) for name in names}} for row in rows]


def course(session: Session, watched: WatchedModel, series: str, until: date | None) -> list[dict[str, object]]:
    """Return what was found of a series day by day, the newest first."""
    rows = select(SeriesFinding).where(
        SeriesFinding.purpose == watched.purpose, SeriesFinding.model_id == watched.model_id,
        SeriesFinding.series == series,
    )  # fmt: skip
    if until is not None:
        rows = rows.where(SeriesFinding.day <= until)
    return [finding_json(row) for row in session.scalars(rows.order_by(SeriesFinding.day.desc()).limit(MOST_DAYS))]


def alarms(session: Session, *, is_open: bool) -> list[dict[str, object]]:
    """Return the alarms that are open, or those that are closed, the newest first."""
    wanted = DriftAlarm.closed_at.is_(None) if is_open else DriftAlarm.closed_at.is_not(None)
    rows = select(DriftAlarm).where(wanted).order_by(DriftAlarm.raised_at.desc(), DriftAlarm.id).limit(MOST_ALARMS)
    return [alarm_json(row) for row in session.scalars(rows)]


def _alarms(session: Session, watched: WatchedModel) -> Sequence[DriftAlarm]:
    return session.scalars(
        select(DriftAlarm)
        .where(DriftAlarm.closed_at.is_(None), DriftAlarm.purpose == watched.purpose)
        .order_by(DriftAlarm.raised_at.desc(), DriftAlarm.id)
    ).all()


def finding_json(row: SeriesFinding) -> dict[str, object]:
    """Return a finding as staff see it."""
    name = name_of(row.series)
    return {
        "day": row.day, "series": row.series, "label_zh": name.zh, "label_en": name.en, "level": row.level,
        "index": row.index, "chance": row.chance, "firms": row.firms, "window_days": row.window_days,
        "against": row.against,
    }  # fmt: skip


def alarm_json(alarm: DriftAlarm) -> dict[str, object]:
    """Return an alarm as staff see it."""
    return {
        "id": alarm.wire_id, "purpose": alarm.purpose, "model_id": alarm.model_id, "act": alarm.act,
        "series": alarm.series, "detail": alarm.detail, "raised_on": alarm.raised_on, "seen_on": alarm.seen_on,
        "raised_at": alarm.raised_at, "closed_at": alarm.closed_at, "resolution": alarm.resolution,
    }  # fmt: skip
