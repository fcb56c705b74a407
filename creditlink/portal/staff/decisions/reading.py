"""One archived decision: why it is opened, what it says, what stands beside it, and what is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.consents.agreement.categories import label_of
from creditlink.decisions import service
from creditlink.decisions.archive import Archive, DecisionQuery, RecordDamaged
from creditlink.decisions.looks import notes
from creditlink.decisions.policy.bundle import PolicyDamaged
from creditlink.decisions.policy.loading import LoadedPolicy
from creditlink.decisions.record import DecisionRecord, RecordInvalid
from creditlink.decisions.replay import ReplayedDecision
from creditlink.engine.explanation.change.change import Change
from creditlink.engine.matching.encoding import StoredMatchesInvalid
from creditlink.engine.matching.outcomes import ProductMatch
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InsufficientRole, InvalidRequest, NotFound
from creditlink.kit.processes import runtime
from creditlink.portal.firm.known.changes import change_steps
from creditlink.portal.site import blueprint, lang, page
from creditlink.portal.staff.decisions import deeper, shown
from creditlink.portal.staff.decisions.access import archive_transaction, purposes, reader_of
from creditlink.portal.staff.decisions.beside import beside
from creditlink.portal.staff.decisions.deeper import ShownLineage
from creditlink.portal.staff.decisions.listing import ListedDecision, newest
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.portal.waterfall import WaterfallStep
from creditlink.profiles.changes.comparison import compare
from creditlink.profiles.changes.routes import models_for
from creditlink.profiles.tables import Profile

DAMAGE = (RecordDamaged, PolicyDamaged, RecordInvalid, StoredMatchesInvalid, LookupError)
DOINGS = ("read", "replay", "compare", "lineage", "products", "note")
"""What a look at a decision is for; each is a look of its own in the firm's log."""
_OTHERS = 20


@dataclass(frozen=True)
class ComparedDecisions:
    """Two decisions on one firm, the earlier first, and what changed."""

    pair: tuple[Profile, Profile]
    change: Change
    steps: list[WaterfallStep]


@dataclass(frozen=True)
class OpenedDecision:
    """A record that somebody looks at, and what they had done with it."""

    archive: Session
    record: DecisionRecord
    purpose: str
    now: datetime
    policy: LoadedPolicy | None
    replayed: ReplayedDecision | None = None
    compared: ComparedDecisions | None = None
    lineage: ShownLineage | None = None
    products: Sequence[ProductMatch] | None = None


@blueprint.get("/staff/decisions/<decision_id>")
@staff_signed_in
def decision(session: Session, here: AtDesk, now: datetime, decision_id: str) -> ResponseReturnValue:
    """Ask why the decision is opened: the firm reads the answer in its log."""
    with archive_transaction(here) as archive:
        return _page(_line(archive, decision_id), here)


@blueprint.post("/staff/decisions/<decision_id>")
@staff_signed_in
def open_decision(session: Session, here: AtDesk, now: datetime, decision_id: str) -> ResponseReturnValue:
    """Open the decision and do what was asked: read, replay, compare or take it out."""
    form = flask.request.form
    doing = form.get("doing", "read")
    with archive_transaction(here) as archive:
        line = _line(archive, decision_id)
        reader, kept = reader_of(here, form.get("purpose", "")), runtime.part(Archive)
        try:
            if doing == "export":
                document = service.exported(archive, line.row.id, reader, kept=kept, now=now)
                return _file(line.row.wire_id, document)
            how = doing if doing in DOINGS else "read"
            looked = "read" if how == "note" else how
            text = notes.checked(form.get("text", "")) if how == "note" else ""
            record = service.opened(archive, line.row.id, reader, doing=looked, kept=kept, now=now)
            opened = OpenedDecision(archive, record, reader.purpose, now, deeper.policy_of(archive, record))
            if how == "note":
                notes.add(archive, line.row.id, text, reader, author_id=here.account.id, now=now)
            opened = _deeper(opened, how, here, kept, line)
            return _page(line, here, opened)
        except InvalidRequest as refused:
            return _page(line, here, error=str(refused.errors[0]["detail"]), status=422)
        except InsufficientRole:
            return _page(line, here, error=gettext("Choose a purpose of your role."), status=422)
        except Conflict as refused:
            return _page(line, here, error=str(refused.detail), status=409)
        except DAMAGE as damage:
            return _page(line, here, error=gettext("The record is damaged: %(how)s", how=str(damage)), status=409)


