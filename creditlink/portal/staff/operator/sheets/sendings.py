"""Deliveries of webhooks to whichever institution, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flask
from flask_babel import gettext, ngettext
from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from creditlink.institutions import service as institutions
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Institution
from creditlink.notifications.tables import STATES, Notification, WebhookDelivery
from creditlink.portal.sheets.filling import of_query
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter, SheetRefused, Value
from creditlink.portal.staff.operator.sheets.failures import clock_text

_ALL, _FIRST = "all", "failed"


@dataclass(frozen=True)
class ListedSending:
    """One delivery with its message, and the code of whom it is for."""

    row: WebhookDelivery
    message: Notification
    institution: str


def sheet_of(session: Session) -> Sheet[ListedSending]:
    """Return deliveries, the newest first; without a choice, those that were given up."""
    wanted = (
        select(WebhookDelivery, Notification, Institution.code)
        .join(Notification, Notification.id == WebhookDelivery.notification_id)
        .join(Institution, Institution.id == WebhookDelivery.institution_id)
    )
    if not flask.request.args.get("state", "").strip():
        wanted = wanted.where(WebhookDelivery.state == _FIRST)
    words = _words()
    states = [(_ALL, gettext("all")), *((state, words[state]) for state in STATES)]
    return of_query(
        session, wanted, _columns(), (
            SheetFilter("state", gettext("State"), "choice", states, blank=words[_FIRST]),
            SheetFilter("institution", gettext("Code of the institution")),
            SheetFilter("event", gettext("Message")),
        ),
        make=lambda row: ListedSending(*row),
        by={
            "when": WebhookDelivery.created_at, "institution": Institution.code, "message": Notification.type,
            "state": WebhookDelivery.state, "tries": WebhookDelivery.tries,
        },
        where={
            "state": lambda state: true() if state == _ALL else WebhookDelivery.state == state,
            "institution": lambda code: _of_institution(session, code),
            "event": lambda words: Notification.type.icontains(str(words), autoescape=True),
        },
        then=WebhookDelivery.id, label=gettext("Webhooks"), first="-when",
        empty=gettext("No message is in this state."),
    )  # fmt: skip


def _of_institution(session: Session, code: Value) -> ColumnElement[bool]:
    try:
        found = institutions.institution_of(session, str(code))
    except RegistrationRefused:
        raise SheetRefused("said", gettext("No institution has the code %(code)s.", code=str(code)[:40])) from None
    return WebhookDelivery.institution_id == found.id


def _columns() -> Sequence[SheetColumn[ListedSending]]:
    words, tones = _words(), {"delivered": "active", "failed": "revoked"}
    return (
        SheetColumn("when", gettext("When"), lambda one: one.row.created_at, "instant"),
        SheetColumn(
            "institution", gettext("Institution"), lambda one: one.institution, note=lambda one: one.row.client_id,
            note_label=gettext("Client"),
        ),
        SheetColumn(
            "message", gettext("Message"), lambda one: one.message.type, note=lambda one: one.row.wire_id,
            note_label=gettext("Delivery"),
        ),
        SheetColumn(
            "state", gettext("State"), lambda one: one.row.state, text=lambda one: words[one.row.state],
            tone=lambda one: tones.get(one.row.state, "requested"),
        ),
        SheetColumn("tries", gettext("Tries"), lambda one: one.row.tries, "number", note=_again),
        SheetColumn(
            "answer", gettext("Last answer"), lambda one: str(one.row.last_error or one.row.last_status or ""),
            note=lambda one: clock_text(one.row.last_try_at), note_label=gettext("Last try"), sorts=False,
        ),
        SheetColumn("acts", gettext("Acts"), lambda one: one.row.wire_id, "own", sorts=False),
    )  # fmt: skip


def _again(one: ListedSending) -> str:
    times = one.row.replays
    return str(ngettext("sent again %(n)d time", "sent again %(n)d times", times, n=times)) if times else ""


def _words() -> dict[str, str]:
    return {"waiting": gettext("On its way"), "delivered": gettext("Delivered"), "failed": gettext("Given up")}
