"""The logistics platform: one JSON object a line over GET, a cursor in the last line."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import NamedTuple

import flask

from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import Holdings
from creditlink.sandbox.offices.desk import (
    OfficeDesk,
    OfficeFields,
    OfficeQuery,
    OfficeRefusal,
    WeakFields,
    one_of_each,
)

_FIELDS = OfficeFields("uscc", "since", "until", "%Y-%m", page=None, size="limit", usual_size=50, most_size=200)
_CODES = {
    "unauthorized": "AUTH",
    "bad_field": "PARAM",
    "not_found": "PATH",
    "method": "METHOD",
    "too_large": "SIZE",
    "fault": "FAULT",
    "timeout": "TIMEOUT",
}


class _ShipmentMonth(NamedTuple):
    """One version of what a firm shipped and stored in a month, as the city records it."""

    firm: int
    period: date
    shipments: int
    tonnes: float
    stored_tonnes: float | None
    known_on: date
    version: int


class LogisticsPlatform:
    """What the logistics platform carried, and how it answers."""

    def __init__(self, holdings: Holdings, partner_id: str, partner_key: str) -> None:
        self._desk = OfficeDesk(
            "logistics", "shipment_months", holdings, WeakFields("month", "shipments", "stored_tonnes")
        )
        self._partner_id, self._partner_key = partner_id.encode(), partner_key.encode()

    def application(self) -> flask.Flask:
        """Return the platform's web application."""
        return self._desk.application("/open/shipments.ndjson", "GET", self._answer, _deny)

    def _answer(self) -> flask.Response:
        sent = flask.request.headers
        known = hmac.compare_digest(sent.get("X-Partner-Id", "").encode(), self._partner_id)
        if not (hmac.compare_digest(sent.get("X-Partner-Key", "").encode(), self._partner_key) and known):
            raise OfficeRefusal("unauthorized", "partner id or key is wrong")
        query = one_of_each()
        asked = _FIELDS.read(query, also=("cursor",))
        asked = replace(asked, start=_start(query.get("cursor"), asked))
        try:
            found = self._desk.rows(asked, _ShipmentMonth, _month)
        except OfficeRefusal as refused:
            if refused.why != "no_record":
                raise
            return _lines([{"type": "none", "uscc": asked.uscc}])
        end: dict[str, object] = {"type": "end", "uscc": asked.uscc, "total": found.total, "complete": found.whole}
        end["next"] = _cursor(asked, asked.start + asked.size) if found.more else ""
        response = _lines([*({"type": "month", **row} for row in found.rows), end])
        response.set_data(found.text(response.get_data()))
        return response


def _lines(objects: list[Mapping[str, object]]) -> flask.Response:
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    return flask.Response(text.encode(), content_type="application/x-ndjson; charset=utf-8")


def _cursor(asked: OfficeQuery, start: int) -> str:
    """Return a cursor that is good for this request alone."""
    inside = [start, asked.uscc, f"{asked.first:%Y%m}", f"{asked.last:%Y%m}", asked.size]
    return base64.urlsafe_b64encode(json.dumps(inside).encode()).decode()


def _start(cursor: str | None, asked: OfficeQuery) -> int:
    if cursor is None:
        return 0
    try:
        start = json.loads(base64.urlsafe_b64decode(cursor.encode()))[0]
    except (ValueError, LookupError, TypeError, RecursionError):
        start = None
    if type(start) is not int or start < 1 or _cursor(asked, start) != cursor:
        raise OfficeRefusal("bad_field", "not a cursor of this request", "cursor")
    return start


def _month(row: _ShipmentMonth) -> WireRow:
    month = f"{row.period:%Y-%m}"
    return {
        "id": f"WL{row.firm:07d}-{month}",
        "version": row.version,
        "month": month,
        "shipments": row.shipments,
        "tonnes": f"{row.tonnes:.6f}",
        "recorded_at": f"{row.known_on:%Y-%m-%d}T10:31:07+08:00",
        "stored_tonnes": "" if row.stored_tonnes is None else f"{row.stored_tonnes:.6f}",
    }


def _deny(refused: OfficeRefusal) -> flask.Response:
    error: dict[str, object] = {"type": "error", "code": _CODES[refused.why], "text": refused.text}
    response = _lines([error | ({"field": refused.field} if refused.field else {})])
    response.status_code = refused.status
    return response
