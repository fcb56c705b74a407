"""The dialect: JSON over GET, pinyin initials, numbered pages, amounts in fen, a bearer token (see README.md)."""

from __future__ import annotations

import json
from datetime import date
from math import ceil

import httpx

from creditlink.records.connectors.fields import FieldError, SourceRow, within
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

PATH = "/sb/jf/cx"
PAGE = 50
MOST_PAGES = 100
RESOURCE = "jf"


class GuangxiConnector:
    """Speaks the dialect of this package's README."""

    source = "social_security_guangxi"

    def __init__(self, wire: Wire, *, token: str) -> None:
        self._wire = wire
        self._token = token

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's payroll months."""
        result = ResourceResult()
        delivery = Delivery(self.source, resources={RESOURCE: result})
        digest = Digest()
        try:
            for page in range(1, MOST_PAGES + 1):
                answer, body = self._page(uscc, since, until, page, proceed)
                digest.add(answer)
                if body is None:
                    result.status = "NO_RECORD"
                    break
                result.pages = page
                result.total = total = total_of(body["zs"])
                if body.get("wz") is not True:
                    result.status, result.error = "PARTIAL", "the office marked its answer as incomplete"
                rows = body["mx"]
                for index, row in enumerate(rows):
                    result.rows += 1
                    self._take(delivery, row, f"page {page} row {index}", since, until)
                if page >= ceil(total / PAGE) or not rows:
                    break
        except Failure as failure:
            result.status = "PARTIAL" if result.rows else failure.status
            result.error = failure.reason
        if result.status == "DELIVERED" and result.rows < (result.total or 0):
            result.status, result.error = "PARTIAL", f"{result.rows} of {result.total} rows arrived"
        result.rejected = len(delivery.rejects)
        delivery.digest = digest.hexdigest()
        return delivery

    def _page(
        self, uscc: str, since: date, until: date, page: int, proceed: Proceed
    ) -> tuple[SourceResponse, dict | None]:
        query = {"dm": uscc, "q": f"{since:%Y%m}", "z": f"{until:%Y%m}", "ye": str(page)}

        def build(client: httpx.AsyncClient) -> httpx.Request:
            return client.build_request("GET", PATH, params=query, headers={"Authorization": f"Bearer {self._token}"})

        return self._wire.ask(build, lambda answer: (answer, read(answer)), proceed)

    def _take(self, delivery: Delivery, row: object, position: str, since: date, until: date) -> None:
        try:
            delivery.facts.append(fact(SourceRow.of(row), since, until))
        except FieldError as error:
            delivery.rejects.append(
                Reject.of(delivery.source, RESOURCE, position, error.field, error.value, error.reason)
            )


def read(answer: SourceResponse) -> dict | None:
    """Return the body of an answer, None for a firm without a record."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    if answer.status != httpx.codes.OK:
        raise refused(answer, str(body.get("yy", ""))[:20] if isinstance(body, dict) else "")
    if not isinstance(body, dict):
        raise Passing("DOWN", "the answer is not a JSON object")
    if body.get("zt") == "wu":
        return None
    if body.get("zt") != "ok" or not isinstance(body.get("mx"), list):
        raise Passing("DOWN", "the answer lacks its state or its rows")
    total_of(body.get("zs"))
    return body


def fact(row: SourceRow, since: date, until: date) -> Fact:
    """Return a row as a fact of the frame `payroll_months`."""
    row.record_id("bh")
    paid_on = None
    if not row.is_null("jfrq"):
        paid_on = row.day("jfrq", compact=True).isoformat()
    return Fact(
        frame="payroll_months",
        period=within("ny", row.month("ny", compact=True), since, until),
        subkey="",
        values={
            "headcount": row.whole("rs", most=10_000_000),
            "base_fen": row.whole("jfjs", most=10**15),
            "due_fen": row.whole("yj", most=10**15),
            "paid_fen": row.whole("sj", most=10**15),
            "due_on": row.day("jzrq", compact=True).isoformat(),
            "paid_on": paid_on,
            "joiners": row.whole("xz", most=10_000_000),
            "leavers": row.whole("js", most=10_000_000),
        },
        known_at=row.instant("lrsj"),
        version=row.whole("xh"),
    )


def build(office: OfficeAccess) -> GuangxiConnector:
    """Build the connector."""
    return GuangxiConnector(office.wire(), token=office.credentials["token"])


FACTORY = ConnectorFactory("social_security_guangxi", ("payroll_months",), ("token",), build)
