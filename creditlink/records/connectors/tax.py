"""The tax bureau: JSON over POST, pinyin names, signed requests, numbered pages."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil

import httpx

from creditlink.engine.facts.frames import CATEGORY_FRAMES
from creditlink.records.connectors import tax_invoices, tax_rows
from creditlink.records.connectors.fields import FieldError, SourceRow, row_id
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
from creditlink.records.pulls.delivery import Delivery, Fact, Reject, ResourceResult

_PAGE_SIZE = 1000
_MAX_PAGES = 2000
_NO_RECORD = "4004"


@dataclass(frozen=True, slots=True)
class _TaxRows:
    """The body of an answer that holds rows."""

    total: int
    rows: list[object]
    marked_whole: bool  # by the bureau itself


class TaxConnector:
    """Speaks the dialect of docs/bureaus.md, section 1."""

    source = "tax"

    def __init__(
        self, wire: Wire, *, app_id: str, secret: str, clock: Callable[[], datetime], page_size: int | None = None
    ) -> None:
        self._wire = wire
        self._page_size = page_size or _PAGE_SIZE
        self._app_id = app_id
        self._secret = secret.encode()
        self._clock = clock

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's declarations, returns, standing, events, and invoices by month; see `wire.Connector`."""
        delivery = Delivery(self.source)
        digest = Digest()
        for resource, read in tax_rows.READERS.items():
            pages = self._pages(resource, uscc, since, until, proceed, delivery, digest)
            _take_rows(delivery, resource, pages, read, since, until)
        pages = self._pages("fapiao", uscc, since, until, proceed, delivery, digest)
        facts, rejects, withheld, accepted = tax_invoices.monthly_facts(pages, since, until)
        delivery.facts += facts
        delivery.accepted["fapiao"] = accepted
        _keep_aside(delivery, "fapiao", rejects)
        delivery.resources["fapiao"].withheld_months = withheld
        delivery.digest = digest.hexdigest()
        return delivery

    def _pages(
        self,
        resource: str,
        uscc: str,
        since: date,
        until: date,
        proceed: Proceed,
        delivery: Delivery,
        digest: Digest,
    ) -> list[tax_invoices.Page]:
        """Return every page that could be had; how the resource answered goes into the delivery."""
        result = delivery.resources[resource] = ResourceResult()
        pages: list[tax_invoices.Page] = []
        number = 1
        try:
            while number <= _MAX_PAGES:
                answer, body = self._page(resource, uscc, since, until, number, proceed)
                digest.add(answer)
                if body is None:
                    result.status = "NO_RECORD"
                    break
                result.pages += 1
                result.total = total = body.total
                result.rows += len(body.rows)
                should = max(0, min(self._page_size, total - (number - 1) * self._page_size))
                whole = body.marked_whole and len(body.rows) >= should
                pages.append(tax_invoices.Page(number, body.rows, whole))
                if not whole:
                    result.status = "PARTIAL"
                    result.error = "the office marked its answer as incomplete"
                number += 1
                if number > ceil(total / self._page_size):
                    break
        except Failure as failure:
            result.status = "PARTIAL" if result.rows else failure.status
            result.error = failure.reason
            if pages:
                # What would have followed is missing.
                pages.append(tax_invoices.Page(number, [], whole=False))
        return pages

    def _page(
        self, resource: str, uscc: str, since: date, until: date, number: int, proceed: Proceed
    ) -> tuple[SourceResponse, _TaxRows | None]:
        path = f"/swj/v1/{resource}/query"
        query = {
            "tyshxydm": uscc,
            "ssqQ": f"{since:%Y%m}",
            "ssqZ": f"{until:%Y%m}",
            "pageNum": number,
            "pageSize": self._page_size,
        }
        content = json.dumps(query, separators=(",", ":")).encode()

        def build(client: httpx.AsyncClient) -> httpx.Request:
            # Signed again for each attempt: a nonce is good for one.
            return client.build_request("POST", path, content=content, headers=self._headers(path, content))

        return self._wire.ask(build, lambda answer: (answer, _read(answer)), proceed)

    def _headers(self, path: str, content: bytes) -> dict[str, str]:
        timestamp = str(int(self._clock().timestamp() * 1000))
        nonce = secrets.token_hex(16)
        return {
            "Content-Type": "application/json",
            "X-App-Id": self._app_id,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": signature(self._secret, "POST", path, timestamp, nonce, content),
        }


