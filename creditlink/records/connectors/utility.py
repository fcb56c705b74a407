"""The utility bureau: CSV over GET, HTTP Basic, `Link` headers, one endpoint for each kind of meter."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from urllib.parse import urlsplit

import httpx

from creditlink.engine.facts.frames import METER_KINDS
from creditlink.records.connectors.fields import FieldError, SourceRow, row_id, within
from creditlink.records.connectors.wire import (
    Digest,
    Failure,
    Passing,
    Proceed,
    SourceResponse,
    Wire,
    refused,
    total_of,
)
from creditlink.records.offices.factory import ConnectorFactory, OfficeAccess
from creditlink.records.pulls.delivery import Delivery, Fact, Reject, ResourceResult, RowId

_PAGE_SIZE = 500
_MAX_PAGES = 100
_METHODS = {"DD": "direct_debit", "TR": "transfer", "CA": "cash"}
_QUALITIES = {"A": "actual", "E": "estimated", "S": "substituted"}
_FLAGS = {"0": "", "1": "yes"}
_UNITS = {"electricity": "kWh", "water": "m3", "gas": "m3"}
_HEADER = [
    *("record_id", "version", "service_point", "period", "usage", "night_usage", "weekend_usage", "unit", "amount_fen"),
    *("due_on", "paid_on", "method", "read_quality", "disconnected", "recorded_at"),
]


class Torn(Passing):
    """The CSV ends in the middle of a line; its whole lines are still good."""

    def __init__(self, answer: SourceResponse) -> None:
        super().__init__("DOWN", "the answer is cut off")
        self.answer = answer


class UtilityConnector:
    """Speaks the dialect of docs/bureaus.md, section 3."""

    def __init__(
        self,
        wire: Wire,
        *,
        source: str = "utility",
        kinds: Sequence[str] = METER_KINDS,
        page_size: int | None = None,
    ) -> None:
        self.source = source
        self._wire = wire
        self._page_size = page_size or _PAGE_SIZE
        self._kinds = kinds  # the supplies that this company delivers

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's metered months; see `wire.Connector`."""
        delivery = Delivery(self.source)
        digest = Digest()
        for kind in self._kinds:
            self._fetch_kind(kind, delivery, digest, uscc, since, until, proceed)
        delivery.digest = digest.hexdigest()
        return delivery

    def _fetch_kind(
        self,
        kind: str,
        delivery: Delivery,
        digest: Digest,
        uscc: str,
        since: date,
        until: date,
        proceed: Proceed,
    ) -> None:
        result = delivery.resources[kind] = ResourceResult()
        rejects: list[Reject] = []
        path: str | None = f"/v1/{kind}/months"
        months = {"from": f"{since:%Y-%m}", "to": f"{until:%Y-%m}"}
        parameters = {"uscc": uscc, **months, "per_page": str(self._page_size)}
        try:
            while path and result.pages < _MAX_PAGES:
                try:
                    answer = self._page(path, parameters, proceed)
                except Torn as torn_answer:
                    answer = torn_answer.answer
                    result.status = "PARTIAL"
                    result.error = torn_answer.reason
                digest.add(answer)
                if answer.status == httpx.codes.NO_CONTENT:
                    result.status = "NO_RECORD"
                    break
                result.pages += 1
                result.total = _total(answer)
                if answer.headers.get("X-Complete") != "true":
                    result.status = "PARTIAL"
                    result.error = "the office marked its answer as incomplete"
                lines, torn = _lines(answer.content)
                for index, line in enumerate(lines):
                    result.rows += 1
                    row = _row_id(line)
                    try:
                        delivery.facts.append(_fact(kind, _fields(line), since, until))
                        delivery.accept(kind, row)
                    except FieldError as error:
                        where = f"page {result.pages} row {index}"
                        rejects.append(
                            Reject.of(self.source, kind, where, error.field, error.value, error.reason, row=row)
                        )
                if torn is not None:
                    where = f"page {result.pages} row {len(lines)}"
                    cut = _row_id(torn)
                    rejects.append(Reject.of(self.source, kind, where, "(line)", torn, "the line is cut off", row=cut))
                path, parameters = _next(answer, f"/v1/{kind}/months"), {}
        except Failure as failure:
            result.status = "PARTIAL" if result.rows else failure.status
            result.error = failure.reason
        if result.status == "DELIVERED" and result.total is not None and result.rows < result.total:
            result.status = "PARTIAL"
            result.error = f"{result.rows} of {result.total} rows arrived"
        result.rejected = len(rejects)
        delivery.rejects += rejects

    def _page(self, path: str, parameters: dict[str, str], proceed: Proceed) -> SourceResponse:
        def build(client: httpx.AsyncClient) -> httpx.Request:
            # None leaves the query of a `next` link as it is.
            return client.build_request("GET", path, params=parameters or None)

        return self._wire.ask(build, _read, proceed)


