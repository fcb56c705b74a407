"""What the limits said of the request being served: told in its answer, and settled when that is known."""

from __future__ import annotations

import flask

from creditlink.kit.clock import utc_now
from creditlink.kit.http import idempotency, visit
from creditlink.kit.http.visit import Visit
from creditlink.kit.processes import runtime
from creditlink.metering.buckets import Ruling
from creditlink.metering.fields import headers_of
from creditlink.metering.limiter import Limiter


def keep(verdict: Ruling | None, request_visit: Visit | None) -> None:
    """Keep what the limits said, for the request's answer; one that waits and runs again keeps it too."""
    flask.g.admitted = verdict
    if request_visit is not None:
        request_visit.admitted = verdict


def tell(response: flask.Response) -> flask.Response:
    """Say in an answer what is left; take its call back where it is not to be paid."""
    request_visit = visit.of(flask.request.environ)
    verdict = flask.g.get("admitted") or (None if request_visit is None else request_visit.admitted)
    if not isinstance(verdict, Ruling):
        return response
    for name, value in headers_of(verdict, utc_now()).items():
        response.headers.setdefault(name, value)
    will_run_again = request_visit is not None and request_visit.awaited is not None
    charge = verdict.charge
    if charge is not None and verdict.is_charged and not will_run_again and _is_free(response.status_code):
        limiter = runtime.part(Limiter)
        response.call_on_close(lambda: limiter.give_back(charge))  # after the answer: nobody waits for it
    return response


def _is_free(status: int) -> bool:
    """Whether a call is not counted: it failed on our side, was over a limit, or repeats one that was counted."""
    return status >= 500 or status == 429 or idempotency.is_repeat()
