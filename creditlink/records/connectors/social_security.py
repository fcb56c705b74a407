"""The social-security bureau: XML over GET, an API key, cursors."""

from __future__ import annotations

from datetime import date
from xml.etree import ElementTree

import httpx

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
from creditlink.records.connectors.xml import xml_root
from creditlink.records.offices.factory import ConnectorFactory
from creditlink.records.pulls.delivery import Delivery, Fact, Reject, ResourceResult

_PATH = "/sbj/payroll"
_PAGE_SIZE = 200
_MAX_PAGES = 100
_MOST_PEOPLE = 10_000_000


class SocialSecurityConnector:
    """Speaks the dialect of docs/bureaus.md, section 2."""

    source = "social_security"

    def __init__(self, wire: Wire, *, api_key: str) -> None:
        self._wire = wire
        self._api_key = api_key

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's payroll months; see `wire.Connector`."""
        result = ResourceResult()
        delivery = Delivery(self.source, resources={"payroll": result})
        digest = Digest()
        cursor: str | None = None
        seen_cursors: set[str] = set()
        try:
            while result.pages < _MAX_PAGES:
                answer, root = self._page(uscc, since, until, cursor, proceed)
                digest.add(answer)
                if root is None:
                    result.status = "NO_RECORD"
                    break
                result.pages += 1
                result.total = total_of(root.get("total"))
                if root.get("complete") != "true":
                    result.status = "PARTIAL"
                    result.error = "the office marked its answer as incomplete"
                for index, element in enumerate(root.findall("month")):
                    result.rows += 1
                    _take(delivery, element, f"page {result.pages} row {index}", since, until)
                cursor = root.findtext("next")
                if not cursor:
                    break
                if cursor in seen_cursors:
                    raise Failure("DOWN", "the office repeats a cursor")
                seen_cursors.add(cursor)
        except Failure as failure:
            result.status = "PARTIAL" if result.rows else failure.status
            result.error = failure.reason
        result.rejected = len(delivery.rejects)
        if result.status == "DELIVERED" and result.total is not None and result.rows < result.total:
            result.status = "PARTIAL"
            result.error = f"{result.rows} of {result.total} rows arrived"
        delivery.digest = digest.hexdigest()
        return delivery

    def _page(
        self, uscc: str, since: date, until: date, cursor: str | None, proceed: Proceed
    ) -> tuple[SourceResponse, ElementTree.Element | None]:
        parameters = {"uscc": uscc, "from": f"{since:%Y-%m}", "to": f"{until:%Y-%m}", "limit": str(_PAGE_SIZE)}
        if cursor:
            parameters["cursor"] = cursor

        def build(client: httpx.AsyncClient) -> httpx.Request:
            return client.build_request("GET", _PATH, params=parameters, headers={"X-Api-Key": self._api_key})

        return self._wire.ask(build, lambda answer: (answer, _read(answer, uscc)), proceed)


def _read(answer: SourceResponse, uscc: str) -> ElementTree.Element | None:
    """Return the root of an answer, None for a firm without a record."""
    try:
        root = xml_root(answer.content)
    except Passing:
        if answer.status != httpx.codes.OK:
            raise refused(answer, "") from None
        raise
    if answer.status == httpx.codes.OK:
        if root.tag != "payrolls" or root.get("uscc") != uscc:
            raise Passing("DOWN", "the answer is not about the firm asked for")
        total_of(root.get("total"))
        return root
    code = root.get("code", "") if root.tag == "error" else ""
    if answer.status == httpx.codes.NOT_FOUND and code == "NO_RECORD":
        return None
    raise refused(answer, code)


def _take(delivery: Delivery, element: ElementTree.Element, position: str, since: date, until: date) -> None:
    fields = {child.tag: child.text or "" for child in element} | dict(element.attrib)
    row, known = SourceRow(fields), row_id(fields, "id", "version")
    try:
        row.record_id("id")
        delivery.facts.append(
            Fact(
                frame="payroll_months",
                period=within("period", row.month("period"), since, until),
                subkey="",
                values={
                    "headcount": row.whole("headcount", most=_MOST_PEOPLE),
                    "base_fen": row.fen("base", signed=False),
                    "due_fen": row.fen("due", signed=False),
                    "paid_fen": row.fen("paid", signed=False),
                    "due_on": row.day("dueOn").isoformat(),
                    "paid_on": None if row.is_empty("paidOn") else row.day("paidOn").isoformat(),
                    "joiners": row.whole("joiners", most=_MOST_PEOPLE),
                    "leavers": row.whole("leavers", most=_MOST_PEOPLE),
                },
                known_at=row.instant("recordedAt"),
                version=row.whole("version"),
            )
        )
        delivery.accept("payroll", known)
    except FieldError as error:
        delivery.rejects.append(
            Reject.of(delivery.source, "payroll", position, error.field, error.value, error.reason, row=known)
        )


FACTORY = ConnectorFactory.of(SocialSecurityConnector, "social_security", ("payroll_months",), ("api_key",))
