"""Credit reports of the firm: make one of its own profile, download it, see who verified it, revoke it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents import own
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import Institution
from creditlink.kit.errors import Conflict, LimitExceeded, NotFound
from creditlink.portal.firm.firms import chosen_with_right, first_with
from creditlink.portal.firm.known.own import check_right
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, lang, page, see_other, settings, signed_in
from creditlink.profiles.service import newest_under
from creditlink.reports import files, looks, rules, service
from creditlink.reports.looks import DayOfViews
from creditlink.reports.routes import means_of
from creditlink.reports.rules import MOST_PURPOSE, MOST_RECIPIENT, SECTIONS, STATES, AskedWrongly, WantedReport
from creditlink.reports.service import OpenedReport
from creditlink.reports.tables import CreditReport

_LISTED = 100
TONES = {
    "valid": "active", "expired": "expired", "revoked": "revoked", "withdrawn": "revoked", "paused": "paused",
    "outdated": "expired",
}  # fmt: skip
"""State of a report -> the tone in which pages show it."""


@dataclass(frozen=True)
class ReportShown:
    """One report in words: for whom and what for as long as that is kept, what it is now, and how often verified."""

    report: CreditReport
    whole: OpenedReport | None
    state: str
    state_text: str
    tone: str
    maker: str | None  # None: the firm itself
    views: Sequence[DayOfViews]

    @property
    def looks(self) -> int:
        """Return how often it was verified in all."""
        return sum(one.looks for one in self.views)


@blueprint.get("/reports")
@signed_in
def reports(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """List the reports on the firm, whoever had them made, and offer to make one of its newest own profile."""
    firms = represented_by(session, account, now)
    if not firms:
        return page("reports/list.html", firms=[], firm=None)
    firm, _ = chosen_with_right(session, firms, flask.request.args.get("enterprise"))
    return _list(session, account, firms, firm, now)


@blueprint.post("/reports")
@signed_in
def make_report(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Make a report of the firm's newest own profile."""
    firms = represented_by(session, account, now)
    form = flask.request.form
    firm, right = chosen_with_right(session, firms, form.get("enterprise", None if len(firms) == 1 else ""))

    def again(error: str, status: int = 422) -> ResponseReturnValue:
        return _list(session, account, firms, firm, now, error=error, status=status)

    consent = own.alive(session, firm.id, now)
    newest = None if consent is None else newest_under(session, consent.id)
    if consent is None or consent.state != "ACTIVE" or newest is None:
        return again(gettext("Make your own profile first: a report repeats it."), 409)
    check_right(right, consent)
    means = means_of(settings())
    try:
        asked = _asked(form, means.settings)
    except AskedWrongly as wrong:
        return again(_in_words(wrong, means.settings))
    missing = stepup.missing(session, account, form, now)
    if missing:
        return again(missing.text, missing.status)
    access = own.access_of(session, consent, account)
    try:
        with session.begin_nested():
            whole = service.make(session, access, newest.id, asked, means=means, now=now)
    except Conflict:
        return again(gettext("Your newest profile is not to be relied on any more. Make a new one first."), 409)
    except LimitExceeded:
        return again(gettext("No more reports can be made today. Try again tomorrow."), 409)
    return see_other(flask.url_for("portal.report", report_id=whole.report.wire_id))


@blueprint.get("/reports/<report_id>")
@signed_in
def report(session: Session, account: Account, now: datetime, report_id: str) -> ResponseReturnValue:
    """Show one report: for whom, until when, what it is now, its files, and its verifications by day."""
    firm, found = _found(session, account, now, report_id)
    return page("reports/report.html", firm=firm, shown=_shown(session, [found], now)[0])


