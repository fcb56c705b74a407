"""The intellectual-property office: JSON over GET, a bearer token, offsets, and an ETag for the firm's whole list."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date
from typing import NamedTuple

import flask

from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import Holdings
from creditlink.sandbox.offices.desk import OfficeDesk, OfficeFields, OfficeRefusal, WeakFields, one_of_each

_FIELDS = OfficeFields(
    "uscc", "from", "to", "%Y-%m", page=None, size="limit", usual_size=50, most_size=100, offset="offset"
)
_KINDS = {"patent": "INV", "utility_model": "UTM", "trademark": "TMK", "software": "SWR"}
_CODES = {
    "unauthorized": "unauthorized",
    "bad_field": "invalid_parameter",
    "no_record": "no_holder",
    "not_found": "not_found",
    "method": "method_not_allowed",
    "changed": "changed",
    "too_large": "too_large",
    "fault": "internal",
    "timeout": "timeout",
}


class _Grant(NamedTuple):
    """One version of what a firm was granted in a month, as the city records it."""

    firm: int
    period: date
    kind: str
    granted: int
    known_on: date
    version: int


class IntellectualPropertyOffice:
    """What the intellectual-property office granted, and how it answers."""

    def __init__(self, holdings: Holdings, token: str) -> None:
        self._desk = OfficeDesk(
            "intellectual_property", "property_grants", holdings, WeakFields("month", "granted", "recorded_at")
        )
        self._token = token.encode()

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        return self._desk.application("/api/v3/grants", "GET", self._answer, _deny)

    def _answer(self) -> flask.Response:
        given = flask.request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            raise OfficeRefusal("unauthorized", "the token is missing or wrong")
        asked = _FIELDS.read(one_of_each())
        found = self._desk.rows(asked, _Grant, _grant)
        etag = _etag(self._desk, asked.uscc)
        if flask.request.headers.get("If-Match", "*") not in ("*", etag):
            raise OfficeRefusal("changed", "the list has changed since that page")
        response = flask.jsonify(
            {
                "uscc": asked.uscc,
                "total": found.total,
                "offset": asked.start,
                "limit": asked.size,
                "complete": found.whole,
                "grants": found.rows,
            }
        )
        response.set_data(found.text(response.get_data()))
        response.headers["ETag"] = etag
        return response


def _etag(desk: OfficeDesk, uscc: str) -> str:
    """Return the ETag of all that the office holds on a firm."""
    text = repr(desk.versions(uscc).rows()).encode()
    return f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def _grant(row: _Grant) -> WireRow:
    month = f"{row.period:%Y-%m}"
    return {
        "id": f"{_KINDS[row.kind]}{row.firm:07d}-{month}",
        "version": row.version,
        "kind": _KINDS[row.kind],
        "month": month,
        "granted": row.granted,
        "recorded_at": f"{row.known_on:%Y-%m-%d}T02:31:07Z",
    }


def _deny(refused: OfficeRefusal) -> flask.Response:
    error = {"code": _CODES[refused.why], "message": refused.text or _CODES[refused.why]}
    response = flask.jsonify({"error": error | ({"parameter": refused.field} if refused.field else {})})
    response.status_code = refused.status
    if refused.why == "unauthorized":
        response.headers["WWW-Authenticate"] = 'Bearer realm="grants"'
    return response
