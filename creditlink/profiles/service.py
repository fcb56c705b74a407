"""Profiles: computed in one transaction with their evidence, read under a live consent, replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, undefer

from creditlink import __version__, idempotency, ids
from creditlink.audit import service as audit
from creditlink.clock import add_months, day_of, month_start
from creditlink.consents.counters import consume_use
from creditlink.consents.service import live_consent
from creditlink.consents.tables import Consent
from creditlink.errors import AuditUnavailable, InvalidRequest, ModelPurpose, NotFound, RecordsUnavailable
from creditlink.metrics import PROFILES
from creditlink.oauth.access import Access
from creditlink.products import approval_store
from creditlink.products.approval import ApprovalModel
from creditlink.products.book import ProductBook
from creditlink.products.offer import Ask
from creditlink.profiles.live import LiveModel
from creditlink.profiles.pipeline import profile_many
from creditlink.profiles.snapshot import Snapshot, registration_json, snapshot
from creditlink.profiles.tables import Profile
from creditlink.records import pull
from creditlink.records.coverage import coverage
from creditlink.records.pull import PullState
from creditlink.records.store import Inputs, read_inputs

DISCLOSED = ("summary", "coverage", "products")


class Served(NamedTuple):
    """A profile that goes out, and the live consent it goes out under."""

    profile: Profile
    consent: Consent


@dataclass(frozen=True)
class Pending:
    """The records must be fetched first."""

    pull_id: str | None
    sources: dict[str, Any]


def create_profile(
    session: Session,
    access: Access,
    body: dict[str, Any],
    *,
    live: LiveModel,
    book: ProductBook,
    key: str | None,
    now: datetime,
) -> Served | Pending:
    """Compute the profile of the firm that the token's consent is about, or say what it waits for.

    Everything happens in the caller's transaction: the consent is locked, the use counted, the snapshot
    stored and the disclosure recorded; or none of it.

    Raises
    ------
    ConsentRefused, LimitExceeded
        The consent does not open this.
    RecordsUnavailable
        No granted source has ever delivered.
    InvalidRequest
        `as_of` lies outside what the consent opens.
    ModelPurpose
        The model in use is not for the consent's purpose.
    """
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now)
    if consent.purpose not in live.purposes:
        raise ModelPurpose(f"model {live.model_id} is for {', '.join(live.purposes)}, not for {consent.purpose}")
    as_of = body.get("as_of") or day_of(now)
    since, today = pull.look_back(consent, now)
    if not since <= as_of <= today:
        raise InvalidRequest(
            errors=[{"pointer": "/as_of", "detail": f"must lie within {since} … {today}, got {as_of}"}]
        )
    if key is not None:
        earlier = idempotency.claim(
            session, access.institution_id, key, {"consent": access.consent_id, **body}, now=now
        )
        if earlier is not None:
            return read_profile(session, access, earlier, action="profile.repeat", now=now)
    state = pull.ensure_fresh(session, consent, now)
    if state.state == "pending":
        if key is not None:
            idempotency.release(session, access.institution_id, key)
        return Pending(state.wire_id, {name: s.as_json() for name, s in state.sources.items()})
    if state.state == "failed":
        raise RecordsUnavailable(sources={name: s.as_json() for name, s in state.sources.items()})
    consume_use(session, consent, now)
    profile = _computed(session, access, consent, body, as_of, state, live=live, book=book, now=now)
    session.add(profile)
    if key is not None:
        idempotency.settle(session, access.institution_id, key, profile.id)
    session.flush()
    disclose(session, access, consent, profile, "profile.create", DISCLOSED, now=now)
    PROFILES.labels(profile.grade or "not_scorable").inc()
    return Served(profile, consent)


def _computed(
    session: Session,
    access: Access,
    consent: Consent,
    body: dict[str, Any],
    as_of: date,
    state: PullState,
    *,
    live: LiveModel,
    book: ProductBook,
    now: datetime,
) -> Profile:
    assert consent.enterprise_id is not None  # noqa: S101 (a live consent names its firm; for the type checker)
    since = look_back_of(consent, as_of, now)
    inputs = read_inputs(session, [consent.enterprise_id], categories=consent.categories, since=since, as_of=as_of)
    covered = coverage(session, consent, as_of=as_of, now=now, state=state, inputs=inputs)
    approval = approval_store.live(session)
    asked = {
        "categories": sorted(consent.categories),
        "since": since.isoformat(),
        "amount_fen": body.get("amount_fen"),
        "term_months": body.get("term_months"),
        "missing": missing_causes(covered),
        "products": [[terms.code, terms.version] for terms in book.products],
        "approval_model": None if approval is None else approval.sha256,
    }
    made = compute_snapshot(inputs, as_of, asked, live=live, book=book, approval=approval)
    return Profile(
        id=uuid4(),
        consent_id=consent.id,
        enterprise_id=consent.enterprise_id,
        institution_id=consent.institution_id,
        client_id=access.client_id,
        as_of=as_of,
        created_at=now,
        state=made.state,
        grade=made.grade,
        points=made.points,
        pd_12m=made.pd_12m,
        model_id=live.model_id,
        model_sha256=live.sha256,
        code_version=__version__,
        asked=asked,
        registration=registration_json(inputs.records.registration),
        fact_ids=list(inputs.fact_ids),
        inputs_sha256=inputs.sha256,
        summary=made.summary,
        coverage=covered,
        explanation=made.explanation,
        products=made.products,
        matches=made.matches,
        content_sha256=made.sha256,
    )


def look_back_of(consent: Consent, as_of: date, now: datetime) -> date:
    """Return the first month that a profile of `as_of` reads: rolling, and never before the consent's own."""
    since, _ = pull.look_back(consent, now)
    return max(since, add_months(month_start(as_of), -consent.history_months))


