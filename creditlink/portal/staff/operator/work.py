"""Failed jobs and webhooks at the operator's desk: done again or dropped, and who did it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit.tables import AuditEntry
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.jobs import dead_letters, lanes
from creditlink.kit.postgres import db
from creditlink.notifications import service as notifications
from creditlink.operations import service
from creditlink.portal.sheets.filling import export_of, status_of
from creditlink.portal.site import blueprint, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import operating
from creditlink.portal.staff.operator.sheets import failures, sendings

_LATEST = 10
_PERSON = "staff:"


@dataclass(frozen=True)
class DoneAct:
    """Who did what with failed work, as the evidence has it."""

    at: datetime
    who: str
    action: str
    about: str


@blueprint.get("/staff/operator/jobs")
@operating
def operator_work(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show work that failed, the last failure first."""
    return _jobs(session)


@blueprint.post("/staff/operator/jobs/<letter_id>/<act>")
@operating
def act_on_work(session: Session, here: AtDesk, now: datetime, letter_id: str, act: str) -> ResponseReturnValue:
    """Do failed work again, or close it without doing it."""
    if act not in ("retry", "drop"):
        raise NotFound
    letter = dead_letters.letter_of(session, letter_id)
    try:
        with session.begin_nested():
            service.act_on(session, letter, cast(service.Act, act), actor=here.actor.name, now=now)
    except Conflict as conflict:
        return _jobs(session, error=str(conflict.detail), status=409)
    return see_other(flask.url_for("portal.operator_work"))


@blueprint.get("/staff/operator/webhooks")
@operating
def operator_webhooks(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show deliveries of webhooks, the newest first."""
    return _webhooks(session)


@blueprint.post("/staff/operator/webhooks/<delivery_id>")
@operating
def replay_webhook(session: Session, here: AtDesk, now: datetime, delivery_id: str) -> ResponseReturnValue:
    """Send a delivery again, under its old id and with eight new tries."""
    delivery, _ = notifications.delivery_of(session, None, delivery_id)
    try:
        with session.begin_nested():
            notifications.replay(session, delivery, actor=here.actor.name, now=now)
    except Conflict as conflict:
        return _webhooks(session, error=str(conflict.detail), status=409)
    return see_other(flask.url_for("portal.operator_webhooks", state=flask.request.form.get("state", "")[:16] or None))


def _jobs(session: Session, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    alive, healths = lanes.health(session)
    found = failures.sheet_of(session)
    return export_of(found, name="jobs") or page(
        "staff/operator/work.html", status=status if error else status_of(found), found=found, alive=alive,
        lanes=healths, done=_done(session, ("work.retry", "work.drop")), error=error,
    )  # fmt: skip


def _webhooks(session: Session, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    found = sendings.sheet_of(session)
    return export_of(found, name="webhooks") or page(
        "staff/operator/webhooks.html", status=status if error else status_of(found), found=found,
        done=_done(session, ("webhook.replay",)), error=error,
    )  # fmt: skip


def _done(session: Session, actions: tuple[str, ...]) -> list[DoneAct]:
    """Return the latest acts of these kinds, whoever did them; reads the evidence, so call it last."""
    db.enter(session, db.Viewer(actor="audit"))
    entries = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.action.in_(actions))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(_LATEST)
    ).all()
    names = _names(session, [entry.actor for entry in entries])
    return [
        DoneAct(
            entry.at, names.get(entry.actor, entry.actor), entry.action,
            str(entry.detail.get("task") or entry.detail.get("delivery") or ""),
        )
        for entry in entries
    ]  # fmt: skip


def _names(session: Session, actors: list[str]) -> dict[str, str]:
    people = {actor: UUID(actor.removeprefix(_PERSON)) for actor in actors if actor.startswith(_PERSON)}
    rows = session.execute(select(Account.id, Account.display_name).where(Account.id.in_(people.values())))
    found = dict(rows.all())
    return {actor: found.get(account, actor) for actor, account in people.items()}
