"""The first page of the operator's desk: what needs a person now, and how background work is doing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.enterprises.registry.tables import UsccClearing
from creditlink.institutions.service import KEYS_DUE
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.jobs import dead_letters, lanes
from creditlink.notifications.tables import WebhookDelivery
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import counted, in_words, operating
from creditlink.records import sources
from creditlink.records.rejections import queue as rejections
from creditlink.records.tables import SourceHealth
from creditlink.staff import acts

KEYS_NOTICE = timedelta(days=30)
"""So long before keys are due the desk says so."""


@dataclass(frozen=True)
class Need:
    """Something that may wait for a person: how much of it, where it is settled, and what it is about."""

    label: str
    count: int
    address: str
    about: Sequence[str] = ()

    @property
    def shown(self) -> str:
        """Return the count as it is shown."""
        return in_words(self.count)


@blueprint.get("/staff/operator/")
@operating
def operator_overview(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show what needs a person now."""
    alive, healths = lanes.health(session)
    needs = [*_needs(session, now)]
    return page(
        "staff/operator/overview.html",
        waiting=[need for need in needs if need.count],
        settled=[need for need in needs if not need.count],
        alive=alive,
        lanes=healths,
    )


def _needs(session: Session, now: datetime) -> Iterator[Need]:
    to = flask.url_for
    configured = set(sources.current().config.sources)
    failed = dead_letters.count_open(session)
    yield Need(gettext("Failed jobs"), sum(failed.values()), to("portal.operator_work"), sorted(failed)[:4])
    undelivered = counted(session, select(WebhookDelivery.id).where(WebhookDelivery.state == "failed"))
    yield Need(gettext("Failed webhooks"), undelivered, to("portal.operator_webhooks", state="failed"))
    resting = session.scalars(
        select(SourceHealth.name).where(SourceHealth.rests_until > now).order_by(SourceHealth.name)
    ).all()
    yield Need(gettext("Open circuits"), len(resting), to("portal.operator_sources"), resting)
    down = session.scalars(
        select(SourceHealth.name).where(SourceHealth.state == "down").order_by(SourceHealth.name)
    ).all()
    known = [name for name in down if name in configured]
    yield Need(gettext("Sources that do not work"), len(known), to("portal.operator_sources"), known)
    rejected = {name: states["open"] for name, states in rejections.counts(session).items() if states["open"]}
    yield Need(
        gettext("Rejected rows nobody has sent back"), sum(rejected.values()), to("portal.operator_rejections"),
        sorted(rejected),
    )  # fmt: skip
    codes = counted(session, select(UsccClearing.id).where(UsccClearing.state == "open"))
    yield Need(gettext("Codes to be cleared"), codes, to("portal.operator_clearing"))
    due = session.scalars(
        select(Institution.code)
        .join(Client, Client.institution_id == Institution.id)
        .where(
            Client.jwks.is_not(None),
            Client.status == "active",
            Institution.status == "active",
            func.coalesce(Client.keys_changed_at, Client.created_at) < now - KEYS_DUE + KEYS_NOTICE,
        )
        .order_by(Institution.code)
    ).all()
    yield Need(
        gettext("Keys due for a change"), len(due), to("portal.operator_institutions", keys="due"),
        sorted(set(due))[:4],
    )  # fmt: skip
    waiting = acts.waiting(session, now)
    yield Need(gettext("Acts that wait for a second person"), len(waiting), to("portal.desk"))
