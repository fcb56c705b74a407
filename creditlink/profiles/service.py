"""Profiles: computed in one transaction with their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink import __version__
from creditlink.access.guard import Access
from creditlink.consents.agreement.limits import judged_as
from creditlink.consents.life.counters import consume_use, header_of, left, refuse_spent
from creditlink.consents.life.rules import ConsentTerms
from creditlink.consents.service import live_consent
from creditlink.consents.tables import Consent
from creditlink.decisions.archive import Archive
from creditlink.decisions.policy import store as policy_store
from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile import content
from creditlink.engine.profile.asked import ProfileInputs
from creditlink.engine.profile.basis import DecisionBasis, decide
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.limits.frozen import FrozenInputs
from creditlink.engine.vocabulary import EDITION, PUBLIC_CATEGORIES
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.kit.errors import InvalidRequest, ModelPurpose, RecordsUnavailable
from creditlink.kit.http import idempotency
from creditlink.kit.http.fields import given
from creditlink.kit.processes.metrics import PROFILES
from creditlink.metering.profiles import ProfileMeter
from creditlink.overlays.application import OverlayAsk, kept_form, store_result, wanted_overlay
from creditlink.products import approval_store
from creditlink.profiles.disclosures.disclosure import DisclosedProfile, disclose, read_profile
from creditlink.profiles.disclosures.evidence import incomplete_causes, missing_causes
from creditlink.profiles.reliance.contested import service as contested
from creditlink.profiles.reliance.overlaid import base_score
from creditlink.profiles.reliance.reviews.service import after_creation
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.profiles.reliance.ties import ties_of
from creditlink.profiles.serving.watch import ServedModels
from creditlink.profiles.tables import Profile
from creditlink.records import coverage as coverage_of
from creditlink.records.pulls import pull
from creditlink.records.pulls.pull import PullState
from creditlink.records.store import read_inputs
from creditlink.reviews.rules.settings import ReviewSettings
from creditlink.uploads import use as uploads
from creditlink.uploads.standing import CATEGORY
from creditlink.uploads.use import UploadsFound


@dataclass(frozen=True)
class ProfileRequest:
    """What to compute; None: the bank did not say."""

    as_of: date | None = None
    amount_fen: int | None = None
    term_months: int | None = None
    accept_partial: Sequence[str] | None = None
    accept_uploads: Sequence[str] | None = None
    overlay: bool | int | None = None
    overlay_columns: Mapping[str, object] | None = None

    @property
    def overlay_ask(self) -> OverlayAsk | None:
        """Return what the bank wants of its overlay; None: nothing was said of one."""
        if self.overlay is None and self.overlay_columns is None:
            return None
        return OverlayAsk(self.overlay or False, self.overlay_columns or {})


@dataclass(frozen=True)
class Pending:
    """The records must be fetched first."""

    pull_id: str | None
    sources: dict[str, dict[str, object]]


def create_profile(
    session: Session,
    access: Access,
    wanted: ProfileRequest,
    *,
    live: LiveModel,
    book: ProductBook,
    rules: ProfileRules,
    archive: Archive,
    key: str | None,
    now: datetime,
    relief: ReliefBook | None = None,
    models: ServedModels | None = None,
    reviews: ReviewSettings | None = None,
    meter: ProfileMeter | None = None,
) -> DisclosedProfile | Pending:
    """Compute the profile of the firm that the token's consent is about, or say what it waits for.

    Everything happens in the caller's transaction: the consent is locked, the use counted, the snapshot
    stored and the disclosure recorded; or none of it.

    Raises
    ------
    ConsentRefused, LimitExceeded
        The consent does not open this.
    RecordsUnavailable
        No granted source has ever delivered, or a required category was not and the bank did not accept that.
    InvalidRequest
        `as_of` lies outside what the consent opens.
    ModelPurpose
        The model in use is not for the consent's purpose.
    QuotaUsedUp
        The institution's contract covers no further profile this month.
    """
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now)
    opened = consent.terms().narrowed(access.authorization_details)
    purpose = judged_as(consent.purpose)
    if models is not None:
        live = models.live_for(purpose, live)
    if purpose not in live.purposes:
        raise ModelPurpose(f"model {live.model_id} is for {', '.join(live.purposes)}, not for {purpose}")
    as_of = wanted.as_of or day_of(now)
    since, today = pull.look_back(consent, now)
    if not since <= as_of <= today:
        raise InvalidRequest(
            errors=[{"pointer": "/as_of", "detail": f"must lie within {since} … {today}, got {as_of}"}]
        )
    if key is not None:
        earlier = idempotency.claim(
            session, access.institution_id, key, {"consent": access.consent_id, **given(wanted)}, now=now
        )
        if earlier is not None:
            return read_profile(session, access, earlier, action="profile.repeat", now=now)
    # Before the sources are asked: nothing is fetched for a computation that no use is left for.
    refuse_spent(session, consent, now)
    if meter is not None:
        meter.refuse_used_up(session)
    overlay = wanted_overlay(session, access, wanted.overlay_ask)
    state = pull.ensure_fresh(session, consent, now, categories=opened.categories)
    if state.state == "pending":
        if key is not None:
            idempotency.release(session, access.institution_id, key)
        return Pending(state.wire_id, {name: s.as_json() for name, s in state.sources.items()})
    found = _uploaded(session, consent, opened, wanted, as_of, state, rules, now)
    if state.state == "failed" and not found.facts:
        sources = {name: s.as_json() for name, s in state.sources.items()}
        missing = coverage_of.not_delivered(state, opened.categories)
        raise RecordsUnavailable(sources=sources, missing=missing, headers=header_of(left(session, consent, now)))
    lacking = _lacking(session, consent, opened, wanted, state, found, now)
    consume_use(session, consent, now)
    profile, basis = _computed(
        session, access, consent, opened, wanted, as_of, state, lacking, found, live=live, book=book, rules=rules,
        now=now, archive=archive, relief=relief or ReliefBook(),
        frozen=None if models is None else models.frozen_for(purpose, live),
    )  # fmt: skip
    session.add(profile)
    if key is not None:
        idempotency.settle(session, access.institution_id, key, profile.id)
    session.flush()
    beside = None
    if overlay is not None:
        beside = store_result(
            session, access, overlay, wanted.overlay_columns or {}, profile_id=profile.id,
            enterprise_id=profile.enterprise_id, base=base_score(profile, profile.registration),
            scale=live.model.scale, now=now,
        )  # fmt: skip
    record = archive.keep(
        session, profile.columns(), basis, purpose=consent.purpose, now=now,
        overlay=None if beside is None else kept_form(beside),
    )  # fmt: skip
    served = DisclosedProfile(profile, consent, opened)
    disclose(session, access, served, "profile.create", "summary", now=now, record=record)
    if reviews is not None:
        after_creation(session, profile, settings=reviews, classes=archive.classes, now=now)
    contested.at_creation(session, profile, live=live, book=book, now=now)
    if meter is not None:
        meter.count(session)
    PROFILES.labels(profile.grade or "not_scorable").inc()
    return served


def _computed(
    session: Session,
    access: Access,
    consent: Consent,
    opened: ConsentTerms,
    wanted: ProfileRequest,
    as_of: date,
    state: PullState,
    lacking: dict[str, str],
    found: UploadsFound,
    *,
    live: LiveModel,
    book: ProductBook,
    rules: ProfileRules,
    now: datetime,
    archive: Archive,
    relief: ReliefBook,
    frozen: FrozenInputs | None,
) -> tuple[Profile, DecisionBasis]:
    assert consent.enterprise_id is not None  # noqa: S101 (a live consent names its firm; for the type checker)
    since = look_back_of(consent, as_of, now)
    inputs = read_inputs(
        session,
        [consent.enterprise_id],
        categories=opened.categories,
        since=since,
        as_of=as_of,
        uploaded=found.facts,
    )
    covered = coverage_of.coverage(
        session, consent, as_of=as_of, now=now, state=state, inputs=inputs, categories=opened.categories
    )
    found.mark(covered)
    approval = approval_store.live(session)
    asked: ProfileInputs = {
        "categories": sorted(opened.categories),
        "since": since.isoformat(),
        "amount_fen": wanted.amount_fen,
        "term_months": wanted.term_months,
        "missing": missing_causes(covered),
        "products": [(terms.code, terms.version) for terms in book.products],
        "approval_model": None if approval is None else approval.sha256,
        "capacity": rules.capacity_inputs(session, consent, inputs.records.registration, as_of=as_of),
        "validity": rules.validity_inputs(consent, live, now),
        "relations": ties_of(session, consent.enterprise_id, opened.categories, as_of=as_of, now=now),
        "edition": EDITION,
    }
    if incomplete := incomplete_causes(covered):
        asked["incomplete"] = incomplete
    if lacking:
        asked["partial"] = lacking
    if frozen is not None:
        asked["frozen"] = frozen
    if (own := found.inputs()) is not None:
        asked["uploads"] = own
    # Whole, so that a replay applies the same, whatever becomes of the file.
    if policies := relief.of_firm(inputs.records.registration.row(0, named=True), as_of):
        asked["relief"] = [policy.to_dict() for policy in policies]
    computed, basis = decide(inputs.records, as_of, asked, live=live, book=book, approval=approval)
    profile = Profile(
        id=uuid4(),
        consent_id=consent.id,
        enterprise_id=consent.enterprise_id,
        institution_id=consent.institution_id,
        client_id=access.client_id,
        as_of=as_of,
        created_at=now,
        state=computed.state,
        grade=computed.grade,
        points=computed.points,
        pd_12m=computed.pd_12m,
        model_id=live.model_id,
        model_sha256=live.sha256,
        code_version=__version__,
        bundle_sha256=policy_store.keep(session, archive.policy.of(live).bundle(book, approval), now=now),
        asked=asked,
        registration=dict(basis.registration),
        fact_ids=list(inputs.fact_ids),
        inputs_sha256=inputs.sha256,
        summary=computed.summary,
        coverage=covered,
        explanation=computed.explanation,
        products=computed.products,
        matches=computed.matches,
        content_version=content.VERSION,
    )
    profile.content_sha256 = content.content_sha256(profile.columns(), decision=computed.sha256)
    return profile, basis


def _lacking(
    session: Session,
    consent: Consent,
    opened: ConsentTerms,
    wanted: ProfileRequest,
    state: PullState,
    uploaded: UploadsFound,
    now: datetime,
) -> dict[str, str]:
    """Return the required categories that were not delivered, category -> why, all of them accepted by the bank.

    It did so by name, by accepting what the firm uploaded in its place, or by a token that it narrowed to others: what
    it left out was not looked at either. What the firm uploaded is never delivered, required or not.

    Raises
    ------
    RecordsUnavailable
        The bank did not accept one of them by name; no use is spent.
    """
    required = set(consent.categories) - set(consent.optional_categories) - {*PUBLIC_CATEGORIES}
    found = coverage_of.not_delivered(state, opened.categories & required)
    refused = sorted(set(found) - set(wanted.accept_partial or ()) - uploaded.categories)
    if refused:
        raise RecordsUnavailable(
            f"required and not delivered: {', '.join(f'{name} ({found[name]})' for name in refused)}; ask again later, "
            "or accept a partial profile by naming them in accept_partial",
            sources={name: one.as_json() for name, one in state.sources.items()},
            missing=found,
            headers=header_of(left(session, consent, now)),
        )
    found |= dict.fromkeys(required - opened.categories, coverage_of.NOT_REQUESTED)
    return found | dict.fromkeys(uploaded.categories, "uploaded")


def _uploaded(
    session: Session,
    consent: Consent,
    opened: ConsentTerms,
    wanted: ProfileRequest,
    as_of: date,
    state: PullState,
    rules: ProfileRules,
    now: datetime,
) -> UploadsFound:
    """Return what the firm's own files give, as far as the bank accepts them and its token opens their category."""
    assert consent.enterprise_id is not None  # noqa: S101 (a live consent names its firm; for the type checker)
    if not opened.categories & set(wanted.accept_uploads or ()):
        return uploads.NOTHING
    holder = state.holders.get(CATEGORY)
    office = state.sources.get(holder) if holder else None
    return uploads.find(
        session,
        consent.enterprise_id,
        offices=[holder] if holder else [],
        office_is_whole=office is not None and office.whole,
        since=look_back_of(consent, as_of, now),
        as_of=as_of,
        salt=session.get_one(Institution, consent.institution_id).pairwise_salt,
        rules=rules.uploads,
        now=now,
    )


def newest_under(session: Session, consent_id: UUID) -> Profile | None:
    """Return the newest profile computed under a consent, as far as the transaction's viewer may see it."""
    query = select(Profile).where(Profile.consent_id == consent_id)
    return session.scalars(query.order_by(Profile.created_at.desc(), Profile.id).limit(1)).first()


def look_back_of(consent: Consent, as_of: date, now: datetime) -> date:
    """Return the first month that a profile of `as_of` reads: rolling, and never before the consent's own."""
    since, _ = pull.look_back(consent, now)
    return max(since, add_months(month_start(as_of), -consent.history_months))
