"""Certificates of deletion as banks see them."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import text


class CertificateQuerySchema(Schema):
    """Which certificates to list."""

    consent = text("Only of this consent (`cns_…`)")
    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "Certificates per page"}
    )
    cursor = text("Where the page before ended: its `next_cursor`")


class DeletedSchema(Schema):
    """What was deleted of one table."""

    table = text("`facts`, `profiles`, `pulls`, `pull_parts` or `rejected_rows`")
    rows = ma.fields.Integer(metadata={"description": "How many rows"})
    sha256 = text("Over the certificate's id and the rows' own hashes, sorted, joined by line feeds")
    told_sha256 = text(
        "Of profiles: the same over the `content_hmac` of each answer that you were given; check it with the profiles "
        "that you kept"
    )


class CertificateSchema(Schema):
    """What was deleted of one of your consents at one time."""

    id = text("The certificate")
    consent_id = text("The consent")
    issued_at = ma.fields.AwareDateTime(metadata={"description": "When it was deleted"})
    deleted = ma.fields.List(ma.fields.Nested(DeletedSchema), metadata={"description": "Per table"})
    document = text("The certificate as a compact JWS; `/v1/receipt-keys` verifies it, offline and for good")


class CertificatePageSchema(Schema):
    """A page of certificates, newest first."""

    items = ma.fields.List(ma.fields.Nested(CertificateSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