def _deeper(opened: OpenedDecision, how: str, here: AtDesk, kept: Archive, line: ListedDecision) -> OpenedDecision:
    """Do with an open decision what was asked, beyond reading it."""
    form, archive, record = flask.request.form, opened.archive, opened.record
    if how == "replay":
        (again,) = service.made_again(archive, [record])
        return replace(opened, replayed=again)
    if how == "compare":
        other = _line(archive, form.get("other", ""))
        reader = reader_of(here, opened.purpose)
        second = service.opened(archive, other.row.id, reader, doing=how, kept=kept, now=opened.now)
        return replace(opened, compared=_compared(archive, record, second))
    if how in ("lineage", "products") and opened.policy is None:
        raise PolicyDamaged(gettext("the policy of that day is not at hand"))
    if how == "lineage" and opened.policy is not None:
        profile = shown.profile_of(record)
        found = deeper.lineage(archive, profile, form.get("indicator", ""), opened.policy)
        return replace(opened, lineage=found)
    if how == "products" and opened.policy is not None:
        return replace(opened, products=deeper.products(record, opened.policy))
    return opened


def _line(session: Session, decision_id: str) -> ListedDecision:
    wanted = ids.internal("dec", decision_id)
    found = newest(session, DecisionQuery(limit=1, decision_id=wanted))
    if not found:
        raise NotFound
    return found[0]


def _compared(session: Session, one: DecisionRecord, other: DecisionRecord) -> ComparedDecisions:
    earlier, later = sorted((shown.profile_of(one), shown.profile_of(other)), key=lambda profile: profile.created_at)
    change = compare(earlier, later, models_for(session))
    return ComparedDecisions((earlier, later), change, list(change_steps(earlier, later, change)))


def _file(decision: str, document: str) -> flask.Response:
    headers = {"Content-Disposition": f'attachment; filename="{decision}.json"', "Cache-Control": "no-store"}
    return flask.Response(document, content_type="application/json; charset=utf-8", headers=headers)


def _page(
    line: ListedDecision,
    here: AtDesk,
    opened: OpenedDecision | None = None,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    told: dict[str, object] = {"line": line, "purposes": purposes(here), "error": error, "profile": None}
    if opened is not None:
        profile = shown.profile_of(opened.record)
        told |= {
            "profile": profile,
            "opened": opened,
            "record": opened.record,
            "summary": profile.summary,
            "indicators": shown.indicators(profile, deeper.peers_of(profile, opened.policy)),
            "beside": beside(opened.archive, line.row.id, profile.consent_id, opened.now),
            "steps": _steps(profile),
            "label_of": lambda category: label_of(category, lang()),
            "readers": _readers(opened),
            "others": _others(opened.archive, profile.enterprise_id, line.row.id),
        }
    return page("staff/decisions/decision.html", status=status, **told)


def _readers(opened: OpenedDecision) -> list[dict[str, object]]:
    """Return who read it, in the form of the page: when, and under which consent."""
    return [
        one
        | {
            "at": datetime.fromisoformat(str(one["at"])),
            "consent": None if one["consent_id"] is None else ids.external("cns", UUID(str(one["consent_id"]))),
        }
        for one in service.readers_of(opened.archive, opened.record)
    ]


def _steps(profile: Profile) -> tuple[WaterfallStep, ...]:
    labels = gettext("A firm of which nothing is known"), gettext("Calibration"), gettext("This firm")
    return tuple(shown.from_base_to_score(profile, labels, own="zh" if lang() == "zh" else "en"))


def _others(session: Session, firm: UUID, decision: UUID) -> list[ListedDecision]:
    found = newest(session, DecisionQuery(enterprise_id=firm, limit=_OTHERS + 1))
    return [one for one in found if one.row.id != decision][:_OTHERS]
