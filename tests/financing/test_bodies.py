"""A file of outcomes at the server as it is run: whole within the limit and the deadline, or nothing of it is taken."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from creditlink.financing.applications.applications import locked
from creditlink.financing.tables import LoanFact
from creditlink.kit.clock import utc_now
from creditlink.kit.ids import external
from creditlink.kit.postgres import db
from tests import serving

PATH = "/v1/financing/outcomes"
HEADER = b"application_id,kind,on,amount_fen,days_past_due,reference\n"
LIMIT = 262_144


@pytest.fixture
def lent(market, asked):
    """A contract on which outcomes are taken."""
    [one] = asked(1, now=utc_now())
    with db.transaction("owner") as session:
        held = locked(session, one)
        sha256 = market.offer(session, held, now=utc_now()).sha256
        market.accept(session, held, sha256, now=utc_now())
        market.sign(session, locked(session, one), sha256, now=utc_now())
    return external("app", one)


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    with serving.serve_whole(serving.environment(database, tmp_path_factory.mktemp("server"))) as address:
        yield address


@pytest.fixture
def sender(desk, server):
    """Return the head of a request with a file of outcomes, as the first lender sends it."""

    def head(**more: str) -> dict[str, str]:
        token = desk.own.access_token
        kept = {"Authorization": f"DPoP {token}", "DPoP": desk.proof("POST", PATH, token), "Content-Type": "text/csv"}
        return kept | more

    return head


def lines(application: str, count: int) -> list[bytes]:
    return [HEADER, *(f"{application},draw,2026-01-05,1,,r{n}\n".encode() for n in range(count))]


def facts() -> int:
    with db.transaction("owner") as session:
        return session.scalar(select(func.count()).select_from(LoanFact))


def connected(server: str) -> socket.socket:
    parts = urlsplit(server)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def started(server: str, head: dict[str, str], body: bytes) -> socket.socket:
    """Send a head and the first of a body."""
    wire = connected(server)
    said = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    wire.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode() + body)
    return wire


def answer_of(wire: socket.socket) -> bytes:
    answer = b""
    try:
        while part := wire.recv(65_536):
            answer += part
            if answer.startswith(b"HTTP/1.1 ") and b"\r\n\r\n" in answer and answer.endswith(b"}\n"):
                break
    except ConnectionError:
        pass
    return answer


def test_chunks_over_the_limit_are_413_and_nothing_is_taken(server, sender, lent):
    few = httpx.post(server + PATH, content=iter(lines(lent, 100)), headers=sender(), trust_env=False, timeout=60)
    assert (few.status_code, few.json()["recorded"], facts()) == (200, 100, 100)
    many = lines(lent, 8_000)
    assert sum(map(len, many)) > LIMIT
    for content in (iter(many), b"".join(many)):
        answer = httpx.post(server + PATH, content=content, headers=sender(), trust_env=False, timeout=60)
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert facts() == 100


@pytest.mark.parametrize("framing", ["declared", "chunked"])
def test_a_body_that_trickles_is_408_and_nothing_is_taken(server, sender, lent, framing):
    """However steadily it comes: what arrived by the deadline is not taken for the file."""
    whole = b"".join(lines(lent, 3))
    chunked = framing == "chunked"
    head = sender(**({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "9999"}))
    wire = started(server, head, b"%x\r\n%s\r\n" % (len(whole), whole) if chunked else whole)
    wire.settimeout(1)
    began, answer = time.monotonic(), b""
    while not answer and time.monotonic() - began < 60:
        try:
            answer = wire.recv(65_536)
        except TimeoutError:
            wire.sendall(b"1\r\n\n\r\n" if chunked else b"\n")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"/problems/request-timeout" in answer
    assert facts() == 0
    wire.close()


@pytest.mark.parametrize("framing", ["declared", "chunked"])
@pytest.mark.parametrize("end", ["half", "whole"])
def test_a_body_that_breaks_off_is_not_taken(server, sender, lent, framing, end):
    whole = b"".join(lines(lent, 3))
    chunked = framing == "chunked"
    head = sender(**({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "9999"}))
    wire = started(server, head, b"%x\r\n%s\r\n" % (len(whole), whole) if chunked else whole)
    if end == "half":
        wire.shutdown(socket.SHUT_WR)
        assert not answer_of(wire).startswith(b"HTTP/1.1 2")
    wire.close()
    good = httpx.post(server + PATH, content=HEADER + f"{lent},draw,2026-01-05,1,,x\n".encode(), headers=sender(),
                      trust_env=False, timeout=60)  # fmt: skip
    assert good.json()["recorded"] == 1
    until = utc_now() + timedelta(seconds=1)
    while utc_now() < until:
        assert facts() == 1
        time.sleep(0.2)


def test_lengths_that_contradict_each_other_are_refused(server, sender, lent):
    """Two lengths, or a length beside chunks: a proxy before us and we could take different bytes for the file."""
    body = b"".join(lines(lent, 2))
    both = sender() | {"Content-Length": str(len(body)), "Transfer-Encoding": "chunked"}
    with started(server, both, body) as wire:
        assert not answer_of(wire).startswith(b"HTTP/1.1 2")
    twice = sender() | {"Content-Length": str(len(body)), "content-length": "10"}
    with started(server, twice, body) as wire:
        assert not answer_of(wire).startswith(b"HTTP/1.1 2")
    assert facts() == 0
