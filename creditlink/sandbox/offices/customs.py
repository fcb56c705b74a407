"""Customs: lines of text between bars, in GB18030, over GET with HTTP Basic."""

from __future__ import annotations

import hmac
from datetime import date
from typing import NamedTuple

import flask

from creditlink.kit.money import yuan_text
from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import Holdings
from creditlink.sandbox.offices.desk import OfficeDesk, OfficeFields, OfficeRefusal, WeakFields, compact, one_of_each

_ENCODING = "gb18030"
_FIELDS = OfficeFields("dm", "qsny", "zzny", "%Y%m", page="ym", size=None, usual_size=100, most_size=100)
_DIRECTIONS = {"export": "出口", "import": "进口"}
_CODES = {
    "unauthorized": ("E01", "用户名或密码错误"),
    "bad_field": ("E02", "参数错误"),
    "not_found": ("E04", "无此接口"),
    "method": ("E05", "请求方法错误"),
    "too_large": ("E06", "请求过大"),
    "fault": ("E90", "系统故障"),
    "timeout": ("E91", "系统超时"),
}


class _CustomsMonth(NamedTuple):
    """One version of what a firm declared to customs in a month, as the city records it."""

    firm: int
    period: date
    direction: str
    declarations: int
    amount_fen: int
    faults: int
    known_on: date
    version: int


class CustomsOffice:
    """What customs knows, and how it answers."""

    def __init__(self, holdings: Holdings, user: str, password: str) -> None:
        self._desk = OfficeDesk("import_export", "customs_months", holdings, WeakFields("ny", "wsjg", "lrsj"))
        self._user, self._password = user.encode(), password.encode()

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        return self._desk.application("/hgtj/ydhz.txt", "GET", self._answer, _deny)

    def _answer(self) -> flask.Response:
        sent = flask.request.authorization
        user, password = (sent.username or "", sent.password or "") if sent else ("", "")
        known = hmac.compare_digest(user.encode(), self._user)
        if not (hmac.compare_digest(password.encode(), self._password) and known):
            raise OfficeRefusal("unauthorized")
        asked = _FIELDS.read(one_of_each())
        try:
            found = self._desk.rows(asked, _CustomsMonth, _month)
        except OfficeRefusal as refused:
            if refused.why != "no_record":
                raise
            return _text([["N", asked.uscc, "无进出口记录"]])
        page = asked.start // asked.size + 1
        lines = [
            ["H", asked.uscc, str(found.total), str(page), "完整" if found.whole else "不完整"],
            *(["D", *map(str, row.values())] for row in found.rows),
            ["T", str(len(found.rows))],
        ]
        response = _text(lines)
        response.set_data(found.text(response.get_data()))
        return response


def _text(lines: list[list[str]]) -> flask.Response:
    text = "".join("|".join(line) + "\r\n" for line in lines)
    return flask.Response(text.encode(_ENCODING), content_type=f"text/plain; charset={_ENCODING}")


def _month(row: _CustomsMonth) -> WireRow:
    month = f"{row.period:%Y%m}"
    letter = "C" if row.direction == "export" else "J"
    return {
        "jlh": f"HG{letter}{row.firm:07d}-{month}",
        "bbh": row.version,
        "fx": _DIRECTIONS[row.direction],
        "ny": month,
        "bgds": row.declarations,
        "wsjg": yuan_text(row.amount_fen),
        "gtds": row.faults,
        "lrsj": compact(row.known_on),
    }


def _deny(refused: OfficeRefusal) -> flask.Response:
    code, text = _CODES[refused.why]
    response = _text([["E", code, text, refused.field or ""]])
    response.status_code = refused.status
    if refused.why == "unauthorized":
        response.headers["WWW-Authenticate"] = 'Basic realm="customs"'
    return response
