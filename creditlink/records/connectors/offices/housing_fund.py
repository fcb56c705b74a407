"""The housing-fund centre: signed forms over POST, rows as lists, and HTTP 200 whatever happened."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date

import httpx

from creditlink.kit.clock import SHANGHAI, utc_now
from creditlink.records.connectors.fields import FieldError, SourceRow, within
from creditlink.records.connectors.offices.pages import OfficePage, about, collect, json_object, listed, next_place
from creditlink.records.connectors.wire import Passing, Proceed, SourceResponse, Wire, refused, total_of
from creditlink.records.pulls.delivery import Delivery, Fact

_PATH = "/gjj/dwjc/query.do"
_PAGE_SIZE = 200
_FOUND, _NO_RECORD, _TIMEOUT = 0, 1404, 5040
_COLUMNS = ("jlbh", "bb", "ny", "jcrs", "yjje", "sjje", "jzrq", "jkrq", "rksj")
_MOST_FEN = 2**53


class HousingFundConnector:
    """Speaks the dialect of docs/offices.md, section 6."""

    source = "housing_fund"
    frames = ("fund_months",)
    credentials = ("app_key", "secret")

    def __init__(self, wire: Wire, *, app_key: str, secret: str, page_size: int = _PAGE_SIZE) -> None:
        self._wire = wire
        self._page_size = page_size
        self._app_key = app_key
        self._secret = secret.encode()

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's housing-fund months; see `wire.Connector`."""

        def ask(following: str | None) -> tuple[SourceResponse, OfficePage | None]:
            number = int(following or "1")
            form = {
                "appkey": self._app_key,
                "tyshxydm": uscc,
                "ksny": f"{since:%Y%m}",
                "jsny": f"{until:%Y%m}",
                "ym": str(number),
                "mys": str(self._page_size),
            }

            def build(client: httpx.AsyncClient) -> httpx.Request:
                # Signed again for each attempt: a signature is good for a few minutes.
                stamped = form | {"sjc": f"{utc_now().astimezone(SHANGHAI):%Y%m%d%H%M%S}"}
                signed = stamped | {"sign": form_signature(self._secret, stamped)}
                return client.build_request("POST", _PATH, data=signed)

            return self._wire.ask(build, lambda answer: (answer, _read(answer, uscc, number, self._page_size)), proceed)

        return collect(
            self.source, "payments", self._page_size, ask, lambda row: _month(row, since, until), names=("jlbh", "bb")
        )


def form_signature(secret: bytes, form: Mapping[str, str]) -> str:
    """Return the centre's signature of a form.

    Source: docs/offices.md, section 6: HMAC-SHA256 over the fields sorted by name, in upper-case hex.
    """
    base = "&".join(f"{name}={form[name]}" for name in sorted(form))
    return hmac.new(secret, base.encode(), hashlib.sha256).hexdigest().upper()


def _read(answer: SourceResponse, uscc: str, number: int, size: int) -> OfficePage | None:
    """Return the page of an answer, None for a firm without a record."""
    body = json_object(answer)
    code = body.get("ret")
    if answer.status != httpx.codes.OK:
        raise refused(answer, "")
    if type(code) is not int:
        raise Passing("DOWN", "the answer does not say what became of the request")
    if code == _NO_RECORD:
        return None
    if code == _TIMEOUT:
        raise Passing("TIMEOUT", "the office reports a time-out")
    if 4000 <= code < 5000:
        raise refused(answer, str(code))
    if code != _FOUND:
        raise Passing("DOWN", f"the office answers {str(code)[:8]}")
    about(body.get("tyshxydm"), uscc)
    if body.get("cols") != list(_COLUMNS):
        raise Passing("DOWN", "the rows have other columns than the manual's")
    total = total_of(body.get("zts"))
    more = next_place((number - 1) * size, size, total) is not None
    rows = [_named(row) for row in listed(body.get("rows"), "rows")]
    whole = type(body.get("wz")) is int and body.get("wz") == 1
    return OfficePage(rows, total, whole, following=str(number + 1) if more else None)


def _named(row: object) -> object:
    if not isinstance(row, list):
        return FieldError("(row)", row, "not a list of values")
    if len(row) > len(_COLUMNS):
        return FieldError("(row)", row, f"{len(row)} values, not {len(_COLUMNS)}")
    # A short row lacks its last fields: it says so when they are read.
    return dict(zip(_COLUMNS, row, strict=False))


def _month(row: SourceRow, since: date, until: date) -> Fact:
    row.record_id("jlbh")
    return Fact(
        frame="fund_months",
        period=within("ny", row.month("ny", compact=True), since, until),
        subkey="",
        values={
            "headcount": row.whole("jcrs"),
            "due_fen": row.whole("yjje", most=_MOST_FEN),
            "paid_fen": row.whole("sjje", most=_MOST_FEN),
            "due_on": row.day("jzrq", compact=True).isoformat(),
            "paid_on": None if row.is_empty("jkrq") else row.day("jkrq", compact=True).isoformat(),
        },
        known_at=row.instant("rksj", compact=True),
        version=row.whole("bb"),
    )
