"""Who of the staff may look at decisions, and the transaction in which they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.orm import Session

from creditlink.decisions.archive import Archive
from creditlink.decisions.classes import DECISION_RECORD, LOOKS
from creditlink.decisions.looks.readers import Reader
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.portal.site import lang
from creditlink.portal.staff.guard import AtDesk


def looking_role(here: AtDesk) -> str:
    """Return in which role somebody looks at decisions.

    Raises
    ------
    NotFound
        None of their roles may: the page does not exist for them.
    """
    for role in runtime.part(Archive).classes.of(DECISION_RECORD).readers:
        if role in here.actor.roles:
            return role
    raise NotFound


def purposes(here: AtDesk) -> list[tuple[str, str]]:
    """Return for what somebody may look, and each purpose as the firm reads it."""
    allowed = runtime.part(Archive).classes.of(DECISION_RECORD).readers[looking_role(here)]
    return [(one, LOOKS[one][lang() != "zh"]) for one in allowed]


def reader_of(here: AtDesk, purpose: str) -> Reader:
    """Return who looks, as the firm's evidence names them; `Archive.look` refuses a purpose that is not the role's."""
    request = structlog.contextvars.get_contextvars().get("request_id")
    return Reader(here.actor.name, looking_role(here), purpose, request_id=request)


@contextmanager
def archive_transaction(here: AtDesk) -> Iterator[Session]:
    """Open the transaction of somebody whose role may look."""
    looking_role(here)
    with db.transaction(viewer=db.Viewer(actor="audit")) as session:
        yield session
