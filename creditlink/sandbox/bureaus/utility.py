"""The utility bureau: CSV over GET, pages linked by a header."""

from __future__ import annotations

import csv
import hmac
import io
from datetime import date
from typing import NamedTuple
from urllib.parse import urlencode

import flask
import polars as pl

from creditlink.engine.vocabulary import SUPPLIES
from creditlink.sandbox.bureaus import query
from creditlink.sandbox.bureaus.cases import CaseCounter
from creditlink.sandbox.bureaus.faults import Faults, WireRow, faulty_page, faulty_text
from creditlink.sandbox.bureaus.holdings import Holdings, day, rows_as, within
from creditlink.sandbox.bureaus.query import BadParameter, BureauQuery

FRAMES = ("meter_months",)
RESOURCES = tuple(SUPPLIES)
_COLUMNS = (
    "record_id", "version", "service_point", "period", "usage", "night_usage", "weekend_usage", "unit", "amount_fen",
    "due_on", "paid_on", "method", "read_quality", "disconnected", "recorded_at",
)  # fmt: skip
_METHOD = {"direct_debit": "DD", "transfer": "TR", "cash": "CA"}
_QUALITY = {"actual": "A", "estimated": "E", "substituted": "S"}


class _MeterMonth(NamedTuple):
    """One version of a meter's month, as the city records it."""

    firm: int
    period: date
    usage: float | None
    night_usage: float | None
    weekend_usage: float | None
    amount_fen: int
    due_on: date
    paid_on: date | None
    method: str
    read_quality: str
    disconnected: bool
    known_on: date
    version: int


class UtilityRefusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


class UtilityBureau:
    """What the utility companies know, and how they answer."""

    def __init__(self, holdings: Holdings, user: str, password: str) -> None:
        self._holdings = holdings
        self._user, self._password = user.encode(), password.encode()
        self.faults = Faults(RESOURCES)
        self.cases = CaseCounter(holdings, password)

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        app = flask.Flask("creditlink.sandbox.bureaus.utility")
        self.faults.register(app)
        self.cases.register(app)
        app.add_url_rule("/health", "health", lambda: {"status": "up", "bureau": "utility"})
        for kind in RESOURCES:
            app.add_url_rule(f"/v1/{kind}/months", kind, self._answer, defaults={"kind": kind}, methods=["GET"])
        app.register_error_handler(404, lambda _e: _deny(UtilityRefusal(404, "not_found", "no such endpoint")))
        app.register_error_handler(405, lambda _e: _deny(UtilityRefusal(405, "method_not_allowed", "use GET")))
        app.register_error_handler(UtilityRefusal, _deny)
        app.register_error_handler(BadParameter, lambda e: _deny(UtilityRefusal(400, "bad_parameter", str(e))))
        return app

    def _answer(self, kind: str) -> flask.Response:
        sent = flask.request.authorization
        good = sent is not None and sent.type == "basic"
        user, password = (str(sent.username), str(sent.password)) if sent is not None and good else ("", "")
        same_user = hmac.compare_digest(user.encode(), self._user)
        if not (same_user and hmac.compare_digest(password.encode(), self._password)):
            raise UtilityRefusal(401, "unauthorized", "credentials missing or wrong")
        asked = query.read({"page", "per_page"}, {"page": (1, 10**8), "per_page": (100, 500)})
        mode = self.faults.take(asked.uscc, kind)
        if mode == "http500":
            raise UtilityRefusal(500, "internal", "system fault")
        if mode == "timeout":
            raise UtilityRefusal(504, "timeout", "system time-out")
        months = self._holdings.rows("meter_months", asked.uscc).filter(pl.col("kind") == kind)
        if months.is_empty() or mode == "no_record":
            return flask.Response(status=204, headers={"X-Record": "none"})
        rows = [_line(row, kind) for row in rows_as(within(months, asked.first, asked.last), _MeterMonth)]
        return _table(kind, asked, rows, mode)


def _table(kind: str, asked: BureauQuery, rows: list[WireRow], mode: str | None) -> flask.Response:
    number, size = asked.numbers["page"], asked.numbers["per_page"]
    page = rows[(number - 1) * size : number * size]
    page, whole = faulty_page(page, mode, day="due_on", number="amount_fen", last="recorded_at")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    # A field left out shortens the line: what is left out are the last columns.
    writer.writerows([row[name] for name in _COLUMNS if name in row] for row in page)
    text = faulty_text(out.getvalue().encode(), mode)
    headers = {"X-Total-Count": str(len(rows)), "X-Complete": "true" if whole else "false"}
    if number * size < len(rows):
        following = {
            "uscc": asked.uscc,
            "from": f"{asked.first:%Y-%m}",
            "to": f"{asked.last:%Y-%m}",
            "page": number + 1,
            "per_page": size,
        }
        headers["Link"] = f'</v1/{kind}/months?{urlencode(following)}>; rel="next"'
    return flask.Response(text, headers=headers, content_type="text/csv; charset=utf-8")


def _line(row: _MeterMonth, kind: str) -> WireRow:
    month = f"{row.period:%Y-%m}"
    letter = kind[0].upper()
    return {
        "record_id": f"{letter}{row.firm:07d}-{month}",
        "version": row.version,
        "service_point": f"0306{row.firm:06d}-{letter}",
        "period": month,
        "usage": _quantity(row.usage),
        "night_usage": _quantity(row.night_usage),
        "weekend_usage": _quantity(row.weekend_usage),
        "unit": "kWh" if kind == "electricity" else "m3",
        "amount_fen": row.amount_fen,
        "due_on": day(row.due_on, "%Y-%m-%d"),
        "paid_on": day(row.paid_on, "%Y-%m-%d"),
        "method": _METHOD[row.method],
        "read_quality": _QUALITY[row.read_quality],
        "disconnected": int(row.disconnected),
        "recorded_at": f"{row.known_on:%Y-%m-%d}T01:31:07Z",
    }


def _quantity(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def _deny(refused: UtilityRefusal) -> flask.Response:
    headers = {"WWW-Authenticate": 'Basic realm="utility"'} if refused.status == 401 else {}
    text = f"{refused.code}: {refused.text}\n"
    return flask.Response(text, status=refused.status, headers=headers, content_type="text/plain; charset=utf-8")
