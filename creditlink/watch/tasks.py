"""Queued work: the day's profiles are counted and judged, loans ripen, and what the rules ask for is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring import settings as score_settings
from creditlink.kit import jobs
from creditlink.kit.clock import SHANGHAI, day_of
from creditlink.kit.jobs import SweepTally
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.processes.metrics import WATCH_ALARMS, WATCH_SCORE_INDEX, WATCH_SERIES
from creditlink.kit.processes.runtime import Memory
from creditlink.kit.settings import SettingError, Settings
from creditlink.lifecycle.tables import RegisteredModel
from creditlink.profiles.serving.live import live_model
from creditlink.watch import ripening
from creditlink.watch.acting import act_on, counts_since, standing_of
from creditlink.watch.counting import WatchedModel, count_day, models_of
from creditlink.watch.judging import judge_day
from creditlink.watch.references import reference_for
from creditlink.watch.rules import settings as watch_settings
from creditlink.watch.rules.outcomes import OutcomeFinding
from creditlink.watch.rules.reference import POINTS
from creditlink.watch.rules.settings import WatchSettings
from creditlink.watch.tables import DriftAlarm, OutcomeDay, SeriesCount, SeriesFinding

log = structlog.get_logger()

NIGHT_ENDS = 6
"""A run before this hour, in Shanghai, judges the day before: it is over."""


class WatchedModels(Memory[tuple[str, str], LiveModel]):
    """The models that this worker has loaded for the watch, by name and hash of the manifest."""


@dataclass(frozen=True)
class WatchedDay:
    """What a run did."""

    day: date
    models: int
    tally: SweepTally


@jobs.app.periodic(cron="40 4,10,18 * * *", periodic_id="watch.day")
@jobs.app.task(name="watch.day", queue="default", queueing_lock="watch.day", lock="watch.day")
def watch_periodically(timestamp: int) -> None:
    """Watch the day at noon and in the evening, and once more when it is over."""
    now = datetime.fromtimestamp(timestamp, UTC)
    is_night = now.astimezone(SHANGHAI).hour < NIGHT_ENDS
    watch_day(day_of(now) - timedelta(days=int(is_night)), now=now)


def watch_day(day: date, *, now: datetime, step: Callable[[str], None] = lambda _: None) -> WatchedDay:
    """Count, judge and act on a day's profiles, each model and purpose by itself; run again, it changes nothing.

    Parameters
    ----------
    step : called with what is about to be done, for a progress display
    """
    settings = runtime.process().of(Settings).parsed(watch_settings.FILE, watch_settings.parse)
    step("outcomes")
    with db.transaction("worker") as session:
        ripening.take_up(session, day)
        ripening.ripen(session, day)
        ripening.count_overrides(session, day)
        outcomes = ripening.measure(session, day)
        watched = models_of(session, day)
        _forget(session, day, settings)

    def work(session: Session, one: WatchedModel) -> None:
        step(str(one))
        _watch(session, one, day, settings, outcomes.get(one), now)

    tally = jobs.each("watch.day", watched, work, now=now)
    with db.transaction("worker") as session:
        set_metrics(session, day)
    return WatchedDay(day, len(watched), tally)


def _watch(
    session: Session,
    watched: WatchedModel,
    day: date,
    settings: WatchSettings,
    outcome: OutcomeFinding | None,
    now: datetime,
) -> None:
    live = _loaded(session, watched.model_id)
    standing = standing_of(session, watched)
    reference = reference_for(live.model, runtime.process().of(Settings).models_dir)
    count_day(session, watched, day, reference, live.model.features)
    if standing is None:
        return  # its last profiles of the day it was replaced on: counted, and nobody's to act on
    since = counts_since(session, watched, standing)
    judged = judge_day(session, watched, day, settings, since=since)
    contradicted = ["calibration"] if outcome is not None and outcome.contradicts else []
    act_on(
        session, watched, day, judged, settings, used=used_by(live), contradicted=contradicted, now=now,
    )  # fmt: skip


def used_by(live: LiveModel) -> frozenset[str]:
    """Return the indicators that some tree of a model asks for."""
    names = live.model.features
    found = live.model.booster.get_score(importance_type="weight")
    return frozenset(key if key in names else names[int(key.removeprefix("f"))] for key in found)


def _loaded(session: Session, model_id: str) -> LiveModel:
    settings = runtime.process().of(Settings)
    memory = runtime.process().get_or_make(WatchedModels, WatchedModels)
    sha256 = session.scalar(select(RegisteredModel.manifest_sha256).where(RegisteredModel.model_id == model_id))
    rules = settings.parsed("score.toml", score_settings.parse)
    live = memory.get((model_id, sha256 or ""), lambda: live_model(settings.models_dir / model_id, rules))
    if sha256 is not None and live.sha256 != sha256:
        raise SettingError(f"model {model_id} is not the one that was registered: its manifest has changed")
    return live


def _forget(session: Session, day: date, settings: WatchSettings) -> None:
    oldest = day - timedelta(days=settings.keep_days)
    for table in (SeriesCount, SeriesFinding, OutcomeDay):
        session.execute(delete(table).where(table.day < oldest))


def set_metrics(session: Session, day: date) -> None:
    """Show the newest findings and the open alarms."""
    WATCH_SCORE_INDEX.clear()
    WATCH_SERIES.clear()
    scores = select(SeriesFinding).where(SeriesFinding.day == day, SeriesFinding.series == POINTS)
    for one in session.scalars(scores):
        WATCH_SCORE_INDEX.labels(one.purpose, one.model_id).set(one.index)
    levels = select(SeriesFinding.purpose, SeriesFinding.level, func.count()).where(SeriesFinding.day == day)
    for purpose, level, count in session.execute(levels.group_by(SeriesFinding.purpose, SeriesFinding.level)):
        WATCH_SERIES.labels(purpose, level).set(count)
    open_ones = dict(
        session.execute(
            select(DriftAlarm.act, func.count()).where(DriftAlarm.closed_at.is_(None)).group_by(DriftAlarm.act)
        ).all()
    )
    for act in watch_settings.ACTS:
        WATCH_ALARMS.labels(act).set(open_ones.get(act, 0))
    log.info("watched", day=day.isoformat(), open=sum(open_ones.values()))
