"""The logistics platform: one JSON object a line over GET, a cursor in the last line."""

from __future__ import annotations

import json
from datetime import date

import httpx

from creditlink.records.connectors.fields import FieldError, SourceRow, within
from creditlink.records.connectors.offices.pages import (
    CutOff,
    OfficePage,
    about,
    check_lines,
    collect,
    whole_number,
    without_code,
)
from creditlink.records.connectors.wire import Passing, Proceed, SourceResponse, Wire, refused, total_of
from creditlink.records.pulls.delivery import Delivery, Fact

_PATH = "/open/shipments.ndjson"
_PAGE_SIZE = 200
_LONGEST_CURSOR = 2000
_MOST_TONNES = 1e12


class LogisticsConnector:
    """Speaks the dialect of docs/offices.md, section 4."""

    source = "logistics"
    frames = ("shipment_months",)
    credentials = ("partner_id", "partner_key")

    def __init__(self, wire: Wire, *, partner_id: str, partner_key: str, page_size: int = _PAGE_SIZE) -> None:
        self._wire = wire
        self._page_size = page_size
        self._headers = {"X-Partner-Id": partner_id, "X-Partner-Key": partner_key}

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return what the firm shipped and stored by month; see `wire.Connector`."""

        def ask(following: str | None) -> tuple[SourceResponse, OfficePage | None]:
            parameters = {
                "uscc": uscc,
                "since": f"{since:%Y-%m}",
                "until": f"{until:%Y-%m}",
                "limit": str(self._page_size),
            } | ({"cursor": following} if following else {})

            def build(client: httpx.AsyncClient) -> httpx.Request:
                return client.build_request("GET", _PATH, params=parameters, headers=self._headers)

            return self._wire.ask(build, lambda answer: (answer, _read(answer, uscc, self._page_size)), proceed)

        return collect(self.source, "shipments", self._page_size, ask, lambda row: _month(row, since, until))


def _read(answer: SourceResponse, uscc: str, size: int) -> OfficePage | None:
    """Return the page of an answer, None for a firm without a record.

    Raises
    ------
    CutOff
        The line that ends an answer is not there.
    """
    check_lines(answer, b"\n", size + 1)
    # Only a line feed ends a line: texts may hold any other character that looks like an end.
    *lines, torn = answer.unmarked.split(b"\n")
    objects: list[object] = [_object(line, uscc) for line in lines]
    last = objects[-1] if objects else None
    kind = last.get("type") if isinstance(last, dict) else None
    if answer.status != httpx.codes.OK:
        code = last.get("code") if isinstance(last, dict) and kind == "error" else None
        raise refused(answer, code if isinstance(code, str) else "")
    if isinstance(last, dict) and not torn:
        if kind == "none" and len(objects) == 1:
            about(last.get("uscc"), uscc)
            return None
        if kind == "end":
            about(last.get("uscc"), uscc)
            total = total_of(last.get("total"))
            return OfficePage(objects[:-1], total, last.get("complete") is True, _cursor(last.get("next")))
    if not any(isinstance(one, dict) and one.get("type") == "month" for one in objects):
        raise Passing("DOWN", "the answer is not lines of JSON that end with an end")
    raise CutOff(
        answer, [*objects, *([FieldError("(line)", _shown(torn, uscc), "the line is cut off")] if torn else [])]
    )


def _cursor(following: object) -> str | None:
    """Return the cursor of the next page, None on the last.

    Raises
    ------
    Passing
        It is none that could be asked for.
    """
    if not isinstance(following, str) or len(following) > _LONGEST_CURSOR:
        raise Passing("DOWN", "the answer does not say whether a page follows")
    return following or None


def _object(line: bytes, uscc: str) -> object:
    """Return a line's object, or why it is none; each line is read by itself."""
    try:
        found: object = json.loads(line.decode(), parse_int=whole_number)
    except (ValueError, RecursionError):
        return FieldError("(line)", _shown(line, uscc), "the line is not JSON in UTF-8")
    return found


def _shown(line: bytes, uscc: str) -> str:
    return without_code(line.decode("utf-8", "replace"), uscc)


def _month(row: SourceRow, since: date, until: date) -> Fact:
    row.choice("type", {"month": ""})
    row.record_id("id")
    return Fact(
        frame="shipment_months",
        period=within("month", row.month("month"), since, until),
        subkey="",
        values={
            "shipments": row.whole("shipments"),
            "tonnes": _tonnes(row, "tonnes"),
            "stored_tonnes": None if row.is_empty("stored_tonnes") else _tonnes(row, "stored_tonnes"),
        },
        known_at=row.instant("recorded_at"),
        version=row.whole("version"),
    )


def _tonnes(row: SourceRow, name: str) -> float:
    tonnes = row.number(name)
    if tonnes > _MOST_TONNES:
        raise FieldError(name, row.raw(name), f"more than {_MOST_TONNES:.0f} tonnes")
    return tonnes