@blueprint.get("/reports/<report_id>/file.<any(pdf, json):kind>")
@signed_in
def report_file(session: Session, account: Account, now: datetime, report_id: str, kind: str) -> ResponseReturnValue:
    """Hand a report out as a file, as often as the firm wants."""
    _, found = _found(session, account, now, report_id)
    whole = service.opened(session, found, secret=settings().secret_key)
    if whole is None:
        raise NotFound
    if kind == "pdf":
        content: bytes | str = files.pdf_of(whole, secret=settings().secret_key)
        mimetype = files.PDF
    else:
        content, mimetype = files.json_of(whole), files.JSON
    name = f"credit-report-{found.made_at:%Y%m%d}-{found.id.hex[:8]}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return flask.Response(content, mimetype=mimetype, headers=headers)


@blueprint.post("/reports/<report_id>/revoke")
@signed_in
def revoke_report(session: Session, account: Account, now: datetime, report_id: str) -> ResponseReturnValue:
    """Revoke a report: one person does it, without a code, as with everything that only stops something."""
    firm, _ = _found(session, account, now, report_id)
    service.revoke(session, firm, report_id, account, now)
    return see_other(flask.url_for("portal.report", report_id=report_id))


def _found(session: Session, account: Account, now: datetime, report_id: str) -> tuple[Enterprise, CreditReport]:
    def own_report(firm: Enterprise) -> CreditReport | None:
        try:
            return service.of_firm(session, firm, report_id)
        except NotFound:
            return None

    return first_with(session, account, now, own_report)


def _asked(form: Mapping[str, str], limits: rules.ReportSettings) -> WantedReport:
    days = form.get("days", "")
    if not (days.isascii() and days.isdigit() and len(days) < 4):
        raise AskedWrongly("valid_days", "not a number")
    shown = set(flask.request.form.getlist("section"))
    return rules.asked_of(
        recipient=form.get("recipient", ""), purpose=form.get("purpose", ""), language=form.get("language", ""),
        days=int(days), left_out=[name for name in SECTIONS if name not in shown], settings=limits,
    )  # fmt: skip


def _in_words(wrong: AskedWrongly, limits: rules.ReportSettings) -> str:
    most = {"recipient": MOST_RECIPIENT, "purpose": MOST_PURPOSE}
    if wrong.field == "recipient":
        return str(gettext("Say for whom it is, in one line of 1 to %(n)d characters.", n=most["recipient"]))
    if wrong.field == "purpose":
        return str(gettext("Say what it is for, in one line of 1 to %(n)d characters.", n=most["purpose"]))
    if wrong.field == "valid_days":
        return str(gettext("Choose 1 to %(n)d days.", n=limits.most_days))
    return str(gettext("This cannot be chosen here."))


def _list(
    session: Session,
    account: Account,
    firms: Sequence[tuple[Enterprise, Representation]],
    firm: Enterprise,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    consent = own.alive(session, firm.id, now)
    newest = newest_under(session, consent.id) if consent is not None and consent.state == "ACTIVE" else None
    form = flask.request.form if flask.request.method == "POST" else None
    return page(
        "reports/list.html",
        status=status,
        firms=[one for one, _ in firms],
        firm=firm,
        newest=newest,
        limits=means_of(settings()).settings,
        sections=[(name, both[lang() != "zh"]) for name, both in SECTIONS.items()],
        kept=form or {},
        shown_sections=form.getlist("section") if form else list(SECTIONS),
        most=(MOST_RECIPIENT, MOST_PURPOSE),
        error=error,
        ask_code=stepup.needs_code(account, now),
        rows=_shown(session, service.all_of(session, firm, limit=_LISTED), now),
    )


def _shown(session: Session, found: Sequence[CreditReport], now: datetime) -> list[ReportShown]:
    views = looks.views_of(session, found)
    name = Institution.name_zh if lang() == "zh" else Institution.name_en
    wanted = {one.institution_id for one in found if not is_own(one.institution_id)}
    names = dict(session.execute(select(Institution.id, name).where(Institution.id.in_(wanted))).all())
    states = looks.states_of(session, found, now)
    whole = service.all_opened(session, found, secret=settings().secret_key)
    return [
        ReportShown(
            one, whole.get(one.id), state := states[one.id], STATES[state][lang() != "zh"], TONES[state],
            names.get(one.institution_id), views.get(one.id, []),
        )
        for one in found
    ]  # fmt: skip