def compute_snapshot(
    inputs: Inputs,
    as_of: date,
    asked: dict[str, Any],
    *,
    live: LiveModel,
    book: ProductBook,
    approval: ApprovalModel | None = None,
) -> Snapshot:
    """Return the snapshot of the one firm in `inputs`; creation and replay both end here."""
    profiles = profile_many(
        inputs.records,
        as_of=as_of,
        live=live,
        book=book,
        granted=frozenset(asked["categories"]) | {"registration"},
        ask=Ask(asked["amount_fen"], asked["term_months"]),
        approval=approval,
    )
    return snapshot(profiles, 0, live=live, missing=asked["missing"])


def missing_causes(covered: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return category -> why it gave nothing; categories that delivered are not in it."""
    return {
        category: "no_record" if row["status"] in ("delivered", "partial") else row["status"]
        for category, row in covered.items()
        if not row["rows"]
    }


def read_profile(
    session: Session, access: Access, profile_id: UUID, *, action: str, now: datetime, part: str = "summary"
) -> Served:
    """Return a stored profile under the token's live consent.

    Raises
    ------
    NotFound
        There is none under this consent: unknown and another consent's look the same.
    """
    consent = live_consent(session, access.consent_id, access=access, action=_ACTIONS.get(part, "profile"), now=now)
    wanted = select(Profile).where(Profile.id == profile_id, Profile.consent_id == consent.id)
    profile = session.scalar(wanted.options(*(undefer(column) for column in _COLUMNS.get(part, ()))))
    if profile is None:
        raise NotFound
    disclose(session, access, consent, profile, action, (part,), now=now)
    return Served(profile, consent)


_ACTIONS = {"matches": "match"}
_COLUMNS = {
    "explanation": (Profile.explanation,),
    "matches": (Profile.matches, Profile.asked),
    "improvements": (Profile.explanation, Profile.registration, Profile.asked),
}


def list_profiles(
    session: Session, access: Access, query: dict[str, Any], *, now: datetime
) -> tuple[list[Served], str | None]:
    """Return one page of the consent's profiles, newest first, and the cursor of the next."""
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now)
    wanted = select(Profile).where(Profile.consent_id == consent.id)
    if "created_from" in query:
        wanted = wanted.where(Profile.created_at >= query["created_from"])
    if "created_before" in query:
        wanted = wanted.where(Profile.created_at < query["created_before"])
    if "grade" in query:
        wanted = wanted.where(Profile.grade == query["grade"])
    if query.get("cursor"):
        last = session.scalar(
            select(Profile).where(Profile.id == ids.internal("prf", query["cursor"]), Profile.consent_id == consent.id)
        )
        if last is None:
            raise InvalidRequest(errors=[{"pointer": "/cursor", "detail": "is not a cursor of this list"}])
        wanted = wanted.where(
            (Profile.created_at < last.created_at) | ((Profile.created_at == last.created_at) & (Profile.id < last.id))
        )
    limit = query["limit"]
    rows = session.scalars(wanted.order_by(Profile.created_at.desc(), Profile.id.desc()).limit(limit + 1)).all()
    page = list(rows[:limit])
    if page:
        disclose(session, access, consent, page[0], "profile.list", ("summary",), now=now, count=len(page))
    cursor = ids.external("prf", page[-1].id) if len(rows) > limit else None
    return [Served(profile, consent) for profile in page], cursor


def disclose(
    session: Session,
    access: Access,
    consent: Consent,
    profile: Profile,
    action: str,
    fields: tuple[str, ...],
    *,
    now: datetime,
    count: int = 1,
) -> None:
    """Record that data goes out, in the same transaction as the data.

    Raises
    ------
    AuditUnavailable
        The evidence cannot be written; the transaction ends and nothing is disclosed.
    """
    try:
        audit.record(
            session,
            action=action,
            result="disclosed",
            actor=f"bank:{access.client_id}",
            now=now,
            enterprise_id=consent.enterprise_id,
            institution_id=access.institution_id,
            client_id=access.client_id,
            consent_id=consent.id,
            purpose=consent.purpose,
            detail={
                "profile": ids.external("prf", profile.id),
                "categories": sorted(consent.categories),
                "fields": list(fields),
                "count": count,
            },
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    except SQLAlchemyError as error:
        raise AuditUnavailable from error
