"""Filing a dispute: the row that is wrong, what it should say, why, and the evidence; without a script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.disputes import configuration, service, versions
from creditlink.disputes.rules import registration
from creditlink.disputes.rules.datum import CLAIMS, FRAMES, REPAIR, SEARCHED, DatumInvalid, datum_from
from creditlink.disputes.rules.datum import wanted_value as read_value
from creditlink.disputes.rules.registration import EntryInvalid
from creditlink.disputes.rules.repair import RepairStanding
from creditlink.disputes.rules.settings import DisputeSettings
from creditlink.disputes.service import WantedDispute
from creditlink.disputes.versions import DatumVersion
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.documents import REFUSALS, HandedFileRefused, TakenFile, file_from
from creditlink.portal.firm.firms import chosen_with_right, firms_of
from creditlink.portal.firm.records.disputes import shown
from creditlink.portal.firm.records.disputes.register import entries_of
from creditlink.portal.site import blueprint, page, see_other, settings, signed_in
from creditlink.records.pulls.delivery import FactValue
from creditlink.records.tables import FactRow

_ROWS = 40
"""Rows of one kind that are offered to be disputed, the newest first."""


@blueprint.get("/disputes/new")
@signed_in
def new_dispute(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the row that is to be disputed, with the form; without one, the rows of a kind to choose from."""
    firm, right = own_firm(session, account, now, flask.request.args.get("enterprise"))
    record = flask.request.args.get("record")
    if record is None:
        return _choose(session, account, firm, now)
    return _form(session, firm, right, _version(session, firm, record, now), now)


