"""Whether the process is alive and ready, and its metrics."""

from __future__ import annotations

import hmac
import ipaddress

import flask
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from creditlink.audit import anchors
from creditlink.consents import funnel
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound, Unauthorized
from creditlink.kit.jobs import dead_letters, lanes
from creditlink.kit.postgres import db, logins, probes, purpose, schema
from creditlink.kit.processes import runtime
from creditlink.kit.processes.metrics import (
    CONSENT_FUNNEL,
    DEAD_LETTERS,
    EVIDENCE_SECONDS,
    JOBS_OLDEST_SECONDS,
    JOBS_WAITING,
)
from creditlink.kit.settings import Settings

blueprint = flask.Blueprint("health", __name__)

_OF_PROXIES = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")


@blueprint.get("/health/live")
def live() -> dict[str, str]:
    """Say that the process answers; it asks nobody else."""
    return {"status": "live"}


@blueprint.get("/health/ready")
def ready() -> tuple[dict[str, object], int]:
    """Say whether every part that a profile needs is available, part by part."""
    checks = {**_database_checks(), "model": _model_check()}
    good = all(check["ok"] for check in checks.values())
    return {"status": "ready" if good else "not_ready", "checks": checks}, 200 if good else 503


def _database_checks() -> dict[str, dict[str, object]]:
    try:
        with db.current().probing() as session:
            connection = session.connection()
            at, is_fit = schema.current_revision(connection), probes.fits(connection)
            wrong = _wrong_database(connection)
            alive, states = lanes.health(session)
            offset = probes.clock_offset(session)
            probes.try_to_write(session)
    except SQLAlchemyError as error:
        reason = type(error).__name__
        return {name: {"ok": False, "reason": reason} for name in ("database", "migrations", "worker", "clock")}
    return {
        "database": {"ok": wrong is None, **({"reason": wrong} if wrong else {})},
        "migrations": {"ok": is_fit, "applied": at, "head": schema.head()},
        "clock": {"ok": abs(offset) <= db.CLOCKS_APART.total_seconds(), "offset_seconds": round(offset, 3)},
        # A starved lane is work that waits, not a missing part: the API goes on serving.
        "worker": {"ok": bool(alive), "alive": alive, "lanes": {lane.lane: lane.as_json() for lane in states}},
    }


def _wrong_database(connection: Connection) -> str | None:
    """Check again what a process that started before its database could not check."""
    if purpose.refusal(connection, runtime.part(Settings).environment):
        return "not_of_this_environment"
    if db.current().has_api_login and logins.refusal(connection):
        return "login_may_do_too_much"
    return None


def _model_check() -> dict[str, object]:
    return {"ok": True, "model_id": runtime.part(LiveModel).model_id}  # the application does not start without one


@blueprint.get("/metrics")
def metrics() -> flask.Response:
    """Return this process's metrics in Prometheus' text format, and the consent funnel over all processes.

    Raises
    ------
    Unauthorized, NotFound
        The sender is not the operator: see `_check_scraper`.
    """
    _check_scraper(flask.request)
    try:
        with db.transaction(viewer=db.Viewer(actor="operator")) as session:
            stages = funnel.counts(session, utc_now())
            _, states = lanes.health(session)
            dead = dead_letters.count_open(session)
            evidence = anchors.ages(session, utc_now())
    except SQLAlchemyError:
        stages, states, dead, evidence = (
            {},
            [],
            {},
            anchors.AnchorAges(None, None),
        )  # the process's own metrics are most useful just then
    EVIDENCE_SECONDS.clear()
    for step, seconds in (("anchored", evidence.anchored_seconds), ("stamped", evidence.stamped_seconds)):
        if seconds is not None:
            EVIDENCE_SECONDS.labels(step).set(seconds)
    DEAD_LETTERS.clear()
    for task, letters in dead.items():
        DEAD_LETTERS.labels(task).set(letters)
    for lane in states:
        JOBS_WAITING.labels(lane.lane).set(lane.waiting)
        JOBS_OLDEST_SECONDS.labels(lane.lane).set(lane.oldest_seconds)
    CONSENT_FUNNEL.clear()
    for stage, requests in stages.items():
        CONSENT_FUNNEL.labels(stage).set(requests)
    return flask.Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _check_scraper(request: flask.Request) -> None:
    """Let only the operator's scraper through.

    With `metrics_token` set that is a sender of this bearer token (Prometheus' `authorization.credentials`), from
    anywhere. Without it, anybody on this machine in the sandbox, and nobody in production. A request through a proxy
    on this machine comes from elsewhere.

    Raises
    ------
    Unauthorized
        There is a token, and another one was sent.
    NotFound
        There is no token, and the sender is not on this machine.
    """
    settings = runtime.part(Settings)
    if settings.metrics_token is not None:
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(sent.strip().encode(), settings.metrics_token.encode())
        if scheme.lower() != "bearer" or not right:
            raise Unauthorized("metrics are for the operator", headers={"WWW-Authenticate": "Bearer"})
        return
    forwarded = any(name in request.headers for name in _OF_PROXIES)
    if settings.is_production or forwarded or not _is_here(request.remote_addr):
        raise NotFound


def _is_here(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False
