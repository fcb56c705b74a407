"""`/v1/profiles`: compute, read, explain, match."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence

import flask
from flask import g
from sqlalchemy.orm import Session

from creditlink.access.guard import after_waiting, current_access, require_access
from creditlink.consents.life import counters
from creditlink.consents.tables import Consent
from creditlink.decisions.archive import Archive
from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.profile.codes import code_book
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import (
    Conflict,
    ConsentRefused,
    IdempotencyMismatch,
    InsufficientScope,
    InvalidRequest,
    LimitExceeded,
    ModelPurpose,
    NotFound,
    RecordsUnavailable,
    Unauthorized,
)
from creditlink.kit.http import idempotency, visit
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.http.visit import Visit
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.metering.limiter import Limiter
from creditlink.metering.profiles import ProfileMeter
from creditlink.overlays.application import overlays_of
from creditlink.products.service import book_of, live_book
from creditlink.profiles import service, wire
from creditlink.profiles.disclosures import disclosure
from creditlink.profiles.disclosures.disclosure import DisclosedProfile, ProfileQuery
from creditlink.profiles.lineage import service as lineage
from creditlink.profiles.lineage import wire as lineage_wire
from creditlink.profiles.lineage.schemas import LineageQuerySchema, LineageSchema
from creditlink.profiles.lineage.service import LineageQuery
from creditlink.profiles.matched.better_schemas import ImprovementsSchema, UnlockSchema
from creditlink.profiles.matched.paging import MatchQuery
from creditlink.profiles.matched.schemas import MatchesSchema, MatchQuerySchema
from creditlink.profiles.reliance.contested.service import contested_of
from creditlink.profiles.reliance.endings.service import endings_of
from creditlink.profiles.reliance.reviews.service import reviews_of
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.profiles.schemas import (
    ExplanationSchema,
    PendingSchema,
    ProfilePageSchema,
    ProfileQuerySchema,
    ProfileRequestSchema,
    ProfileSchema,
    ReasonCodeQuery,
    ReasonCodeQuerySchema,
    ReasonCodesSchema,
)
from creditlink.profiles.service import Pending, ProfileRequest
from creditlink.profiles.serving.watch import ServedModels
from creditlink.profiles.tables import Profile
from creditlink.reviews.rules.settings import ReviewSettings

blueprint = Blueprint(
    "profiles", __name__, url_prefix="/v1/profiles", description="Explained credit profiles of firms that agreed"
)

reason_codes = Blueprint(
    "reason_codes", __name__, url_prefix="/v1/reason-codes", description="The public book of reason codes"
)

Answer = dict[str, object] | tuple[dict[str, object], int, dict[str, str]] | flask.Response
"""What a view gives: a body, a body with status and headers, or an answer that no schema forms."""

_WAIT = re.compile(r"(?:^|,)\s*wait=(\d{1,4})\s*(?:,|$)")
_POLL_SECONDS = 0.25
# Under a server without the front a waiting request holds a thread: so many at once, the next is answered 202 at once.
_WAITING_THREADS = threading.BoundedSemaphore(2)


@blueprint.route("", methods=["POST"])
@require_access("profile:create")
@blueprint.arguments(ProfileRequestSchema)
@blueprint.response(201, ProfileSchema)
@blueprint.alt_response(202, schema=PendingSchema, description="The records are being fetched; see `Location`")
@blueprint.problems(
    InvalidRequest,
    Unauthorized,
    InsufficientScope,
    ConsentRefused,
    LimitExceeded,
    RecordsUnavailable,
    ModelPurpose,
    IdempotencyMismatch,
)
@blueprint.reads("Idempotency-Key", "Prefer")
def create_profile(wanted: ProfileRequest) -> Answer:
    """Compute the profile of the firm that the token's consent is about.

    Answers 201 when the granted records are fresh; otherwise 202 with a session to poll. `Prefer: wait=N` lets
    the request wait up to N seconds for the records; `Idempotency-Key` makes a repeated request give the same profile.
    """
    settings = runtime.part(Settings)
    key = idempotency.checked_key(flask.request.headers.get("Idempotency-Key"))
    wait = _preferred_wait(flask.request.headers.get("Prefer", ""), settings.max_wait_seconds)
    seen = visit.of(flask.request.environ)
    if seen is None and wait:
        wait = wait if _WAITING_THREADS.acquire(blocking=False) else 0
        try:
            return _create(wanted, key, wait, None)
        finally:
            if wait:
                _WAITING_THREADS.release()
    return _create(wanted, key, wait if seen is None or seen.may_wait else 0, seen)


def _create(wanted: ProfileRequest, key: str | None, wait: int, seen: Visit | None) -> Answer:
    settings = runtime.part(Settings)
    deadline = time.monotonic() + wait if seen is None else seen.deadline(wait)
    while True:
        # Each try is a transaction of its own: nothing is locked, and no connection held, while waiting.
        with db.transaction() as session:
            result = service.create_profile(
                session,
                current_access(),
                wanted,
                live=runtime.part(LiveModel),
                book=live_book(session, settings),
                rules=runtime.part(ProfileRules),
                archive=runtime.part(Archive),
                key=key,
                now=utc_now(),
                relief=runtime.part(ReliefBook),
                models=runtime.part(ServedModels),
                reviews=runtime.part(ReviewSettings),
                meter=_meter(),
            )
            _note_uses(session)
            if not isinstance(result, Pending):
                answer = _summary(session, result)
                location = f"/v1/profiles/{answer['id']}"
                return answer, 201, {"Location": location, **_applied(wait)}
        left = deadline - time.monotonic()
        if left <= 0:
            return _pending(result, wait)
        if seen is not None and result.pull_id is not None:
            seen.run_again_after(result.pull_id)  # the front waits, and no thread
            return _pending(result, wait)
        time.sleep(min(_POLL_SECONDS, left))
        g.access = after_waiting(current_access())


def _meter() -> ProfileMeter:
    access = current_access()
    terms = runtime.part(Limiter).terms_of(access.institution_id)
    return ProfileMeter.of(access.client_id, access.institution_id, terms, utc_now())


def _pending(pending: Pending, wait: int) -> flask.Response:
    response = flask.jsonify({"pull_id": pending.pull_id, "status": "PENDING", "sources": pending.sources})
    response.status_code = 202
    response.headers["Location"] = f"/v1/pulls/{pending.pull_id}"
    response.headers["Retry-After"] = "2"
    response.headers.update(_applied(wait))
    return response


def _preferred_wait(header: str, most: int) -> int:
    """Return the seconds of RFC 7240's `wait`, at most the setting; what does not parse is ignored, as it says."""
    found = _WAIT.search(header)
    return min(int(found.group(1)), most) if found else 0


