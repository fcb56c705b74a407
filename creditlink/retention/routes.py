"""`/v1/deletion-certificates`: what was deleted of an institution's consents."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from creditlink.access.guard import current_access, require_access
from creditlink.kit.errors import InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.retention import certificates
from creditlink.retention.schemas import CertificatePageSchema, CertificateQuerySchema

blueprint = Blueprint(
    "deletions",
    __name__,
    url_prefix="/v1/deletion-certificates",
    description="Certificates of what was deleted when its data life ended",
)


class CertificateQuery(TypedDict):
    """Which certificates to list, as `CertificateQuerySchema` reads it."""

    consent: NotRequired[str]
    cursor: NotRequired[str]
    limit: int


@blueprint.route("", methods=["GET"])
@require_access("consent:read")
@blueprint.arguments(CertificateQuerySchema, location="query")
@blueprint.response(200, CertificatePageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, NotFound)
def list_certificates(query: CertificateQuery) -> dict[str, object]:
    """List the certificates of the institution's consents, newest first."""
    with db.transaction(viewer=db.Viewer(institution_id=current_access().institution_id)) as session:
        page, cursor = certificates.page_of(
            session,
            current_access().institution_id,
            consent=query.get("consent"),
            cursor=query.get("cursor"),
            limit=query["limit"],
        )
        return {"items": [certificates.as_json(row) for row in page], "next_cursor": cursor}
