"""The housing-fund centre: signed forms over POST, rows as lists, and HTTP 200 whatever happened."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

import flask

from creditlink.kit.clock import SHANGHAI, utc_now
from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import Holdings, day
from creditlink.sandbox.offices.desk import OfficeDesk, OfficeFields, OfficeRefusal, WeakFields, compact

_FIELDS = OfficeFields("tyshxydm", "ksny", "jsny", "%Y%m", page="ym", size="mys", usual_size=50, most_size=200)
_COLUMNS = ("jlbh", "bb", "ny", "jcrs", "yjje", "sjje", "jzrq", "jkrq", "rksj")
_SKEW = timedelta(minutes=5)
_CODES = {
    "unauthorized": (4001, "验签失败"),
    "bad_field": (4003, "参数错误"),
    "no_record": (1404, "未查询到缴存单位"),
    "not_found": (4040, "接口不存在"),
    "method": (4050, "请求方式不支持"),
    "too_large": (4130, "请求报文过大"),
    "fault": (5000, "系统异常"),
    "timeout": (5040, "系统超时"),
}


class _FundMonth(NamedTuple):
    """One version of a firm's housing-fund month, as the city records it."""

    firm: int
    period: date
    headcount: int
    due_fen: int
    paid_fen: int
    due_on: date
    paid_on: date | None
    known_on: date
    version: int


class HousingFundCentre:
    """What the housing-fund centre knows, and how it answers."""

    def __init__(self, holdings: Holdings, app_key: str, secret: str) -> None:
        self._desk = OfficeDesk("housing_fund", "fund_months", holdings, WeakFields("jzrq", "yjje", "rksj"))
        self._app_key, self._secret = app_key, secret.encode()

    def application(self) -> flask.Flask:
        """Return the centre's web application."""
        return self._desk.application("/gjj/dwjc/query.do", "POST", self._answer, _deny)

    def _answer(self) -> flask.Response:
        sent = flask.request.form
        for name in sent:
            if len(sent.getlist(name)) > 1:
                raise OfficeRefusal("bad_field", field=name)
        form = sent.to_dict()
        self._check_signature(form)
        asked = _FIELDS.read({name: value for name, value in form.items() if name not in ("appkey", "sjc", "sign")})
        found = self._desk.rows(asked, _FundMonth, _month)
        response = _body(
            {
                "ret": 0,
                "msg": "成功",
                "tyshxydm": asked.uscc,
                "zts": found.total,
                "wz": 1 if found.whole else 0,
                "cols": _COLUMNS,
                # A field left out shortens its row.
                "rows": [[row[name] for name in _COLUMNS if name in row] for row in found.rows],
            }
        )
        response.set_data(found.text(response.get_data()))
        return response

    def _check_signature(self, form: Mapping[str, str]) -> None:
        for name, pattern in (("appkey", ".{1,64}"), ("sjc", "[0-9]{14}"), ("sign", "[0-9A-F]{64}")):
            if not re.fullmatch(pattern, form.get(name, "")):
                raise OfficeRefusal("unauthorized", field=name)
        if form["appkey"] != self._app_key:
            raise OfficeRefusal("unauthorized", field="appkey")
        base = "&".join(f"{name}={form[name]}" for name in sorted(form) if name != "sign")
        expected = hmac.new(self._secret, base.encode(), hashlib.sha256).hexdigest().upper()
        if not hmac.compare_digest(expected, form["sign"]):
            raise OfficeRefusal("unauthorized", field="sign")
        try:
            sent_at = datetime.strptime(form["sjc"], "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
        except ValueError:
            raise OfficeRefusal("unauthorized", field="sjc") from None
        if abs(utc_now() - sent_at) > _SKEW:
            raise OfficeRefusal("unauthorized", field="sjc")


def _month(row: _FundMonth) -> WireRow:
    month = f"{row.period:%Y%m}"
    return {
        "jlbh": f"GJJ{row.firm:07d}-{month}",
        "bb": row.version,
        "ny": month,
        "jcrs": row.headcount,
        "yjje": row.due_fen,
        "sjje": row.paid_fen,
        "jzrq": day(row.due_on, "%Y%m%d"),
        "jkrq": day(row.paid_on, "%Y%m%d"),
        "rksj": compact(row.known_on),
    }


def _body(body: Mapping[str, object]) -> flask.Response:
    return flask.Response(json.dumps(body, ensure_ascii=False).encode(), content_type="application/json; charset=utf-8")


def _deny(refused: OfficeRefusal) -> flask.Response:
    code, text = _CODES[refused.why]
    response = _body({"ret": code, "msg": text} | ({"field": refused.field} if refused.field else {}))
    # The centre's gateway knows one status; only an address that does not exist has another.
    response.status_code = 404 if refused.why == "not_found" else 200
    return response
