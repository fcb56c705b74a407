"""Certificates of what was deleted of a consent, for the firm to keep."""

from __future__ import annotations

from datetime import datetime

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.firm.home import download, own_consent
from creditlink.portal.site import blueprint, signed_in
from creditlink.retention import certificates


@blueprint.get("/consents/<consent_id>/deletions/<certificate_id>")
@signed_in
def deletion(
    session: Session, account: Account, now: datetime, consent_id: str, certificate_id: str
) -> ResponseReturnValue:
    """Give the firm one signed certificate of what was deleted."""
    _, consent = own_consent(session, account, consent_id, now)
    wanted = ids.internal("del", certificate_id)
    certificate = next((c for c in certificates.of_consent(session, consent.id) if c.id == wanted), None)
    if certificate is None:
        raise NotFound
    return download(certificate.document + "\n", f"{certificate.wire_id}.jws")
