"""The queue, a case, its steps; the monitor of overrides and the clocks of notices. The services are the API's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.portal.person import stepup
from creditlink.portal.sheets.filling import export_of, status_of
from creditlink.portal.site import blueprint, page, see_other
from creditlink.portal.staff.decisions.beside import cases_of
from creditlink.portal.staff.guard import AtDesk, staff_signed_in
from creditlink.portal.staff.reviews.access import MONITOR, NOTICES, QUEUE, in_words, queue_transaction
from creditlink.portal.staff.reviews.cases import sheet_of
from creditlink.portal.staff.reviews.listing import queued
from creditlink.reviews import decide, monitor, queue
from creditlink.reviews.notices import service as notices
from creditlink.reviews.rules.overrides import KINDS, REASONS, WantedOverride
from creditlink.reviews.tables import ReviewCase
from creditlink.staff import acts
from creditlink.staff.actor import RoleMissing

_MOST = 200


@blueprint.get("/staff/reviews")
@staff_signed_in
def staff_reviews(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the queue, what is due first first; without a choice, what still wants a decision."""
    with queue_transaction(here) as seen:
        found = sheet_of(seen, now)
        return export_of(found, name="reviews") or page(
            "staff/reviews/list.html", status=status_of(found), found=found, tabs=_tabs(here)
        )


@blueprint.get("/staff/reviews/<case_id>")
@staff_signed_in
def staff_review(session: Session, here: AtDesk, now: datetime, case_id: str) -> ResponseReturnValue:
    """Show one case: why it is here, what the model said, what people decided."""
    return _case_page(session, here, now, case_id)


@blueprint.post("/staff/reviews/<case_id>/<step>")
@staff_signed_in
def step_review(session: Session, here: AtDesk, now: datetime, case_id: str, step: str) -> ResponseReturnValue:
    """Claim a case, give it back, or decide it. What decides takes a code; what loosens, a second person."""
    form = flask.request.form
    do = _STEPS.get(step)
    if do is None:
        raise NotFound
    with queue_transaction(here) as seen:  # whoever may not see it, finds nothing
        queue.case_of(seen, case_id)
    if step in ("confirm", "override"):
        lacking = stepup.missing(session, here.account, form, now)
        if lacking is not None:
            return _case_page(session, here, now, case_id, error=lacking.text, status=lacking.status)
    try:
        with queue_transaction(here) as seen:
            do(seen, queue.case_of(seen, case_id, lock=True), form, here, now)
    except RoleMissing:
        return _case_page(session, here, now, case_id, error=gettext("Your roles do not review."), status=403)
    except Conflict as refused:
        return _case_page(session, here, now, case_id, error=in_words(refused), status=409)
    except InvalidRequest as refused:
        return _case_page(session, here, now, case_id, error=in_words(refused), status=422)
    return see_other(flask.url_for("portal.staff_review", case_id=case_id))


def _claim(seen: Session, case: ReviewCase, form: Mapping[str, str], here: AtDesk, now: datetime) -> None:
    queue.claim(seen, case, by=here.actor, now=now)


def _release(seen: Session, case: ReviewCase, form: Mapping[str, str], here: AtDesk, now: datetime) -> None:
    queue.release(seen, case, by=here.actor, now=now)


def _confirm(seen: Session, case: ReviewCase, form: Mapping[str, str], here: AtDesk, now: datetime) -> None:
    decide.confirm(seen, case, by=here.actor, reason=_text(form, "reason"), now=now)


def _override(seen: Session, case: ReviewCase, form: Mapping[str, str], here: AtDesk, now: datetime) -> None:
    days, notches = _number(form, "days", "expires_at"), None
    if form.get("kind") == "grade_notch":
        notches = _number(form, "notches", "notches")
    grade, knock_out = form.get("grade") or None, form.get("knock_out") or None
    wanted = WantedOverride(
        kind=form.get("kind", ""),
        reason_code=form.get("reason_code", ""),
        reason=_text(form, "reason"),
        # At the end of a day, so that the same override proposed twice is the same.
        expires_at=start_of_day(day_of(now) + timedelta(days=days)),
        evidence=_text(form, "evidence"),
        notches=notches,
        grade=grade if form.get("kind") == "scorable_despite" else None,
        knock_out=knock_out if form.get("kind") == "knock_out_set_aside" else None,
    )
    decide.override(seen, case, wanted, by=here.actor, now=now)