def _applied(wait: int) -> dict[str, str]:
    return {"Preference-Applied": f"wait={wait}"} if wait else {}


def _summary(session: Session, served: DisclosedProfile) -> dict[str, object]:
    return _summaries(session, [served])[0]


def _summaries(session: Session, page: Sequence[DisclosedProfile]) -> list[dict[str, object]]:
    ended, now = endings_of(session, [served.profile.id for served in page]), utc_now()
    overlays = overlays_of(session, [served.profile for served in page])
    reviews = reviews_of(session, [served.profile for served in page], now)
    contested = contested_of(session, [served.profile for served in page])
    return [
        wire.summary(
            served.profile,
            purpose=served.consent.purpose,
            salt=current_access().pairwise_salt,
            with_products=served.with_products,
            now=now,
            ending=ended.get(served.profile.id),
            overlay=overlays.get(served.profile.id),
            review=reviews.get(served.profile.id),
            contested=contested.get(served.profile.id, ()),
        )
        for served in page
    ]


@blueprint.route("", methods=["GET"])
@require_access("profile:read")
@blueprint.arguments(ProfileQuerySchema, location="query")
@blueprint.response(200, ProfilePageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, ConsentRefused)
def list_profiles(query: ProfileQuery) -> dict[str, object]:
    """List the profiles computed under the token's consent, newest first."""
    with db.transaction() as session:
        page, cursor = disclosure.list_profiles(session, current_access(), query, now=utc_now())
        _note_uses(session)
        return {"items": _summaries(session, page), "next_cursor": cursor}


@blueprint.route("/<profile_id>", methods=["GET"])
@require_access("profile:read")
@blueprint.response(200, ProfileSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound, Conflict)
def read_profile(profile_id: str) -> dict[str, object]:
    """Read a profile as it was computed."""
    with db.transaction() as session:
        return _summary(session, read_part(session, profile_id, "summary"))


@blueprint.route("/<profile_id>/explanation", methods=["GET"])
@require_access("profile:read")
@blueprint.response(200, ExplanationSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound)
def read_explanation(profile_id: str) -> dict[str, object]:
    """Read every indicator's value and exact contribution: base + contributions = margin."""
    with db.transaction() as session:
        return wire.explanation(read_part(session, profile_id, "explanation").profile)


@blueprint.route("/<profile_id>/lineage", methods=["GET"])
@require_access("profile:read")
@blueprint.arguments(LineageQuerySchema, location="query")
@blueprint.response(200, LineageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, ConsentRefused, NotFound)
def read_lineage(query: LineageQuery, profile_id: str) -> dict[str, object]:
    """Read where an indicator's value comes from: facts, pulls, offices, the days known; enough to compute it again."""
    with db.transaction() as session:
        served = read_part(session, profile_id, f"lineage:{query.indicator}")
        live = runtime.part(LiveModel)
        return lineage_wire.lineage_json(
            lineage.lineage_of(session, served.profile, query, live=live, consent_id=served.consent.id)
        )


