"""The connected offices, the pulls that are under way, and the answers that were none, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask_babel import gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.portal.sheets.filling import of_query, of_rows
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter, Value
from creditlink.portal.staff.operator.sheets.offices import office_name
from creditlink.records.offices.budget import CallLimits
from creditlink.records.pulls.delivery import FAILED
from creditlink.records.pulls.pull import PREFIX
from creditlink.records.tables import Pull, PullPart, SourceHealth

_TONES = {"up": "active", "down": "revoked", "degraded": "paused", "unknown": "expired"}


@dataclass(frozen=True)
class ShownSource:
    """One office: how it answered lately, whether it is left alone, and how much of its limits is used."""

    name: str
    state: str
    since: datetime | None
    success_rate: float | None
    answers: int
    p50_seconds: float | None
    fresh_hours: float
    rejected: int  # rows that wait for somebody
    known: SourceHealth | None
    limits: CallLimits
    used_today: int
    circuit_until: datetime | None  # a worker's circuit is open until then
    rests_until: datetime | None  # the office itself asked to be left alone until then


@dataclass(frozen=True)
class ListedPull:
    """One round of asking, and for whom."""

    row: Pull
    firm: str
    bank: str

    @property
    def wire_id(self) -> str:
        """Return its id on the wire."""
        return ids.external(PREFIX, self.row.id)


@dataclass(frozen=True)
class FailedPart:
    """What one source did not answer."""

    part: PullPart
    firm: str

    @property
    def wire_id(self) -> str:
        """Return the id of its pull."""
        return ids.external(PREFIX, self.part.pull_id)


def sources_of(rows: Sequence[ShownSource]) -> Sheet[ShownSource]:
    """Return the offices, by name."""
    states = {
        "up": gettext("Working"),
        "degraded": gettext("Slow or partly failing"),
        "down": gettext("Not working"),
        "unknown": gettext("Not used lately"),
    }

    def answers(one: ShownSource) -> str:
        return str(ngettext("%(n)d answer", "%(n)d answers", one.answers, n=one.answers))

    def last(one: ShownSource) -> Value:
        return None if one.known is None else one.known.last_success_at

    columns: Sequence[SheetColumn[ShownSource]] = (
        SheetColumn(
            "office", gettext("Office"), lambda one: office_name(one.name), note=_last_error,
            note_label=gettext("What went wrong"),
        ),
        SheetColumn("state", gettext("State"), lambda one: states[one.state], "own"),
        SheetColumn("circuit", gettext("Circuit"), lambda one: one.circuit_until, "own"),
        SheetColumn("well", gettext("Answered well"), lambda one: one.success_rate, "share", digits=1, note=answers),
        SheetColumn("median", gettext("Median time"), lambda one: one.p50_seconds, "number", unit="s", digits=2),
        SheetColumn(
            "last", gettext("Last good answer"), last, "instant",
            note=lambda one: gettext("fresh for %(n)s hours", n=f"{one.fresh_hours:g}"),
        ),
        SheetColumn("asked", gettext("Asked today"), lambda one: one.used_today if one.limits.bound else None, "own"),
        SheetColumn(
            "rejected", gettext("Rejected rows"), lambda one: one.rejected, "number",
            link=lambda one: flask.url_for("portal.operator_rejections", source=one.name) if one.rejected else None,
        ),
    )  # fmt: skip
    filters: Sequence[SheetFilter[ShownSource]] = (
        SheetFilter("state", gettext("State"), "choice", list(states.items()), lambda one, state: one.state == state),
    )
    return of_rows(
        rows, columns, filters, label=gettext("Sources"), first="office",
        empty=gettext("No source is connected: config/sources.toml."),
    )  # fmt: skip


def tone_of(state: str) -> str:
    """Return the tone of a source's state."""
    return _TONES.get(state, "expired")


