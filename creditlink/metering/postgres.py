"""The store in PostgreSQL: buckets and charges in one statement, which is its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Literal, cast

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from creditlink.kit.postgres import db
from creditlink.metering.buckets import Bucket, Charge, Ruling, State, StoreDown

_TAKE = "SELECT ahead, waits, NULL, NULL, NULL FROM creditlink_take(%s, %s, %s, %s)"
_ADMIT = (
    "SELECT ahead, waits, day_units, month_units, used_up"
    " FROM creditlink_admit(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_CHARGE = "SELECT day_units, month_units, used_up FROM creditlink_charge(%s, %s, %s, %s, %s, %s, %s)"
_CHARGE_ALONE = f"{_CHARGE}, set_config('synchronous_commit', 'off', true)"
_GIVE_BACK = "SELECT creditlink_give_back(%s, %s, %s, %s, %s)"

UsedUp = Literal["day", "month"] | None


class PostgresStore:
    """Buckets in `limit_buckets` (migration 0063).

    Parameters
    ----------
    clock : the moment to take at, for tests; by default the database's clock, which all processes share
    """

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self._clock = clock

    def admit(self, buckets: Sequence[Bucket], charge: Charge | None) -> Ruling:
        """Take one token of each bucket, and count the charge; or take nothing.

        Raises
        ------
        StoreDown
        """
        # In one order in every process, so that two requests never wait for each other.
        ordered = sorted(buckets, key=lambda one: one.key)
        # Arrays as PostgreSQL writes them: the driver would take as long for each as the whole round trip.
        taken = (
            _array(one.key for one in ordered),
            _array(one.rate.step_us for one in ordered),
            _array(one.rate.tokens for one in ordered),
            self._clock() if self._clock else None,
        )
        with connected() as connection:
            cursor = (
                connection.execute(_TAKE, taken)
                if charge is None
                else connection.execute(_ADMIT, (*taken, *_of(charge)))
            )
            row = cast("tuple[list[int], list[int], int | None, int | None, UsedUp]", cursor.fetchone())
        ahead, waits, day_units, month_units, used_up = row
        states = {one.key: State.of(one, full, wait) for one, full, wait in zip(ordered, ahead, waits, strict=True)}
        return Ruling([states[one.key] for one in buckets], charge, day_units, month_units, used_up)


def charge_alone(charge: Charge) -> tuple[int | None, int | None, UsedUp]:
    """Count a charge whose tokens another store gave; return the units of day and month, and what is used up.

    Raises
    ------
    StoreDown
    """
    with connected() as connection:
        row = connection.execute(_CHARGE_ALONE, _of(charge)).fetchone()
    return cast("tuple[int | None, int | None, UsedUp]", row)


def charge_within(session: Session, charge: Charge) -> UsedUp:
    """Count a charge in the caller's transaction: exactly if that commits. Return what is used up, if anything."""
    connection = cast("psycopg.Connection[object]", session.connection().connection.driver_connection)
    row = connection.execute(_CHARGE, _of(charge)).fetchone()
    return cast("tuple[int | None, int | None, UsedUp]", row)[2]


def give_back(charge: Charge) -> None:
    """Take a charge back that was counted.

    Raises
    ------
    StoreDown
    """
    with connected() as connection:
        connection.execute(_GIVE_BACK, _of(charge)[:5])


def _of(charge: Charge) -> tuple[object, ...]:
    institution, client, day = str(charge.institution_id), charge.client_id, charge.day.isoformat()
    return institution, client, day, charge.unit, charge.what, charge.per_day, charge.per_month


def _array(values: Iterable[object]) -> str:
    return "{" + ",".join('"' + _escaped(str(one)) + '"' for one in values) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@contextmanager
def connected() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Lend the driver's connection, on which each statement is its own transaction: one round trip, no session.

    Raises
    ------
    StoreDown
    """
    try:
        pooled = db.current().engine("api").raw_connection()
        try:
            connection = cast("psycopg.Connection[tuple[object, ...]]", pooled.driver_connection)
            connection.autocommit = True
            yield connection
            connection.autocommit = False
        except BaseException:
            pooled.invalidate()  # whatever state it is in, nobody gets it again
            raise
        finally:
            pooled.close()
    except (psycopg.Error, SQLAlchemyError) as error:
        raise StoreDown(type(getattr(error, "orig", None) or error).__name__) from error