@blueprint.post("/disputes/new")
@signed_in
def file_dispute(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Take a dispute in."""
    form = flask.request.form
    firm, right = own_firm(session, account, now, form.get("enterprise", ""))
    fact = _version(session, firm, form.get("record", ""), now)
    if not _may(right, fact):
        error = gettext("Your firm did not appoint you to act on this kind of data. Ask the legal representative.")
        return _form(session, firm, right, fact, now, error=error, status=403)
    terms = configuration.current()
    try:
        asked = WantedDispute(
            datum_from(form.get("record", "")), form.get("claim", ""), form.get("statement", "").strip(),
            _wanted(fact, now), _evidence(terms.settings),
        )  # fmt: skip
        dispute = service.file(session, firm, account, asked, terms=terms, now=now)
    except HandedFileRefused as refused:
        name = f"{refused.name}: " if refused.name else ""
        return _form(session, firm, right, fact, now, error=name + shown.own(REFUSALS[refused.reason]), status=422)
    except (DatumInvalid, EntryInvalid):
        error = gettext("What it should say does not read: amounts in yuan, days as 2026-03-31, – for nothing.")
        return _form(session, firm, right, fact, now, error=error, status=422)
    except InvalidRequest as refused:
        error = gettext("Say what is wrong, in at most %(n)d characters.", n=service.MOST_STATEMENT)
        if all(one["pointer"] == "/wanted" for one in refused.errors):
            error = gettext("Say what the register should say: other than it says now.")
        return _form(session, firm, right, fact, now, error=error, status=422)
    except Conflict as conflict:
        return _form(session, firm, right, fact, now, error=_in_words(conflict), status=409)
    return see_other(flask.url_for("portal.dispute", dispute_id=dispute.wire_id, enterprise=firm.id))


def own_firm(session: Session, account: Account, now: datetime, named: str | None) -> tuple[Enterprise, Representation]:
    """Return the firm that a page is about, and the person's right in it; the transaction then sees it.

    Raises
    ------
    NotFound
    """
    return chosen_with_right(session, represented_by(session, account, now), named)


def _version(session: Session, firm: Enterprise, record: str, now: datetime) -> DatumVersion:
    try:
        datum = datum_from(record)
    except DatumInvalid:
        raise NotFound from None
    found = versions.in_force(session, firm.id, datum, now)
    if found is None or datum.kind == SEARCHED:
        raise NotFound
    return found


def _may(right: Representation, fact: DatumVersion) -> bool:
    """Return whether the person may speak of the row: an agent within its limits.

    An agent for some kinds of data speaks of those; of the firm's registration one speaks that is not bound to any.
    """
    limits = right.limits or {}
    return "categories" not in limits or fact.category in limits["categories"]


def _wanted(fact: DatumVersion, now: datetime) -> dict[str, FactValue]:
    """Return what the row should say, of the columns that the person filled in."""
    form = flask.request.form
    filled = {name: form.get(f"wanted_{name}", "").strip() for name in fact.values}
    if fact.datum.is_registered:
        read = {name: registration.wanted_entry(name, text, today=day_of(now)) for name, text in filled.items() if text}
        # A list comes as the page wrote it: who says that it is not the firm's own need not empty it.
        is_begun = form.get("claim") == "not_ours"
        return {
            name: one for name, one in read.items() if not (is_begun and registration.is_same(one, fact.values[name]))
        }
    return {name: read_value(fact.datum.frame, name, text) for name, text in filled.items() if text}


def _evidence(bounds: DisputeSettings) -> list[TakenFile]:
    sent = [one for one in flask.request.files.getlist("evidence") if one.filename]
    if len(sent) > bounds.most_files:
        raise HandedFileRefused("too_many")
    found = [file_from(one.filename or "", one.read(), most_bytes=bounds.most_file_bytes) for one in sent]
    if len({one.content for one in found}) < len(found):
        raise HandedFileRefused("repeated")
    return found


def _in_words(conflict: Conflict) -> str:
    reasons = {
        "disputed": gettext("This row is disputed already; see the list."),
        "too_many_disputes": gettext("Your firm has as many open disputes as it may."),
        "repair_too_early": gettext("It is too early: a record of this kind is published for some time in any case."),
        "repair_over": gettext("Its publication is over already."),
        "repair_ended": gettext("The record is closed already; there is nothing to repair."),
        "repair_no_rule": gettext(
            "No rule of repair is about such a record. A court takes a debtor off its list itself."
        ),
    }
    return str(reasons.get(str(conflict.extra.get("reason")), conflict.detail))


def _form(
    session: Session,
    firm: Enterprise,
    right: Representation,
    fact: DatumVersion,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    terms = configuration.current()
    standing = service.repair_of(fact, terms, now)
    claims = {name: shown.own(words) for name, words in CLAIMS.items() if name in _claims(fact, standing)}
    known = service.open_on(session, firm.id, fact.datum)
    return page(
        "disputes/new.html",
        status=status,
        error=error,
        firm=firm,
        row=shown.row_of(fact),
        may=_may(right, fact),
        known=known,
        claims=claims,
        chosen=flask.request.values.get("claim", ""),
        statement=flask.request.form.get("statement", ""),
        typed={name: flask.request.form.get(f"wanted_{name}", _begun(name, fact)) for name in fact.values},
        longest=registration.LONGEST_LIST if fact.datum.is_registered else 60,
        standing=standing,
        rules=terms.settings,
        most=service.MOST_STATEMENT,
        most_mb=settings().max_upload_bytes // 1024 // 1024,
        answer_by=terms.calendar.due_at(now, terms.settings.source_days),
    )


def _claims(fact: DatumVersion, standing: RepairStanding | None) -> set[str]:
    """Return what may be claimed of a row: what the register says is not settled or repaired."""
    if fact.datum.is_registered:
        return {"wrong", "not_ours"}
    return set(CLAIMS) if standing is not None else set(CLAIMS) - {REPAIR}


def _begun(name: str, fact: DatumVersion) -> str:
    """Return what stands in a field before anybody wrote in it: of a list, its lines."""
    is_list = fact.datum.is_registered and registration.ENTRIES[name].form == "list"
    return str(fact.values[name] or "") if is_list else ""


def _choose(session: Session, account: Account, firm: Enterprise, now: datetime) -> ResponseReturnValue:
    there = session.scalars(select(FactRow.frame).where(FactRow.enterprise_id == firm.id).distinct()).all()
    frames = [name for name in FRAMES if name in there or name == registration.FRAME]
    wanted = flask.request.args.get("kind", "")
    frame = wanted if wanted in frames else next(iter(frames), "")
    return page(
        "disputes/choose.html",
        firm=firm,
        firms=firms_of(session, account, now),
        kinds={name: shown.own(FRAMES[name]) for name in frames},
        kind=frame,
        rows=[shown.row_of(versions.of_fact(fact)) for fact in _newest(session, firm, frame)],
        registered=entries_of(session, firm, now) if frame == registration.FRAME else None,
    )


def _newest(session: Session, firm: Enterprise, frame: str) -> Sequence[FactRow]:
    """Return the rows of a kind that are in force, the newest months first."""
    query = select(FactRow).where(FactRow.enterprise_id == firm.id, FactRow.frame == frame)
    order = (FactRow.period.desc(), FactRow.subkey, FactRow.version.desc(), FactRow.known_at.desc(), FactRow.id.desc())
    found: dict[tuple[object, str], FactRow] = {}
    for fact in session.scalars(query.order_by(*order).limit(_ROWS * 3)):
        if fact.subkey.partition("/")[0] != SEARCHED:
            found.setdefault((fact.period, fact.subkey), fact)
    return list(found.values())[:_ROWS]
