"""Acts that a firm may want two people for: signed on their own pages, and signed second from the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from creditlink.consents import service as consents
from creditlink.consents.agreement.categories import CATEGORIES, label_of
from creditlink.consents.agreement.statement import when
from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import UTILITY
from creditlink.enterprises import representation, second_signatures
from creditlink.enterprises.discoverability import set_discoverable
from creditlink.enterprises.service import may_act, outside_limits
from creditlink.enterprises.tables import Account, Enterprise, FirmAct, Representation
from creditlink.financing.applications import acceptance, applications
from creditlink.financing.tables import Application
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import ConsentRefused, NotFound
from creditlink.portal.firm.financing.words import clocks, label, money, name
from creditlink.portal.firm.firms import enter, firms_of, first_with
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, signed_in

Limits = Mapping[str, object]
"""What an agent may decide: `purposes`, `categories`, `longest_days`, `largest_loan_fen`, each only where limited."""


@dataclass(frozen=True)
class WaitingAct:
    """An act that waits for its second signature, in words."""

    act: FirmAct
    firm: Enterprise
    title: str
    about: str
    by: str
    is_own: bool  # the reader has signed it
    address: str  # of the page that shows it in full
    terms: list[tuple[str, str]]  # what exactly is signed, where no page shows it before it is done


def carry_out(
    session: Session, account: Account, firm: Enterprise, act: str, subject: Mapping[str, object], now: datetime
) -> bool:
    """Sign an act for the firm and do it if that is enough; return whether it is done.

    Raises
    ------
    ConsentRefused
        The account may not act for the firm, or this is beyond its limits.
    Problem
        The act itself is refused.
    """
    if act == "accept":
        return acceptance.accept(
            session,
            applications.internal(str(subject["application"])),
            account=account,
            enterprise=firm,
            offer_sha256=str(subject["offer_sha256"]),
            clocks=clocks(),
            now=now,
        )
    if act == "resume":
        return _resume(session, account, firm, subject, now)
    if not second_signatures.sign(session, firm, act, subject, account=account, now=now):
        return False
    actor = f"account:{account.id}"
    if act == "appoint":
        _appoint(session, firm, subject, now)
    elif act == "signatures":
        representation.want_two_signatures(session, firm, False, actor=actor, reason=str(subject["reason"]), now=now)
    else:
        set_discoverable(session, firm, True, actor=actor, now=now)
    return True


def _resume(session: Session, account: Account, firm: Enterprise, subject: Mapping[str, object], now: datetime) -> bool:
    consent = session.get_one(Consent, ids.internal("cns", str(subject["consent"])))

    def beyond(right: Representation) -> str | None:
        return outside_limits(
            right, purpose=consent.purpose, categories=consent.categories, runs_days=consent.runs_days(now)
        )

    right = may_act(session, account, firm, now)
    limit = beyond(right) if right else None
    if limit:
        raise ConsentRefused(f"beyond what the agent may decide: {limit}", reason="beyond_agent_limits", beyond=limit)
    if consent.state == "PAUSED" and not second_signatures.sign(
        session, firm, "resume", subject, account=account, now=now, may=lambda first: beyond(first) is None
    ):
        return False
    consents.resume(session, consent, actor=f"account:{account.id}", reason="by_the_firm", now=now)
    return True


def _appoint(session: Session, firm: Enterprise, subject: Mapping[str, object], now: datetime) -> None:
    limits, until = _appointment(subject)
    with session.begin_nested():
        representation.appoint(
            session,
            enterprise=firm,
            account=session.get_one(Account, UUID(str(subject["account"]))),
            role="agent",
            limits=limits,
            valid_until=until,
            appointed_by=session.get_one(Account, UUID(str(subject["appointed_by"]))),
            reason=str(subject["reason"]),
            now=now,
        )


def _appointment(subject: Mapping[str, object]) -> tuple[Limits | None, datetime | None]:
    """Return an appointment's limits and its end."""
    limits, until = subject["limits"], subject["valid_until"]
    return limits if isinstance(limits, dict) else None, datetime.fromisoformat(str(until)) if until else None


def waiting_for(session: Session, account: Account, now: datetime) -> list[WaitingAct]:
    """Return what waits for a second signature in the firms that `account` acts for, the oldest first."""
    waiting = []
    for firm in firms_of(session, account, now):
        enter(session, firm)
        waiting += [_in_words(session, account, firm, act) for act in second_signatures.waiting(session, firm, now)]
    return sorted(waiting, key=lambda one: one.act.signed_at)


