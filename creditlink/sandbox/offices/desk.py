"""What the six offices do alike: the fields of a request, faults on request, health, one page of a firm's rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeVar

import flask
import polars as pl

from creditlink.sandbox.bureaus.faults import Faults, WireRow, faulty_page, faulty_text
from creditlink.sandbox.bureaus.holdings import Holdings, months_between, rows_as, within

Row = TypeVar("Row", bound=NamedTuple)

_MOST_MONTHS = 120
_MOST_BODY_BYTES = 16 * 1024
_MONTHS = {"%Y-%m": r"(19|20)\d\d-(0[1-9]|1[0-2])", "%Y%m": r"(19|20)\d\d(0[1-9]|1[0-2])"}
STATUSES = {
    "unauthorized": 401,
    "bad_body": 400,
    "bad_field": 400,
    "no_record": 404,
    "not_found": 404,
    "method": 405,
    "changed": 412,
    "too_large": 413,
    "fault": 500,
    "timeout": 504,
}
"""Why an office gives no rows -> the HTTP status, where its dialect does not say otherwise."""


class OfficeRefusal(Exception):
    """An answer without rows: why, in one of the words of `STATUSES`, and the field at fault."""

    def __init__(self, why: str, text: str = "", field: str | None = None) -> None:
        super().__init__(text)
        self.why, self.text, self.field = why, text, field

    @property
    def status(self) -> int:
        """Return the usual HTTP status."""
        return STATUSES[self.why]


@dataclass(frozen=True)
class OfficeQuery:
    """A checked request: a firm, months from `first` to `last`, `size` rows after `start`."""

    uscc: str
    first: date
    last: date
    start: int
    size: int


@dataclass(frozen=True)
class OfficeFields:
    """What an office calls the fields of a request, how it writes months, and how many rows a page has."""

    uscc: str
    first: str
    last: str
    month: str  # as for strftime
    page: str | None  # the field that counts pages from 1; None: the dialect has another way
    size: str | None  # None: every page has `usual_size` rows
    usual_size: int
    most_size: int
    offset: str | None = None  # the field that counts rows from 0

    def read(self, sent: Mapping[str, object], *, also: Collection[str] = ()) -> OfficeQuery:
        """Return a request's fields, checked; `also` are those that the office reads by itself.

        Raises
        ------
        OfficeRefusal
            A field is missing, unknown or wrong; it is named.
        """
        known = {self.uscc, self.first, self.last, self.page, self.size, self.offset, *also}
        for name in sent:
            if name not in known:
                raise OfficeRefusal("bad_field", "unknown field", name)
        uscc = sent.get(self.uscc)
        if not isinstance(uscc, str) or not re.fullmatch(r"[0-9A-Z]{18}", uscc):
            raise OfficeRefusal("bad_field", "needs 18 characters 0-9 A-Z", self.uscc)
        first, last = self._month(sent, self.first), self._month(sent, self.last)
        if first > last or months_between(first, last) > _MOST_MONTHS:
            raise OfficeRefusal("bad_field", f"after the last month, or more than {_MOST_MONTHS} months", self.first)
        size = _count(sent, self.size, self.usual_size, least=1, most=self.most_size)
        start = _count(sent, self.offset, 0, least=0, most=10**8)
        page = _count(sent, self.page, 1, least=1, most=10**6)
        return OfficeQuery(uscc, first, last, start + (page - 1) * size, size)

    def _month(self, sent: Mapping[str, object], name: str) -> date:
        text = sent.get(name)
        if not isinstance(text, str) or not re.fullmatch(_MONTHS[self.month], text):
            raise OfficeRefusal("bad_field", "not a month as the manual writes it", name)
        return date(int(text[:4]), int(text[-2:]), 1)


def _count(sent: Mapping[str, object], name: str | None, usual: int, *, least: int, most: int) -> int:
    value = usual if name is None else sent.get(name, usual)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise OfficeRefusal("bad_field", f"must be within {least} … {most}", name)
    return value


@dataclass(frozen=True)
class OfficeRows:
    """One page of a firm's rows, as a fault leaves it."""

    total: int
    rows: list[WireRow]
    whole: bool
    more: bool  # pages follow
    mode: str | None

    def text(self, written: bytes) -> bytes:
        """Return the written answer as the fault leaves it."""
        return faulty_text(written, self.mode)


