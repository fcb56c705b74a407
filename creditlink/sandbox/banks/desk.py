"""The JSON of a demo bank's desk: what its loan officer sends and gets."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class DeskCall(TypedDict):
    """A call to the platform that the desk makes; `text` goes as it is, `json` as JSON."""

    method: str
    path: str
    scope: NotRequired[str]  # of a call in the bank's own name
    headers: NotRequired[dict[str, str]]
    json: NotRequired[object]
    text: NotRequired[str]


class DeskAnswer(TypedDict):
    """What the platform answered to a call."""

    status: int
    headers: dict[str, str]
    body: Any  # JSON as the platform wrote it
    seconds: float


class NewCase(TypedDict):
    """A case just opened, and the address for the firm's browser or the pace for polling its inbox."""

    case: str
    send_the_firm_to: NotRequired[str]
    poll_every_seconds: NotRequired[str]


class PollAnswer(TypedDict):
    """How a case in the firm's inbox is doing."""

    state: str
    error: str | None


class CaseBody(TypedDict):
    """A case, without its tokens."""

    state: str
    error: str | None
    granted: dict[str, object]


class RefreshBody(TypedDict):
    """How a try for a new access token ended; `body` is there where it was refused."""

    status: int
    body: NotRequired[object]


class BankEvent(TypedDict):
    """An event that the platform sent to the bank's webhook address."""

    webhook_id: str
    type: str
    data: dict[str, object]
