"""What people make of a profile: the case and the notice that its making brings about, and what is read beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.decisions.classes import RetentionClasses
from creditlink.kit import ids
from creditlink.profiles.tables import Profile
from creditlink.reviews import decide, queue
from creditlink.reviews.notices import service as notices
from creditlink.reviews.notices.service import SOLE_TRADER, AdverseEvent
from creditlink.reviews.notices.wording import NoticeReason
from creditlink.reviews.rules import causes
from creditlink.reviews.rules.causes import ReviewSubject
from creditlink.reviews.rules.settings import ReviewSettings


def subject_of(profile: Profile, registration: Mapping[str, object]) -> ReviewSubject:
    """Return what the rules of review ask of a profile."""
    return ReviewSubject(
        profile_id=ids.external("prf", profile.id),
        is_sole_trader=registration["entity_type"] == SOLE_TRADER,
        review_codes=tuple(one["code"] for one in profile.summary["human_review"]),
        result={
            "state": profile.state,
            "grade": profile.grade,
            "points": profile.points,
            "partial": profile.summary.get("partial") is not None,
            "knock_outs": [one["code"] for one in profile.summary["knock_outs"]],
        },
    )


def after_creation(
    session: Session, profile: Profile, *, settings: ReviewSettings, classes: RetentionClasses, now: datetime
) -> None:
    """Bring a profile that was just made to a person where the rules say so, and tell the firm what is against it."""
    subject = subject_of(profile, profile.registration)
    stands = subject.is_sole_trader and queue.refusal_stands(session, profile.consent_id)
    found = causes.causes_at_creation(subject, settings.codes, refusal_stands=stands)
    if found:
        queue.open_case(session, profile, subject, found, settings=settings, classes=classes, now=now)
    for event, reasons in _against(profile):
        # The same of the same consent is told once, however often the profile is computed.
        codes = ",".join(sorted(one["code"] for one in reasons))
        told = AdverseEvent(
            event,
            f"{ids.external('cns', profile.consent_id)}:{codes}",
            profile.enterprise_id,
            profile.institution_id,
            profile.consent_id,
            profile.id,
            reasons,
        )
        notices.write(session, told, settings=settings, now=now)


def _against(profile: Profile) -> Iterable[tuple[str, list[NoticeReason]]]:
    summary = profile.summary
    if profile.state == "not_scorable" and (why := summary["not_scorable_reason"]) is not None:
        code = str(why.get("code", "not_scorable"))
        yield "not_scorable", [{"by": "profile", "code": code, "zh": why["sentence_zh"], "en": why["sentence_en"]}]
    if summary["knock_outs"]:
        yield (
            "knocked_out",
            [
                {"by": "profile", "code": one["code"], "zh": one["label_zh"], "en": one["label_en"]}
                for one in summary["knock_outs"]
            ],
        )


def stored_reasons(profile: Profile | None) -> list[NoticeReason]:
    """Return what weighs against a firm in a profile, as it was stored, the strongest first."""
    if profile is None:
        return []
    facts = [reason for _, reasons in _against(profile) for reason in reasons]
    weighed: list[NoticeReason] = [
        {"by": "profile", "code": one["code"], "zh": one["sentence_zh"], "en": one["sentence_en"]}
        for one in profile.summary["reasons"]
    ]
    return facts + weighed


def reviews_of(session: Session, profiles: Sequence[Profile], now: datetime) -> dict[UUID, dict[str, object]]:
    """Return profile -> what people did about it, beside the score; only those about which somebody did something."""
    cases = queue.cases_of(session, [profile.id for profile in profiles])
    if not cases:
        return {}
    overrides = decide.overrides_of(session, list(cases))
    found = {known: decide.review_json(cases, overrides, known, now) for known in cases}
    return {known: told for known, told in found.items() if told is not None}
