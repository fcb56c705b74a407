"""The tax bureau: signed JSON over POST, pinyin field names."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections import OrderedDict
from datetime import date
from typing import Any

import flask
import polars as pl

from creditlink.kit.clock import add_months
from creditlink.kit.money import yuan_text
from creditlink.sandbox.bureaus.faults import BureauFault, Faults, halved, spoiled
from creditlink.sandbox.bureaus.holdings import Holdings, day, months_between, within
from creditlink.sandbox.bureaus.invoices import expand
from creditlink.sandbox.bureaus.real_invoices import RealInvoices

FRAMES = ("vat_declarations", "invoice_months", "tax_standing")
RESOURCES = ("zzssb", "fapiao", "nsrzt")
_FIELDS = {"tyshxydm", "ssqQ", "ssqZ", "pageNum", "pageSize", "fx"}
_SIGNED = {
    "X-App-Id": re.compile(r".{1,64}"),
    "X-Timestamp": re.compile(r"[0-9]{1,15}"),
    "X-Nonce": re.compile(r"[A-Za-z0-9_-]{16,64}"),
    "X-Signature": re.compile(r"[0-9a-f]{64}"),
}
_MOST_MONTHS, _MOST_ROWS, _KEPT_NONCES, _KEPT_FIRMS = 120, 1000, 100_000, 8
_SKEW_MS = 300_000
# Which field is spoiled how, by resource: a day, a number, and the one left out.
_WEAK = {"zzssb": ("sbqx", "ysxse", "lrsj"), "fapiao": ("kprq", "je", "zt"), "nsrzt": ("ny", "qsje", "qsts")}


class TaxRefusal(Exception):
    """An answer other than 0000."""

    def __init__(self, status: int, code: str, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.field = status, code, text, field


class TaxBureau:
    """What the tax office knows and how it answers."""

    def __init__(self, holdings: Holdings, real: RealInvoices | None, app_id: str, secret: str) -> None:
        self._holdings = holdings
        self._real = real
        self._app_id, self._secret = app_id, secret.encode()
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._expanded: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()
        self.faults = Faults(RESOURCES)

    def application(self) -> flask.Flask:
        """Return the office's web application."""
        app = flask.Flask("creditlink.sandbox.bureaus.tax")
        app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
        app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
        self.faults.register(app)
        app.add_url_rule("/health", "health", lambda: {"status": "up", "bureau": "tax"})
        for resource in RESOURCES:
            app.add_url_rule(
                f"/swj/v1/{resource}/query", resource, self._answer, defaults={"resource": resource}, methods=["POST"]
            )
        app.register_error_handler(404, lambda _e: _said(TaxRefusal(404, "2404", "无此接口")))
        app.register_error_handler(405, lambda _e: _said(TaxRefusal(405, "2405", "请求方法错误")))
        app.register_error_handler(413, lambda _e: _said(TaxRefusal(413, "2413", "请求体过大")))
        app.register_error_handler(TaxRefusal, _said)
        return app

    def _answer(self, resource: str) -> flask.Response:
        body = flask.request.get_data()
        self._check_signature(body)
        asked = _parsed(body, resource)
        fault = self.faults.take(asked["tyshxydm"], resource)
        if fault is not None and fault.mode == "http500":
            raise TaxRefusal(500, "9999", "系统异常")
        if fault is not None and fault.mode == "timeout":
            raise TaxRefusal(504, "9504", "系统超时")
        rows = None if fault is not None and fault.mode == "no_record" else self._rows(resource, asked)
        if rows is None:
            return flask.jsonify({"code": "4004", "msg": "查无记录", "total": 0, "data": []})
        return self._page(resource, rows, asked, fault)

    def _page(
        self, resource: str, rows: list[dict[str, Any]], asked: dict[str, Any], fault: BureauFault | None
    ) -> flask.Response:
        number, size = asked["pageNum"], asked["pageSize"]
        page, whole = rows[(number - 1) * size : number * size], True
        page = [_WIRE[resource](row) for row in page]
        if fault is not None and fault.mode == "partial":
            page, whole = halved(page), not page
        if fault is not None and fault.mode == "malformed":
            weak_day, weak_number, left_out = _WEAK[resource]
            page = spoiled(page, day=weak_day, number=weak_number, last=left_out)
        response = flask.jsonify(
            {
                "code": "0000",
                "msg": "成功",
                "total": len(rows),
                "pageNum": number,
                "pageSize": size,
                "wzbz": "Y" if whole else "N",
                "data": page,
            }
        )
        if fault is not None and fault.mode == "truncated":
            text = response.get_data()
            response.set_data(text[: len(text) // 2])
        return response

    def _rows(self, resource: str, asked: dict[str, Any]) -> list[dict[str, Any]] | None:
        uscc, first, last = asked["tyshxydm"], asked["ssqQ"], asked["ssqZ"]
        if resource == "fapiao":
            told = self._invoices(uscc)
            if not told:
                return None
            end = add_months(last, 1)
            wanted = {"X": "output", "J": "input"}.get(asked.get("fx", ""))
            return [r for r in told if first <= r["issued_on"] < end and wanted in (None, r["direction"])]
        held = self._holdings.rows("vat_declarations" if resource == "zzssb" else "tax_standing", uscc)
        return None if held.is_empty() else within(held, first, last).to_dicts()

    def _invoices(self, uscc: str) -> list[dict[str, Any]]:
        with self._lock:
            if uscc in self._expanded:
                self._expanded.move_to_end(uscc)
                return self._expanded[uscc]
        if self._real is not None and uscc in self._real.rows:
            # The source does not say when an invoice was recorded: the first day of the next month is assumed.
            frame = self._real.rows[uscc].with_columns(
                known_on=pl.col("issued_on").dt.truncate("1mo").dt.offset_by("1mo")
            )
            told = frame.to_dicts()
        else:
            told = expand(self._holdings.rows("invoice_months", uscc), self._holdings.seed)
        with self._lock:
            self._expanded[uscc] = told
            while len(self._expanded) > _KEPT_FIRMS:
                self._expanded.popitem(last=False)
        return told

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


def _parsed(body: bytes, resource: str) -> dict[str, Any]:
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
    out: dict[str, Any] = {"tyshxydm": asked["tyshxydm"]}
    for name in ("ssqQ", "ssqZ"):
        text = asked.get(name)
        if not isinstance(text, str) or not re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])", text):
            raise TaxRefusal(400, "2001", "月份格式错误", name)
        out[name] = date(int(text[:4]), int(text[4:]), 1)
    if out["ssqQ"] > out["ssqZ"] or months_between(out["ssqQ"], out["ssqZ"]) > _MOST_MONTHS:
        raise TaxRefusal(400, "2001", "月份范围错误", "ssqQ")
    for name, default, most in (("pageNum", 1, 10**9), ("pageSize", 100, _MOST_ROWS)):
        value = asked.get(name, default)
        if type(value) is not int or not 1 <= value <= most:
            raise TaxRefusal(400, "2001", "分页参数错误", name)
        out[name] = value
    if asked.get("fx", "X") not in ("X", "J"):
        raise TaxRefusal(400, "2001", "方向错误", "fx")
    return out | ({"fx": asked["fx"]} if "fx" in asked else {})


