"""The public credit platform: JSON with Chinese names over POST, a token, and a certificate of every search.

The certificate makes the difference between a firm that is on no list and one that nobody looked for: it becomes an
event of the kind `searched`, but only where the whole answer was read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date

import httpx

from creditlink.kit.clock import day_of, month_start
from creditlink.kit.money import fen_from_yuan
from creditlink.records.connectors.fields import FieldError, SourceRow, within
from creditlink.records.connectors.offices.pages import OfficePage, about, collect, json_object, listed, next_place
from creditlink.records.connectors.wire import Passing, Proceed, SourceResponse, Wire, refused, total_of
from creditlink.records.pulls.delivery import Delivery, Fact, Reject

_PATH = "/ggxy/v2/chaxun"
_PAGE_SIZE = 200
_FOUND, _NO_RECORD = "200", "2404"
_KINDS = {
    "行政处罚": "penalty",
    "行政许可": "licence",
    "被执行人": "court_enforcement",
    "失信被执行人": "dishonest_debtor",
    "守信红名单": "red_list",
}
_SEVERITIES = {"轻微": "1", "一般": "2", "严重": "3"}
_WAN = re.compile(r"[0-9]{1,9}\.[0-9]{6}")
_WAN_YUAN = 10_000


class PublicCreditConnector:
    """Speaks the dialect of docs/offices.md, section 1."""

    source = "public_credit"
    frames = ("credit_events",)
    credentials = ("token",)

    def __init__(self, wire: Wire, *, token: str, page_size: int = _PAGE_SIZE) -> None:
        self._wire = wire
        self._page_size = page_size
        self._token = token

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return what the lists say of the firm, and that they were searched; see `wire.Connector`."""
        certificates: list[object] = []

        def ask(following: str | None) -> tuple[SourceResponse, OfficePage | None]:
            number = int(following or "1")
            asked = {
                "统一社会信用代码": uscc,
                "起始月份": f"{since:%Y-%m}",
                "截止月份": f"{until:%Y-%m}",
                "页码": number,
                "每页条数": self._page_size,
            }
            content = json.dumps(asked, ensure_ascii=False).encode()
            headers = {"Content-Type": "application/json", "X-Access-Token": self._token}

            def build(client: httpx.AsyncClient) -> httpx.Request:
                return client.build_request("POST", _PATH, content=content, headers=headers)

            answer, body = self._wire.ask(build, lambda answer: (answer, _read(answer, uscc)), proceed)
            if body is None:
                return answer, None
            certificates.append(body.get("查询凭证"))
            total = total_of(body.get("总条数"))
            more = next_place((number - 1) * self._page_size, self._page_size, total) is not None
            whole = body.get("是否完整") == "是"
            return answer, OfficePage(
                listed(body.get("记录"), "记录"), total, whole, following=str(number + 1) if more else None
            )

        delivery = collect(
            self.source,
            "events",
            self._page_size,
            ask,
            lambda row: _event(row, since, until),
            names=("记录编号", "版本"),
        )
        result = delivery.resources["events"]
        if result.status == "DELIVERED":
            # A row kept aside may be the very one: then the search says nothing about what is not there.
            try:
                searched = [_searched(certificates[-1], since, until)]
            except FieldError as error:
                delivery.rejects.append(
                    Reject.of(self.source, "events", "certificate", error.field, error.value, error.reason)
                )
                result.status, result.error = "PARTIAL", "the answer has no valid certificate of the search"
                searched = []
            delivery.facts += [] if result.rejected else searched
            result.rejected = len(delivery.rejects)
        return delivery


def _read(answer: SourceResponse, uscc: str) -> Mapping[str, object] | None:
    """Return the envelope of an answer, None for a firm that the platform does not know."""
    body = json_object(answer)
    code = body.get("状态码")
    code = code if isinstance(code, str) else ""
    if answer.status != httpx.codes.OK:
        raise refused(answer, code)
    if code == _NO_RECORD:
        return None
    if code != _FOUND:
        raise Passing("DOWN", f"the answer lacks its records (code {code[:8]})")
    about(body.get("统一社会信用代码"), uscc)
    total_of(body.get("总条数"))
    listed(body.get("记录"), "记录")
    return body


def _event(row: SourceRow, since: date, until: date) -> Fact:
    kind = row.choice("信息类别", _KINDS)
    occurred_on = row.day("发生日期")
    ended_on = None if row.is_empty("结束日期") else row.day("结束日期")
    if ended_on is not None and ended_on < occurred_on:
        raise FieldError("结束日期", row.raw("结束日期"), "before the day on which it began")
    return Fact(
        frame="credit_events",
        period=within("发生日期", month_start(occurred_on), since, until),
        subkey=f"{kind}/{row.record_id('记录编号')}",
        values={
            "occurred_on": occurred_on.isoformat(),
            "severity": int(row.choice("严重程度", _SEVERITIES)),
            "amount_fen": _amount(row, "金额（万元）"),
            "ended_on": None if ended_on is None else ended_on.isoformat(),
        },
        known_at=row.instant("归集时间"),
        version=row.whole("版本"),
    )


def _amount(row: SourceRow, name: str) -> int | None:
    """Return an amount published in ten thousands of yuan; None where there is none."""
    text = row.text(name)
    if text == "":
        return None
    if not _WAN.fullmatch(text):
        raise FieldError(name, text, "not an amount in ten thousands of yuan with six decimals")
    return fen_from_yuan(text, unit=_WAN_YUAN)


def _searched(certificate: object, since: date, until: date) -> Fact:
    """Return the fact that the lists were searched, from the platform's certificate."""
    if not isinstance(certificate, Mapping):
        raise FieldError("查询凭证", certificate, "not a certificate")
    row = SourceRow(certificate)
    row.record_id("凭证编号")
    asked = {"起始月份": month_start(since), "截止月份": month_start(until)}
    for name, month in asked.items():
        if row.month(name) != month:
            raise FieldError(name, row.raw(name), f"not the month asked for, {month:%Y-%m}")
    lists = row.raw("名单范围")
    if not isinstance(lists, list) or not all(kind in lists for kind in _KINDS):
        raise FieldError("名单范围", lists, "lacks a list that the search must cover")
    searched_at = row.instant("查询时间")
    if day_of(searched_at) < until:
        raise FieldError("查询时间", row.raw("查询时间"), f"before the day asked for, {until}")
    return Fact(
        frame="credit_events",
        period=month_start(until),
        subkey="searched",
        values={"occurred_on": until.isoformat(), "severity": 1, "amount_fen": None, "ended_on": None},
        known_at=searched_at,
    )
