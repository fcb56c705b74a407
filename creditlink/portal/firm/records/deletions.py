"""Deletion: what goes and what stays, asking for it, and the certificates of it for the firm to keep."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.decisions.classes import RetentionClasses
from creditlink.decisions.kept import classes_of
from creditlink.enterprises.tables import Account
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.firm.home import download, own_consent
from creditlink.portal.site import blueprint, lang, page, see_other, settings, signed_in
from creditlink.retention import certificates, requests


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


@blueprint.get("/consents/<consent_id>/delete")
@signed_in
def what_goes(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Say, class by class, what would go and what stays, why and how long, before the firm asks."""
    firm, consent = own_consent(session, account, consent_id, now)
    return page(
        "consents/delete.html",
        firm=firm,
        consent=consent,
        rows=_rows(classes_of(settings()), lang()),
        asked=requests.of_consent(session, consent.id),
        nothing_agreed=consent.starts_at is None,
    )


@blueprint.post("/consents/<consent_id>/delete")
@signed_in
def delete_now(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Withdraw the consent, if it lives, and have everything deleted that need not stay."""
    _, consent = own_consent(session, account, consent_id, now)
    requests.ask(session, consent, actor=f"account:{account.id}", now=now)
    return see_other(flask.url_for("portal.consent", consent_id=_wire(consent)))


def _wire(consent: Consent) -> str:
    return ids.external("cns", consent.id)


def _rows(classes: RetentionClasses, shown_in: str) -> list[dict[str, object]]:
    zh = shown_in == "zh"
    return [
        {
            "holds": one.holds_zh if zh else one.holds_en,
            "effect": one.on_deletion,
            "told": one.told_zh if zh else one.told_en,
            "basis": one.basis_zh if zh else one.basis_en,
            "source": one.source,
        }
        for one in classes.classes
    ]
