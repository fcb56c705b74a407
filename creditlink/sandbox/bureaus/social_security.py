"""The social-security bureau: XML over GET, a cursor from page to page."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import date
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import flask

from creditlink.kit.money import yuan_text
from creditlink.sandbox.bureaus import query
from creditlink.sandbox.bureaus.cases import CaseCounter
from creditlink.sandbox.bureaus.faults import Faults, WireRow, faulty_page, faulty_text
from creditlink.sandbox.bureaus.holdings import Holdings, day, rows_as, within
from creditlink.sandbox.bureaus.query import BadParameter, BureauQuery

FRAMES = ("payroll_months",)
RESOURCES = ("payroll",)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


class _PayrollMonth(NamedTuple):
    """One version of a firm's payroll month, as the city records it."""

    firm: int
    period: date
    headcount: int
    base_fen: int
    due_fen: int
    paid_fen: int
    due_on: date
    paid_on: date | None
    joiners: int
    leavers: int
    known_on: date
    version: int


class SocialSecurityRefusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, text: str, parameter: str | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.parameter = status, code, text, parameter


class SocialSecurityBureau:
    """What the social-security office knows, and how it answers."""

    def __init__(self, holdings: Holdings, api_key: str) -> None:
        self._holdings = holdings
        self._api_key = api_key.encode()
        self.faults = Faults(RESOURCES)
        self.cases = CaseCounter(holdings, api_key)

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        app = flask.Flask("creditlink.sandbox.bureaus.social_security")
        self.faults.register(app)
        self.cases.register(app)
        app.add_url_rule("/health", "health", lambda: {"status": "up", "bureau": "social_security"})
        app.add_url_rule("/sbj/payroll", "payroll", self._answer, methods=["GET"])
        app.register_error_handler(404, lambda _e: _deny(SocialSecurityRefusal(404, "NOT_FOUND", "no such endpoint")))
        app.register_error_handler(405, lambda _e: _deny(SocialSecurityRefusal(405, "METHOD_NOT_ALLOWED", "use GET")))
        app.register_error_handler(SocialSecurityRefusal, _deny)
        app.register_error_handler(
            BadParameter, lambda e: _deny(SocialSecurityRefusal(400, "BAD_PARAMETER", e.text, parameter=e.parameter))
        )
        return app

    def _answer(self) -> flask.Response:
        if not hmac.compare_digest(flask.request.headers.get("X-Api-Key", "").encode(), self._api_key):
            raise SocialSecurityRefusal(401, "UNAUTHORIZED", "the key is missing or wrong")
        asked = query.read({"limit", "cursor"}, {"limit": (60, 200)})
        offset = _offset(flask.request.args.get("cursor"), asked)
        mode = self.faults.take(asked.uscc, "payroll")
        if mode == "http500":
            raise SocialSecurityRefusal(500, "INTERNAL", "system fault")
        if mode == "timeout":
            raise SocialSecurityRefusal(504, "TIMEOUT", "system time-out")
        months = self._holdings.rows("payroll_months", asked.uscc)
        if months.is_empty() or mode == "no_record":
            raise SocialSecurityRefusal(404, "NO_RECORD", "no record for this code")
        rows = [_month(row) for row in rows_as(within(months, asked.first, asked.last), _PayrollMonth)]
        return _document(asked, rows, offset, mode)


def _document(asked: BureauQuery, rows: list[WireRow], offset: int, mode: str | None) -> flask.Response:
    limit = asked.numbers["limit"]
    page = rows[offset : offset + limit]
    page, whole = faulty_page(page, mode, day="dueOn", number="headcount", last="leavers")
    complete = "true" if whole else "false"
    lines = [f'<payrolls uscc={quoteattr(asked.uscc)} total="{len(rows)}" complete="{complete}">']
    for row in page:
        attributes = " ".join(f"{name}={quoteattr(str(row[name]))}" for name in _ATTRIBUTES)
        lines.append(f"  <month {attributes}>")
        for name, value in row.items():
            if name not in _ATTRIBUTES:
                lines.append(f"    <{name}>{escape(str(value))}</{name}>" if value != "" else f"    <{name}/>")
        lines.append("  </month>")
    if offset + limit < len(rows):
        lines.append(f"  <next>{_cursor(asked, offset + limit)}</next>")
    text = faulty_text((_HEAD + "\n".join([*lines, "</payrolls>"]) + "\n").encode(), mode)
    return flask.Response(text, content_type="application/xml; charset=utf-8")


_ATTRIBUTES = ("id", "version", "period", "recordedAt")


def _month(row: _PayrollMonth) -> WireRow:
    month = f"{row.period:%Y-%m}"
    return {
        "id": f"SB{row.firm:07d}-{month}",
        "version": row.version,
        "period": month,
        "recordedAt": f"{row.known_on:%Y-%m-%d}T10:12:45+08:00",
        "headcount": row.headcount,
        "base": yuan_text(row.base_fen),
        "due": yuan_text(row.due_fen),
        "paid": yuan_text(row.paid_fen),
        "dueOn": day(row.due_on, "%Y-%m-%d"),
        "paidOn": day(row.paid_on, "%Y-%m-%d"),
        "joiners": row.joiners,
        "leavers": row.leavers,
    }


def _cursor(asked: BureauQuery, offset: int) -> str:
    body = json.dumps([offset, *_identity(asked)])
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def _identity(asked: BureauQuery) -> list[str | int]:
    """Return what makes two requests the same but for their page."""
    return [asked.uscc, str(asked.first), str(asked.last), asked.numbers["limit"]]


def _offset(cursor: str | None, asked: BureauQuery) -> int:
    """Return where the page begins; a cursor is good for the request that it was issued to."""
    if cursor is None:
        return 0
    try:
        body = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        offset, *rest = body
    except (ValueError, TypeError):
        raise SocialSecurityRefusal(400, "BAD_CURSOR", "not a cursor of this office", "cursor") from None
    if type(offset) is not int or rest != _identity(asked):
        raise SocialSecurityRefusal(400, "BAD_CURSOR", "issued for another request", "cursor")
    return offset


def _deny(refused: SocialSecurityRefusal) -> flask.Response:
    where = f" parameter={quoteattr(refused.parameter)}" if refused.parameter else ""
    text = f"{_HEAD}<error code={quoteattr(refused.code)}{where}>{escape(refused.text)}</error>\n"
    return flask.Response(text, status=refused.status, content_type="application/xml; charset=utf-8")
