"""Who saw what of a firm: every access and every refused one, and the whole chain of evidence to keep."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.audit.tables import AuditEntry
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import start_of_day
from creditlink.kit.errors import NotFound
from creditlink.portal.firm import overview
from creditlink.portal.firm.firms import chosen, firms_of
from creditlink.portal.firm.home import download
from creditlink.portal.firm.overview import AccessRow
from creditlink.portal.sheets.filling import export_of, of_query, status_of
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter, as_day
from creditlink.portal.site import blueprint, fair_use, lang, page, settings, signed_in

_A_PAGE = 50


@blueprint.get("/accesses.jsonl")
@signed_in
def evidence(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Give the firm its whole chain of evidence, one JSON object a line, as `creditlink audit verify` takes it."""
    firm = chosen(session, firms_of(session, account, now), flask.request.args.get("enterprise"))
    if firm is None:
        raise NotFound
    sealed = audit.export_sealed(session, firm.id, issuer=settings().issuer, secret=settings().secret_key, now=now)
    lines = [json.dumps(line, ensure_ascii=False) for line in sealed]
    return download("".join(f"{line}\n" for line in lines), "evidence.jsonl")


@blueprint.get("/accesses")
@signed_in
def accesses(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show every access to the firm's data, refused ones too, the latest first."""
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.args.get("enterprise"))
    if firm is None:
        return page("consents/accesses.html", firms=firms, firm=None, found=None)
    found = _sheet(session, firm)
    return export_of(found, name="accesses") or page(
        "consents/accesses.html", status=status_of(found), firms=firms, firm=firm, found=found
    )


def _sheet(session: Session, firm: Enterprise) -> Sheet[AccessRow]:
    lenders = select(AuditEntry.institution_id).where(AuditEntry.chain_id == firm.id)
    names = session.scalars(select(Institution).where(Institution.id.in_(lenders)).order_by(Institution.code))
    who = [(one.code, one.name_zh if lang() == "zh" else one.name_en) for one in names]
    results = [("disclosed", gettext("Shared")), ("refused", gettext("Refused"))]
    return of_query(
        session, overview.accesses_query(firm), _columns(firm), (
            SheetFilter("who", gettext("Who"), "choice", who),
            SheetFilter("result", gettext("Result"), "choice", results),
            SheetFilter("since", gettext("First day"), "day"),
            SheetFilter("until", gettext("Until the day"), "day"),
        ),
        make=lambda found: overview.access_row(*found, lang=lang(), fair_use=fair_use()),
        by={"when": AuditEntry.seq, "who": Institution.code, "what": AuditEntry.action, "result": AuditEntry.result},
        where={
            "who": lambda code: Institution.code == code, "result": lambda result: AuditEntry.result == result,
            "since": lambda day: AuditEntry.at >= start_of_day(as_day(day)),
            "until": lambda day: AuditEntry.at < start_of_day(as_day(day) + timedelta(days=1)),
        },
        then=AuditEntry.seq, label=gettext("Who saw what"), first="-when", empty=gettext("None so far."),
        per_page=_A_PAGE,
    )  # fmt: skip


def _columns(firm: Enterprise) -> Sequence[SheetColumn[AccessRow]]:
    words = functools.cache(_words)  # a macro translates all that it knows, for each row anew
    between = "、" if lang() == "zh" else ", "
    return (
        SheetColumn("when", gettext("When"), lambda one: one.at, "instant", link=_line_of(firm)),
        SheetColumn("who", gettext("Who"), lambda one: one.institution or gettext("unknown")),
        SheetColumn(
            "what", gettext("What"), lambda one: one.action, text=lambda one: words("action", one.action),
            note=lambda one: one.purpose or "", note_label=gettext("Purpose"),
        ),
        SheetColumn(
            "data", gettext("Data"), lambda one: between.join(name for name, _ in one.categories), "own", sorts=False
        ),
        SheetColumn("result", gettext("Result"), lambda one: one.result, "own", text=_result),
    )  # fmt: skip


def _line_of(firm: Enterprise) -> Callable[[AccessRow], str]:
    return lambda one: flask.url_for("portal.access", seq=one.seq, enterprise=firm.id)


def _result(one: AccessRow) -> str:
    if one.result == "disclosed":
        return str(gettext("Shared"))
    if one.result != "refused":
        return _words("fetched", one.result)
    return str(gettext("Refused")) + (f": {_words('reason', one.reason)}" if one.reason else "")


def _words(macro: str, code: str) -> str:
    """Return the words that the pages have for a code."""
    return str(flask.get_template_attribute("portal/parts.html", macro)(code)).strip()