_Step = Callable[[Session, ReviewCase, Mapping[str, str], AtDesk, datetime], None]
_STEPS: Mapping[str, _Step] = {"claim": _claim, "release": _release, "confirm": _confirm, "override": _override}


def _text(form: Mapping[str, str], name: str) -> str:
    """Return a text of the form as it can be kept."""
    text = form.get(name, "").replace("\r\n", "\n").strip()
    if "\0" in text or len(text) > queue.MOST_NOTE:
        raise InvalidRequest(
            errors=[{"pointer": f"/{name}", "detail": f"at most {queue.MOST_NOTE} characters of text"}]
        )
    return text


def _number(form: Mapping[str, str], name: str, member: str) -> int:
    try:
        number = int(form.get(name, "")[:6])
    except ValueError:
        number = 0
    if not -1000 < number < 1000:
        raise InvalidRequest(errors=[{"pointer": f"/override/{member}", "detail": "is no number of this size"}])
    return number


def _case_page(
    session: Session, here: AtDesk, now: datetime, case_id: str, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with queue_transaction(here) as seen:
        case = queue.case_of(seen, case_id)
        (shown,) = queued(seen, [case], now)
        own = next(one for one in cases_of(seen, case.profile_id, now) if one.row.id == case.id)
        waiting = [act for act in acts.waiting(session, now) if act.subject.get("case") == case.wire_id]
        return page(
            "staff/reviews/case.html",
            status=status,
            case=shown,
            override=own.override,
            waiting=waiting,
            is_mine=case.claimed_by == here.account.id,
            may_review=bool(here.actor.roles & set(queue.REVIEWERS)),
            may_release=case.claimed_by == here.account.id or "operator" in here.actor.roles,
            kinds=KINDS,
            reasons=REASONS,
            limits=queue.settings_in_use().limits,
            ask_code=stepup.needs_code(here.account, now),
            form=flask.request.form,
            error=error,
        )


@blueprint.get("/staff/reviews/overrides")
@staff_signed_in
def staff_overrides(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show how often people depart from the model, who does, and whether they were right."""
    asked = {name: flask.request.args.get(name, "") for name in ("since", "until")}
    try:
        since, until = (date.fromisoformat(text) if text else None for text in asked.values())
    except ValueError:
        since = until = None
    with queue_transaction(here, MONITOR) as seen:
        found = monitor.report(
            seen,
            limits=queue.settings_in_use().limits,
            since=None if since is None else start_of_day(since),
            until=None if until is None else start_of_day(until),
        )
        return page("staff/reviews/overrides.html", report=found, kinds=KINDS, asked=asked, tabs=_tabs(here))


@blueprint.get("/staff/reviews/notices")
@staff_signed_in
def staff_notices(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show notices of adverse action: clocks and receipts, never what they say to the firm."""
    is_overdue = flask.request.args.get("overdue") == "1"
    with queue_transaction(here, NOTICES) as seen:
        rows, _ = notices.listed(seen, overdue_at=now if is_overdue else None, limit=_MOST)
        return page("staff/reviews/notices.html", rows=rows, now=now, is_overdue=is_overdue, tabs=_tabs(here))


def _tabs(here: AtDesk) -> list[tuple[str, str]]:
    """Return the pages of reviews that somebody sees."""
    pages = (
        ("portal.staff_reviews", gettext("Cases"), QUEUE),
        ("portal.staff_overrides", gettext("Overrides"), MONITOR),
        ("portal.staff_notices", gettext("Notices to firms"), NOTICES),
    )
    return [(endpoint, label) for endpoint, label, roles in pages if here.actor.roles & roles]
