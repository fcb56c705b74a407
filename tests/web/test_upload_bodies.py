"""The front lets one address have a larger body than the others, and few of those at once."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

import pytest

from creditlink.web.front.about import Callers
from creditlink.web.front.application import Bounds, Front
from creditlink.web.front.news import News

pytestmark = pytest.mark.pure

PATH = "/portal/uploads"
BOUNDS = Bounds(threads=1, body_bytes=1000, upload_paths=re.compile(re.escape(PATH)), upload_bytes=5000, uploading=1)


@dataclass
class Exchange:
    """One request: what arrives, and what was answered."""

    path: str
    body: bytes
    method: str = "POST"
    waits_for: asyncio.Event | None = None
    sent: list = field(default_factory=list)

    @property
    def scope(self):
        return {
            "type": "http", "method": self.method, "path": self.path, "http_version": "1.1",
            "headers": [(b"content-length", str(len(self.body)).encode())],
        }  # fmt: skip

    async def receive(self):
        if self.waits_for is not None:
            await self.waits_for.wait()
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message):
        self.sent.append(message)

    @property
    def answer(self):
        return self.sent[0]["status"], self.sent[1]["body"]


def application(environ, start_response):
    start_response("200 OK", [])
    return [str(len(environ["wsgi.input"].read())).encode()]


def ask(tmp_path, *exchanges):
    """Send requests at once; return what was answered, and what the application read of each."""

    async def run():
        front = Front(application, News("", "x"), BOUNDS, {"zh": b"", "en": b""}, Callers(tmp_path / "callers"))
        tasks = [asyncio.create_task(front(one.scope, one.receive, one.send)) for one in exchanges]
        await asyncio.sleep(0)
        for one in exchanges:
            if one.waits_for is not None:
                await asyncio.sleep(0.05)
                one.waits_for.set()
        await asyncio.gather(*tasks)
        return [one.answer for one in exchanges]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "method", "size", "read"),
    [(PATH, "POST", 5000, b"5000"), (PATH, "POST", 5001, b"0"), (PATH, "GET", 1001, b"0"),
     ("/v1/x", "POST", 1001, b"0"), (PATH + "/x", "POST", 1001, b"0"), ("/v1/x", "POST", 1000, b"1000")],
)  # fmt: skip
def test_which_bodies_reach_the_application_whole(tmp_path, path, method, size, read):
    assert ask(tmp_path, Exchange(path, b"x" * size, method)) == [(200, read)]


def test_only_so_many_large_ones_arrive_at_once(tmp_path):
    first, second = Exchange(PATH, b"x" * 10, waits_for=asyncio.Event()), Exchange(PATH, b"y" * 10)
    (kept, refused) = ask(tmp_path, first, second)
    assert kept == (200, b"10")
    assert refused[0] == 503
