"""Failed jobs and webhooks at the operator's desk: done again or dropped, and who did it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit.tables import AuditEntry
from creditlink.enterprises.tables import Account
from creditlink.institutions import service as institutions
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Institution
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.jobs import dead_letters, lanes
from creditlink.kit.postgres import db
from creditlink.notifications import service as notifications
from creditlink.notifications.tables import STATES, Notification, WebhookDelivery
from creditlink.operations import service
from creditlink.portal.site import blueprint, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating

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
    return see_other(flask.url_for("portal.operator_webhooks", state=flask.request.form.get("state", "failed")[:16]))


def _jobs(session: Session, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    task = flask.request.args.get("task", "")[:128] or None
    is_open = flask.request.args.get("closed") != "yes"
    alive, healths = lanes.health(session)
    cursor = flask.request.args.get("cursor") or None
    try:
        found, following = dead_letters.page_of(session, task=task, is_open=is_open, cursor=cursor, limit=A_PAGE)
    except InvalidRequest:
        found, following = [], None
        error, status = gettext("This page of the list does not exist any more."), 422
    open_by_task = dead_letters.count_open(session)
    return page(
        "staff/operator/work.html",
        status=status,
        found=found,
        cursor=following,
        tasks=sorted(open_by_task.items()),
        task=task,
        is_open=is_open,
        alive=alive,
        lanes=healths,
        done=_done(session, ("work.retry", "work.drop")),
        error=error,
    )


def _webhooks(session: Session, *, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    given = flask.request.args
    state = given.get("state", "failed")
    within = state if state in STATES else None
    code, institution_id = given.get("institution", "").strip()[:64], None
    if code:
        try:
            institution_id = institutions.institution_of(session, code).id
        except RegistrationRefused:
            error, status = gettext("No institution has the code %(code)s.", code=code[:40]), 422
    found: list[tuple[WebhookDelivery, Notification]] = []
    cursor: str | None = None
    try:
        if error is None or status == 409:
            found, cursor = notifications.page_of(
                session, institution_id, state=within, cursor=given.get("cursor") or None, limit=A_PAGE
            )
    except InvalidRequest:
        error, status = gettext("This page of the list does not exist any more."), 422
    banks = {one.institution_id for one, _ in found}
    rows = session.execute(select(Institution.id, Institution.code).where(Institution.id.in_(banks)))
    return page(
        "staff/operator/webhooks.html",
        status=status,
        found=found,
        codes=dict(rows.all()),
        cursor=cursor,
        state=within or "",
        states=STATES,
        institution=code,
        done=_done(session, ("webhook.replay",)),
        error=error,
    )


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