def _in_words(session: Session, account: Account, firm: Enterprise, act: FirmAct) -> WaitingAct:
    about, address = _about(session, firm, act)
    return WaitingAct(
        act=act,
        firm=firm,
        title=label(second_signatures.ACTS[act.act]),
        about=about,
        by=session.get_one(Account, act.signed_by).display_name,
        is_own=act.signed_by == account.id,
        address=address,
        terms=agent_terms(*_appointment(act.subject), proposed=True) if act.act == "appoint" else [],
    )


def agent_terms(limits: Limits | None, until: datetime | None, *, proposed: bool) -> list[tuple[str, str]]:
    """Return an agent's limits in words, each with its name.

    Of a `proposed` appointment, which is still to be signed, every term is there: also what is not limited.
    """
    limits = limits or {}

    def listed(name: str, labels: Mapping[str, str], everything: str) -> str:
        names = limits.get(name)
        separator = "、" if lang() == "zh" else ", "
        return separator.join(labels.get(one, one) for one in names) if isinstance(names, list) else everything

    days, loan = limits.get("longest_days"), limits.get("largest_loan_fen")
    terms = [
        (gettext("May decide for"), listed("purposes", purpose_labels(), gettext("every purpose"))),
        (gettext("May share"), listed("categories", category_labels(), gettext("all data"))),
    ]
    if isinstance(days, int):
        terms.append((gettext("Longest consent"), ngettext("%(n)d day", "%(n)d days", days, n=days)))
    elif proposed:
        terms.append((gettext("Longest consent"), gettext("of any length")))
    if isinstance(loan, int):
        terms.append((gettext("Largest loan"), money(loan)))
    elif proposed:
        terms.append((gettext("Largest loan"), gettext("of any amount")))
    without_end = gettext("until it is ended") if proposed else gettext("ended by you")
    return [*terms, (gettext("Until"), when(until, lang(), zone=proposed) if until else without_end)]


def purpose_labels() -> dict[str, str]:
    """Return every purpose's label in the language of the page."""
    return {code: label((one.label_zh, one.label_en)) for code, one in fair_use().templates.items()}


def category_labels() -> dict[str, str]:
    """Return the name of every category that an agent's limits may name, in the language of the page."""
    return {code: label_of(code, lang()) for code in (*CATEGORIES, UTILITY)}


def _about(session: Session, firm: Enterprise, act: FirmAct) -> tuple[str, str]:
    subject: Mapping[str, object] = act.subject
    if act.act == "accept":
        application = session.get_one(Application, applications.internal(str(subject["application"])))
        offer = applications.latest_offer(session, application)
        lender = name(session.get_one(Institution, application.institution_id))
        amount = money(int(offer.terms["amount_fen"])) if offer else ""
        request = ids.external("fin", application.request_id)
        return f"{lender} · {amount}", flask.url_for("portal.financing_request", request_id=request)
    if act.act == "resume":
        consent = session.get_one(Consent, ids.internal("cns", str(subject["consent"])))
        lender = name(session.get_one(Institution, consent.institution_id))
        return lender, flask.url_for("portal.consent", consent_id=str(subject["consent"]))
    if act.act == "count":
        return "", flask.url_for("portal.counted", enterprise=firm.id)
    about = str(subject["reason"])
    if act.act == "appoint":
        about = f"{session.get_one(Account, UUID(str(subject['account']))).display_name} · {about}"
    return about, flask.url_for("portal.representatives", enterprise=firm.id)


@blueprint.post("/acts/<uuid:act_id>/<decision>")
@signed_in
def second_act(session: Session, account: Account, now: datetime, act_id: UUID, decision: str) -> ResponseReturnValue:
    """Sign, confirmed, what somebody else of the firm signed first; or drop it, which needs one person and no code."""
    firm, act = _waiting_act(session, account, act_id, now)
    if decision == "drop":
        second_signatures.drop(session, act, account=account, now=now)
        return see_other(flask.url_for("portal.inbox"))
    if decision != "sign":
        raise NotFound
    missing = stepup.missing(session, account, flask.request.form, now)
    if missing:
        return page(
            "consents/second.html",
            status=missing.status,
            error=missing.text if flask.request.form.get("totp") else None,
            one=_in_words(session, account, firm, act),
            ask_code=stepup.needs_code(account, now),
        )
    carry_out(session, account, firm, act.act, act.subject, now)
    return see_other(flask.url_for("portal.inbox"))


def _waiting_act(session: Session, account: Account, act_id: UUID, now: datetime) -> tuple[Enterprise, FirmAct]:
    return first_with(session, account, now, lambda firm: second_signatures.waiting_act(session, firm, act_id, now))
