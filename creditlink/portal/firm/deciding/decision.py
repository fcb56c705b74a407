"""A firm's decision on a request: what the page shows and what its form does, wherever the request came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from creditlink.consents import funnel, readings
from creditlink.consents import service as consents
from creditlink.consents.agreement import limits
from creditlink.consents.agreement.categories import ACTIONS, label_of
from creditlink.consents.agreement.difference import difference
from creditlink.consents.agreement.questions import question_for
from creditlink.consents.agreement.versions import newest
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import supplies_apart
from creditlink.enterprises.registry.codes import firm_of
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.errors import InvalidRequest
from creditlink.oauth import service as oauth
from creditlink.portal.firm.deciding.examples import examples_for
from creditlink.portal.firm.firms import enter, firms_of
from creditlink.portal.person import stepup
from creditlink.portal.site import fair_use, lang, page


@dataclass(frozen=True)
class Wanted:
    """What the form says: for which firm, with which optional categories; or what is wrong with it."""

    enterprise: Enterprise | None
    categories: frozenset[str]
    error: str | None = None
    status: int = 422  # of the answer, where there is an error


def is_declined(form: MultiDict[str, str]) -> bool:
    """Return whether the form declines.

    Raises
    ------
    InvalidRequest
        It says neither yes nor no.
    """
    if form.get("decision") not in ("approve", "decline"):
        raise InvalidRequest(gettext("Choose whether to agree or to decline."))
    return form["decision"] == "decline"


def read(session: Session, account: Account, consent: Consent, form: MultiDict[str, str], now: datetime) -> Wanted:
    """Return what a form that agrees says; a one-time code in it is used up.

    What was asked comes from the stored request: of the categories the form can only leave optional ones out.
    """
    firms = firms_for(session, account, consent, now)
    enterprise = next((f for f in firms if str(f.id) == form.get("enterprise", "")), None)
    if enterprise is None and len(firms) == 1 and "enterprise" not in form:
        enterprise = firms[0]
    wanted = Wanted(enterprise, frozenset(form.getlist("category")) | frozenset(consent.details().required_categories))
    if enterprise is None:
        return replace(wanted, error=gettext("Choose the firm you are deciding for."))
    shown = consents.statement_for(session, consent, fair_use=fair_use(), lang=lang())
    if form.get("text", shown.sha256) != shown.sha256:  # the language was changed, or the operator corrected a licence
        error = gettext("The text has changed since you opened the page. Read it again.")
        return replace(wanted, error=error, status=409)
    missing = stepup.missing(session, account, form, now)
    if missing:
        return replace(wanted, error=missing.text, status=missing.status)
    return wanted


def grant(
    session: Session, account: Account, consent: Consent, wanted: Wanted, form: MultiDict[str, str], now: datetime
) -> Consent:
    """Approve as the form says, on the text in the language of the page."""
    assert wanted.enterprise is not None  # noqa: S101 (no error, so there is one; for the type checker)
    shown = consents.statement_for(session, consent, fair_use=fair_use(), lang=lang())
    enter(session, wanted.enterprise)
    granted = approval.approve(
        session,
        consent,
        account=account,
        enterprise=wanted.enterprise,
        categories=wanted.categories,
        statement=shown,
        now=now,
    )
    _note_reading(session, consent, "agreed", form, now)
    return granted


def decline(session: Session, account: Account, consent: Consent, form: MultiDict[str, str], now: datetime) -> Consent:
    """Decline; for the firm named in the form, or the only one it can be."""
    firms = firms_for(session, account, consent, now)
    named = [f for f in firms if str(f.id) == form.get("enterprise", "")] or (firms if len(firms) == 1 else [])
    actor = f"account:{account.id}"
    declined = consents.reject(
        session, consent, actor=actor, reason="declined", now=now, enterprise=named[0] if named else None
    )
    _note_reading(session, consent, "declined", form, now)
    return declined


def _note_reading(session: Session, consent: Consent, what: str, form: MultiDict[str, str], now: datetime) -> None:
    asked = question_for(consent.id, consent.details(), lang())
    readings.note(session, consent, decision=what, question=asked, answer=form.get("reading"), now=now)


def firms_for(session: Session, account: Account, consent: Consent, now: datetime) -> list[Enterprise]:
    """Return the firms that `account` may decide for, of those that the request can be about."""
    firms = firms_of(session, account, now)
    if consent.amends is not None:
        former = session.get_one(Consent, consent.amends)
        firms = [f for f in firms if f.id == former.enterprise_id]
    asked = None if consent.asked_uscc is None else firm_of(session, consent.asked_uscc)
    return firms if consent.asked_uscc is None else [f for f in firms if f.id == asked]


def show(
    session: Session,
    account: Account,
    consent: Consent,
    now: datetime,
    *,
    answer_until: datetime,
    wrong: Wanted | None = None,
    kept: MultiDict[str, str] | None = None,
) -> ResponseReturnValue:
    """Show who asks for what; after a mistake with what was ticked before it.

    A person who has signed already sees that a second signature is awaited, and nothing to sign. One who acts for no
    firm that the request can be about sees who asks and no terms: an amendment's say what the firm agreed to before.
    """
    for stage in ("shown", "signed_in"):
        funnel.note_stage(session, consent.id, stage, now)
    signed = signed_for(session, account, consent, now)
    if signed is not None and wrong is None:
        return page(
            "consents/signed.html",
            shown=consents.statement_for(session, consent, fair_use=fair_use(), lang=lang()),
            firm=signed,
            consent=consent,
            answer_until=min(answer_until, consent.answer_until),
        )
    details = consent.details()
    template = fair_use().templates.get(details.purpose)
    firms = firms_for(session, account, consent, now)
    first = _first_signature(session, account, consent, firms, now)
    return page(
        "consents/authorize.html",
        question=question_for(consent.id, details, lang()) if firms else None,
        answered=kept.get("reading") if kept else None,
        examples=examples_for(firms, details.categories),
        status=200 if wrong is None else wrong.status,
        shown=consents.statement_for(session, consent, fair_use=fair_use(), lang=lang()),
        details=details,
        changes=changes_of(session, consent) if firms else None,
        message=oauth.binding_message_of(session, consent.id),
        firms=firms,
        chosen_firm=kept.get("enterprise") if kept else None,
        unticked=set(details.optional_categories) - set(kept.getlist("category")) if kept else set(),
        left_out=set(details.categories) - set(first.categories) if first else set(),
        unusual=bool(firms) and limits.unusual(details, fair_use()),
        usual=template.usual_pulls if template else None,
        ask_code=stepup.needs_code(account, now),
        answer_until=min(answer_until, consent.answer_until),
        error=wrong.error if wrong else None,
        first=first,
        two_signatures=any(f.two_signatures for f in firms),
    )


@dataclass(frozen=True)
class FirstSignature:
    """What somebody else of the firm has signed: the second person can agree to no more than that."""

    by: str
    at: datetime
    categories: list[str]


def _first_signature(
    session: Session, account: Account, consent: Consent, firms: list[Enterprise], now: datetime
) -> FirstSignature | None:
    for firm in firms:
        for signature in approval.valid_signatures(session, consent, firm, now, but=account.id):
            name = session.get_one(Account, signature.account_id).display_name
            return FirstSignature(name, signature.signed_at, [*supplies_apart(signature.categories)])
    return None


def signed_for(session: Session, account: Account, consent: Consent, now: datetime) -> Enterprise | None:
    """Return the firm for which `account` has signed a request that waits for somebody else's signature."""
    if consent.state != "REQUESTED":
        return None
    own = {s.enterprise_id for s in approval.signatures_of(session, consent.id) if s.account_id == account.id}
    for firm in firms_for(session, account, consent, now):
        if firm.id in own and firm.two_signatures:
            others = approval.valid_signatures(session, consent, firm, now, but=account.id)
            return None if others else firm
    return None


