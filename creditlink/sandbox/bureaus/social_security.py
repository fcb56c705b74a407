"""The social-security bureau: XML over GET, a cursor from page to page."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import flask

from creditlink.kit.money import yuan_text
from creditlink.sandbox.bureaus import query
from creditlink.sandbox.bureaus.faults import BureauFault, Faults, halved, spoiled
from creditlink.sandbox.bureaus.holdings import Holdings, day, within
from creditlink.sandbox.bureaus.query import BadParameter

FRAMES = ("payroll_months",)
RESOURCES = ("payroll",)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


class SocialSecurityRefusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, text: str, parameter: str | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.parameter = status, code, text, parameter


class SocialSecurityBureau:
    """What the social-security office knows and how it answers."""

    def __init__(self, holdings: Holdings, api_key: str) -> None:
        self._holdings = holdings
        self._api_key = api_key.encode()
        self.faults = Faults(RESOURCES)

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        app = flask.Flask("creditlink.sandbox.bureaus.social_security")
        self.faults.register(app)
        app.add_url_rule("/health", "health", lambda: {"status": "up", "bureau": "social_security"})
        app.add_url_rule("/sbj/payroll", "payroll", self._answer, methods=["GET"])
        app.register_error_handler(404, lambda _e: _said(SocialSecurityRefusal(404, "NOT_FOUND", "no such endpoint")))
        app.register_error_handler(405, lambda _e: _said(SocialSecurityRefusal(405, "METHOD_NOT_ALLOWED", "use GET")))
        app.register_error_handler(SocialSecurityRefusal, _said)
        app.register_error_handler(
            BadParameter, lambda e: _said(SocialSecurityRefusal(400, "BAD_PARAMETER", e.text, parameter=e.parameter))
        )
        return app

    def _answer(self) -> flask.Response:
        if not hmac.compare_digest(flask.request.headers.get("X-Api-Key", "").encode(), self._api_key):
            raise SocialSecurityRefusal(401, "UNAUTHORIZED", "the key is missing or wrong")
        asked = query.read({"limit", "cursor"}, {"limit": (60, 200)})
        offset = _offset(flask.request.args.get("cursor"), asked)
        fault = self.faults.take(str(asked["uscc"]), "payroll")
        if fault is not None and fault.mode == "http500":
            raise SocialSecurityRefusal(500, "INTERNAL", "system fault")
        if fault is not None and fault.mode == "timeout":
            raise SocialSecurityRefusal(504, "TIMEOUT", "system time-out")
        held = self._holdings.rows("payroll_months", str(asked["uscc"]))
        if held.is_empty() or (fault is not None and fault.mode == "no_record"):
            raise SocialSecurityRefusal(404, "NO_RECORD", "no record for this code")
        rows = [_month(row) for row in within(held, asked["from"], asked["to"]).to_dicts()]  # type: ignore[arg-type]  # days, as read
        return _document(asked, rows, offset, fault)


def _document(
    asked: dict[str, Any], rows: list[dict[str, Any]], offset: int, fault: BureauFault | None
) -> flask.Response:
    limit = asked["limit"]
    page, whole = rows[offset : offset + limit], True
    if fault is not None and fault.mode == "partial":
        page, whole = halved(page), not page
    if fault is not None and fault.mode == "malformed":
        page = spoiled(page, day="dueOn", number="headcount", last="fundHeadcount")
    complete = "true" if whole else "false"
    lines = [f'<payrolls uscc={quoteattr(asked["uscc"])} total="{len(rows)}" complete="{complete}">']
    for row in page:
        attributes = " ".join(f"{name}={quoteattr(str(row[name]))}" for name in _ATTRIBUTES)
        lines.append(f"  <month {attributes}>")
        for name, value in row.items():
            if name not in _ATTRIBUTES:
                lines.append(f"    <{name}>{escape(str(value))}</{name}>" if value != "" else f"    <{name}/>")
        lines.append("  </month>")
    if offset + limit < len(rows):
        lines.append(f"  <next>{_cursor(asked, offset + limit)}</next>")
    text = (_HEAD + "\n".join([*lines, "</payrolls>"]) + "\n").encode()
    if fault is not None and fault.mode == "truncated":
        text = text[: len(text) // 2]
    return flask.Response(text, content_type="application/xml; charset=utf-8")


_ATTRIBUTES = ("id", "version", "period", "recordedAt")


def _month(row: dict[str, Any]) -> dict[str, Any]:
    month = f"{row['period']:%Y-%m}"
    return {
        "id": f"SB{row['firm']:07d}-{month}",
        "version": row["version"],
        "period": month,
        "recordedAt": f"{row['known_on']:%Y-%m-%d}T10:12:45+08:00",
        "headcount": row["headcount"],
        "base": yuan_text(row["base_fen"]),
        "due": yuan_text(row["due_fen"]),
        "paid": yuan_text(row["paid_fen"]),
        "dueOn": day(row["due_on"], "%Y-%m-%d"),
        "paidOn": day(row["paid_on"], "%Y-%m-%d"),
        "joiners": row["joiners"],
        "leavers": row["leavers"],
        "fundHeadcount": row["fund_headcount"],
    }


def _cursor(asked: dict[str, Any], offset: int) -> str:
    body = json.dumps([offset, asked["uscc"], str(asked["from"]), str(asked["to"]), asked["limit"]])
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def _offset(cursor: str | None, asked: dict[str, Any]) -> int:
    """Return where the page begins; a cursor is good for the request that it was issued to."""
    if cursor is None:
        return 0
    try:
        body = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        offset, *rest = body
    except (ValueError, TypeError):
        raise SocialSecurityRefusal(400, "BAD_CURSOR", "not a cursor of this office", "cursor") from None
    if type(offset) is not int or rest != [asked["uscc"], str(asked["from"]), str(asked["to"]), asked["limit"]]:
        raise SocialSecurityRefusal(400, "BAD_CURSOR", "issued for another request", "cursor")
    return offset


def _said(refused: SocialSecurityRefusal) -> flask.Response:
    where = f" parameter={quoteattr(refused.parameter)}" if refused.parameter else ""
    text = f"{_HEAD}<error code={quoteattr(refused.code)}{where}>{escape(refused.text)}</error>\n"
    return flask.Response(text, status=refused.status, content_type="application/xml; charset=utf-8")
