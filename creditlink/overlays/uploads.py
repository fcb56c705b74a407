"""A bank's own data about firms, as a file: CSV keyed by the id under which it alone knows each firm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.overlay.columns import value_of_text
from creditlink.engine.overlay.terms import OverlayTerms, Value
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.files.csvfile import CsvRecord, HeaderInvalid, WrongRow, rows
from creditlink.kit.files.text import printable
from creditlink.kit.files.textfile import TextFile
from creditlink.overlays.tables import OverlayColumns

KEY = "enterprise_id"
MOST_ROWS = 5_000
"""Firms in one file; a larger book comes in several."""

_MOST_NAMED = 100
_FIRM = re.compile(r"ent_[0-9a-f]{32}")


@dataclass(frozen=True)
class Uploaded:
    """What became of a file."""

    firms: int
    columns: list[str]


def upload(
    session: Session, institution_id: UUID, client_id: str, terms: OverlayTerms, file: TextFile, *, now: datetime
) -> Uploaded:
    """Take a file: the firms that it names have its values and no others; one wrong line, and nothing is taken.

    Raises
    ------
    InvalidRequest
        The header names what is no column, or a line is wrong; the first hundred are named by line, field and value.
    """
    known = [KEY, *(column.name for column in terms.columns)]
    found: dict[str, dict[str, Value]] = {}
    wrong: list[WrongRow] = []
    header: list[str] = []
    try:
        for row in rows(file, known=known, needed=(KEY,)):
            if isinstance(row, WrongRow):
                wrong.append(row)
            else:
                header = header or [name for name in row.values if name != KEY]
                wrong += _taken(row, terms, found)
            if len(found) > MOST_ROWS:
                wrong.append(WrongRow(row.line, "line", str(row.line), f"at most {MOST_ROWS} firms in one file"))
            if len(wrong) >= _MOST_NAMED or len(found) > MOST_ROWS:
                break
    except HeaderInvalid as error:
        raise InvalidRequest(errors=[{"pointer": "/header", "detail": str(error)}]) from None
    if wrong:
        raise InvalidRequest(errors=[{"pointer": f"/{one.line}/{one.field}", "detail": str(one)} for one in wrong])
    _store(session, institution_id, client_id, found, now)
    audit.record(
        session,
        action="overlay.upload",
        result="done",
        actor=f"bank:{client_id}",
        now=now,
        institution_id=institution_id,
        client_id=client_id,
        detail={"firms": len(found), "columns": header},
    )
    return Uploaded(len(found), header)


def _taken(row: CsvRecord, terms: OverlayTerms, found: dict[str, dict[str, Value]]) -> list[WrongRow]:
    """Put a line's values with those found; return what is wrong with it."""
    firm = row.values[KEY].strip()
    if not _FIRM.fullmatch(firm):
        return [WrongRow(row.line, KEY, printable(firm)[:60], "is no id of a firm: ent_ and 32 hex digits")]
    if firm in found:
        return [WrongRow(row.line, KEY, firm, "is in an earlier line too")]
    values: dict[str, Value] = {}
    wrong = []
    for column in terms.columns:
        if column.name in row.values:
            try:
                values[column.name] = value_of_text(column, row.values[column.name])
            except ValueError as error:
                wrong.append(WrongRow(row.line, column.name, printable(row.values[column.name])[:60], str(error)))
    found[firm] = values
    return wrong


def _store(
    session: Session, institution_id: UUID, client_id: str, found: dict[str, dict[str, Value]], now: datetime
) -> None:
    # In one order, so that two files at once wait for each other and do not block each other.
    lines = [
        {
            "institution_id": institution_id,
            "firm": firm,
            "values": found[firm],
            "uploaded_at": now,
            "client_id": client_id,
        }
        for firm in sorted(found)
    ]
    if not lines:
        return
    adding = insert(OverlayColumns)
    session.execute(
        adding.on_conflict_do_update(
            index_elements=["institution_id", "firm"],
            set_={name: adding.excluded[name] for name in ("values", "uploaded_at", "client_id")},
        ),
        lines,
    )
