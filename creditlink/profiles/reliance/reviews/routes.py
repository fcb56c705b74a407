"""`/v1/profiles/{id}/review`: a bank asks for a person on a sole trader's behalf, and reads what people decided."""

from __future__ import annotations

from creditlink.access.guard import current_access, require_access
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, ConsentRefused, InsufficientScope, InvalidRequest, NotFound, Unauthorized
from creditlink.kit.http.api import Blueprint
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.profiles.disclosures.disclosure import read_profile
from creditlink.profiles.reliance.reviews.service import reviews_of, subject_of
from creditlink.profiles.routes import tell_uses_left
from creditlink.reviews import queue
from creditlink.reviews.queue import ReviewRequest
from creditlink.reviews.rules.settings import ReviewSettings
from creditlink.reviews.schemas import ReviewAsk, ReviewAskSchema, ReviewOfProfileSchema

blueprint = Blueprint("review", __name__, url_prefix="/v1/profiles", description="A person looks at a decision")
blueprint.after_request(tell_uses_left)

_NOTHING: dict[str, object] = {"cases": [], "automated_decision_refused": False, "override": None}


@blueprint.route("/<profile_id>/review", methods=["POST"])
@require_access("profile:read")
@blueprint.arguments(ReviewAskSchema)
@blueprint.response(201, ReviewOfProfileSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, ConsentRefused, NotFound, Conflict)
def ask_for_review(ask: ReviewAsk, profile_id: str) -> dict[str, object]:
    """Pass on that a sole trader asks for a person, or refuses a decision by automated means alone (PIPL art. 24).

    Asking again while the case is open changes nothing. 409 where the firm is no sole trader, or a person has decided.
    """
    now = utc_now()
    with db.transaction() as session:
        served = read_profile(
            session, current_access(), ids.internal("prf", profile_id), action="profile.read", now=now, part="review"
        )
        profile = served.profile
        queue.request(
            session, profile, subject_of(profile, profile.registration),
            ReviewRequest(f"bank:{current_access().client_id}", ask.refuses_automation, ask.note),
            settings=runtime.part(ReviewSettings), now=now,
        )  # fmt: skip
        return reviews_of(session, [profile], now).get(profile.id, _NOTHING)


@blueprint.route("/<profile_id>/review", methods=["GET"])
@require_access("profile:read")
@blueprint.response(200, ReviewOfProfileSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound)
def read_review(profile_id: str) -> dict[str, object]:
    """Read which people look at a profile, until when, and what they decided beside it."""
    now = utc_now()
    with db.transaction() as session:
        served = read_profile(
            session, current_access(), ids.internal("prf", profile_id), action="profile.read", now=now, part="review"
        )
        return reviews_of(session, [served.profile], now).get(served.profile.id, _NOTHING)
