"""Decisions that the fields of a form name, for a page that shows no table of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.decisions.archive import DecisionQuery
from creditlink.institutions.service import RegistrationRefused, institution_of
from creditlink.portal.staff.decisions.listing import OVERRIDES


class FilterRefused(Exception):
    """A field of the form holds what it cannot; the message says which and what."""


def query_of(session: Session, asked: Mapping[str, str]) -> DecisionQuery:
    """Return the decisions that a form's fields name.

    Raises
    ------
    FilterRefused
        A field holds what it cannot.
    """
    try:
        bank = institution_of(session, asked["bank"]) if asked.get("bank") else None
    except RegistrationRefused:
        raise FilterRefused(gettext("%(text)s cannot be chosen here.", text=asked["bank"][:40])) from None
    if asked.get("override", "") not in ("", *OVERRIDES):
        raise FilterRefused(gettext("%(text)s cannot be chosen here.", text=asked["override"][:40]))
    return DecisionQuery(
        institution_id=None if bank is None else bank.id,
        since=_day(asked, "since"),
        until=_day(asked, "until"),
        grade=asked.get("grade") or None,
        model_id=asked.get("model") or None,
    )


def _day(asked: Mapping[str, str], name: str) -> date | None:
    if not asked.get(name):
        return None
    try:
        return date.fromisoformat(asked[name])
    except ValueError:
        raise FilterRefused(gettext("%(text)s is not a day (YYYY-MM-DD).", text=asked[name][:40])) from None
