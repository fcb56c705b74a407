"""Customs: lines of text between bars, in GB18030, over GET with HTTP Basic."""

from __future__ import annotations

import base64
from datetime import date

import httpx

from creditlink.records.connectors.fields import FieldError, SourceRow, within
from creditlink.records.connectors.offices.pages import (
    CutOff,
    OfficePage,
    about,
    check_lines,
    collect,
    next_place,
    without_code,
)
from creditlink.records.connectors.wire import Passing, Proceed, SourceResponse, Wire, refused, total_of
from creditlink.records.pulls.delivery import Delivery, Fact

_PATH = "/hgtj/ydhz.txt"
_PAGE_SIZE = 100
_ENCODING = "gb18030"
_FIELDS = ("jlh", "bbh", "fx", "ny", "bgds", "wsjg", "gtds", "lrsj")
_DIRECTIONS = {"出口": "export", "进口": "import"}
_WHOLE = {"完整": True, "不完整": False}


class ImportExportConnector:
    """Speaks the dialect of docs/offices.md, section 5."""

    source = "import_export"
    frames = ("customs_months",)
    credentials = ("user", "password")

    def __init__(self, wire: Wire, *, user: str, password: str) -> None:
        self._wire = wire
        self._headers = {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()

    def fetch(self, uscc: str, *, since: date, until: date, proceed: Proceed) -> Delivery:
        """Return the firm's exports and imports by month; see `wire.Connector`."""

        def ask(following: str | None) -> tuple[SourceResponse, OfficePage | None]:
            number = int(following or "1")
            parameters = {"dm": uscc, "qsny": f"{since:%Y%m}", "zzny": f"{until:%Y%m}", "ym": str(number)}

            def build(client: httpx.AsyncClient) -> httpx.Request:
                return client.build_request("GET", _PATH, params=parameters, headers=self._headers)

            return self._wire.ask(build, lambda answer: (answer, _read(answer, uscc, number)), proceed)

        return collect(
            self.source, "declarations", _PAGE_SIZE, ask, lambda row: _month(row, since, until), names=("jlh", "bbh")
        )


def _read(answer: SourceResponse, uscc: str, number: int) -> OfficePage | None:
    """Return the page of an answer, None for a firm without a record.

    Raises
    ------
    CutOff
        The line that ends an answer is not there.
    """
    check_lines(answer, b"\r\n", _PAGE_SIZE + 2)
    # Cut into lines while they are bytes, so that a byte that is no character costs its own line alone. No second byte
    # of a character is a line feed or a return.
    *lines, torn = answer.content.split(b"\r\n")
    head = _parts(lines[0]) if lines else []
    if isinstance(head, FieldError):
        head = []
    if answer.status != httpx.codes.OK:
        raise refused(answer, head[1] if len(head) > 1 and head[0] == "E" else "")
    if len(head) == 3 and head[0] == "N" and lines[1:] == [] and not torn:
        about(head[1], uscc)
        return None
    if len(head) != 5 or head[0] != "H" or head[4] not in _WHOLE:
        raise Passing("DOWN", "the answer lacks the line that begins it")
    about(head[1], uscc)
    total = total_of(head[2])
    last = _parts(lines[-1])
    if torn or isinstance(last, FieldError) or len(last) != 2 or last[0] != "T":
        cut = [FieldError("(line)", _shown(torn, uscc), "the line is cut off")] if torn else []
        raise CutOff(answer, [*(_row(line, uscc) for line in lines[1:]), *cut], total)
    rows = [_row(line, uscc) for line in lines[1:-1]]
    more = next_place((number - 1) * _PAGE_SIZE, _PAGE_SIZE, total) is not None
    whole = _WHOLE[head[4]] and last[1] == str(len(rows))
    return OfficePage(rows, total, whole, following=str(number + 1) if more else None)


def _parts(line: bytes) -> list[str] | FieldError:
    """Return what stands between the bars, or why the line does not read."""
    try:
        # Only then into fields: a bar may be the second byte of a character.
        return line.decode(_ENCODING).split("|")
    except UnicodeDecodeError:
        return FieldError("(line)", line.decode(_ENCODING, "replace"), "the line is not in GB18030")


def _shown(line: bytes, uscc: str) -> str:
    return without_code(line.decode(_ENCODING, "replace"), uscc)


def _row(line: bytes, uscc: str) -> object:
    parts = _parts(line)
    if isinstance(parts, FieldError):
        return FieldError(parts.field, _shown(line, uscc), parts.reason)
    if parts[0] != "D" or len(parts) > len(_FIELDS) + 1:
        reason = f"not a line D of {len(_FIELDS)} fields"
        return FieldError("(line)", _shown(line, uscc), reason)
    # A short line lacks its last fields: the row says so when they are read.
    return dict(zip(_FIELDS, parts[1:], strict=False))


def _month(row: SourceRow, since: date, until: date) -> Fact:
    row.record_id("jlh")
    declarations, faults = row.whole("bgds"), row.whole("gtds")
    if faults > declarations:
        raise FieldError("gtds", row.raw("gtds"), "more than there were declarations")
    return Fact(
        frame="customs_months",
        period=within("ny", row.month("ny", compact=True), since, until),
        subkey=row.choice("fx", _DIRECTIONS),
        values={"declarations": declarations, "amount_fen": row.fen("wsjg", signed=False), "faults": faults},
        known_at=row.instant("lrsj", compact=True),
        version=row.whole("bbh"),
    )
