"""How the models in use are doing, series by series and day by day, and what people settle. As `/v1/watch` tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import cast

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.kit.clock import day_of
from creditlink.kit.errors import InsufficientRole, InvalidRequest, NotFound
from creditlink.kit.postgres import db
from creditlink.lifecycle import restraint
from creditlink.lifecycle.steps import ModelStepRefused
from creditlink.portal.person import stepup
from creditlink.portal.sheets.filling import export_of, status_of
from creditlink.portal.sheets.sheet import Sheet
from creditlink.portal.site import blueprint, page, see_other, settings
from creditlink.portal.staff.drawing.lines import DayLine, DrawnLines, drawn
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.portal.staff.watch.series import FoundSeries, name_in, sheet_of
from creditlink.staff.actor import RoleMissing
from creditlink.watch import acting, courses, reading
from creditlink.watch.counting import WatchedModel
from creditlink.watch.rules.drift import DriftThresholds
from creditlink.watch.rules.reference import POINTS
from creditlink.watch.rules.settings import FILE, parse
from creditlink.watch.tables import OutcomeDay, SeriesFinding

LOOK = frozenset({"risk", "auditor", "operator", "model_owner"})
ACT = frozenset({"risk", "operator"})


@contextmanager
def watch_transaction(here: AtDesk) -> Iterator[Session]:
    """Open a transaction that sees the watch, for somebody whose role may."""
    if not here.actor.roles & LOOK:
        raise NotFound
    with db.transaction(viewer=db.Viewer(actor="operator")) as session:
        yield session


@blueprint.get("/staff/watch")
@staff_signed_in
def staff_watch(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show every live model: what moved, outcomes, segments, missing data, alarms, freezes."""
    return _overview(here, now)


@blueprint.get("/staff/watch/<purpose>/<model_id>")
@staff_signed_in
def staff_watched_series(
    session: Session, here: AtDesk, now: datetime, purpose: str, model_id: str
) -> ResponseReturnValue:
    """Show one series of a model over the last days, with what counts as moved and as shifted."""
    series = flask.request.args.get("series", POINTS)
    with watch_transaction(here) as seen:
        found = courses.course_of(seen, WatchedModel(purpose, model_id), series, _day() or day_of(now))
        if not found:
            raise NotFound
        return page(
            "staff/watch/series.html",
            purpose=purpose,
            model_id=model_id,
            series=series,
            name=reading.name_of(series),
            rows=list(reversed(found)),
            drawing=_indices(found, _thresholds()),
            thresholds=_thresholds(),
        )


@blueprint.post("/staff/watch/alarms/<alarm_id>")
@staff_signed_in
def close_staff_alarm(session: Session, here: AtDesk, now: datetime, alarm_id: str) -> ResponseReturnValue:
    """Close an alarm, with a code and a reason; what was done stays."""
    text = flask.request.form.get("resolution", "")
    return _settled(
        session, here, now, lambda seen: acting.close(seen, alarm_id, by=here.actor, resolution=text, now=now)
    )


@blueprint.post("/staff/watch/freezes/<purpose>")
@staff_signed_in
def lift_staff_freeze(session: Session, here: AtDesk, now: datetime, purpose: str) -> ResponseReturnValue:
    """Let the live model of a purpose decide alone again, with a code and a reason."""
    text = flask.request.form.get("reason", "")
    return _settled(session, here, now, lambda seen: restraint.lift(seen, purpose, by=here.actor, reason=text, now=now))


def _settled(session: Session, here: AtDesk, now: datetime, do: Callable[[Session], object]) -> ResponseReturnValue:
    if not here.actor.roles & ACT:
        raise NotFound
    if any("\0" in text or len(text) > 2_000 for text in flask.request.form.values()):
        return _overview(here, now, error=gettext("Say why, in words."), status=422)
    lacking = stepup.missing(session, here.account, flask.request.form, now)
    if lacking is not None:
        return _overview(here, now, error=lacking.text, status=lacking.status)
    try:
        with watch_transaction(here) as seen:
            do(seen)
    except (RoleMissing, InsufficientRole):
        return _overview(here, now, error=gettext("Your roles do not settle this."), status=403)
    except (ModelStepRefused, InvalidRequest) as refused:
        return _overview(here, now, error=str(refused), status=422)
    return see_other(flask.url_for("portal.staff_watch"))


def _overview(here: AtDesk, now: datetime, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    with watch_transaction(here) as seen:
        found = reading.overview(seen, _day(), None)
        shown = found["day"] if isinstance(found["day"], date) else day_of(now)
        listed = found["models"] if isinstance(found["models"], list) else []
        models = [one | _drawings(seen, one, shown) for one in listed]
        sheets: list[Sheet[FoundSeries]] = [
            sheet for one in models for sheet in cast("tuple[Sheet[FoundSeries], ...]", one["sheets"])
        ]
        return export_of(*sheets, name="series") or page(
            "staff/watch/list.html",
            status=status if error else status_of(*sheets),
            day=found["day"],
            models=models,
            thresholds=_thresholds(),
            may_act=bool(here.actor.roles & ACT),
            ask_code=stepup.needs_code(here.account, now),
            error=error,
        )


def _drawings(session: Session, model: dict[str, object], day: date) -> dict[str, object]:
    """Return what a model's card draws besides what was found: courses, every series, segments."""
    watched = WatchedModel(str(model["purpose"]), str(model["model_id"]))
    every = [FoundSeries(row, name_in(reading.name_of(row.series))) for row in courses.found_on(session, watched, day)]
    indicators = [one for one in every if "@" not in one.row.series and one.row.series != POINTS]
    segments = [one for one in every if "@" in one.row.series]
    score = courses.course_of(session, watched, POINTS, day)
    ripe = courses.outcomes_of(session, watched, day)
    return {
        "score_course": score,
        "score_drawing": _indices(score, _thresholds()) if score else None,
        "has": (bool(indicators), bool(segments)),
        "sheets": (
            sheet_of(
                indicators, watched, part="i", label=gettext("Indicators, sources and mix of grades"), per_page=10
            ),
            sheet_of(segments, watched, part="s", label=gettext("The score in each segment"), per_page=8),
        ),
        "ripe": ripe,
        "calibration": _calibration(ripe) if ripe else None,
        "ranking": _ranking(ripe) if any(row.auc is not None for row in ripe) else None,
    }


def _indices(rows: Sequence[SeriesFinding], thresholds: DriftThresholds) -> DrawnLines:
    """Return the index day by day, what chance stays below, and the two thresholds."""
    return drawn(
        [row.day for row in rows],
        [
            DayLine(gettext("By chance at most"), "chance", [row.chance for row in rows]),
            DayLine("PSI", "index", [row.index for row in rows]),
        ],
        [(thresholds.moved, "warn"), (thresholds.shifted, "bad")],
    )


def _calibration(rows: Sequence[OutcomeDay]) -> DrawnLines:
    lines = [
        DayLine(gettext("Predicted"), "chance", [_percent(row.mean_pd) for row in rows]),
        DayLine(gettext("Observed"), "index", [_percent(row.bad_rate) for row in rows]),
    ]
    return drawn([row.day for row in rows], lines, unit="%.1f%%")


def _ranking(rows: Sequence[OutcomeDay]) -> DrawnLines:
    return drawn([row.day for row in rows], [DayLine("AUC", "index", [row.auc for row in rows])], [(0.5, "warn")])


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _thresholds() -> DriftThresholds:
    return settings().parsed(FILE, parse).thresholds


def _day() -> date | None:
    try:
        return date.fromisoformat(flask.request.args.get("day", ""))
    except ValueError:
        return None
