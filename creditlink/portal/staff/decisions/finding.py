"""The list of archived decisions, narrowed by firm, bank, day, grade, model and bundle."""

from __future__ import annotations

from datetime import date, datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.decisions.archive import DecisionQuery
from creditlink.enterprises.service import by_uscc
from creditlink.institutions.service import RegistrationRefused, institution_of
from creditlink.kit.errors import InvalidRequest
from creditlink.portal.site import blueprint, page
from creditlink.portal.staff.decisions.access import archive_transaction
from creditlink.portal.staff.decisions.listing import choices, listed
from creditlink.portal.staff.guard import AtDesk, staff_signed_in

_A_PAGE = 25
FIELDS = ("uscc", "bank", "since", "until", "grade", "model", "bundle")


class FilterRefused(Exception):
    """A field of the form holds what it cannot; the message says which and what."""


@blueprint.get("/staff/decisions")
@staff_signed_in
def decisions(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show decisions, newest first; what they say is on a page of their own, which leaves evidence."""
    asked = {name: flask.request.args.get(name, "").strip() for name in FIELDS}
    error = None
    with archive_transaction(here) as archive:
        offered = choices(archive)
        try:
            found, cursor = listed(archive, _query(archive, asked), cursor=flask.request.args.get("cursor") or None)
        except (FilterRefused, InvalidRequest) as refused:
            found, cursor = [], None
            is_filter = isinstance(refused, FilterRefused)
            error = str(refused) if is_filter else gettext("This page of the list does not exist any more.")
        return page(
            "staff/decisions/list.html",
            status=200 if error is None else 422,
            asked=asked,
            narrowed={name: value for name, value in asked.items() if value},
            offered=offered,
            found=found,
            cursor=cursor,
            error=error,
        )


def _query(session: Session, asked: dict[str, str]) -> DecisionQuery:
    firm = by_uscc(session, asked["uscc"].upper()) if asked["uscc"] else None
    if asked["uscc"] and firm is None:
        raise FilterRefused(gettext("No firm has the code %(code)s.", code=asked["uscc"][:40]))
    try:
        bank = institution_of(session, asked["bank"]) if asked["bank"] else None
    except RegistrationRefused:
        raise FilterRefused(gettext("No institution has the code %(code)s.", code=asked["bank"][:40])) from None
    return DecisionQuery(
        enterprise_id=None if firm is None else firm.id,
        institution_id=None if bank is None else bank.id,
        since=_day(asked, "since"),
        until=_day(asked, "until"),
        grade=asked["grade"] or None,
        model_id=asked["model"] or None,
        bundle_sha256=asked["bundle"] or None,
        limit=_A_PAGE,
    )


def _day(asked: dict[str, str], name: str) -> date | None:
    if not asked[name]:
        return None
    try:
        return date.fromisoformat(asked[name])
    except ValueError:
        raise FilterRefused(gettext("%(text)s is not a day (YYYY-MM-DD).", text=asked[name][:40])) from None
