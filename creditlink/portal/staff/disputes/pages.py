"""Disputes at the operator's desk: those of sources without a wire, late answers, answers that the data belies."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.disputes import answers, configuration, figures, service
from creditlink.disputes.corrections import service as corrections
from creditlink.disputes.rules.states import STATES
from creditlink.disputes.tables import Dispute
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.files.csvexport import csv_of
from creditlink.portal.firm.records.disputes import shown
from creditlink.portal.firm.records.disputes.reading import handed_out, in_words
from creditlink.portal.site import blueprint, lang, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating
from creditlink.portal.staff.operator.sheets.offices import office_name

LATELY = timedelta(days=365)
MOST_EXPORTED = 5_000


@blueprint.get("/staff/disputes")
@operating
def staff_disputes(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show each source's figures, and what is before it; that it was looked at is evidence."""
    terms = configuration.current()
    known = figures.sources_with_disputes(session)
    wanted, state = flask.request.args.get("source", ""), flask.request.args.get("state", "")
    source = wanted if wanted in known else None
    queued = figures.queue_of(session, source, state if state in STATES else None, limit=A_PAGE)
    if queued:
        figures.note_reading(session, len(queued), act="read", actor=here.actor.name, now=now, source=source)
    return page(
        "staff/disputes/list.html",
        figures=figures.figures(session, terms.calendar, since=now - LATELY, now=now),
        sources=known,
        source=source or "",
        state=state if state in STATES else "",
        states={name: shown.own(words) for name, words in STATES.items()},
        queued=[(one, shown.what_of(one.row.datum)) for one in queued],
        wired=terms.settings.wired,
        silent=corrections.unacknowledged(
            session, terms.calendar.before(now, terms.settings.silent_days), limit=A_PAGE
        ),
        lacking_year=terms.calendar.lacking_year(day_of(now)),
        now=now,
    )


@blueprint.post("/staff/disputes")
@operating
def export_disputes(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Hand what is before a source out as a file; its office then counts as told."""
    source = flask.request.form.get("source") or None
    queued = figures.queue_of(session, source, None, limit=MOST_EXPORTED)
    body = "\ufeff" + csv_of(figures.frame_of(queued))
    if flask.request.form.get("sent") == "yes":
        figures.hand_out(session, queued, actor=here.actor.name, now=now)
    figures.note_reading(session, len(queued), act="export", actor=here.actor.name, now=now, source=source)
    headers = {"Content-Disposition": f'attachment; filename="disputes-{source or "all"}.csv"'}
    return flask.Response(body, content_type="text/csv; charset=utf-8", headers=headers)


@blueprint.get("/staff/disputes/<dispute_id>")
@operating
def staff_dispute(session: Session, here: AtDesk, now: datetime, dispute_id: str) -> ResponseReturnValue:
    """Show one dispute; that it was looked at is in the firm's evidence."""
    one = service.named(session, dispute_id)
    service.note(session, one, "read", actor=here.actor.name, now=now)
    return _show(session, one, now)


@blueprint.post("/staff/disputes/<dispute_id>")
@operating
def step_staff_dispute(session: Session, here: AtDesk, now: datetime, dispute_id: str) -> ResponseReturnValue:
    """Note that a source was told, or what it answered to a person."""
    form = flask.request.form
    one = service.named(session, dispute_id, lock=True)
    error, status = None, 422
    try:
        if form.get("doing") == "send":
            answers.told(session, one, actor=here.actor.name, now=now)
        elif form.get("doing") == "answer":
            answers.refuse_foreign(one)
            answers.answered(
                session, one, form.get("verdict", ""), form.get("reason", ""), answered_at=now,
                actor=here.actor.name, terms=configuration.current(), now=now,
            )  # fmt: skip
        else:
            error = gettext("Choose what to do.")
    except InvalidRequest:
        error = gettext("Choose what the source answered, and write its reason.")
    except Conflict as conflict:
        error, status = gettext("%(why)s. Nothing was done.", why=str(conflict.detail)), 409
    if error is not None:
        return _show(session, service.named(session, dispute_id), now, error, status)
    return see_other(flask.url_for("portal.staff_dispute", dispute_id=one.wire_id))


@blueprint.get("/staff/disputes/<dispute_id>/files/<file_id>")
@operating
def staff_dispute_file(
    session: Session, here: AtDesk, now: datetime, dispute_id: str, file_id: str
) -> ResponseReturnValue:
    """Hand a file of evidence out, to be brought to its source; only one that was scanned."""
    one = service.named(session, dispute_id)
    response = handed_out(session, one, file_id)
    service.note(session, one, "file_read", actor=here.actor.name, now=now)
    return response


def _show(
    session: Session, one: Dispute, now: datetime, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    firm = session.get_one(Enterprise, one.enterprise_id)
    told = corrections.of_dispute(session, one)
    return page(
        "staff/disputes/dispute.html",
        status=status,
        error=error,
        one=one,
        firm=firm,
        **in_words(session, one),
        who=_who(session, one),
        told=[(row, bank.name_zh if lang() == "zh" else bank.name_en) for row, bank in told],
        may_send=one.state in ("filed", "unkept"),
        may_answer=one.state in ("sent", "unkept"),
        most=answers.MOST_ANSWER,
        now=now,
    )


def _who(session: Session, one: Dispute) -> dict[str, str]:
    """Return who took a dispute's steps, by actor: staff by name; of the firm, that it was the firm."""
    actors = {event.actor for event in service.events_of(session, one)}
    staff = {actor: UUID(actor.removeprefix("staff:")) for actor in actors if actor.startswith("staff:")}
    rows = session.execute(select(Account.id, Account.display_name).where(Account.id.in_(staff.values())))
    names = dict(rows.all())
    told = {actor: names.get(account, actor) for actor, account in staff.items()}
    for actor in actors - told.keys():
        kind, _, rest = actor.partition(":")
        words = {"account": gettext("the firm"), "source": office_name(rest), "system": "CreditLink"}
        told[actor] = str(words.get(kind, actor))
    return told
