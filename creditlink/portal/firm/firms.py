"""The firms of the person who is signed in: which one a page is about, seen as that firm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db

Row = TypeVar("Row")


def firms_of(session: Session, account: Account, now: datetime) -> list[Enterprise]:
    """Return the firms that a person acts for, by name."""
    return [enterprise for enterprise, _ in represented_by(session, account, now)]


def chosen_with_right(
    session: Session, firms: Sequence[tuple[Enterprise, Representation]], named: str | None
) -> tuple[Enterprise, Representation]:
    """Return the one of `firms` with the id `named`, or the first without one, and the person's right in it.

    Raises
    ------
    NotFound
        It is not one of the person's: an unknown firm and somebody else's look the same.
    """
    for enterprise, right in firms:
        if named is None or str(enterprise.id) == named:
            enter(session, enterprise)
            return enterprise, right
    raise NotFound


def chosen(session: Session, firms: list[Enterprise], named: str | None) -> Enterprise | None:
    """Return the one of `firms` with the id `named`, or the first without one; None where there are none.

    Raises
    ------
    NotFound
        It is not one of them.
    """
    firm = next((one for one in firms if named is None or str(one.id) == named), None)
    if firm is None and named is not None:
        raise NotFound
    if firm is not None:
        enter(session, firm)
    return firm


def first_with(
    session: Session, account: Account, now: datetime, find: Callable[[Enterprise], Row | None]
) -> tuple[Enterprise, Row]:
    """Return the first of the person's firms in which `find` finds something, and what it found.

    Raises
    ------
    NotFound
        There is none: what does not exist and what belongs to others look the same.
    """
    for enterprise in firms_of(session, account, now):
        enter(session, enterprise)
        found = find(enterprise)
        if found is not None:
            return enterprise, found
    raise NotFound


def enter(session: Session, firm: Enterprise) -> None:
    """See the rows of a firm that the person acts for."""
    db.enter(session, db.Viewer(enterprise_id=firm.id))
