"""`/v1/profiles/{id}/changes`: what changed since an earlier profile of the firm."""

from __future__ import annotations

from sqlalchemy.orm import Session

from creditlink.access.guard import require_access
from creditlink.engine.explanation.change.change import Change
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, ConsentRefused, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.profiles.changes.comparison import compare
from creditlink.profiles.changes.model_source import ModelFolders, PinnedModels
from creditlink.profiles.changes.schemas import ChangesSchema, ProfileChangesQuery, ProfileChangesQuerySchema
from creditlink.profiles.routes import read_part, tell_uses_left
from creditlink.profiles.tables import Profile

blueprint = Blueprint("changes", __name__, url_prefix="/v1/profiles", description="What changed between two profiles")
blueprint.after_request(tell_uses_left)


@blueprint.route("/<profile_id>/changes", methods=["GET"])
@require_access("profile:read")
@blueprint.arguments(ProfileChangesQuerySchema, location="query")
@blueprint.response(200, ChangesSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, ConsentRefused, NotFound, Conflict)
def read_changes(query: ProfileChangesQuery, profile_id: str) -> dict[str, object]:
    """Read what moved the points since an earlier profile: data by indicator, coverage, model, policy.

    Both profiles must be of the token's consent. 409 when `since` is the later one, or when a model or a rule of the
    time is no longer at hand.
    """
    with db.transaction() as session:
        earlier = read_part(session, query.since, "changes").profile
        later = read_part(session, profile_id, "changes").profile
        return changes_json(earlier, later, compare(earlier, later, models_for(session)))


def models_for(session: Session) -> PinnedModels:
    """Return what scored the profiles that a session reads: the policies they name, or this process's models."""
    folders = ModelFolders(runtime.part(LiveModel), runtime.part(Settings).models_dir)
    return PinnedModels(session, folders)


def changes_json(earlier: Profile, later: Profile, change: Change) -> dict[str, object]:
    """Return a change with the two profiles that it is between."""
    return {"since": _mark(earlier), "profile": _mark(later), **change.to_dict()}


def _mark(profile: Profile) -> dict[str, object]:
    names = ("as_of", "state", "points", "grade", "model_id")
    return {"id": ids.external("prf", profile.id)} | {name: getattr(profile, name) for name in names}
