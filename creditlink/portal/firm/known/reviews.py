"""A sole trader asks for a person; notices of adverse action, and the receipt of each when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import OWN_ID
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.portal.firm.firms import chosen, enter, firms_of, first_with
from creditlink.portal.site import blueprint, lang, page, see_other, signed_in
from creditlink.profiles.reliance.reviews.service import subject_of
from creditlink.profiles.tables import Profile
from creditlink.reviews import decide, queue
from creditlink.reviews.notices import service as notices
from creditlink.reviews.queue import MOST_NOTE, ReviewRequest
from creditlink.reviews.rules import states
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.overrides import KINDS
from creditlink.reviews.tables import AdverseNotice, ReviewCase, ReviewOverride


@dataclass(frozen=True)
class CaseShown:
    """One case about a profile, in words."""

    causes: str
    state: str
    due_at: datetime | None  # null once it is over
    decision: str | None


@dataclass(frozen=True)
class ReviewShown:
    """What people did about a profile, and whether its firm may ask for a person."""

    cases: list[CaseShown]
    override: ReviewOverride | None
    kind: str
    in_force: bool
    may_ask: bool


@blueprint.post("/profile/<profile_id>/review")
@signed_in
def ask_for_person(session: Session, account: Account, now: datetime, profile_id: str) -> ResponseReturnValue:
    """Open the case that a sole trader asks for."""
    wanted = ids.internal("prf", profile_id)

    def own(firm: Enterprise) -> Profile | None:
        query = select(Profile).where(
            Profile.id == wanted, Profile.enterprise_id == firm.id, Profile.institution_id != OWN_ID
        )
        return session.scalars(query.options(undefer(Profile.registration))).first()

    firm, found = first_with(session, account, now, own)
    form = flask.request.form
    asked = ReviewRequest(f"account:{account.id}", form.get("refuse") == "yes", form.get("note", "").strip())
    subject = subject_of(found, found.registration)
    try:
        queue.request(session, found, subject, asked, settings=queue.settings_in_use(), now=now)
    except Conflict as refused:
        raise Conflict(_why_not(str(refused.extra.get("reason")))) from None
    except InvalidRequest:
        raise InvalidRequest(gettext("Write %(n)d characters at most.", n=MOST_NOTE)) from None
    return see_other(flask.url_for("portal.profile", enterprise=firm.id))


def _why_not(reason: str) -> str:
    if reason == "decided":
        return str(gettext("A person has already decided on this profile."))
    return str(gettext("Only a sole trader can refuse an automated decision. A company objects to the data instead."))


def shown_of(session: Session, profile: Profile, now: datetime) -> ReviewShown:
    """Return what people did about a profile, as its firm reads it."""
    cases = queue.cases_of(session, [profile.id]).get(profile.id, [])
    override = decide.overrides_of(session, [profile.id]).get(profile.id)
    is_open = any(case.asked_by is not None and case.state != "expired" for case in cases)
    return ReviewShown(
        cases=[_words(case) for case in cases],
        override=override,
        kind="" if override is None else _own(KINDS[override.kind]),
        in_force=override is not None and now < override.expires_at,
        may_ask=subject_of(profile, profile.registration).is_sole_trader
        and not is_open
        and not is_own(profile.institution_id),  # nobody decides by it
    )


def _words(case: ReviewCase) -> CaseShown:
    return CaseShown(
        causes=("、" if lang() == "zh" else "; ").join(_own(CAUSES[cause]) for cause in case.causes),
        state=_own(states.STATES[case.state]),
        due_at=case.due_at if case.state in states.OPEN else None,
        decision=None if case.decision is None else _own(states.DECISIONS[case.decision]),
    )


def _own(words: tuple[str, str]) -> str:
    return words[0 if lang() == "zh" else 1]


@blueprint.get("/notices")
@signed_in
def adverse_notices(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """List the firm's notices; a list is no receipt."""
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.args.get("enterprise"))
    rows = [] if firm is None else notices.of_firm(session, firm.id)
    return page("firm/notices.html", firms=firms, firm=firm, rows=rows, titles=_titles())


@blueprint.get("/notices/<notice_id>")
@signed_in
def adverse_notice(session: Session, account: Account, now: datetime, notice_id: str) -> ResponseReturnValue:
    """Show one notice; that it was opened is its receipt."""
    wanted = ids.internal("ntc", notice_id)

    def own(firm: Enterprise) -> AdverseNotice | None:
        return session.scalars(
            select(AdverseNotice).where(AdverseNotice.id == wanted, AdverseNotice.enterprise_id == firm.id)
        ).first()

    firm, notice = first_with(session, account, now, own)
    enter(session, firm)
    if flask.request.method == "GET":  # not HEAD, with which a browser may look ahead
        notices.receive(session, notice, account_id=account.id, now=now)
    text = notice.text_zh if lang() == "zh" else notice.text_en
    return page("firm/notice.html", firm=firm, notice=notice, lines=text.split("\n"), title=_titles()[notice.event])


def _titles() -> dict[str, str]:
    return {
        "not_scorable": gettext("Too little data for a credit score"),
        "knocked_out": gettext("A fact for which a lender may decline"),
        "declined": gettext("Your application was declined"),
        "worse_terms": gettext("The offer is less than you asked for"),
    }
