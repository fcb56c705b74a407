"""The register of models at the desk: which is live for what, who signed each step, how shadows compare."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.kit.errors import NotFound
from creditlink.lifecycle import service
from creditlink.lifecycle.tables import PurposeStanding, RegisteredModel, ShadowDay
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.shadow.comparison import FEWEST, LEAST_CORRELATION, MOST_APART, MOST_PSI

_DAYS = 30


@blueprint.get("/staff/models")
@staff_signed_in
def models(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show every registered model with its status by purpose, the newest first."""
    rows = session.scalars(select(RegisteredModel).order_by(RegisteredModel.registered_at.desc())).all()
    standings: dict[str, list[PurposeStanding]] = defaultdict(list)
    for one in session.scalars(select(PurposeStanding).order_by(PurposeStanding.purpose)):
        standings[one.model_id].append(one)
    return page("staff/models/list.html", models=rows, standings=standings)


@blueprint.get("/staff/models/<model_id>")
@staff_signed_in
def model(session: Session, here: AtDesk, now: datetime, model_id: str) -> ResponseReturnValue:
    """Show one model: what it is for, every step with who signed it, and how it compares beside the live one."""
    found = session.get(RegisteredModel, model_id)
    if found is None:
        raise NotFound
    days = select(ShadowDay).where(ShadowDay.model_id == model_id)
    return page(
        "staff/models/model.html",
        model=found,
        standing=service.standing_of(session, model_id),
        steps=service.steps_of(session, model_id),
        days=session.scalars(days.order_by(ShadowDay.day.desc(), ShadowDay.live_model_id).limit(_DAYS)).all(),
        limits={"profiles": FEWEST, "correlation": LEAST_CORRELATION, "apart": MOST_APART, "psi": MOST_PSI},
    )