def _read(answer: SourceResponse) -> SourceResponse:
    if answer.status == httpx.codes.OK:
        if not answer.headers.get("Content-Type", "").startswith("text/csv"):
            raise Passing("DOWN", "the answer is not CSV")
        header = answer.unmarked.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        if header.split(",") != _HEADER:
            raise Passing("DOWN", "the CSV has other columns than the manual's")
        _total(answer)
        if not answer.content.endswith(b"\r\n"):
            raise Torn(answer)
        return answer
    if answer.status == httpx.codes.NO_CONTENT and answer.headers.get("X-Record") == "none":
        return answer
    raise refused(answer, answer.content[:40].decode("ascii", "replace").partition(":")[0])


def _total(answer: SourceResponse) -> int:
    return total_of(answer.headers.get("X-Total-Count", ""))


def _lines(content: bytes) -> tuple[list[str], str | None]:
    """Return the lines below a CSV's header and, apart, a last line that was cut off."""
    whole, _, torn = content.decode("utf-8", "replace").rpartition("\r\n")
    return whole.split("\r\n")[1:], torn or None


def _fields(line: str) -> dict[str, str]:
    """Return a line's fields. Each line is read by itself: a stray quote in one does not swallow the next.

    Raises
    ------
    FieldError
        It is not CSV, or has a field too many.
    """
    try:
        # A line feed inside quotes is no part of the dialect, but it stays within the line.
        [fields] = csv.reader(io.StringIO(line, newline=""), strict=True)
    except (csv.Error, ValueError):
        raise FieldError("(line)", line, "the line is not CSV") from None
    if len(fields) > len(_HEADER):
        raise FieldError("(line)", line, f"the line has {len(fields)} fields, not {len(_HEADER)}")
    # A short line lacks its last columns: the row says so when they are read.
    return dict(zip(_HEADER, fields, strict=False))


def _row_id(line: str) -> RowId:
    """Return what tells a line from others, also one that is not CSV: its first two fields name record and version."""
    return row_id(dict(zip(_HEADER, line.replace('"', "").split(","), strict=False)), "record_id", "version")


def _next(answer: SourceResponse, path: str) -> str | None:
    """Return the next page's path and query; only of the same endpoint on the same server."""
    for link in answer.headers.get("Link", "").split(","):
        target, _, parameters = link.partition(";")
        if 'rel="next"' in parameters:
            try:
                parts = urlsplit(target.strip().removeprefix("<").removesuffix(">"))
            except ValueError:
                raise Failure("DOWN", "the next page has no address") from None
            if parts.scheme or parts.netloc or parts.path != path:
                raise Failure("DOWN", "the next page is elsewhere")
            return f"{parts.path}?{parts.query}"
    return None


def _part(row: SourceRow, name: str, kind: str, usage: float | None) -> float | None:
    """Return the usage at night or at weekends: part of a month's electricity, where an interval meter counts it."""
    if row.is_empty(name):
        return None
    if kind != "electricity":
        raise FieldError(name, row.raw(name), f"given for {kind}, which has no interval meters")
    part = row.number(name)
    if usage is None or part > usage:
        raise FieldError(name, row.raw(name), "more than the usage of the month")
    return part


def _fact(kind: str, fields: dict[str, str], since: date, until: date) -> Fact:
    row = SourceRow(fields)
    row.record_id("record_id")
    row.choice("unit", {_UNITS[kind]: ""})
    usage = None if row.is_empty("usage") else row.number("usage")
    return Fact(
        frame="meter_months",
        period=within("period", row.month("period"), since, until),
        # Several service points of one kind stay apart in the store and are summed when read.
        subkey=f"{kind}/{row.record_id('service_point')}",
        values={
            "usage": usage,
            "night_usage": _part(row, "night_usage", kind, usage),
            "weekend_usage": _part(row, "weekend_usage", kind, usage),
            "amount_fen": row.whole("amount_fen", least=-(2**53), most=2**53),
            "due_on": row.day("due_on").isoformat(),
            "paid_on": None if row.is_empty("paid_on") else row.day("paid_on").isoformat(),
            "method": row.choice("method", _METHODS),
            "read_quality": row.choice("read_quality", _QUALITIES),
            "disconnected": bool(row.choice("disconnected", _FLAGS)),
        },
        known_at=row.instant("recorded_at"),
        version=row.whole("version"),
    )


def _factory(supply: str) -> ConnectorFactory:
    def build(office: OfficeAccess) -> UtilityConnector:
        auth = httpx.BasicAuth(office.credentials["user"], office.credentials["password"])
        return UtilityConnector(office.wire(auth=auth), source=supply, kinds=(supply,), page_size=office.page_size)

    return ConnectorFactory(supply, ("meter_months",), ("user", "password"), build, serves=(supply,))


FACTORIES = tuple(_factory(supply) for supply in METER_KINDS)