@dataclass(frozen=True)
class WeakFields:
    """The fields that the fault `malformed` spoils: a day or month, a number, and the one it leaves out."""

    day: str
    number: str
    last: str


class OfficeDesk:
    """One office's counter: its records and its faults."""

    def __init__(self, name: str, frame: str, holdings: Holdings, weak: WeakFields) -> None:
        self.name = name
        self._frame = frame
        self._holdings = holdings
        self._weak = weak
        self.faults = Faults((name,))

    def application(
        self,
        path: str,
        method: str,
        answer: Callable[[], flask.Response],
        deny: Callable[[OfficeRefusal], flask.Response],
    ) -> flask.Flask:
        """Return the web application of an office that has one endpoint."""
        app = flask.Flask(f"creditlink.sandbox.offices.{self.name}")
        app.config["MAX_CONTENT_LENGTH"] = _MOST_BODY_BYTES
        app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
        app.json.sort_keys = False  # type: ignore[attr-defined]
        self.faults.register(app)
        app.add_url_rule("/health", "health", lambda: {"status": "up", "bureau": self.name})
        app.add_url_rule(path, "rows", answer, methods=[method])
        app.register_error_handler(404, lambda _e: deny(OfficeRefusal("not_found", "no such endpoint")))
        app.register_error_handler(405, lambda _e: deny(OfficeRefusal("method", f"use {method}")))
        app.register_error_handler(413, lambda _e: deny(OfficeRefusal("too_large", "body too large")))
        app.register_error_handler(OfficeRefusal, deny)
        return app

    def knows(self, uscc: str) -> bool:
        """Whether the code is of a firm of this city."""
        return self._holdings.firm(uscc) is not None

    def versions(self, uscc: str) -> pl.DataFrame:
        """Return every version of every record of a firm."""
        return self._holdings.rows(self._frame, uscc)

    def fault(self, asked: OfficeQuery) -> str | None:
        """Return the fault for this request.

        Raises
        ------
        OfficeRefusal
            The fault is one that gives no rows.
        """
        mode = self.faults.take(asked.uscc, self.name)
        if mode in ("http500", "timeout", "no_record"):
            raise OfficeRefusal("fault" if mode == "http500" else mode)
        return mode

    def page(
        self,
        asked: OfficeQuery,
        versions: pl.DataFrame,
        kind: type[Row],
        wire: Callable[[Row], WireRow],
        mode: str | None,
    ) -> OfficeRows:
        """Return the page that was asked for of these versions."""
        rows = rows_as(within(versions, asked.first, asked.last), kind)
        page = [wire(row) for row in rows[asked.start : asked.start + asked.size]]
        page, whole = faulty_page(page, mode, day=self._weak.day, number=self._weak.number, last=self._weak.last)
        return OfficeRows(len(rows), page, whole, asked.start + asked.size < len(rows), mode)

    def rows(self, asked: OfficeQuery, kind: type[Row], wire: Callable[[Row], WireRow]) -> OfficeRows:
        """Return the page that was asked for.

        Raises
        ------
        OfficeRefusal
            The office never held a record of the firm, or a fault was asked for.
        """
        mode = self.fault(asked)
        versions = self.versions(asked.uscc)
        if versions.is_empty():
            raise OfficeRefusal("no_record")
        return self.page(asked, versions, kind, wire, mode)


def one_of_each() -> dict[str, str]:
    """Return the query of the current request.

    Raises
    ------
    OfficeRefusal
        A parameter appears twice.
    """
    sent = flask.request.args
    for name in sent:
        if len(sent.getlist(name)) > 1:
            raise OfficeRefusal("bad_field", "appears twice", name)
    return sent.to_dict()


def compact(known_on: date) -> str:
    """Return the instant at which a row of that day was recorded, as the older offices write it."""
    return f"{known_on:%Y%m%d}103107+0800"
