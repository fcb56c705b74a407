"""The firm's own records: uploaded where its tax office's answer is missing, followed, compared, withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.disputes.rules.datum import Datum
from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit import jobs
from creditlink.kit.clock import add_months
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.files.text import printable
from creditlink.kit.money import grouped_yuan
from creditlink.kit.processes import runtime
from creditlink.portal.firm.firms import chosen_with_right, firms_of
from creditlink.portal.site import blueprint, lang, page, see_other, settings, signed_in
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.records.pulls.delivery import FactValue
from creditlink.records.tables import FactRow
from creditlink.uploads import service
from creditlink.uploads.reading.refusal import REFUSALS
from creditlink.uploads.reading.words import in_chinese
from creditlink.uploads.standing import CATEGORY
from creditlink.uploads.tables import Upload, UploadCheck, WrongLine

_SHOWN = 60


@dataclass(frozen=True)
class CheckShown:
    """One period of an upload beside what the office says of it."""

    period: str
    what: str
    outcome: str
    differences: list[tuple[str, str, str]]  # column, the firm's, the office's
    datum: Datum | None  # the office's row, where it says otherwise: it can be disputed


@blueprint.get("/uploads")
@signed_in
def uploads(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show what the firm has uploaded, and take a file."""
    firm, right = _firm(session, account, now, flask.request.args.get("enterprise"))
    return _show(session, account, firm, right, now)


@blueprint.post("/uploads")
@signed_in
def upload_file(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Take a file of the firm's and queue its reading."""
    form = flask.request.form
    firm, right = _firm(session, account, now, form.get("enterprise", ""))
    if not _may(right):
        return _show(
            session, account, firm, right, now, status=403,
            error=gettext("Your firm did not appoint you to share tax records. Ask the legal representative."),
        )  # fmt: skip
    sent = flask.request.files.get("file")
    content = sent.read() if sent is not None else b""
    if form.get("unaltered") != "yes":
        error = gettext("Confirm that the file is as the tax platform gave it.")
        return _show(session, account, firm, right, now, error=error, status=422)
    try:
        upload = service.receive(session, firm, account, content, rules=runtime.part(ProfileRules).uploads, now=now)
    except InvalidRequest:
        error = gettext("Choose a file that is not empty.")
        return _show(session, account, firm, right, now, error=error, status=422)
    except service.AlreadyUploaded:
        error = gettext("You have uploaded this very file before.")
        return _show(session, account, firm, right, now, error=error, status=409)
    except service.TooManyUploads:
        error = gettext("That is enough for today. Try again tomorrow.")
        return _show(session, account, firm, right, now, error=error, status=409)
    return see_other(flask.url_for("portal.upload", upload_id=upload.wire_id, enterprise=firm.id))


@blueprint.get("/uploads/<upload_id>")
@signed_in
def upload(session: Session, account: Account, now: datetime, upload_id: str) -> ResponseReturnValue:
    """Show how far a file has come, what was taken of it, what was not and why, and what the office says."""
    firm, _ = _firm(session, account, now, flask.request.args.get("enterprise"))
    one = service.of_firm(session, firm, upload_id)
    return page(
        "firm/upload.html",
        firm=firm,
        one=one,
        may_withdraw=one.state != "withdrawn",
        refusal=_refusal(one),
        months=_months(one),
        wrong_lines=_wrong_lines(one),
        checks=[_check(check, _disputable(session, check)) for check in service.checks_of(session, one)],
    )


@blueprint.post("/uploads/<upload_id>/withdraw")
@signed_in
def withdraw_upload(session: Session, account: Account, now: datetime, upload_id: str) -> ResponseReturnValue:
    """Delete an upload: it counts no more at once, which takes one person and no code."""
    firm, _ = _firm(session, account, now, flask.request.form.get("enterprise", ""))
    service.withdraw(session, firm, upload_id, account, now)
    jobs.defer(session, "retention.purge_firm", queue="system", queueing_lock=f"purge:{firm.id}", firm=str(firm.id))
    return see_other(flask.url_for("portal.uploads", enterprise=firm.id))


def _firm(session: Session, account: Account, now: datetime, named: str | None) -> tuple[Enterprise, Representation]:
    return chosen_with_right(session, represented_by(session, account, now), named)


def _may(right: Representation) -> bool:
    """Return whether the person may speak of the firm's tax records: an agent within its limits."""
    limits = right.limits or {}
    return "categories" not in limits or CATEGORY in limits["categories"]


def _show(
    session: Session,
    account: Account,
    firm: Enterprise,
    right: Representation,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    return page(
        "firm/uploads.html",
        status=status,
        error=error,
        firm=firm,
        firms=firms_of(session, account, now),
        may_upload=_may(right),
        rows=[(one, _months(one), _refusal(one)) for one in service.uploads_of(session, firm)],
        most_mb=settings().max_upload_bytes // 1024 // 1024,
        rules=runtime.part(ProfileRules).uploads,
    )


def _refusal(one: Upload) -> str:
    return REFUSALS[one.refusal][0 if lang() == "zh" else 1] if one.refusal in REFUSALS else ""


def _wrong_lines(one: Upload) -> list[WrongLine]:
    if lang() != "zh":
        return one.wrong_lines
    return [{**row, "problem": in_chinese(row["problem"])} for row in one.wrong_lines]


def _months(one: Upload) -> str:
    return f"{one.first_month:%Y-%m} – {one.last_month:%Y-%m}" if one.first_month and one.last_month else ""


def _disputable(session: Session, check: UploadCheck) -> Datum | None:
    """Return the office's newest row on the months of a check that differs, as far as one is held."""
    if check.outcome != "differs":
        return None
    end = add_months(check.period, check.months)
    rows = session.scalars(
        select(FactRow)
        .where(
            FactRow.enterprise_id == check.enterprise_id, FactRow.frame == check.frame,
            FactRow.period >= check.period, FactRow.period < end,
        )
        .order_by(FactRow.period, FactRow.known_at.desc(), FactRow.id.desc())
    ).all()  # fmt: skip
    of_kind = [row for row in rows if check.frame != "invoice_months" or row.subkey.startswith(check.subkey)]
    return Datum(of_kind[0].frame, of_kind[0].period, of_kind[0].subkey) if of_kind else None


def _check(check: UploadCheck, datum: Datum | None) -> CheckShown:
    kinds = {
        "vat_declarations": gettext("VAT declaration"),
        "output": gettext("Sales invoices"),
        "input": gettext("Purchase invoices"),
    }
    outcomes = {
        "same": gettext("agrees"),
        "differs": gettext("differs"),
        "absent": gettext("the tax office has nothing for this period"),
    }
    return CheckShown(
        period=_period(check.period, check.months),
        what=str(kinds.get(check.subkey if check.frame == "invoice_months" else check.frame, check.frame)),
        outcome=str(outcomes[check.outcome]),
        differences=[
            (_label(check.frame, name), _value(name, mine), _value(name, theirs))
            for name, (mine, theirs) in sorted(check.differences.items())
        ],
        datum=datum,
    )


def _period(first: date, months: int) -> str:
    return f"{first:%Y-%m}" if months == 1 else f"{first:%Y-%m} – {add_months(first, months - 1):%Y-%m}"


def _label(frame: str, name: str) -> str:
    labels: Mapping[str, str] = {i.name: i.label_zh if lang() == "zh" else i.label_en for i in ITEMS[frame]}
    return labels.get(name, name)


def _value(name: str, value: FactValue) -> str:
    if value is None:
        return "–"
    return f"¥{grouped_yuan(int(value))}" if name.endswith("_fen") else printable(str(value))[:_SHOWN]
