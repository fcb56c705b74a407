"""Answers of firms that nobody at the desk looks for: the worker picks them up at the real token endpoint."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from creditlink.desk import asking, collecting
from creditlink.desk.tables import DeskRequest
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db
from creditlink.oauth.tables import PushedRequest
from tests.desk.conftest import ISSUER, approve, ask, polled_long_ago


class Platform(httpx.WSGITransport):
    """The platform in a process of its own: it serves by its own role, while who calls is the worker."""

    def __init__(self, app):
        super().__init__(app=app)
        self.calls = 0

    def handle_request(self, request):
        self.calls += 1
        db.configure(db.current(), role="api")
        try:
            response = super().handle_request(request)
            response.read()
            return response
        finally:
            db.configure(db.current(), role="worker")


class Worker:
    def __init__(self, app):
        self.platform = Platform(app)

    def round(self, later=timedelta(0)) -> int:
        """Work one round; return how many were granted."""
        db.configure(db.current(), role="worker")
        try:
            with httpx.Client(transport=self.platform, base_url=ISSUER) as http:
                return collecting.collect(http, lambda: utc_now() + later)
        finally:
            db.configure(db.current(), role="api")


@pytest.fixture
def worker(app):
    return Worker(app)


def kept() -> list[DeskRequest]:
    with db.transaction("owner") as session:
        return list(session.scalars(select(DeskRequest).order_by(DeskRequest.asked_at)))


def test_a_grant_arrives_although_no_lender_opens_a_page(lin, owner, worker):
    path = ask(lin, uscc=owner.firm.uscc)
    assert worker.round() == 0  # not answered yet
    assert kept()[0].state == "waiting"
    consent = approve(owner)
    assert worker.round() == 0  # asked a moment ago: it rests
    assert worker.platform.calls == 1
    polled_long_ago()
    assert worker.round() == 1
    (request,) = kept()
    assert (request.state, request.consent) == ("granted", consent)
    assert set(asking.opened(request)) == {"asked", "access_token", "until", "refresh_token"}
    assert worker.round(timedelta(days=1)) == 0  # and nobody asks again
    assert worker.platform.calls == 2
    assert "No profile was computed yet" in lin.get(path).text


def test_a_platform_that_wants_less_is_asked_less(lin, owner, worker):
    ask(lin, uscc=owner.firm.uscc)
    worker.round()
    with db.transaction("owner") as session:
        session.execute(update(DeskRequest).values(polled_at=utc_now() - timedelta(seconds=7)))
        session.execute(update(PushedRequest).values(polled_at=utc_now()))
    worker.round()  # too soon for the platform: `slow_down`
    assert (worker.platform.calls, asking.opened(kept()[0])["interval"]) == (2, 10)
    with db.transaction("owner") as session:
        session.execute(update(DeskRequest).values(polled_at=utc_now() - timedelta(seconds=9)))
    worker.round()
    assert worker.platform.calls == 2
    with db.transaction("owner") as session:
        session.execute(update(DeskRequest).values(polled_at=utc_now() - timedelta(seconds=12)))
        session.execute(update(PushedRequest).values(polled_at=None))
    worker.round()
    assert worker.platform.calls == 3
    # One that has waited for hours is asked for every five minutes.
    with db.transaction("owner") as session:
        hours_ago = {"asked_at": utc_now() - timedelta(hours=8), "polled_at": utc_now() - timedelta(minutes=4)}
        session.execute(update(DeskRequest).values(**hours_ago))
    worker.round()
    assert worker.platform.calls == 3
    worker.round(timedelta(minutes=2))
    assert worker.platform.calls == 4


def test_what_the_firm_declined_or_nobody_answered_ends(app, lin, owner, worker):
    ask(lin, uscc=owner.firm.uscc)
    ask(lin, uscc="91440600MA5ABCDE0X")
    with db.transaction("owner") as session:
        session.execute(update(PushedRequest).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert worker.round() == 0
    assert {one.state for one in kept()} == {"expired"}


def test_one_that_cannot_be_read_or_is_refused_holds_up_no_other(app, settings, lin, owner, worker):
    for label in ("broken", "whole"):
        ask(lin, label=label, uscc=owner.firm.uscc)
    with db.transaction("owner") as session:
        session.execute(update(DeskRequest).where(DeskRequest.id == kept()[0].id).values(sealed="x"))
    worker.round()
    assert worker.platform.calls == 1
    with db.transaction("owner") as session:
        assert [one.item for one in session.scalars(select(DeadLetter))] == [kept()[0].wire_id]
        session.execute(update(Client).values(status="suspended"))
        session.execute(update(DeskRequest).values(polled_at=None))
    assert worker.round() == 0  # refused, and still waiting
    assert {one.state for one in kept()} == {"waiting"}


def test_a_platform_that_is_away_ends_the_round_and_loses_nothing(lin, owner, worker, monkeypatch):
    for label in ("one", "two"):
        ask(lin, label=label, uscc=owner.firm.uscc)

    def away(request):
        worker.platform.calls += 1
        raise httpx.ConnectError("nobody there", request=request)

    monkeypatch.setattr(worker.platform, "handle_request", away)
    assert worker.round() == 0
    assert worker.platform.calls == 1
    assert {one.state for one in kept()} == {"waiting"}