@blueprint.route("/<profile_id>/matches", methods=["GET"])
@require_access("profile:read")
@blueprint.arguments(MatchQuerySchema, location="query")
@blueprint.response(200, MatchesSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope, ConsentRefused, NotFound)
def read_matches(query: MatchQuery, profile_id: str) -> dict[str, object]:
    """Read the products in order, page by page: every rule pass, fail or unknown with its gap; and the near misses."""
    with db.transaction() as session:
        profile = read_part(session, profile_id, "matches").profile
        settings = runtime.part(Settings)
        book = book_of(session, settings, profile.asked["products"]) if profile.matches else None
        return wire.matches(profile, book, query)


@blueprint.route("/<profile_id>/improvements", methods=["GET"])
@require_access("profile:read")
@blueprint.response(200, ImprovementsSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound, Conflict)
def read_improvements(profile_id: str) -> dict[str, object]:
    """Read the smallest changes, of what the firm can act on, that raise its grade; each is verified by scoring.

    409 when another model scored the profile than the one in use: compute a new profile first.
    """
    with db.transaction() as session:
        profile = read_part(session, profile_id, "improvements").profile
    return wire.improvements(profile, _scored_by(profile))


@blueprint.route("/<profile_id>/matches/<code>/unlock", methods=["GET"])
@require_access("profile:read")
@blueprint.response(200, UnlockSchema)
@blueprint.problems(Unauthorized, InsufficientScope, ConsentRefused, NotFound, Conflict)
def read_unlock(profile_id: str, code: str) -> dict[str, object]:
    """Read the smallest change, across score and rules together, that opens one product to the firm.

    Verified: the changed firm is scored and matched again. Where nothing in reach opens it, every rule in the way is
    named with the reason. 409 when another model scored the profile than the one in use, or the firm has no score.
    """
    with db.transaction() as session:
        profile = read_part(session, profile_id, "unlock").profile
        if profile.state != "scored":
            raise Conflict("a firm without a score is matched to no product")
        if profile.summary.get("partial"):
            raise Conflict("the profile is partial: make one with every required category first")
        live = _scored_by(profile)
        settings = runtime.part(Settings)
        book = book_of(session, settings, profile.asked["products"])
    return wire.unlocked(profile, code, book, live)


def _scored_by(profile: Profile) -> LiveModel:
    """Return the model in use, which must be the one that scored the profile."""
    live: LiveModel = runtime.part(LiveModel)
    if not live.scored(profile.model_id, profile.model_sha256):
        of_other_purpose = runtime.part(ServedModels).that_scored(profile.model_id, profile.model_sha256)
        if of_other_purpose is not None:
            return of_other_purpose
        raise Conflict(f"the profile was scored by model {profile.model_id}, in use is {live.model_id}")
    return live


def read_part(session: Session, profile_id: str, part: str) -> DisclosedProfile:
    """Return a stored profile under the token's live consent, with one part of it and the evidence that it went out."""
    known = ids.internal("prf", profile_id)
    action = f"profile.{disclosure.kind_of(part)}"
    served = disclosure.read_profile(session, current_access(), known, action=action, now=utc_now(), part=part)
    _note_uses(session)
    return served


def _note_uses(session: Session) -> None:
    """Note for the answer's header how many computations the consent, read just now, has left."""
    g.uses_left = counters.left(session, session.get_one(Consent, current_access().consent_id), utc_now())


@blueprint.after_request
def tell_uses_left(response: flask.Response) -> flask.Response:
    """Say in every answer under a live consent how many new computations it has left."""
    if "uses_left" in g:
        response.headers.update(counters.header_of(g.uses_left))
    return response


@reason_codes.route("", methods=["GET"])
@public
@reason_codes.arguments(ReasonCodeQuerySchema, location="query")
@reason_codes.response(200, ReasonCodesSchema)
@reason_codes.alt_response(304, description="The book is the one that `If-None-Match` names", success=True)
@reason_codes.problems(InvalidRequest)
def list_reason_codes(query: ReasonCodeQuery) -> Answer:
    """Read what every code of a profile means, in Chinese and English; anybody may.

    Generated from the catalogue of indicators and the rules in force; a code is never reused.
    """
    book = code_book(runtime.part(LiveModel).rules)
    headers = {"ETag": f'"{book.revision}"', "Cache-Control": "public, max-age=3600"}
    if book.revision in flask.request.if_none_match:
        return flask.Response(status=304, headers=headers)
    items = [
        item
        for item in book.items
        if query.kind in (None, item["kind"])
        and (query.category is None or query.category in (item["categories"] or ()))
    ]
    return {"revision": book.revision, "items": items}, 200, headers
