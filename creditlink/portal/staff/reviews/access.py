"""Who of the staff may see and work the queue, its transaction, and what was refused, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.postgres import db
from creditlink.portal.staff.guard import AtDesk
from creditlink.reviews.queue import REVIEWERS

QUEUE = frozenset({*REVIEWERS, "auditor"})
MONITOR = QUEUE | {"model_owner"}
NOTICES = QUEUE | {"operator"}
"""Roles that see each page: the same as of the routes under `/v1/reviews`."""


@contextmanager
def queue_transaction(here: AtDesk, roles: frozenset[str] = QUEUE) -> Iterator[Session]:
    """Open a transaction that sees the queue, for somebody whose role may.

    Raises
    ------
    NotFound
        None of their roles may: the page does not exist for them.
    """
    if not here.actor.roles & roles:
        raise NotFound
    with db.transaction(viewer=db.Viewer(actor="operator")) as session:
        yield session


def in_words(refused: Conflict | InvalidRequest) -> str:
    """Return what was refused, as a reviewer reads it."""
    if isinstance(refused, InvalidRequest):
        pointer = str(refused.errors[0]["pointer"]) if refused.errors else ""
        return _members().get(pointer.rpartition("/")[2], str(refused))
    return _reasons().get(str(refused.extra.get("reason", "")), str(refused.detail))


def _reasons() -> dict[str, str]:
    return {
        "claimed": gettext("Another person has claimed it."),
        "open": gettext("Claim the case first."),
        "decided": gettext("It is decided already."),
        "expired": gettext("Its time is over: it was not decided when it was due."),
        "waits": gettext("The same override waits for a second person already."),
    }


def _members() -> dict[str, str]:
    return {
        "reason": gettext("Say why, in words."),
        "evidence": gettext("What loosens needs proof: say what it is and who saw it."),
        "notches": gettext("The grade cannot be moved so far, or is capped for want of a category."),
        "grade": gettext("No person may give that grade to a firm without a score."),
        "knock_out": gettext("The decision has no such knock-out."),
        "expires_at": gettext("An override ends within the limit of days."),
        "kind": gettext("Such an override does not fit this result."),
        "reason_code": gettext("Choose one of the typed reasons."),
    }
