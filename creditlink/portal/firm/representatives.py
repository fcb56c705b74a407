"""Who may act for a firm: agents appointed within limits and ended, and whether two must sign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink.audit.tables import AuditEntry
from creditlink.consents.agreement.categories import label_of
from creditlink.enterprises import accounts, representation
from creditlink.enterprises.identity import invitations
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit.clock import SHANGHAI, start_of_day
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.portal.firm import acts
from creditlink.portal.firm.financing.words import WAN
from creditlink.portal.firm.firms import chosen_with_right, enter, firms_of
from creditlink.portal.person import stepup, throttle
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, served, signed_in

_CHANGES = ("representation.appoint", "representation.end", "enterprise.signatures")
_SHOWN = 50
_LONGEST_DAYS = 3660


@dataclass(frozen=True)
class HistoryLine:
    """One line of the history: what was changed, for whom, by whom and why."""

    at: datetime
    action: str
    person: str
    by: str
    reason: str
    two_signatures: bool  # of a change of the rule: whether two must sign from then on


@dataclass(frozen=True)
class RepresentativeRow:
    """A person who may act for the firm, and an agent's limits in words."""

    right: Representation
    person: Account
    terms: list[tuple[str, str]]


@blueprint.get("/representatives")
@signed_in
def representatives(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show who may act for the firm, within which limits, and every change of it."""
    firms = represented_by(session, account, now)
    if not firms:
        return page("firm/representatives.html", firm=None, firms=[])
    firm, right = chosen_with_right(session, firms, flask.request.args.get("enterprise"))
    return show(session, account, firm, right, now)


@blueprint.post("/representatives/appoint")
@signed_in
def appoint_agent(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Appoint an agent, or give one new limits."""
    form = flask.request.form
    firm, right = firm_led_by(session, account, now)
    try:
        limits, until = limits_in(form), end_in(form)
        missing = stepup.missing(session, account, form, now)
        if missing:
            return show(session, account, firm, right, now, error=missing.text, status=missing.status)
        agent, reason = _person(session, account, form, now), form.get("reason", "")
        representation.check_appointment(
            session, enterprise=firm, account=agent, role="agent", valid_until=until, limits=limits, reason=reason,
            now=now,
        )  # fmt: skip
        subject = {
            "account": str(agent.id),
            "limits": limits,
            "valid_until": until.isoformat() if until else None,
            "reason": reason,
            "appointed_by": str(account.id),
        }
        acts.carry_out(session, account, firm, "appoint", subject, now)
    except (InvalidRequest, Conflict) as wrong:
        return show(session, account, firm, right, now, error=problem_text(wrong), status=422)
    return back_to(firm)


@blueprint.post("/representatives/<uuid:right_id>/end")
@signed_in
def end_agent(session: Session, account: Account, now: datetime, right_id: UUID) -> ResponseReturnValue:
    """End an appointment, from the agent's next request on; consents stay alive."""
    firm, right = firm_led_by(session, account, now)
    # Lock the firm first, as signing does: no second signature comes between.
    session.refresh(firm, with_for_update={"key_share": True})
    appointment = representation.representation_of(session, firm, right_id)
    if appointment is None or appointment.role != "agent":
        raise NotFound
    reason = flask.request.form.get("reason", "")
    try:
        representation.end_representation(session, appointment, actor=f"account:{account.id}", reason=reason, now=now)
    except (InvalidRequest, Conflict) as wrong:
        return show(session, account, firm, right, now, error=problem_text(wrong), status=422)
    return back_to(firm)


@blueprint.post("/representatives/signatures")
@signed_in
def change_signatures(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Say whether two people must sign: one switches it on, and only two switch it off."""
    form = flask.request.form
    firm, right = firm_led_by(session, account, now)
    missing = stepup.missing(session, account, form, now)
    if missing:
        return show(session, account, firm, right, now, error=missing.text, status=missing.status)
    try:
        reason = form.get("reason", "")
        if form.get("two_signatures") == "on":
            representation.want_two_signatures(
                session, firm, True, actor=f"account:{account.id}", reason=reason, now=now
            )
        elif firm.two_signatures:
            representation.check_reason(reason)
            acts.carry_out(session, account, firm, "signatures", {"two_signatures": False, "reason": reason}, now)
    except (InvalidRequest, Conflict) as wrong:
        return show(session, account, firm, right, now, error=problem_text(wrong), status=422)
    return back_to(firm)


def show(
    session: Session,
    account: Account,
    firm: Enterprise,
    right: Representation,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """Show the people of a firm, to one of them."""
    enter(session, firm)
    return page(
        "firm/representatives.html",
        status=status,
        error=error,
        firm=firm,
        firms=firms_of(session, account, now),
        people=[_row(*one) for one in representation.representatives_of(session, firm, now)],
        leads=right.role == "legal_representative",
        me=account.id,
        kept=flask.request.form if error else {},
        categories={code: label_of(code, lang()) for code in served().categories},
        purposes=acts.purpose_labels(),
        tomorrow=(now.astimezone(SHANGHAI) + timedelta(days=1)).date(),
        ask_code=stepup.needs_code(account, now),
        changes=_changes(session, firm),
        invitations=invitations.waiting(session, firm, now),
        acts=[one for one in acts.waiting_for(session, account, now) if one.firm.id == firm.id],
    )


def _row(right: Representation, person: Account) -> RepresentativeRow:
    terms = acts.agent_terms(right.limits, right.valid_until, proposed=False) if right.role == "agent" else []
    return RepresentativeRow(right, person, terms)


def _changes(session: Session, firm: Enterprise) -> list[HistoryLine]:
    """Return what the firm's evidence says of its representatives, the latest first."""
    query = (
        select(AuditEntry)
        .where(AuditEntry.chain_id == firm.id, AuditEntry.action.in_(_CHANGES))
        .order_by(AuditEntry.seq.desc())
        .limit(_SHOWN)
    )
    entries = session.scalars(query).all()
    ids = {UUID(e.detail["account"]) for e in entries if "account" in e.detail}
    ids |= {UUID(e.actor.removeprefix("account:")) for e in entries if e.actor.startswith("account:")}
    names = {str(a.id): a.display_name for a in session.scalars(select(Account).where(Account.id.in_(ids)))}
    return [
        HistoryLine(
            at=e.at,
            action=e.action,
            person=names.get(e.detail.get("account", ""), ""),
            by=names.get(e.actor.removeprefix("account:"), gettext("CreditLink's operator")),
            reason=e.detail.get("reason", ""),
            two_signatures=bool(e.detail.get("two_signatures")),
        )
        for e in entries
    ]


def firm_led_by(session: Session, account: Account, now: datetime) -> tuple[Enterprise, Representation]:
    """Return the form's firm if the account is its legal representative now; any other is not found."""
    firm, right = chosen_with_right(
        session, represented_by(session, account, now), flask.request.form.get("enterprise", "")
    )
    if right.role != "legal_representative":
        raise NotFound
    return firm, right


def _person(session: Session, account: Account, form: MultiDict[str, str], now: datetime) -> Account:
    """Return the account that the form names. Tries are counted, so that the form does not reveal who has one."""
    keys = throttle.keys_for(f"appoint:{account.id}", flask.request.remote_addr or "")
    if throttle.admit(session, keys, now) is not None:
        raise InvalidRequest(gettext("Too many tries. Wait a while and try again."))
    found = accounts.by_login(session, form.get("login", "")[:128])
    if found is None or found.status != "active" or found.role != "enterprise":
        raise InvalidRequest(gettext("Nobody who can be appointed has this login."))
    return found


def limits_in(form: MultiDict[str, str]) -> dict[str, object] | None:
    """Return the limits in the form; ticking everything, or nothing of a kind, is no limit of that kind."""
    limits: dict[str, object] = {}
    for name, known in (("categories", served().categories), ("purposes", fair_use().templates)):
        chosen = [one for one in known if one in form.getlist(name)]
        if not chosen:
            raise InvalidRequest(gettext("Tick at least one purpose and one kind of data."))
        if len(chosen) < len(known):
            limits[name] = chosen
    largest = form.get("largest_loan", "").strip()
    if largest:
        if not (largest.isascii() and largest.isdigit() and len(largest) < 8 and int(largest)):
            raise InvalidRequest(gettext("The largest loan must be a whole number of ten thousand yuan."))
        limits["largest_loan_fen"] = int(largest) * WAN * 100
    days = form.get("longest_days", "").strip()
    if days:
        if not (days.isascii() and days.isdigit() and len(days) < 6 and 1 <= int(days) <= _LONGEST_DAYS):
            raise InvalidRequest(gettext("The longest consent must be a whole number of days."))
        limits["longest_days"] = int(days)
    return limits or None


def end_in(form: MultiDict[str, str]) -> datetime | None:
    """Return when the appointment ends: with the end of the last day, in Shanghai."""
    text = form.get("last_day", "").strip()
    if not text:
        return None
    try:
        return start_of_day(date.fromisoformat(text) + timedelta(days=1))
    except (ValueError, OverflowError):
        raise InvalidRequest(gettext("The last day is not a date.")) from None


def problem_text(wrong: InvalidRequest | Conflict) -> str:
    """Return why an appointment is refused, in words."""
    words = {
        "legal_representative": gettext("The legal representative needs no appointment."),
        "ended": gettext("It has ended already."),
        "needs_two_people": gettext("Two people must be able to act for the firm first. Appoint an agent."),
    }
    fields = {
        "/reason": gettext("Say why, in at most 200 characters: it is kept in the firm's evidence."),
        "/valid_until": gettext("The last day is over already."),
    }
    for error in wrong.errors:
        return str(fields.get(error["pointer"], error["detail"]))
    return str(words.get(str(wrong.extra.get("reason", "")), wrong.detail or ""))


def back_to(firm: Enterprise) -> ResponseReturnValue:
    """Lead back to the people of a firm."""
    return see_other(flask.url_for("portal.representatives", enterprise=firm.id))
