"""The bank's manual of what a firm hands in with its request."""

from __future__ import annotations

import marshmallow as ma

from creditlink.financing.requests.papers.tables import ABOUT
from creditlink.kit.files.documents import SCANS
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text


class DocumentSchema(Schema):
    """A document that the firm handed in."""

    id = text("The document")
    about = text(f"What it is: {', '.join(f'`{about}`' for about in ABOUT)}")
    name = text("Its name, as the firm called it")
    media_type = text("`application/pdf`, `image/png` or `image/jpeg`, told by its bytes")
    size_bytes = number("How large it is")
    sha256 = text("Hash of its content")
    scan = text(f"Whether it was scanned for malicious content: {', '.join(f'`{state}`' for state in SCANS)}")
    added_at = instant("When the firm handed it in")


class DocumentsSchema(Schema):
    """The documents that go with an application."""

    items = ma.fields.List(ma.fields.Nested(DocumentSchema))


class ReceivableSchema(Schema):
    """A receivable that the firm offers as security."""

    id = text("The receivable")
    known_by = text("`invoice` or `contract`")
    number = text("The invoice's or the contract's number, without spaces and dashes", allow_none=True)
    debtor_uscc = text("Of a contract: who owes", allow_none=True)
    elsewhere = ma.fields.Boolean(
        metadata={
            "description": "Whether another live request or loan here names the same receivable, this firm's or "
            "another's; never whose or at which lender"
        }
    )
    added_at = instant("When the firm named it")


class ReceivablesSchema(Schema):
    """The receivables that go with an application."""

    items = ma.fields.List(ma.fields.Nested(ReceivableSchema))
