"""The register of models at the desk: which is live for what, who signed each step, how shadows compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.scoring.swarm import ModelSwarm, SwarmOfIndicator
from creditlink.kit.errors import NotFound
from creditlink.lifecycle import service
from creditlink.lifecycle.steps import STATUSES
from creditlink.lifecycle.swarms import SwarmDamaged, swarm_for
from creditlink.lifecycle.tables import PurposeStanding, RegisteredModel, ShadowDay
from creditlink.portal.sheets.filling import export_of, of_rows, status_of
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter
from creditlink.portal.site import blueprint, lang, page, settings
from creditlink.portal.staff.decisions.shown import value_text
from creditlink.portal.staff.drawing import swarms
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.shadow.comparison import FEWEST, LEAST_CORRELATION, MOST_APART, MOST_PSI

_DAYS = 30


@dataclass(frozen=True)
class ListedModel:
    """One line of the register."""

    model: RegisteredModel
    standings: Sequence[PurposeStanding]


@blueprint.get("/staff/models")
@staff_signed_in
def models(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show every registered model with its status by purpose, the newest first."""
    standings: dict[str, list[PurposeStanding]] = defaultdict(list)
    for one in session.scalars(select(PurposeStanding).order_by(PurposeStanding.purpose)):
        standings[one.model_id].append(one)
    rows = [ListedModel(row, standings[row.model_id]) for row in session.scalars(select(RegisteredModel))]
    found = of_rows(
        rows, _columns(), _filters(), label=gettext("Models"), first="-registered",
        empty=gettext("No model is registered yet: creditlink models register."),
    )  # fmt: skip
    return export_of(found, name="models") or page("staff/models/list.html", status=status_of(found), found=found)


def _columns() -> Sequence[SheetColumn[ListedModel]]:
    return (
        SheetColumn(
            "model", gettext("Model"), lambda one: one.model.model_id, note=lambda one: one.model.intended_use,
            note_label=gettext("Use"), link=lambda one: flask.url_for("portal.model", model_id=one.model.model_id),
        ),
        SheetColumn(
            "standing", gettext("Standing"), kind="own", sorts=False,
            value=lambda one: "; ".join(_said(row) for row in one.standings),
        ),
        SheetColumn("owner", gettext("Owner"), lambda one: one.model.owner),
        SheetColumn("tier", gettext("Tier"), lambda one: one.model.tier),
        SheetColumn("inputs", gettext("Indicators"), lambda one: len(one.model.inputs), "number"),
        SheetColumn("registered", gettext("Registered"), lambda one: one.model.registered_at, "instant"),
    )  # fmt: skip


def _filters() -> Sequence[SheetFilter[ListedModel]]:
    statuses = [(status, _word("status_name", status)) for status in STATUSES]
    return (
        SheetFilter("name", gettext("Model"), meets=lambda one, text: str(text) in one.model.model_id),
        SheetFilter(
            "status", gettext("Standing"), "choice", statuses,
            meets=lambda one, status: any(row.status == status for row in one.standings),
        ),
    )  # fmt: skip


def _said(row: PurposeStanding) -> str:
    return f"{_word('purpose', row.purpose)}: {_word('status_name', row.status)}"


def _word(macro: str, code: str) -> str:
    return str(flask.get_template_attribute("portal/staff/models/parts.html", macro)(code)).strip()


@blueprint.get("/staff/models/<model_id>")
@staff_signed_in
def model(session: Session, here: AtDesk, now: datetime, model_id: str) -> ResponseReturnValue:
    """Show one model: what it is for, every step with who signed it, and how it compares beside the live one."""
    found = session.get(RegisteredModel, model_id)
    if found is None:
        raise NotFound
    days = select(ShadowDay).where(ShadowDay.model_id == model_id)
    swarm, damage = _swarm(found)
    return page(
        "staff/models/model.html",
        swarm=swarm,
        swarm_damage=damage,
        drawn_swarm=None if swarm is None else swarms.swarm(swarm),
        called=called,
        model=found,
        standing=service.standing_of(session, model_id),
        steps=service.steps_of(session, model_id),
        days=session.scalars(days.order_by(ShadowDay.day.desc(), ShadowDay.live_model_id).limit(_DAYS)).all(),
        limits={"profiles": FEWEST, "correlation": LEAST_CORRELATION, "apart": MOST_APART, "psi": MOST_PSI},
    )


@blueprint.get("/staff/models/<model_id>/indicators/<name>")
@staff_signed_in
def model_indicator(session: Session, here: AtDesk, now: datetime, model_id: str, name: str) -> ResponseReturnValue:
    """Show how one indicator moves the points of many firms, by its value and by its partner's."""
    found = session.get(RegisteredModel, model_id)
    swarm = None if found is None else _swarm(found)[0]
    one = None if swarm is None else swarm.of(name)
    if swarm is None or one is None:
        raise NotFound
    return page(
        "staff/models/indicator.html",
        model_id=model_id,
        swarm=swarm,
        one=one,
        drawn=swarms.dependence(one, _tenths(one)),
        called=called,
        formula=BY_NAME[name].formula if name in BY_NAME else "",
    )


def called(name: str) -> str:
    """Return what an indicator is called; one of an earlier catalogue by its name."""
    known = BY_NAME.get(name)
    return name if known is None else known.label_zh if lang() == "zh" else known.label_en


def _swarm(model: RegisteredModel) -> tuple[ModelSwarm | None, str | None]:
    """Return what moves a model's scores over many firms, and what is wrong with the file, if anything is."""
    try:
        return swarm_for(model.model_id, model.manifest_sha256, settings().models_dir), None
    except SwarmDamaged as damage:
        return None, str(damage)


def _tenths(one: SwarmOfIndicator) -> list[str]:
    unit = BY_NAME[one.name].unit if one.name in BY_NAME else ""
    return [value_text(value, unit) for value in one.tenths]