def signature(secret: bytes, method: str, path: str, timestamp: str, nonce: str, content: bytes) -> str:
    """Return the bureau's request signature.

    Source: docs/bureaus.md, section 1: HMAC-SHA256 over method, path, timestamp, nonce and the body's SHA-256.
    """
    base = "\n".join((method, path, timestamp, nonce, hashlib.sha256(content).hexdigest()))
    return hmac.new(secret, base.encode(), hashlib.sha256).hexdigest()


def _read(answer: SourceResponse) -> _TaxRows | None:
    """Return the body of an answer, None for a firm without a record."""
    try:
        body = json.loads(answer.content, parse_int=_whole_number)
    except (ValueError, RecursionError):
        if answer.status != httpx.codes.OK:
            raise refused(answer, "") from None
        raise Passing("DOWN", "the answer is not JSON") from None
    if not isinstance(body, dict):
        raise Passing("DOWN", "the answer is not a JSON object")
    code = str(body.get("code", ""))
    if answer.status != httpx.codes.OK:
        raise refused(answer, code)
    if code == _NO_RECORD:
        return None
    total, data = body.get("total"), body.get("data")
    if code != "0000" or type(total) is not int or not isinstance(data, list):
        raise Passing("DOWN", f"the answer lacks its total or its data (code {code[:8]})")
    total_of(total)
    return _TaxRows(total, data, marked_whole=body.get("wzbz") == "Y")


def _whole_number(digits: str) -> int | float:
    """Return a number; of more digits than any field has, what no field takes, so that its row alone does not read."""
    return int(digits) if len(digits) < 20 else float(digits)


def _take_rows(
    delivery: Delivery,
    resource: str,
    pages: list[tax_invoices.Page],
    read: tax_rows.Reader,
    since: date,
    until: date,
) -> None:
    rejects = []
    taken: dict[int, list[Fact]] = {page.number: [] for page in pages}
    for page in pages:
        for index, fields in enumerate(page.rows):
            row = row_id(fields, "lsh", "bbh")
            try:
                fact = read(SourceRow.of(fields), since, until)
            except FieldError as error:
                rejects.append((f"page {page.number} row {index}", error.of(row)))
            else:
                taken[page.number] += [] if fact is None else [fact]
                delivery.accept(resource, row)
    _keep_aside(delivery, resource, rejects)
    facts = [fact for page in taken.values() for fact in page]
    if any(tax_rows.is_part(fact) for fact in facts):
        # Without one of its occasions a month is too low: it is withheld, and a later pull brings it.
        periods = {number: [fact.period for fact in page] for number, page in taken.items() if page}
        spans = {number: (min(found), max(found)) for number, found in periods.items()}
        gaps = tax_invoices.missing_months(pages, spans, since, until)
        facts = [fact for fact in facts if not (tax_rows.is_part(fact) and fact.period in gaps)]
        delivery.resources[resource].withheld_months = tax_invoices.month_names(gaps)
    delivery.facts += facts


def _keep_aside(delivery: Delivery, resource: str, rejects: list[tuple[str, FieldError]]) -> None:
    delivery.rejects += [
        Reject.of(delivery.source, resource, where, error.field, error.value, error.reason, row=error.row)
        for where, error in rejects
    ]
    delivery.resources[resource].rejected = len(rejects)


def _build(office: OfficeAccess) -> TaxConnector:
    held = office.credentials
    return TaxConnector(
        office.wire(), app_id=held["app_id"], secret=held["secret"], clock=office.clock, page_size=office.page_size
    )


FACTORY = ConnectorFactory("tax", CATEGORY_FRAMES["tax"], ("app_id", "secret"), _build)