def _said(refused: TaxRefusal) -> flask.Response:
    body = {"code": refused.code, "msg": refused.text} | ({"field": refused.field} if refused.field else {})
    response = flask.jsonify(body)
    response.status_code = refused.status
    return response


def _yuan(fen: int | None) -> str:
    return "" if fen is None else yuan_text(fen)


def _recorded(known_on: date, hour: int = 9) -> str:
    return f"{known_on:%Y%m%d}{hour:02d}3107+0800"


def _declaration(row: dict[str, Any]) -> dict[str, Any]:
    month = f"{row['period']:%Y%m}"
    return {
        "lsh": f"ZS{row['firm']:07d}-{month}",
        "bbh": row["version"],
        "skssq": month,
        "ysxse": _yuan(row["taxable_sales_fen"]),
        "xxse": _yuan(row["output_tax_fen"]),
        "jxse": _yuan(row["input_tax_fen"]),
        "ynse": _yuan(row["payable_fen"]),
        "yjse": _yuan(row["paid_fen"]),
        "sbqx": day(row["due_on"], "%Y%m%d"),
        "sbrq": day(row["filed_on"], "%Y%m%d"),
        "lrsj": _recorded(row["known_on"]),
    }


def _standing(row: dict[str, Any]) -> dict[str, Any]:
    month = f"{row['period']:%Y%m}"
    return {
        "lsh": f"NZ{row['firm']:07d}-{month}",
        "bbh": row["version"],
        "ny": month,
        "xydj": row["taxpayer_grade"],
        "nsrlx": "1" if row["taxpayer_kind"] == "general" else "2",
        "qsje": _yuan(row["arrears_fen"]),
        "qsts": row["arrears_days"],
        "cfcs": row["penalties"],
        "lrsj": _recorded(row["known_on"]),
    }


def _invoice(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "lsh": row["record_id"],
        "bbh": 0,
        "fphm": row["number"],
        "kprq": day(row["issued_on"], "%Y%m%d"),
        "fx": "X" if row["direction"] == "output" else "J",
        "dfdm": row["counterparty"],
        "je": _yuan(row["amount_fen"]),
        "se": _yuan(row["tax_fen"]),
        "hj": _yuan(row["amount_fen"] + row["tax_fen"]),
        "zt": "1" if row["is_void"] else "0",
        "lrsj": _recorded(row["known_on"], hour=2),
    }


_WIRE = {"zzssb": _declaration, "nsrzt": _standing, "fapiao": _invoice}
