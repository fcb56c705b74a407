"""Sealing anew, with the key in force, what older keys have sealed.

The mark of the key in front of each value is the whole state: what bears it is done. A run that was broken off goes on
where it was, and two at once only wait for each other's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cryptography.fernet import InvalidToken
from sqlalchemy import ColumnElement, and_, func, literal, select, text, tuple_, update
from sqlalchemy.orm import Session

from creditlink.custody.columns import SEALED_COLUMNS, SealedColumn
from creditlink.kit.keyring import Box, Secret, box

BATCH = 200
OpenTransaction = Callable[[], AbstractContextManager[Session]]


@dataclass
class ResealedColumn:
    """What became of one column."""

    name: str
    waiting: int
    done: int = 0
    unopened: int = 0  # sealed by a key that we do not have, or changed: left as it is


def waiting(session: Session, secret: Secret) -> list[ResealedColumn]:
    """Return every column with how many of its values another key than the one in force has sealed."""
    found = []
    for one in SEALED_COLUMNS:
        count = select(func.count()).select_from(one.table).where(_of_another_key(one, box(secret, one.purpose)))
        found.append(ResealedColumn(one.name, session.scalar(count) or 0))
    return found


def reseal(
    open_transaction: OpenTransaction, secret: Secret, *, step: Callable[[int], None] = lambda rows: None
) -> list[ResealedColumn]:
    """Seal anew whatever another key than the one in force has sealed, some hundred rows a transaction.

    Parameters
    ----------
    open_transaction : of the owner's role
    step : called with how many rows were looked at, for a progress bar
    """
    with open_transaction() as session:
        tally = waiting(session, secret)
    for one, told in zip(SEALED_COLUMNS, tally, strict=True):
        last: tuple[object, ...] | None = None
        while told.waiting:
            with open_transaction() as session:
                last, rows = _batch(session, one, box(secret, one.purpose), last, told)
            if not rows:
                break
            step(rows)
    return tally


def _batch(
    session: Session, one: SealedColumn, sealer: Box, last: tuple[object, ...] | None, told: ResealedColumn
) -> tuple[tuple[object, ...] | None, int]:
    session.execute(text("SELECT set_config('creditlink.reseals', 'on', true)"))  # what else is final: see 0064
    keys = list(one.table.primary_key.columns)
    query = select(*keys, one.stored).where(_of_another_key(one, sealer)).order_by(*keys).limit(BATCH)
    if last is not None:
        query = query.where(
            tuple_(*keys) > tuple_(*(literal(value, key.type) for key, value in zip(keys, last, strict=True)))
        )
    rows = session.execute(query.with_for_update()).all()
    for *ids, sealed in rows:
        try:
            anew = one.marked(sealer.encrypt(one.opened(sealed, sealer)))
        except InvalidToken:
            told.unopened += 1
            continue
        this = and_(*(key == value for key, value in zip(keys, ids, strict=True)))
        session.execute(update(one.table).where(this).values({one.column_name: literal(anew, one.stored.type)}))
        told.done += 1
    return (tuple(rows[-1][:-1]) if rows else last), len(rows)


def opened(session: Session, secret: Secret) -> Iterator[tuple[str, int, int]]:
    """Yield each column, how many of its values open, and how many do not."""
    for one in SEALED_COLUMNS:
        good = bad = 0
        sealer = box(secret, one.purpose)
        values = session.scalars(select(one.stored).where(one.stored.is_not(None)).execution_options(yield_per=BATCH))
        for sealed in values:
            try:
                one.opened(sealed, sealer)
                good += 1
            except InvalidToken:
                bad += 1
        yield one.name, good, bad


def _of_another_key(one: SealedColumn, sealer: Box) -> ColumnElement[bool]:
    """Return what is true of values that do not bear the mark of the key in force."""
    if not one.mark and not sealer.mark:  # the first key is in force, and there is no other
        return literal(False)
    mark = one.marked(sealer.mark)
    return and_(one.stored.is_not(None), func.substr(one.stored, 1, len(mark)) != literal(mark, one.stored.type))
