"""What can go wrong, as exceptions: each carries what the platform said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx


class ApiError(Exception):
    """The platform refused, or could not answer; `status` and `body` are those of its answer."""

    def __init__(self, status: int, body: Mapping[str, object], said: str) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.body = body

    @property
    def request_id(self) -> str | None:
        """What to quote when you ask the operator."""
        found = self.body.get("request_id")
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong: where it is, what it must be, and what you sent there, if that is known."""

    pointer: str
    detail: str
    value: object = None


class ProblemError(ApiError):
    """An RFC 9457 problem; `slug` names it, and `/problems/<slug>` says what to do."""

    def __init__(self, status: int, body: Mapping[str, object], sent: object = None) -> None:
        self.slug = str(body.get("type", "")).rpartition("/")[2]
        self.fields = _fields(body.get("errors"), sent)
        named = "; ".join(f"{one.pointer}: {one.detail} (sent: {one.value!r})" for one in self.fields)
        super().__init__(status, body, f"{self.slug}: {named or body.get('detail') or body.get('title')}")

    @property
    def reason(self) -> str | None:
        """Why a consent refused, e.g. `revoked`."""
        found = self.body.get("reason")
        return found if isinstance(found, str) else None


class OAuthError(ApiError):
    """An error of the authorization server (RFC 6749); `code` is e.g. `access_denied`, `invalid_grant`."""

    def __init__(self, status: int, body: Mapping[str, object], sent: object = None) -> None:
        self.code = str(body.get("error", ""))
        self.fields = _fields(body.get("errors"), sent)
        super().__init__(status, body, f"{self.code}: {body.get('error_description')}")


class NotAnswered(Exception):
    """The firm, or its offices, did not answer in the time that you gave."""


class CallbackRefused(Exception):
    """Where the browser came back to is not the answer to this request, or not of this server."""


class WebhookRefused(Exception):
    """What came to your address is no event of ours, or not of now."""


def error_of(response: httpx.Response, sent: object = None) -> ApiError:
    """Return the error in an answer."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    if "error" in body:
        return OAuthError(response.status_code, body, sent)
    return ProblemError(response.status_code, body, sent)


def _fields(errors: object, sent: object) -> Sequence[FieldError]:
    found = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    return tuple(
        FieldError(str(one.get("pointer", "")), str(one.get("detail", "")), _at(sent, str(one.get("pointer", ""))))
        for one in found
    )


def _at(sent: object, pointer: str) -> object:
    """Return what is at a JSON pointer; None where there is nothing."""
    for step in pointer.split("/")[1:]:
        if isinstance(sent, Mapping):
            sent = sent.get(step)
        elif isinstance(sent, list) and step.isdigit() and int(step) < len(sent):
            sent = sent[int(step)]
        else:
            return None
    return sent
