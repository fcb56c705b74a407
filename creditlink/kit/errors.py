"""Every error a caller can meet: one class is one RFC 9457 problem type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class Problem(Exception):
    """Base of what is answered as `application/problem+json`.

    `detail` is for the caller to read; `extra` holds members that a program can act on, among them `errors`, which
    names each wrong field. None of them ever holds a token, a body, or the record of a firm.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something failed on our side"
    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may well succeed; sent as `Retry-After`."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = headers or {}
        if self.retry_after is not None:
            self.headers.setdefault("Retry-After", str(self.retry_after))
        self.errors = errors or ()
        self.extra = extra if errors is None else {**extra, "errors": errors}

    def body(self, request_id: str | None = None) -> dict[str, object]:
        """Return the problem document."""
        body: dict[str, object] = {"type": f"/problems/{self.slug}", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if request_id:
            body["request_id"] = request_id
        return body | self.extra


class InvalidRequest(Problem):
    """A body or parameter does not parse; `errors` names each field."""

    status = 422
    slug = "invalid-request"
    title = "The request has invalid fields"


class MalformedBody(Problem):
    """The body is not JSON at all, or has duplicate members."""

    status = 400
    slug = "malformed-body"
    title = "The request body cannot be read"


class BodyTooLarge(Problem):
    """The body exceeds the limit."""

    status = 413
    slug = "body-too-large"
    title = "The request body is too large"


class UnsupportedMediaType(Problem):
    """The body is of a type the endpoint does not take."""

    status = 415
    slug = "unsupported-media-type"
    title = "The content type is not accepted"


class Unauthorized(Problem):
    """No access token, or one that is not valid (any more)."""

    status = 401
    slug = "unauthorized"
    title = "A valid access token is needed"


class InsufficientRole(Problem):
    """Somebody of the platform's staff may not do this in the role, or not for the purpose, that they gave."""

    status = 403
    slug = "insufficient-role"
    title = "Your role does not allow this, or not for this purpose"


class InsufficientScope(Problem):
    """The token is valid but lacks the scope."""

    status = 403
    slug = "insufficient-scope"
    title = "The access token lacks the scope"


class ConsentRefused(Problem):
    """No live consent covers the read; `reason` says which condition failed."""

    status = 403
    slug = "consent-refused"
    title = "No live consent covers this read"


class LimitExceeded(Problem):
    """A fair-use limit of the consent would be exceeded; `attribute` names it."""

    status = 412
    slug = "limit-exceeded"
    title = "A limit of the consent is reached"


class NotFound(Problem):
    """Unknown, or not yours: the two look the same."""

    status = 404
    slug = "not-found"
    title = "There is no such resource for you"


class MethodNotAllowed(Problem):
    """The resource exists but not with this method."""

    status = 405
    slug = "method-not-allowed"
    title = "The method is not allowed here"


class Conflict(Problem):
    """The state of the resource forbids the request."""

    status = 409
    slug = "conflict"
    title = "The state of the resource forbids this"


class ModelPurpose(Problem):
    """The model in use was not trained for the purpose of the consent."""

    status = 409
    slug = "model-purpose"
    title = "No model is in use for the purpose of this consent"


class RecordsUnavailable(Problem):
    """No source gave anything, or a required category is missing; `sources` gives the state of each."""

    status = 409
    slug = "records-unavailable"
    title = "The records that a profile needs were not delivered"


class IdempotencyMismatch(Problem):
    """The Idempotency-Key was used with another request."""

    status = 422
    slug = "idempotency-mismatch"
    title = "The idempotency key belongs to another request"


class IdempotencyInProgress(Problem):
    """The first request with this key has not finished."""

    status = 409
    slug = "idempotency-in-progress"
    title = "The first request with this key is still running"


class TooManyRequests(Problem):
    """Slow down; `Retry-After` says how long."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"


class DatabaseUnavailable(Problem):
    """The database is away, cannot write, or has no connection left."""

    status = 503
    slug = "database-unavailable"
    title = "The database cannot serve this request now"
    retry_after = 5


class DatabaseBusy(Problem):
    """A lock, a statement or a free connection took too long; nothing was changed."""

    status = 503
    slug = "database-busy"
    title = "The database did not come to this request in time"
    retry_after = 1


class Overloaded(Problem):
    """More requests wait than can be answered in time."""

    status = 503
    slug = "overloaded"
    title = "Too many requests wait already"
    retry_after = 2


class RequestTimeout(Problem):
    """The body did not arrive in time."""

    status = 408
    slug = "request-timeout"
    title = "The request body did not arrive in time"


class AuditUnavailable(Problem):
    """The evidence could not be written, so no data goes out."""

    status = 503
    slug = "audit-unavailable"
    title = "The evidence cannot be written, so nothing is disclosed"
    retry_after = 5
