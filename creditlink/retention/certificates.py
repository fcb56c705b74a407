"""Certificates of deletion: issued in the deletion's transaction, verifiable by anybody, offline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from creditlink.cards import ending as cards
from creditlink.consents.tables import Consent
from creditlink.decisions import archive
from creditlink.decisions.classes import DECISION_RECORD, RetentionClasses
from creditlink.disputes import ending as disputes
from creditlink.institutions.tables import Institution
from creditlink.kit import ids, keyring
from creditlink.kit.clock import day_of, to_second
from creditlink.kit.http import paging
from creditlink.kit.keyring import Secret, SignedDocument
from creditlink.objections import ending as objections
from creditlink.reports import ending as reports
from creditlink.retention.recheck import combine
from creditlink.retention.tables import DeletionCertificate
from creditlink.reviews import ending as reviews

TYPE = "deletion-certificate+jws"


class DeletedRows(TypedDict):
    """What was deleted of one table; `told_sha256` is there for profiles."""

    rows: int
    sha256: str
    told_sha256: NotRequired[str]


def tally(jti: str, rows: Iterable[str]) -> DeletedRows:
    """Return how many rows of a table were deleted, and one hash over the certificate's id and theirs in sorted order.

    Anybody who kept the rows' own hashes can compute it again: `retention.recheck`. The id is in it so that the same
    rows, deleted from two banks' consents, give each bank another hash.
    """
    hashes = list(rows)
    return {"rows": len(hashes), "sha256": combine(jti, hashes)}


def issue(
    session: Session,
    consent: Consent,
    rows: Mapping[str, Collection[str]],
    *,
    issuer: str,
    secret: Secret,
    now: datetime,
    classes: RetentionClasses,
    asked_at: datetime | None = None,
) -> DeletionCertificate:
    """Store and return the signed certificate of what was just deleted of a consent: table -> hashes of its rows.

    It also says what stays, class by class, with the basis and until when. `asked_at`: when the firm asked for it;
    None: its time was over.
    """
    assert consent.enterprise_id is not None  # noqa: S101 (a constraint of the table, for the type checker)
    institution = session.get_one(Institution, consent.institution_id)
    certificate_id, now = uuid4(), to_second(now)
    jti = ids.external("del", certificate_id)
    deleted = {table: tally(jti, hashes) for table, hashes in sorted(rows.items())}
    if "profiles" in deleted:  # with the hashes that this bank got, and no others
        hashes = [ids.pairwise_digest(institution.pairwise_salt, content) for content in rows["profiles"]]
        deleted["profiles"]["told_sha256"] = combine(jti, hashes)
    kept = kept_of(session, consent, classes)
    claims = {
        "iss": issuer,
        "iat": int(now.timestamp()),
        "jti": jti,
        "consent": consent.wire_id,
        "institution": institution.code,
        # The id that this institution knows the firm by: the certificate goes to both.
        "enterprise": ids.pairwise(institution.pairwise_salt, consent.enterprise_id),
        "state": consent.state,
        "data_life_days": consent.data_life_days,
        "deleted_at": now.isoformat(),
        "deleted": deleted,
        "kept": kept,
        "classes_version": classes.version,
    }
    if asked_at is not None:
        claims["asked_at"] = to_second(asked_at).isoformat()
    values = {
        "id": certificate_id,
        "consent_id": consent.id,
        "enterprise_id": consent.enterprise_id,
        "institution_id": consent.institution_id,
        "issued_at": now,
        "deleted": deleted,
        "kept": kept,
        "document": keyring.sign(claims, typ=TYPE, secret=secret),
    }
    session.execute(insert(DeletionCertificate).values(**values))
    return DeletionCertificate(**values)


def kept_of(session: Session, consent: Consent, classes: RetentionClasses) -> list[dict[str, object]]:
    """Return what a deletion leaves of a consent: per class why, by which law, how many records and until which day."""
    sealed = archive.sealed_of(session, consent.id)
    held = {one.CLASS: one.are_kept(session, consent.id) for one in (reviews, objections, cards, reports)}
    held[disputes.CLASS] = disputes.are_kept(session, consent.enterprise_id)
    found: list[dict[str, object]] = []
    for one in classes.staying:
        is_archive = one.name == DECISION_RECORD
        if (is_archive and sealed is None) or not held.get(one.name, True):
            continue
        found.append(
            {
                "class": one.name,
                "effect": one.on_deletion,
                "rows": sealed.rows if is_archive and sealed else None,
                "until": day_of(sealed.until).isoformat() if is_archive and sealed else None,
                "basis_zh": one.basis_zh,
                "basis_en": one.basis_en,
                "source": one.source,
            }
        )
    return found


def verify(document: str, keys: Mapping[str, object]) -> SignedDocument:
    """Return what a certificate says, if one of `keys` (a JWK set) signed it.

    Raises
    ------
    keyring.SignatureRefused
        It is not a certificate, was changed, or was signed by somebody else.
    """
    return keyring.verify(document, keys, typ=TYPE)


def of_consent(session: Session, consent_id: UUID) -> list[DeletionCertificate]:
    """Return the certificates of one consent, the latest first, as far as the transaction may see them."""
    query = select(DeletionCertificate).where(DeletionCertificate.consent_id == consent_id)
    return list(session.scalars(query.order_by(DeletionCertificate.issued_at.desc(), DeletionCertificate.id)))


def page_of(
    session: Session, institution_id: UUID, *, consent: str | None, cursor: str | None, limit: int
) -> tuple[list[DeletionCertificate], str | None]:
    """Return one page of an institution's certificates, newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    wanted = select(DeletionCertificate).where(DeletionCertificate.institution_id == institution_id)
    if consent is not None:
        wanted = wanted.where(DeletionCertificate.consent_id == ids.internal("cns", consent))
    own = DeletionCertificate.institution_id == institution_id
    rows, more = paging.newest_first(
        session,
        wanted,
        DeletionCertificate.issued_at,
        DeletionCertificate.id,
        after=paging.row_of(session, DeletionCertificate, "del", cursor, own),
        limit=limit,
    )
    page = [certificate for (certificate,) in rows]
    return page, page[-1].wire_id if more else None


def as_json(certificate: DeletionCertificate) -> dict[str, object]:
    """Return a certificate as banks see it."""
    return {
        "id": certificate.wire_id,
        "consent_id": ids.external("cns", certificate.consent_id),
        "issued_at": certificate.issued_at,
        "deleted": [{"table": name, **counted} for name, counted in sorted(certificate.deleted.items())],
        "kept": certificate.kept,
        "document": certificate.document,
    }
