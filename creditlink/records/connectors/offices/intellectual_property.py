"""The intellectual-property office: JSON over GET, a bearer token, offsets, and an ETag for the firm's whole list."""

from __future__ import annotations

from datetime import date

import httpx

from creditlink.records.connectors.fields import SourceRow, within
from creditlink.records.connectors.offices.pages import OfficePage, about, collect, json_object, listed, next_place
from creditlink.records.connectors.wire import Failure, Proceed, SourceResponse, Wire, refused, total_of
from creditlink.records.pulls.delivery import Delivery, Fact

_PATH = "/api/v3/grants"
_PAGE_SIZE = 100
_NO_RECORD = "no_holder"
_KINDS = {"INV": "patent", "UTM": "utility_model", "TMK": "trademark", "SWR": "software"}


class IntellectualPropertyConnector:
    """Speaks the dialect of docs/offices.md, section 3."""

    source = "intellectual_property"
    frames = ("property_grants",)
    credentials = ("token",)

    def __init__(self, wire: Wire, *, token: str, page_size: int = _PAGE_SIZE) -> None:
        self._wire = wire
        self._page_size = page_size
        self._token = token

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return what the firm was granted by month; see `wire.Connector`."""
        etags: list[str] = []

        def ask(following: str | None) -> tuple[SourceResponse, OfficePage | None]:
            offset = int(following or "0")
            parameters = {
                "uscc": uscc,
                "from": f"{since:%Y-%m}",
                "to": f"{until:%Y-%m}",
                "offset": str(offset),
                "limit": str(self._page_size),
            }
            # A page of another state of the list would leave gaps that nobody sees.
            headers = {"Authorization": f"Bearer {self._token}"} | ({"If-Match": etags[0]} if etags else {})

            def build(client: httpx.AsyncClient) -> httpx.Request:
                return client.build_request("GET", _PATH, params=parameters, headers=headers)

            answer, page = self._wire.ask(
                build, lambda answer: (answer, _read(answer, uscc, offset, self._page_size)), proceed
            )
            etags.append(_etag(answer))
            return answer, page

        return collect(self.source, "grants", self._page_size, ask, lambda row: _grant(row, since, until))


def _etag(answer: SourceResponse) -> str:
    """Return the state of the list in a form that a header can carry."""
    etag = answer.headers.get("ETag", "*")
    return etag if etag.isascii() and etag.isprintable() else "*"


def _read(answer: SourceResponse, uscc: str, offset: int, size: int) -> OfficePage | None:
    """Return the page of an answer, None for a firm without a record."""
    body = json_object(answer)
    if answer.status == httpx.codes.OK:
        about(body.get("uscc"), uscc)
        total = total_of(body.get("total"))
        rows = listed(body.get("grants"), "grants")
        return OfficePage(rows, total, body.get("complete") is True, next_place(offset, size, total))
    if answer.status == httpx.codes.PRECONDITION_FAILED:
        raise Failure("DOWN", "the list changed while it was read")
    error = body.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    code = code if isinstance(code, str) else ""
    if answer.status == httpx.codes.NOT_FOUND and code == _NO_RECORD:
        return None
    raise refused(answer, code)


def _grant(row: SourceRow, since: date, until: date) -> Fact:
    row.record_id("id")
    return Fact(
        frame="property_grants",
        period=within("month", row.month("month"), since, until),
        subkey=row.choice("kind", _KINDS),
        values={"granted": row.whole("granted")},
        known_at=row.instant("recorded_at"),
        version=row.whole("version"),
    )
