"""The social-security bureau: XML over GET, an API key, cursors."""

from __future__ import annotations

import re
from datetime import date
from xml.etree import ElementTree

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
from creditlink.records.offices.factory import ConnectorFactory
from creditlink.records.pulls.delivery import Delivery, Fact, Reject, ResourceResult

_PATH = "/sbj/payroll"
_PAGE_SIZE = 200
_MAX_PAGES = 100
_MOST_PEOPLE = 10_000_000
# The dialect has no use for a document type; entities are how XML attacks its reader.
_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
# Characters that XML 1.0 does not know. The dialect has none that it could mean by them, so that such a character is
# replaced and its field does not read, which is one row; left as they are, no row of the answer would.
_ILLEGAL = re.compile("[^\\t\\n\\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]+)|([0-9]+));")


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
        root = _parse(answer.content)
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


def _parse(content: bytes) -> ElementTree.Element:
    if _DOCTYPE.search(content):
        raise Failure("DOWN", "the answer declares a document type or an entity")
    text = _ILLEGAL.sub("\ufffd", _REFERENCE.sub(_legal, content.decode("utf-8", "replace")))
    try:
        return ElementTree.fromstring(text.encode())  # noqa: S314 (document types and entities are refused above)
    except ElementTree.ParseError:
        raise Passing("DOWN", "the answer is not well-formed XML") from None


def _legal(reference: re.Match[str]) -> str:
    """Return a character reference, U+FFFD in place of one to what XML has no character for."""
    hexadecimal, decimal = reference.groups()
    digits = (hexadecimal or decimal).lstrip("0")
    code = int(digits or "0", 16 if hexadecimal else 10) if len(digits) < 9 else 0
    return reference[0] if code < 0x110000 and not _ILLEGAL.match(chr(code)) else "\ufffd"


def _take(delivery: Delivery, element: ElementTree.Element, position: str, since: date, until: date) -> None:
    row = SourceRow({child.tag: child.text or "" for child in element} | dict(element.attrib))
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
    except FieldError as error:
        delivery.rejects.append(Reject.of(delivery.source, "payroll", position, error.field, error.value, error.reason))


FACTORY = ConnectorFactory.of(SocialSecurityConnector, "social_security", ("payroll_months",), ("api_key",))
