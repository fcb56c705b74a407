"""A bank's webhook receiver, held against what it must take and what it must refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

ANSWER_WITHIN = 10.0
_OLD_SECONDS = 600
_AT_ONCE = 5


@dataclass(frozen=True)
class Result:
    """One check: its name, whether it passed, and what was seen."""

    check: str
    passed: bool
    seen: str


@dataclass(frozen=True)
class Sent:
    """One request as it goes out."""

    body: bytes
    headers: Mapping[str, str]


class SecretInvalid(Exception):
    """What was given as the secret is not `whsec_` and base64."""


def key_of(secret: str) -> bytes:
    """Return the key in a webhook secret.

    Raises
    ------
    SecretInvalid
    """
    try:
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key or not secret.strip().startswith("whsec_"):
        raise SecretInvalid("the secret is not whsec_ and base64")
    return key


def signed(
    keys: Sequence[bytes], body: bytes, *, id_: str | None = None, at: float | None = None, said_id: str | None = None
) -> Sent:
    """Return a webhook as the platform would send it (Standard Webhooks); `said_id` is named in place of the signed."""
    message, now = id_ or f"evt-{secrets.token_hex(8)}", str(int(time.time() if at is None else at))
    text = f"{message}.{now}.".encode() + body
    signatures = [base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode() for key in keys]
    headers = {
        "content-type": "application/json",
        "user-agent": "CreditLink-Webhooks/1",
        "webhook-id": said_id or message,
        "webhook-timestamp": now,
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }
    return Sent(body, headers)


def event(type_: str = "webhook.test", **data: object) -> bytes:
    """Return the body of an event."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = {"type": type_, "version": 1, "timestamp": now, "data": {"client_id": "conformance", **data}}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def checked(address: str, secret: str, *, http: httpx.Client) -> Iterator[Result]:
    """Yield the result of each check, in the order of the manual.

    Raises
    ------
    SecretInvalid
        Before anything is sent.
    httpx.TransportError
        The receiver cannot be reached, or hangs up.
    """
    key = key_of(secret)
    other = secrets.token_bytes(32)

    def post(sent: Sent) -> tuple[int, float]:
        began = time.monotonic()
        answer = http.post(address, content=sent.body, headers=dict(sent.headers))
        return answer.status_code, time.monotonic() - began

    same, common = signed([key], event()), signed([key], event())
    yield _taken("signed", [post(same)])
    yield _taken(f"again ({same.headers['webhook-id']})", [post(same)])
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(post, [common] * _AT_ONCE))
    yield _taken(f"together ({common.headers['webhook-id']})", answers)
    for name, good in _good(key, other):
        yield _taken(name, [post(good)])
    for name, bad in _bad(key, other):
        status, _ = post(bad())
        yield Result(name, 400 <= status < 500, f"{status}, asked for: 4xx")


def _good(key: bytes, other: bytes) -> Iterator[tuple[str, Sent]]:
    yield "unknown-type", signed([key], event("something.new"))
    yield "more-members", signed([key], event(new_member={"deep": [1, None]}))
    yield "two-signatures", signed([other, key], event())
    yield "chinese", signed([key], event(note="企业撤回了授权"))


def _bad(key: bytes, other: bytes) -> Iterator[tuple[str, Callable[[], Sent]]]:
    def unsigned() -> Sent:
        sent = signed([key], event())
        return Sent(sent.body, {name: value for name, value in sent.headers.items() if name != "webhook-signature"})

    def altered() -> Sent:
        return Sent(event(amount_fen=2), signed([key], event(amount_fen=1)).headers)

    yield "unsigned", unsigned
    yield "wrong-secret", lambda: signed([other], event())
    yield "altered", altered
    yield "another-id", lambda: signed([key], event(), said_id="evt-another")
    yield "replayed", lambda: signed([key], event(), at=time.time() - _OLD_SECONDS)
    yield "ahead", lambda: signed([key], event(), at=time.time() + _OLD_SECONDS)


def _taken(name: str, answers: Sequence[tuple[int, float]]) -> Result:
    slowest = max(seconds for _, seconds in answers)
    statuses = ", ".join(str(status) for status, _ in answers)
    passed = slowest <= ANSWER_WITHIN and all(200 <= status < 300 for status, _ in answers)
    return Result(name, passed, f"{statuses} in {slowest:.1f} s, asked for: 2xx in {ANSWER_WITHIN:.0f} s")
