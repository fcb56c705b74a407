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

    table = text("`decision_records`, `facts`, `profiles`, `pulls`, `pull_parts` or `rejected_rows`")
    rows = ma.fields.Integer(metadata={"description": "How many rows"})
    sha256 = text("Over the certificate's id and the rows' own hashes, sorted, joined by line feeds")
    told_sha256 = text(
        "Of profiles: the same over the `content_hmac` of each answer that you were given; check it with the profiles "
        "that you kept"
    )


class KeptSchema(Schema):
    """A class of what stays when a consent's data goes."""

    class_ = ma.fields.String(
        data_key="class",
        attribute="class",
        metadata={"description": "Its name: `decision_record`, `evidence` or `consents`"},
    )
    effect = text("`sealed`: kept, and nobody of a bank can read it; `stays`: it is the proof")
    rows = ma.fields.Integer(allow_none=True, metadata={"description": "How many records, where they are counted"})
    until = text("The last day, where it ends", allow_none=True)
    basis_zh = text("Why, in Chinese")
    basis_en = text("Why, in English")
    source = text("By which law and article")


class CertificateSchema(Schema):
    """What was deleted of one of your consents at one time."""

    id = text("The certificate")
    consent_id = text("The consent")
    issued_at = ma.fields.AwareDateTime(metadata={"description": "When it was deleted"})
    deleted = ma.fields.List(ma.fields.Nested(DeletedSchema), metadata={"description": "Per table"})
    kept = ma.fields.List(ma.fields.Nested(KeptSchema), metadata={"description": "What stays, by class"})
    document = text("The certificate as a compact JWS; `/v1/receipt-keys` verifies it, offline and for good")


class CertificatePageSchema(Schema):
    """A page of certificates, newest first."""

    items = ma.fields.List(ma.fields.Nested(CertificateSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
