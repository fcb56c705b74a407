"""The contract registry: XML over POST, account and password in the document."""

from __future__ import annotations

import hmac
from datetime import date
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import flask

from creditlink.kit.money import yuan_text
from creditlink.sandbox.bureaus.faults import WireRow
from creditlink.sandbox.bureaus.holdings import Holdings
from creditlink.sandbox.offices.desk import OfficeDesk, OfficeFields, OfficeRefusal, WeakFields

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_FIELDS = OfficeFields("uscc", "from", "to", "%Y-%m", page="page", size="pageSize", usual_size=50, most_size=200)
_ATTRIBUTES = ("id", "version", "month", "registered")
_CODES = {
    "unauthorized": "C401",
    "bad_body": "C400",
    "bad_field": "C422",
    "no_record": "C204",
    "not_found": "C404",
    "method": "C405",
    "too_large": "C413",
    "fault": "C500",
    "timeout": "C504",
}


class _ContractMonth(NamedTuple):
    """One version of a firm's contracts of a month, as the city records them."""

    firm: int
    period: date
    signed: int
    performed: int
    breached: int
    signed_fen: int
    performed_fen: int
    breached_fen: int
    government_due_fen: int | None
    government_late_fen: int | None
    known_on: date
    version: int


class ContractRegistry:
    """What the contract registry knows, and how it answers."""

    def __init__(self, holdings: Holdings, account: str, password: str) -> None:
        self._desk = OfficeDesk(
            "contract", "contract_months", holdings, WeakFields("month", "signedAmount", "governmentLate")
        )
        self._account, self._password = account.encode(), password.encode()

    def application(self) -> flask.Flask:
        """Return the registry's web application."""
        return self._desk.application("/htba/query", "POST", self._answer, _deny)

    def _answer(self) -> flask.Response:
        sent = _query(flask.request.get_data())
        given = [sent.pop(name, "").encode() for name in ("account", "password")]
        # Both are compared, whatever the first says.
        fits = [hmac.compare_digest(*pair) for pair in zip(given, (self._account, self._password), strict=True)]
        if not all(fits):
            raise OfficeRefusal("unauthorized", "account or password is wrong")
        asked = _FIELDS.read(sent)
        found = self._desk.rows(asked, _ContractMonth, _month)
        complete = "true" if found.whole else "false"
        page = asked.start // asked.size + 1
        lines = [f'<contracts uscc="{asked.uscc}" total="{found.total}" page="{page}" complete="{complete}">']
        for row in found.rows:
            attributes = " ".join(f"{name}={quoteattr(str(row[name]))}" for name in _ATTRIBUTES)
            values = "".join(
                f"<{name}>{escape(str(value))}</{name}>" for name, value in row.items() if name not in _ATTRIBUTES
            )
            lines.append(f"  <monthly {attributes}>{values}</monthly>")
        text = _HEAD + "\n".join([*lines, "</contracts>"]) + "\n"
        return flask.Response(found.text(text.encode()), content_type="application/xml; charset=utf-8")


def _query(body: bytes) -> dict[str, str]:
    """Return the children of `<query>` by name."""
    try:
        text = body.decode()
        # `<!` begins a document type, an entity or a comment; a query has none of them.
        if "<!" in text:
            raise OfficeRefusal("bad_body", "a declaration or comment has no place here")
        root = ElementTree.fromstring(text)  # noqa: S314 (document types and entities are refused above)
    except (ElementTree.ParseError, UnicodeDecodeError):
        raise OfficeRefusal("bad_body", "not well-formed XML") from None
    if root.tag != "query":
        raise OfficeRefusal("bad_body", "the document is not a query")
    sent: dict[str, str] = {}
    for child in root:
        if child.tag in sent:
            raise OfficeRefusal("bad_field", "appears twice", child.tag)
        sent[child.tag] = child.text or ""
    return sent


def _month(row: _ContractMonth) -> WireRow:
    month = f"{row.period:%Y-%m}"
    return {
        "id": f"HT{row.firm:07d}-{month}",
        "version": row.version,
        "month": month,
        "registered": f"{row.known_on:%Y-%m-%d}T10:31:07+08:00",
        "signed": row.signed,
        "signedAmount": yuan_text(row.signed_fen),
        "performed": row.performed,
        "performedAmount": yuan_text(row.performed_fen),
        "breached": row.breached,
        "breachedAmount": yuan_text(row.breached_fen),
        "governmentDue": "" if row.government_due_fen is None else yuan_text(row.government_due_fen),
        "governmentLate": "" if row.government_late_fen is None else yuan_text(row.government_late_fen),
    }


def _deny(refused: OfficeRefusal) -> flask.Response:
    field = f" field={quoteattr(refused.field)}" if refused.field else ""
    text = escape(refused.text or refused.why)
    body = f"{_HEAD}<fault code={quoteattr(_CODES[refused.why])}{field}>{text}</fault>\n"
    return flask.Response(body, status=refused.status, content_type="application/xml; charset=utf-8")