def under_way_of(session: Session) -> Sheet[ListedPull]:
    """Return the pulls that are under way, the latest first."""
    wanted = (
        select(Pull, Enterprise.name, Institution.code)
        .join(Enterprise, Enterprise.id == Pull.enterprise_id)
        .join(Consent, Consent.id == Pull.consent_id)
        .join(Institution, Institution.id == Consent.institution_id)
        .where(Pull.status == "OPEN")
    )
    why = {
        "consent": gettext("consent given"),
        "profile": gettext("profile asked for"),
        "retry": gettext("asked again"),
        "operator": gettext("by the operator"),
    }
    columns: Sequence[SheetColumn[ListedPull]] = (
        SheetColumn("when", gettext("When"), lambda one: one.row.requested_at, "instant"),
        SheetColumn(
            "firm", gettext("Firm"), lambda one: one.firm, note=lambda one: one.wire_id, note_label=gettext("Pull")
        ),
        SheetColumn("bank", gettext("Bank"), lambda one: one.bank),
        SheetColumn(
            "why", gettext("Because"), lambda one: one.row.trigger,
            text=lambda one: why.get(one.row.trigger, one.row.trigger),
        ),
        SheetColumn("parts", gettext("Sources"), lambda one: one.wire_id, "own", sorts=False),
    )  # fmt: skip
    return of_query(
        session, wanted, columns, (
            SheetFilter("firm", gettext("Firm")),
            SheetFilter("bank", gettext("Bank")),
            SheetFilter("why", gettext("Because"), "choice", list(why.items())),
        ),
        make=lambda row: ListedPull(*row),
        by={"when": Pull.requested_at, "firm": Enterprise.name, "bank": Institution.code, "why": Pull.trigger},
        where={
            "firm": lambda words: Enterprise.name.icontains(str(words), autoescape=True),
            "bank": lambda words: Institution.code.icontains(str(words), autoescape=True),
            "why": lambda why: Pull.trigger == why,
        },
        then=Pull.id, label=gettext("Pulls under way"), first="-when", prefix="pull_",
        empty=gettext("No pull is under way."),
    )  # fmt: skip


def failed_of(session: Session, names: Sequence[str], since: datetime) -> Sheet[FailedPart]:
    """Return the answers since a time that were none, the latest first; each office's are found by its index."""
    wanted = (
        select(PullPart, Enterprise.name)
        .join(Pull, Pull.id == PullPart.pull_id)
        .join(Enterprise, Enterprise.id == Pull.enterprise_id)
        .where(
            PullPart.source.in_(names), PullPart.finished_at >= since, PullPart.status.in_(FAILED),
            PullPart.reused_pull_id.is_(None),
        )
    )  # fmt: skip
    words = answer_words()
    columns: Sequence[SheetColumn[FailedPart]] = (
        SheetColumn("when", gettext("When"), lambda one: one.part.finished_at, "instant"),
        SheetColumn(
            "office", gettext("Office"), lambda one: one.part.source, text=lambda one: office_name(one.part.source)
        ),
        SheetColumn(
            "firm", gettext("Firm"), lambda one: one.firm, note=lambda one: one.wire_id, note_label=gettext("Pull")
        ),
        SheetColumn(
            "result", gettext("Result"), lambda one: one.part.status, tone=lambda _one: "bad",
            text=lambda one: words.get(one.part.status, one.part.status),
        ),
        SheetColumn(
            "error", gettext("What went wrong"), lambda one: (one.part.error or "").replace("*: ", ""), sorts=False
        ),
    )  # fmt: skip
    return of_query(
        session, wanted, columns, (
            SheetFilter("office", gettext("Office"), "choice", [(name, office_name(name)) for name in names]),
            SheetFilter("result", gettext("Result"), "choice", [(name, words[name]) for name in FAILED]),
            SheetFilter("firm", gettext("Firm")),
        ),
        make=lambda row: FailedPart(*row),
        by={
            "when": PullPart.finished_at, "office": PullPart.source, "firm": Enterprise.name,
            "result": PullPart.status,
        },
        where={
            "office": lambda name: PullPart.source == name,
            "result": lambda name: PullPart.status == name,
            "firm": lambda words: Enterprise.name.icontains(str(words), autoescape=True),
        },
        then=PullPart.pull_id, label=gettext("Failed within a day"), first="-when", prefix="failed_",
        empty=gettext("Every source that was asked answered."),
    )  # fmt: skip


def answer_words() -> dict[str, str]:
    """Return what a source answered, or how far it is, in words."""
    return {
        "READY": gettext("waits"),
        "PENDING": gettext("being asked"),
        "DELIVERED": gettext("fetched"),
        "PARTIAL": gettext("partly fetched"),
        "NO_RECORD": gettext("no record"),
        "DENIED": gettext("the source refused"),
        "TIMEOUT": gettext("no answer in time"),
        "DOWN": gettext("the source was down"),
    }


def _last_error(one: ShownSource) -> str:
    return "" if one.known is None else (one.known.last_error or "").replace("*: ", "")
