"""Who of the staff may use a page of the operator's desk, and the rows that the page then sees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Concatenate, Literal, ParamSpec

import structlog
from flask.typing import ResponseReturnValue
from sqlalchemy import Select, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.portal.site import page
from creditlink.portal.staff.guard import AtDesk, staff_signed_in

log = structlog.get_logger()

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[Session, AtDesk, datetime, Arguments], ResponseReturnValue]

EVIDENCE_ROLES = ("operator", "risk", "auditor")
"""Who may search the evidence: those who may export it on the command line."""
A_PAGE = 25
_MOST_COUNTED = 1_000
_NO_RIGHT = "42501"  # PostgreSQL: insufficient_privilege


def operating(view: View[Arguments]) -> Callable[Arguments, ResponseReturnValue]:
    """Let a view run for an operator, who sees what the operator's client sees over the API."""
    return _for(("operator",), "operator", view)


def searching(view: View[Arguments]) -> Callable[Arguments, ResponseReturnValue]:
    """Let a view run for those who may search the evidence."""
    return _for(EVIDENCE_ROLES, "audit", view)


def _for(
    roles: tuple[str, ...], actor: Literal["audit", "operator"], view: View[Arguments]
) -> Callable[Arguments, ResponseReturnValue]:
    @staff_signed_in
    def inside(
        session: Session, here: AtDesk, now: datetime, /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> ResponseReturnValue:
        if not here.actor.roles & set(roles):
            raise NotFound  # for everybody else there is no such page
        db.enter(session, db.Viewer(actor=actor))
        return view(session, here, now, *args, **kwargs)

    @functools.wraps(view)
    def outside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        try:
            return inside(*args, **kwargs)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _NO_RIGHT:
                raise
            # The person is signed in and may: it is the database's role that lacks the right.
            log.error("database_right_missing", page=view.__name__)
            return page("staff/operator/lacking.html", status=503)

    return outside


def counted(session: Session, wanted: Select[*tuple[object, ...]]) -> int:
    """Return how many rows there are, at most one more than are ever counted: a page waits for no long count."""
    return session.scalar(select(func.count()).select_from(wanted.limit(_MOST_COUNTED + 1).subquery())) or 0


def in_words(count: int) -> str:
    """Return a count as a page shows it."""
    return f"{_MOST_COUNTED:,}+" if count > _MOST_COUNTED else f"{count:,}"
