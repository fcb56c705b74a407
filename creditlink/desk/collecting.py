"""Answers that firms gave while nobody at the desk looked: each request that waits in an inbox is asked for again.

The worker is a client like the pages are, but it serves no application to call: it calls the platform at its public
address. A request that has waited long is asked for less often, as its firm is less likely to answer this minute.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import structlog
from sqlalchemy import ColumnElement, Double, cast, extract, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import InstrumentedAttribute, Session

from creditlink.desk import asking
from creditlink.desk.tables import DeskRequest
from creditlink.desk.wire.opening import hand_of
from creditlink.desk.wire.sending import software_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.kit import jobs
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

AT_A_TIME = 200
"""Requests of one round; those that were asked for longest ago come first, so that none is left out for ever."""
LONGEST_WAIT = timedelta(minutes=5)
"""The most that a firm's answer lies unseen."""
_SECOND = timedelta(seconds=1)
_OF_ITS_AGE = 20  # a request that has waited twenty minutes is asked for every minute

log = structlog.get_logger()


def waiting(session: Session, now: datetime) -> list[DeskRequest]:
    """Return the requests in inboxes that are due to be asked for, or over."""
    rests = func.least(
        LONGEST_WAIT / _SECOND,
        func.greatest(asking.LEAST_PULLS / _SECOND, _seconds(now, DeskRequest.asked_at) / _OF_ITS_AGE),
    )
    due = or_(DeskRequest.polled_at.is_(None), _seconds(now, DeskRequest.polled_at) >= rests)
    wanted = select(DeskRequest).where(DeskRequest.channel == "inbox", DeskRequest.state == "waiting", due)
    return list(session.scalars(wanted.order_by(DeskRequest.polled_at.nulls_first(), DeskRequest.id).limit(AT_A_TIME)))


def _seconds(
    now: datetime, since: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
) -> ColumnElement[float]:
    return cast(extract("epoch", now - since), Double)


def collect(http: httpx.Client, clock: Callable[[], datetime]) -> int:
    """Ask once for each request that is due; return how many firms were found to have agreed.

    What is refused, an institution's desk that is suspended say, is asked again by a later round; where the platform
    does not answer at all, so is all that is left. No transaction is open while anything is asked.
    """
    settings, now = runtime.part(Settings), clock()
    with db.transaction() as session:
        due = [
            (request, hand_of(session, request.institution_id, "acts", secret=settings.secret_key))
            for request in waiting(session, now)
        ]
    failed: dict[str, Exception] = {}
    for request, held in due:
        if held is None:
            continue
        try:
            asking.look(software_of(held, settings, http), request, clock())
        except ApiRefused as refused:
            log.warning("desk_poll_refused", request=request.wire_id, status=refused.status, error=refused.code)
        except httpx.TransportError as error:
            log.warning("desk_poll_unanswered", error=type(error).__name__)
            break
        except (DBAPIError, PoolTimeout):
            raise
        except Exception as error:  # one request that cannot be read must not keep the others waiting
            failed[request.wire_id] = error

    def tell(_: Session, name: str) -> None:
        if name in failed:
            raise failed[name]

    jobs.each("desk.collect", [request.wire_id for request, _ in due], tell, now=now)
    return sum(request.state == "granted" for request, _ in due)
