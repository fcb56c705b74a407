"""`/v1/profiles/{id}/registration`: what the registry said of the firm on the profile's day."""

from __future__ import annotations

from creditlink.access.guard import require_access
from creditlink.kit.errors import ConsentRefused, InsufficientScope, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.profiles.registered.registration import registration_of
from creditlink.profiles.registered.schemas import RegistrationSchema
from creditlink.profiles.routes import read_part, tell_uses_left

blueprint = Blueprint(
    "registered", __name__, url_prefix="/v1/profiles", description="What the registry says of a profile's firm"
)
blueprint.after_request(tell_uses_left)


@blueprint.route("/<profile_id>/registration", methods=["GET"])
@require_access("profile:read")
@blueprint.response(200, RegistrationSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound)
def read_registration(profile_id: str) -> dict[str, object]:
    """Read the name, code and registration that the firm had on the profile's day, as they were known then."""
    with db.transaction() as session:
        return registration_of(session, read_part(session, profile_id, "registration").profile)
