"""The firm looks at itself: its consent to itself, and its profile without any bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.consents import own
from creditlink.consents.agreement.categories import label_of
from creditlink.consents.agreement.limits import OWN
from creditlink.consents.life import approval, counters
from creditlink.consents.tables import Consent
from creditlink.decisions.archive import Archive
from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.enterprises.service import outside_limits, represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit import ids
from creditlink.kit.clock import day_of
from creditlink.kit.errors import ConsentRefused, InvalidRequest
from creditlink.kit.processes import runtime
from creditlink.portal.firm.firms import chosen_with_right
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, fair_use, lang, page, see_other, served, settings, signed_in
from creditlink.products.service import live_book
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.profiles.service import Pending, ProfileRequest, create_profile, newest_under
from creditlink.profiles.serving.watch import ServedModels
from creditlink.records.pulls import pull


@dataclass(frozen=True)
class FetchedShown:
    """One kind of data under the firm's consent to itself: whether it is here yet."""

    label: str
    state: str  # as `records.coverage` names it
    at: datetime | None


@blueprint.get("/own")
@signed_in
def own_use(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show what the firm agreed to with itself and how far its data is; or what it could agree to."""
    firms = represented_by(session, account, now)
    if not firms:
        return page("firm/own.html", firms=[], firm=None)
    firm, _ = chosen_with_right(session, firms, flask.request.args.get("enterprise"))
    return _show(session, account, [one for one, _ in firms], firm, now)


@blueprint.post("/own")
@signed_in
def agree_with_itself(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Sign the firm's consent to itself, as it was shown."""
    firms = represented_by(session, account, now)
    form = flask.request.form
    firm, _ = chosen_with_right(session, firms, _named(firms))

    def again(error: str, status: int = 422) -> ResponseReturnValue:
        return _show(session, account, [one for one, _ in firms], firm, now, error=error, status=status)

    details = own.details_for(firm, served().categories, fair_use=fair_use(), now=now)
    wanted = form.getlist("category")
    if not wanted:
        return again(gettext("Choose at least one kind of data."))
    if set(wanted) - set(details.categories):
        raise InvalidRequest(gettext("This kind of data cannot be chosen here."))
    shown = own.text_of(session, details, fair_use=fair_use(), lang=lang(), asked_on=day_of(now))
    if form.get("text") != shown.sha256:
        return again(gettext("The text has changed since you opened the page. Read it again."), 409)
    missing = stepup.missing(session, account, form, now)
    if missing:
        return again(missing.text, missing.status)
    consent = own.request(session, details, firm, account, now=now)
    approval.approve(
        session, consent, account=account, enterprise=firm, categories=wanted, statement=shown, now=now
    )  # fmt: skip
    return see_other(flask.url_for("portal.own_use", enterprise=firm.id))


@blueprint.post("/own/profile")
@signed_in
def own_profile(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Make the firm's profile of today under its consent to itself, by the service that serves banks."""
    firms = represented_by(session, account, now)
    firm, right = chosen_with_right(session, firms, _named(firms))
    consent = own.alive(session, firm.id, now)
    if consent is None:  # withdrawn in another window: the page says how to agree again
        return see_other(flask.url_for("portal.own_use", enterprise=firm.id))
    check_right(right, consent)
    made = create_profile(
        session,
        own.access_of(session, consent, account),
        ProfileRequest(),
        live=runtime.part(LiveModel),
        book=live_book(session, settings()),
        rules=runtime.part(ProfileRules),
        archive=runtime.part(Archive),
        key=None,
        now=now,
        relief=runtime.part(ReliefBook),
        models=runtime.part(ServedModels),
    )
    if isinstance(made, Pending):
        return see_other(flask.url_for("portal.own_use", enterprise=firm.id))
    known = ids.external("prf", made.profile.id)
    return see_other(flask.url_for("portal.profile", enterprise=firm.id, profile=known))


def check_right(right: Representation, consent: Consent) -> None:
    """Refuse an agent whom the firm did not appoint for this much.

    Raises
    ------
    ConsentRefused
        `beyond` says in what.
    """
    beyond = outside_limits(right, purpose=OWN, categories=consent.categories, runs_days=0.0)
    if beyond is not None:
        raise ConsentRefused(f"beyond what the agent may decide: {beyond}", reason="beyond_agent_limits", beyond=beyond)


def _named(firms: Sequence[tuple[Enterprise, Representation]]) -> str | None:
    """Return the firm that the form names; who acts for several names one."""
    return flask.request.form.get("enterprise", None if len(firms) == 1 else "")


def _show(
    session: Session,
    account: Account,
    firms: list[Enterprise],
    firm: Enterprise,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    consent = own.alive(session, firm.id, now)
    if consent is None:
        details = own.details_for(firm, served().categories, fair_use=fair_use(), now=now)
        return page(
            "firm/own.html", status=status, firms=firms, firm=firm, consent=None, error=error,
            waiting=own.waiting(session, firm, now),
            shown=own.text_of(session, details, fair_use=fair_use(), lang=lang(), asked_on=day_of(now)),
            kept=flask.request.form.getlist("category") if flask.request.method == "POST" else None,
            ask_code=stepup.needs_code(account, now),
        )  # fmt: skip
    state = pull.state_now(session, consent, now)
    left = counters.left(session, consent, now)
    newest = newest_under(session, consent.id)
    return page(
        "firm/own.html", status=status, firms=firms, firm=firm, consent=consent, error=error, state=state.state,
        fetched=fetched_of(consent.categories, state), left=left.get("month", 0), newest=newest,
    )  # fmt: skip


def fetched_of(categories: Sequence[str], state: pull.PullState) -> list[FetchedShown]:
    """Return how the source of each category has answered."""
    found = []
    for category in categories:
        source = state.sources.get(state.holders.get(category, ""))
        word = "pending" if source is None or source.status in ("READY", "PENDING") else source.status.lower()
        found.append(FetchedShown(label_of(category, lang()), word, source.usable_at if source else None))
    return found
