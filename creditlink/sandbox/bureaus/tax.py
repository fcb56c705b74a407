"""The tax bureau: signed JSON over POST, pinyin field names."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import flask
import polars as pl

from creditlink.kit.clock import add_months
from creditlink.sandbox.bureaus import tax_rows
from creditlink.sandbox.bureaus.cases import CaseCounter
from creditlink.sandbox.bureaus.faults import Faults, WireRow, faulty_page, faulty_text
from creditlink.sandbox.bureaus.holdings import Holdings, months_between, rows_as
from creditlink.sandbox.bureaus.invoices import Invoice, expand
from creditlink.sandbox.bureaus.real_invoices import RealInvoices

FRAMES = ("vat_declarations", "income_tax_returns", "invoice_months", "tax_standing", "tax_events")
RESOURCES = ("zzssb", "qysds", "fapiao", "nsrzt", "wfcf")
_FIELDS = {"tyshxydm", "ssqQ", "ssqZ", "pageNum", "pageSize", "fx"}
_SIGNED = {
    "X-App-Id": re.compile(r".{1,64}"),
    "X-Timestamp": re.compile(r"[0-9]{1,15}"),
    "X-Nonce": re.compile(r"[A-Za-z0-9_-]{16,64}"),
    "X-Signature": re.compile(r"[0-9a-f]{64}"),
}
_MOST_MONTHS, _MOST_ROWS, _KEPT_NONCES, _KEPT_FIRMS = 120, 1000, 100_000, 8
_SKEW_MS = 300_000
_DIRECTIONS = {"X": "output", "J": "input"}
# Which field is spoiled how, by resource: a day, a number, and the one left out.
_WEAK = {
    "zzssb": ("sbqx", "ysxse", "lrsj"),
    "qysds": ("sbqx", "yysr", "lrsj"),
    "fapiao": ("kprq", "je", "zt"),
    "nsrzt": ("ny", "qsje", "qsts"),
    "wfcf": ("fsrq", "je", "bjrq"),
}


@dataclass(frozen=True)
class _TaxQuery:
    """A checked request: a firm, months from `first` to `last`, a page."""

    uscc: str
    first: date
    last: date
    page: int
    size: int
    direction: str | None


class TaxRefusal(Exception):
    """An answer other than 0000."""

    def __init__(self, status: int, code: str, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.field = status, code, text, field


class TaxBureau:
    """What the tax office knows, and how it answers."""

    def __init__(self, holdings: Holdings, real: RealInvoices | None, app_id: str, secret: str) -> None:
        self._holdings = holdings
        self._real = real
        self._app_id, self._secret = app_id, secret.encode()
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._expanded: OrderedDict[tuple[str, date], list[Invoice]] = OrderedDict()
        self._lock = threading.Lock()
        self.faults = Faults(RESOURCES)
        self.cases = CaseCounter(holdings, secret)

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        app = flask.Flask("creditlink.sandbox.bureaus.tax")
        app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
        app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
        self.faults.register(app)
        self.cases.register(app)
        app.add_url_rule("/health", "health", lambda: {"status": "up", "bureau": "tax"})
        for resource in RESOURCES:
            app.add_url_rule(
                f"/swj/v1/{resource}/query", resource, self._answer, defaults={"resource": resource}, methods=["POST"]
            )
        app.register_error_handler(404, lambda _e: _deny(TaxRefusal(404, "2404", "无此接口")))
        app.register_error_handler(405, lambda _e: _deny(TaxRefusal(405, "2405", "请求方法错误")))
        app.register_error_handler(413, lambda _e: _deny(TaxRefusal(413, "2413", "请求体过大")))
        app.register_error_handler(TaxRefusal, _deny)
        return app

    def _answer(self, resource: str) -> flask.Response:
        body = flask.request.get_data()
        self._check_signature(body)
        asked = _parse(body, resource)
        mode = self.faults.take(asked.uscc, resource)
        if mode == "http500":
            raise TaxRefusal(500, "9999", "系统异常")
        if mode == "timeout":
            raise TaxRefusal(504, "9504", "系统超时")
        rows = None if mode == "no_record" else self._rows(resource, asked)
        if rows is None:
            return flask.jsonify({"code": "4004", "msg": "查无记录", "total": 0, "data": []})
        return _page(resource, rows, asked, mode)

    def _rows(self, resource: str, asked: _TaxQuery) -> Sequence[WireRow | Invoice] | None:
        """Return the rows that were asked for, None where the office has no record of the firm."""
        if resource == "fapiao":
            invoices = self._invoices(asked.uscc)
            end = add_months(asked.last, 1)
            chosen = [
                one
                for one in invoices
                if asked.first <= one.issued_on < end and asked.direction in (None, one.direction)
            ]
            return chosen if invoices else None
        frame, rows = tax_rows.MADE_FROM[resource]
        held = self._holdings.rows(frame, asked.uscc)
        # That a taxpayer of this office did nothing wrong is something it knows.
        if held.is_empty() and not (resource == "wfcf" and self._knows(asked.uscc)):
            return None
        return rows(held, (asked.first, asked.last), self._holdings.seed)

    def _knows(self, uscc: str) -> bool:
        return any(not self._holdings.rows(frame, uscc).is_empty() for frame in ("tax_standing", "vat_declarations"))

    def _invoices(self, uscc: str) -> list[Invoice]:
        kept = (uscc, self._holdings.today())
        with self._lock:
            if kept in self._expanded:
                self._expanded.move_to_end(kept)
                return self._expanded[kept]
        if self._real is not None and uscc in self._real.rows:
            # The source does not say when an invoice was recorded: the first day of the next month is assumed.
            frame = self._real.rows[uscc].with_columns(
                known_on=pl.col("issued_on").dt.truncate("1mo").dt.offset_by("1mo")
            )
            invoices = rows_as(frame, Invoice)
        else:
            invoices = expand(self._holdings.rows("invoice_months", uscc), self._holdings.seed)
        with self._lock:
            self._expanded[kept] = invoices
            while len(self._expanded) > _KEPT_FIRMS:
                self._expanded.popitem(last=False)
        return invoices

    def _check_signature(self, body: bytes) -> None:
        sent = {name: flask.request.headers.get(name, "") for name in _SIGNED}
        for name, value in sent.items():
            if not _SIGNED[name].fullmatch(value):
                raise TaxRefusal(401, "1001", "签名头缺失或格式错误", name)
        if sent["X-App-Id"] != self._app_id:
            raise TaxRefusal(401, "1002", "应用标识不存在")
        base = "\n".join(
            ("POST", flask.request.path, sent["X-Timestamp"], sent["X-Nonce"], hashlib.sha256(body).hexdigest())
        )
        expected = hmac.new(self._secret, base.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, sent["X-Signature"]):
            raise TaxRefusal(401, "1003", "签名不正确")
        if abs(int(sent["X-Timestamp"]) - time.time() * 1000) > _SKEW_MS:
            raise TaxRefusal(401, "1004", "时间戳超出范围")
        with self._lock:
            if sent["X-Nonce"] in self._nonces:
                raise TaxRefusal(401, "1005", "随机串重复使用")
            self._nonces[sent["X-Nonce"]] = None
            while len(self._nonces) > _KEPT_NONCES:
                self._nonces.popitem(last=False)


def _page(resource: str, rows: Sequence[WireRow | Invoice], asked: _TaxQuery, mode: str | None) -> flask.Response:
    weak_day, weak_number, left_out = _WEAK[resource]
    chosen = rows[(asked.page - 1) * asked.size : asked.page * asked.size]
    page = [tax_rows.invoice(row) if isinstance(row, Invoice) else row for row in chosen]
    page, whole = faulty_page(page, mode, day=weak_day, number=weak_number, last=left_out)
    response = flask.jsonify(
        {
            "code": "0000",
            "msg": "成功",
            "total": len(rows),
            "pageNum": asked.page,
            "pageSize": asked.size,
            "wzbz": "Y" if whole else "N",
            "data": page,
        }
    )
    response.set_data(faulty_text(response.get_data(), mode))
    return response


def _parse(body: bytes, resource: str) -> _TaxQuery:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise TaxRefusal(400, "2000", "请求体不是JSON对象")
    unknown = set(asked) - (_FIELDS if resource == "fapiao" else _FIELDS - {"fx"})
    if unknown:
        raise TaxRefusal(400, "2001", "未知字段", min(unknown))
    if not re.fullmatch(r"[0-9A-Z]{18}", str(asked.get("tyshxydm", ""))):
        raise TaxRefusal(400, "2001", "统一社会信用代码格式错误", "tyshxydm")
    first, last = (_month(asked.get(name), name) for name in ("ssqQ", "ssqZ"))
    if first > last or months_between(first, last) > _MOST_MONTHS:
        raise TaxRefusal(400, "2001", "月份范围错误", "ssqQ")
    page = _number(asked.get("pageNum", 1), "pageNum", 10**9)
    size = _number(asked.get("pageSize", 100), "pageSize", _MOST_ROWS)
    if asked.get("fx", "X") not in ("X", "J"):
        raise TaxRefusal(400, "2001", "方向错误", "fx")
    direction = _DIRECTIONS.get(asked.get("fx", ""))
    return _TaxQuery(str(asked["tyshxydm"]), first, last, page, size, direction)


def _month(text: object, name: str) -> date:
    if not isinstance(text, str) or not re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])", text):
        raise TaxRefusal(400, "2001", "月份格式错误", name)
    return date(int(text[:4]), int(text[4:]), 1)


def _number(value: object, name: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise TaxRefusal(400, "2001", "分页参数错误", name)
    return value


def _deny(refused: TaxRefusal) -> flask.Response:
    body = {"code": refused.code, "msg": refused.text} | ({"field": refused.field} if refused.field else {})
    response = flask.jsonify(body)
    response.status_code = refused.status
    return response
