"""The contract registry: XML over POST, account and password in the document."""

from __future__ import annotations

from datetime import date
from xml.etree import ElementTree

import httpx

from creditlink.records.connectors.fields import FieldError, SourceRow, within
from creditlink.records.connectors.offices.pages import OfficePage, about, collect, next_place
from creditlink.records.connectors.wire import Passing, Proceed, SourceResponse, Wire, refused, total_of
from creditlink.records.connectors.xml import xml_root
from creditlink.records.pulls.delivery import Delivery, Fact

_PATH = "/htba/query"
_PAGE_SIZE = 200
_NO_RECORD = "C204"
_GOVERNMENT = ("governmentDue", "governmentLate")


class ContractConnector:
    """Speaks the dialect of docs/offices.md, section 2."""

    source = "contract"
    frames = ("contract_months",)
    credentials = ("account", "password")

    def __init__(self, wire: Wire, *, account: str, password: str, page_size: int = _PAGE_SIZE) -> None:
        self._wire = wire
        self._page_size = page_size
        self._account = account
        self._password = password

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's contracts by month; see `wire.Connector`."""

        def ask(following: str | None) -> tuple[SourceResponse, OfficePage | None]:
            number = int(following or "1")
            content = self._query(uscc, since, until, number)

            def build(client: httpx.AsyncClient) -> httpx.Request:
                return client.build_request("POST", _PATH, content=content, headers={"Content-Type": "application/xml"})

            return self._wire.ask(build, lambda answer: (answer, _read(answer, uscc, number, self._page_size)), proceed)

        return collect(self.source, "contracts", self._page_size, ask, lambda row: _month(row, since, until))

    def _query(self, uscc: str, since: date, until: date, page: int) -> bytes:
        query = ElementTree.Element("query")
        for name, text in (
            ("account", self._account),
            ("password", self._password),
            ("uscc", uscc),
            ("from", f"{since:%Y-%m}"),
            ("to", f"{until:%Y-%m}"),
            ("page", str(page)),
            ("pageSize", str(self._page_size)),
        ):
            ElementTree.SubElement(query, name).text = text
        document: str = ElementTree.tostring(query, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>{document}'.encode()


def _read(answer: SourceResponse, uscc: str, number: int, size: int) -> OfficePage | None:
    """Return the page of an answer, None for a firm without a record."""
    try:
        root = xml_root(answer.content)
    except Passing:
        if answer.status != httpx.codes.OK:
            raise refused(answer, "") from None
        raise
    if answer.status == httpx.codes.OK and root.tag == "contracts":
        about(root.get("uscc"), uscc)
        total = total_of(root.get("total"))
        more = next_place((number - 1) * size, size, total) is not None
        rows: list[object] = [
            {child.tag: child.text or "" for child in element} | dict(element.attrib)
            for element in root.findall("monthly")
        ]
        return OfficePage(rows, total, root.get("complete") == "true", following=str(number + 1) if more else None)
    code = root.get("code", "") if root.tag == "fault" else ""
    if answer.status == httpx.codes.NOT_FOUND and code == _NO_RECORD:
        return None
    if answer.status == httpx.codes.OK:
        raise Passing("DOWN", "the answer holds no contracts")
    raise refused(answer, code)


def _month(row: SourceRow, since: date, until: date) -> Fact:
    row.record_id("id")
    due, late = (None if row.is_empty(name) else row.fen(name, signed=False) for name in _GOVERNMENT)
    if (due is None) != (late is None) or (due is not None and late is not None and late > due):
        raise FieldError("governmentLate", row.raw("governmentLate"), "more than was due, or only one of the two")
    return Fact(
        frame="contract_months",
        period=within("month", row.month("month"), since, until),
        subkey="",
        values={
            "signed": row.whole("signed"),
            "performed": row.whole("performed"),
            "breached": row.whole("breached"),
            "signed_fen": row.fen("signedAmount", signed=False),
            "performed_fen": row.fen("performedAmount", signed=False),
            "breached_fen": row.fen("breachedAmount", signed=False),
            "government_due_fen": due,
            "government_late_fen": late,
        },
        known_at=row.instant("registered"),
        version=row.whole("version"),
    )
