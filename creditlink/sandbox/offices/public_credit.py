"""The public credit platform: JSON with Chinese names over POST, a token, and a certificate of every search."""

from __future__ import annotations

import hmac
import json
import secrets
from datetime import date, datetime
from typing import NamedTuple

import flask
import polars as pl

from creditlink.kit.clock import SHANGHAI, utc_now
from creditlink.sandbox.bureaus.cases import CaseCounter
from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import Holdings, day
from creditlink.sandbox.offices.desk import OfficeDesk, OfficeFields, OfficeRefusal, OfficeRows, WeakFields

_FIELDS = OfficeFields(
    "统一社会信用代码", "起始月份", "截止月份", "%Y-%m", page="页码", size="每页条数", usual_size=50, most_size=200
)
_KINDS = {
    "penalty": "行政处罚",
    "licence": "行政许可",
    "court_enforcement": "被执行人",
    "dishonest_debtor": "失信被执行人",
    "red_list": "守信红名单",
}
_SEVERITIES = {1: "轻微", 2: "一般", 3: "严重"}
_CODES = {
    "unauthorized": ("401", "令牌缺失或无效"),
    "bad_body": ("4000", "请求体不是JSON对象"),
    "bad_field": ("4001", "参数错误"),
    "no_record": ("2404", "查无此主体"),
    "not_found": ("404", "接口不存在"),
    "method": ("405", "请求方法错误"),
    "too_large": ("413", "请求体过大"),
    "fault": ("500", "系统异常"),
    "timeout": ("504", "系统超时"),
}


class _CreditEvent(NamedTuple):
    """One version of an event, as the city records it."""

    firm: int
    kind: str
    occurred_on: date
    severity: int
    amount_fen: int | None
    ended_on: date | None
    known_on: date
    version: int


class PublicCreditPlatform:
    """What the public credit platform has on its lists, and how it answers."""

    def __init__(self, holdings: Holdings, token: str) -> None:
        self._desk = OfficeDesk(
            "public_credit", "credit_events", holdings, WeakFields("发生日期", "金额（万元）", "归集时间")
        )
        self._token = token.encode()
        self.cases = CaseCounter(holdings, token)

    def application(self) -> flask.Flask:
        """Return the platform's web application."""
        app = self._desk.application("/ggxy/v2/chaxun", "POST", self._answer, _deny)
        self.cases.register(app)
        return app

    def _answer(self) -> flask.Response:
        if not hmac.compare_digest(flask.request.headers.get("X-Access-Token", "").encode(), self._token):
            raise OfficeRefusal("unauthorized")
        try:
            sent = json.loads(flask.request.get_data())
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, dict):
            raise OfficeRefusal("bad_body")
        asked = _FIELDS.read(sent)
        mode = self._desk.fault(asked)
        if not self._desk.knows(asked.uscc):
            raise OfficeRefusal("no_record")
        # Of a firm on no list there is no row, and the certificate says that it was looked for.
        listed = self._desk.versions(asked.uscc).filter(pl.col("kind") != "searched")
        found = self._desk.page(asked, listed, _CreditEvent, _event, mode)
        months = {"起始月份": f"{asked.first:%Y-%m}", "截止月份": f"{asked.last:%Y-%m}"}
        return _envelope(asked.uscc, months, found)


def _envelope(uscc: str, months: dict[str, str], found: OfficeRows) -> flask.Response:
    now = utc_now().astimezone(SHANGHAI)
    certificate = {"凭证编号": _number(now), "查询时间": now.isoformat(timespec="seconds"), **months}
    response = flask.jsonify(
        {
            "状态码": "200",
            "说明": "查询成功",
            "统一社会信用代码": uscc,
            "查询凭证": certificate | {"名单范围": list(_KINDS.values())},
            "总条数": found.total,
            "是否完整": "是" if found.whole else "否",
            "记录": found.rows,
        }
    )
    response.set_data(found.text(response.get_data()))
    return response


def _number(now: datetime) -> str:
    return f"PZ{now:%Y%m%d%H%M%S}{secrets.token_hex(4).upper()}"


def _event(row: _CreditEvent) -> WireRow:
    letters = {"penalty": "CF", "licence": "XK", "court_enforcement": "ZX", "dishonest_debtor": "SX", "red_list": "HM"}
    fen = row.amount_fen
    return {
        "记录编号": f"{letters[row.kind]}{row.firm:07d}-{row.occurred_on:%Y%m%d}",
        "版本": row.version,
        "信息类别": _KINDS[row.kind],
        "发生日期": day(row.occurred_on, "%Y-%m-%d"),
        "严重程度": _SEVERITIES[row.severity],
        "金额（万元）": "" if fen is None else f"{fen // 10**6}.{fen % 10**6:06d}",
        "结束日期": day(row.ended_on, "%Y-%m-%d"),
        "归集时间": f"{row.known_on:%Y-%m-%d}T10:31:07+08:00",
    }


def _deny(refused: OfficeRefusal) -> flask.Response:
    code, text = _CODES[refused.why]
    body = {"状态码": code, "说明": text} | ({"参数": refused.field} if refused.field else {})
    response = flask.jsonify(body)
    response.status_code = 200 if refused.why == "no_record" else refused.status
    return response
