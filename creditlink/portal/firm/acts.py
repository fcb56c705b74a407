"""Acts that a firm may want two people for: signed on their own pages, and signed second from the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from creditlink.consents import service as consents
from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.consents.agreement.statement import when
from creditlink.consents.tables import Consent
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
    session: Session, account: Account, firm: Enterprise, act: str, subject: Mapping[str, Any], now: datetime
) -> bool:
    """Sign an act for the firm and do it if that is enough; return whether it is done.

    Raises
    ------
    ConsentRefused
        The account may not act for the firm, or not so far.
    Problem
        The act itself is refused.
    """
    if act == "accept":
        return acceptance.accept(
            session,
            applications.internal(subject["application"]),
            account=account,
            enterprise=firm,
            offer_sha256=subject["offer_sha256"],
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
        representation.want_two_signatures(session, firm, False, actor=actor, reason=subject["reason"], now=now)
    else:
        set_discoverable(session, firm, True, actor=actor, now=now)
    return True


def _resume(session: Session, account: Account, firm: Enterprise, subject: Mapping[str, Any], now: datetime) -> bool:
    held = session.get_one(Consent, ids.internal("cns", subject["consent"]))

    def beyond(right: Representation) -> str | None:
        return outside_limits(right, purpose=held.purpose, categories=held.categories, runs_days=held.runs_days(now))

    right = may_act(session, account, firm, now)
    limit = beyond(right) if right else None
    if limit:
        raise ConsentRefused(f"beyond what the agent may decide: {limit}", reason="beyond_agent_limits", beyond=limit)
    if held.state == "PAUSED" and not second_signatures.sign(
        session, firm, "resume", subject, account=account, now=now, may=lambda first: beyond(first) is None
    ):
        return False
    consents.resume(session, held, actor=f"account:{account.id}", reason="by_the_firm", now=now)
    return True


def _appoint(session: Session, firm: Enterprise, subject: Mapping[str, Any], now: datetime) -> None:
    until = subject["valid_until"]
    with session.begin_nested():
        representation.appoint(
            session,
            enterprise=firm,
            account=session.get_one(Account, UUID(subject["account"])),
            role="agent",
            limits=subject["limits"],
            valid_until=datetime.fromisoformat(until) if until else None,
            appointed_by=session.get_one(Account, UUID(subject["appointed_by"])),
            reason=subject["reason"],
            now=now,
        )


def waiting_for(session: Session, account: Account, now: datetime) -> list[WaitingAct]:
    """Return what waits for a second signature in the firms that `account` acts for, the oldest first."""
    found = []
    for firm in firms_of(session, account, now):
        enter(session, firm)
        found += [_told(session, account, firm, act) for act in second_signatures.waiting(session, firm, now)]
    return sorted(found, key=lambda one: one.act.signed_at)


def _told(session: Session, account: Account, firm: Enterprise, act: FirmAct) -> WaitingAct:
    about, address = _about(session, firm, act)
    return WaitingAct(
        act=act,
        firm=firm,
        title=label(second_signatures.ACTS[act.act]),
        about=about,
        by=session.get_one(Account, act.signed_by).display_name,
        is_own=act.signed_by == account.id,
        address=address,
        terms=_terms(act.subject) if act.act == "appoint" else [],
    )


def _terms(subject: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return within which limits an agent would be appointed: what is not limited is said too."""
    limits, place = subject["limits"] or {}, 0 if lang() == "zh" else 1
    purposes = {name: (one.label_zh, one.label_en)[place] for name, one in fair_use().templates.items()}
    categories = {name: category.text(lang())[0] for name, category in CATEGORIES.items()}

    def listed(name: str, words: Mapping[str, str], everything: str) -> str:
        chosen = limits.get(name)
        return ("、", ", ")[place].join(words.get(one, one) for one in chosen) if chosen else everything

    days, loan, until = limits.get("longest_days"), limits.get("largest_loan_fen"), subject["valid_until"]
    return [
        (gettext("May decide for"), listed("purposes", purposes, gettext("every purpose"))),
        (gettext("May share"), listed("categories", categories, gettext("all data"))),
        (
            gettext("Longest consent"),
            ngettext("%(n)d day", "%(n)d days", days, n=days) if days else gettext("of any length"),
        ),
        (gettext("Largest loan"), money(loan) if loan else gettext("of any amount")),
        (gettext("Until"), when(datetime.fromisoformat(until), lang()) if until else gettext("until it is ended")),
    ]


def _about(session: Session, firm: Enterprise, act: FirmAct) -> tuple[str, str]:
    subject = act.subject
    if act.act == "accept":
        held = session.get_one(Application, applications.internal(subject["application"]))
        offer = applications.latest_offer(session, held)
        lender = name(session.get_one(Institution, held.institution_id))
        amount = money(int(offer.terms["amount_fen"])) if offer else ""
        request = ids.external("fin", held.request_id)
        return f"{lender} · {amount}", flask.url_for("portal.financing_request", request_id=request)
    if act.act == "resume":
        consent = session.get_one(Consent, ids.internal("cns", subject["consent"]))
        lender = name(session.get_one(Institution, consent.institution_id))
        return lender, flask.url_for("portal.consent", consent_id=subject["consent"])
    if act.act == "count":
        return "", flask.url_for("portal.counted", enterprise=firm.id)
    about = subject["reason"]
    if act.act == "appoint":
        about = f"{session.get_one(Account, UUID(subject['account'])).display_name} · {about}"
    return about, flask.url_for("portal.representatives", enterprise=firm.id)


@blueprint.post("/acts/<uuid:act_id>/<decision>")
@signed_in
def second_act(session: Session, account: Account, now: datetime, act_id: UUID, decision: str) -> ResponseReturnValue:
    """Sign second what somebody else of the firm signed, confirmed; or drop it, which needs one person and no code."""
    firm, held = _found(session, account, act_id, now)
    if decision == "drop":
        second_signatures.drop(session, held, account=account, now=now)
        return see_other(flask.url_for("portal.inbox"))
    if decision != "sign":
        raise NotFound
    missing = stepup.missing(session, account, flask.request.form, now)
    if missing:
        return page(
            "second.html",
            status=missing.status,
            error=missing.text if flask.request.form.get("totp") else None,
            one=_told(session, account, firm, held),
            ask_code=stepup.needs_code(account, now),
        )
    carry_out(session, account, firm, held.act, held.subject, now)
    return see_other(flask.url_for("portal.inbox"))


def _found(session: Session, account: Account, act_id: UUID, now: datetime) -> tuple[Enterprise, FirmAct]:
    return first_with(session, account, now, lambda firm: second_signatures.waiting_act(session, firm, act_id, now))