def changes_of(session: Session, consent: Consent) -> list[tuple[str, str, str, bool]] | None:
    """Return what an amendment changes of what the firm agreed to last, in words; None for a new one.

    Each: attribute, before, after, whether it is more.
    """
    if consent.amends is None:
        return None
    former = newest(session, consent.amends)
    before = former.details().narrowed(former.categories).to_dict()
    return [
        (_attribute(c.attribute), _value(c.attribute, c.before), _value(c.attribute, c.after), c.is_wider)
        for c in difference(before, consent.details().to_dict())
    ]


def _attribute(name: str) -> str:
    words = {
        "categories": gettext("Data"),
        "actions": gettext("What they may do"),
        "purpose": gettext("Purpose"),
        "access": gettext("Once or repeatedly"),
        "history_months": gettext("How far back, in months"),
        "valid_until": gettext("Until"),
        "data_life_days": gettext("Kept for, in days"),
        "pulls_per_month": gettext("How many times"),
        "pulls_per_day": gettext("How many times a day"),
    }
    return str(words[name])


def _value(name: str, value: object) -> str:
    if value is None:
        return "–"
    place = 0 if lang() == "zh" else 1
    several = [str(one) for one in value] if isinstance(value, list | tuple) else []
    if name == "categories":
        return ("、" if place == 0 else ", ").join(label_of(c, lang()) for c in several)
    if name == "actions":
        return ("、" if place == 0 else "; ").join(ACTIONS[a][place] for a in several)
    if name == "purpose":
        template = fair_use().templates.get(str(value))
        return (template.label_zh if place == 0 else template.label_en) if template else str(value)
    if name == "access":
        return str({"once": gettext("once"), "recurring": gettext("repeatedly")}[str(value)])
    if name == "valid_until":
        return str(value)[:16].replace("T", " ") + " UTC"
    return str(value)
