"""From a stored profile to a report, and to its end: each step in the caller's transaction, with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.access.opaque import hash_of, new_secret
from creditlink.audit import service as audit
from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.consents.agreement.limits import OWN
from creditlink.consents.service import live_consent
from creditlink.consents.tables import Consent
from creditlink.decisions.classes import RetentionClasses
from creditlink.engine.scoring.scale import Scale
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import Institution
from creditlink.kit import ids, keyring
from creditlink.kit.clock import day_of, start_of_day, to_second
from creditlink.kit.errors import Conflict, ConsentRefused, LimitExceeded, NotFound
from creditlink.notifications.service import notify
from creditlink.profiles.disclosures import disclosure
from creditlink.profiles.disclosures.disclosure import DisclosedProfile
from creditlink.profiles.registered.registration import registration_of
from creditlink.profiles.reliance.contested.service import contested_of
from creditlink.profiles.reliance.endings.service import endings_of
from creditlink.profiles.tables import Profile
from creditlink.records.tables import FactRow
from creditlink.reports import signing
from creditlink.reports.content import FRAMES, Claims, Maker, MonthlyFact, ProfileTold, claims_of
from creditlink.reports.ending import CLASS
from creditlink.reports.rules import ACTION, ReportSettings, WantedReport
from creditlink.reports.tables import PREFIX, CreditReport, ReportContent

SEALED = "creditlink reports"
VERIFY = "/verify/"
"""Where the address on a paper begins."""


@dataclass(frozen=True)
class Means:
    """What making a report needs beside the database: rules, the scale, who signs, and how long the row is kept."""

    settings: ReportSettings
    scale: Scale
    issuer: str
    secret: keyring.Secret
    classes: RetentionClasses


@dataclass(frozen=True)
class OpenedReport:
    """A report with what it says."""

    report: CreditReport
    signed: str
    claims: Claims


def make(
    session: Session, access: Access, profile_id: UUID, asked: WantedReport, *, means: Means, now: datetime
) -> OpenedReport:
    """Make a report of a stored profile, under the live consent that it was computed under.

    The firm makes it of its own profile under its consent to itself; an institution under a consent of purpose
    `report` that allows the action `report`.

    Raises
    ------
    ConsentRefused
        The consent is over, or is not for reports.
    NotFound
        There is no such profile under it.
    Conflict
        The profile is not to be relied on any more: a report of it would be over before it is read.
    LimitExceeded
        As many as allowed were made of this firm today.
    """
    mine = is_own(access.institution_id)
    part = "own_report" if mine else "report"
    served = disclosure.read_profile(session, access, profile_id, action="report.create", now=now, part=part)
    consent, profile = served.consent, served.profile
    if not mine and consent.purpose != ACTION:
        raise ConsentRefused(f"the consent is for {consent.purpose}", reason=f"action_not_granted:{ACTION}")
    _count(session, profile.enterprise_id, means.settings, now)
    report_id, token = uuid4(), new_secret("")
    made_at = to_second(now)
    valid_until = _valid_until(session, served, asked, now)
    institution = session.get_one(Institution, access.institution_id)
    told = claims_of(
        report_id=ids.external(PREFIX, report_id),
        issuer=means.issuer,
        address=f"{means.issuer}{VERIFY}{token}",
        asked=asked,
        maker=Maker(
            "firm" if mine else "institution", "" if mine else institution.name_zh, "" if mine else institution.name_en,
            consent.wire_id,
        ),
        registration=registration_of(session, profile),
        profile=_told(session, profile),
        facts=_facts(session, profile),
        labels={code: (one.text("zh")[0], one.text("en")[0]) for code, one in CATEGORIES.items()},
        scale=means.scale,
        months=means.settings.months,
        made_at=made_at,
        valid_until=valid_until,
    )  # fmt: skip
    signed = signing.sign(told, secret=means.secret)
    report = CreditReport(
        id=report_id,
        enterprise_id=profile.enterprise_id,
        institution_id=consent.institution_id,
        consent_id=consent.id,
        profile_id=profile.id,
        made_by=access.actor,
        made_at=made_at,
        valid_until=valid_until,
        language=asked.language,
        token_hash=hash_of(token),
        digest=signing.digest_of(signed),
        keep_until=means.classes.of(CLASS).until(now),
    )
    session.add(report)
    session.flush()  # what it says hangs on it
    box = keyring.box(means.secret, SEALED)
    session.add(ReportContent(report_id=report_id, sealed=box.encrypt(signed.encode())))
    session.flush()
    _note(session, report, "report.sign", access.actor, now, digest=report.digest, left_out=list(asked.left_out),
          valid_until=valid_until.isoformat())  # fmt: skip
    return OpenedReport(report, signed, told)


def _count(session: Session, enterprise_id: UUID, settings: ReportSettings, now: datetime) -> None:
    """Refuse what is beyond a day's number; of two at once one comes second, and counts the first."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"reports {enterprise_id}", 0))))
    made = session.scalar(
        select(func.count()).where(
            CreditReport.enterprise_id == enterprise_id, CreditReport.made_at >= start_of_day(day_of(now))
        )
    )
    if (made or 0) >= settings.a_day:
        raise LimitExceeded(f"reports: {settings.a_day} of {settings.a_day} made today", attribute="reports_per_day")


def _valid_until(session: Session, served: DisclosedProfile, asked: WantedReport, now: datetime) -> datetime:
    """Return until when a report is valid: as asked, and no longer than its profile may be relied on or kept."""
    profile, consent = served.profile, served.consent
    ends = [now + timedelta(days=asked.days), profile.created_at + timedelta(days=consent.data_life_days)]
    validity = profile.summary.get("validity")
    if validity is not None:
        ends.append(datetime.fromisoformat(validity["valid_until"]))
    until = to_second(min(ends))
    if endings_of(session, [profile.id]) or until <= to_second(now):
        raise Conflict("the profile is not to be relied on any more: make a new one first", reason="profile_over")
    return until


def _told(session: Session, profile: Profile) -> ProfileTold:
    return ProfileTold(
        wire_id=ids.external("prf", profile.id),
        as_of=profile.as_of,
        created_at=profile.created_at,
        state=profile.state,
        grade=profile.grade,
        points=profile.points,
        pd_12m=profile.pd_12m,
        summary=profile.summary,
        coverage={name: dict(row) for name, row in profile.coverage.items()},
        explanation=profile.explanation,
        contested=contested_of(session, [profile]).get(profile.id, ()),
        model_id=profile.model_id,
        model_sha256=profile.model_sha256,
        bundle_sha256=profile.bundle_sha256,
    )


def _facts(session: Session, profile: Profile) -> list[MonthlyFact]:
    """Return those of the facts that the profile was computed from which a report sums up by month."""
    rows = session.scalars(
        select(FactRow)
        .where(
            FactRow.id == func.any(list(profile.fact_ids)), FactRow.enterprise_id == profile.enterprise_id,
            FactRow.frame.in_(FRAMES),
        )
        .order_by(FactRow.frame, FactRow.period, FactRow.subkey, FactRow.id)
    )  # fmt: skip
    return [MonthlyFact(row.frame, row.period, row.subkey, row.values) for row in rows]


def of_firm(session: Session, firm: Enterprise, wire_id: str) -> CreditReport:
    """Return one report of a firm.

    Raises
    ------
    NotFound
        Unknown, or another firm's.
    """
    wanted = (CreditReport.id == ids.internal(PREFIX, wire_id), CreditReport.enterprise_id == firm.id)
    found = session.scalars(select(CreditReport).where(*wanted)).one_or_none()
    if found is None:
        raise NotFound
    return found


def all_of(session: Session, firm: Enterprise, *, limit: int) -> Sequence[CreditReport]:
    """Return a firm's reports, the newest first."""
    query = select(CreditReport).where(CreditReport.enterprise_id == firm.id)
    return session.scalars(query.order_by(CreditReport.made_at.desc(), CreditReport.id).limit(limit)).all()


def consent_states(session: Session, reports: Sequence[CreditReport]) -> dict[UUID, str]:
    """Return consent -> its state, of the consents that reports were made under."""
    query = select(Consent.id, Consent.state).where(Consent.id.in_({one.consent_id for one in reports}))
    return dict(session.execute(query).all())


def opened(session: Session, report: CreditReport, *, secret: keyring.Secret) -> OpenedReport | None:
    """Return a report with what it says; None once that is deleted. Raises as `all_opened` does."""
    return all_opened(session, [report], secret=secret).get(report.id)


def all_opened(
    session: Session, reports: Sequence[CreditReport], *, secret: keyring.Secret
) -> dict[UUID, OpenedReport]:
    """Return report -> it with what it says; those of which that is deleted are not among them.

    Raises
    ------
    cryptography.fernet.InvalidToken
        One was sealed with another secret.
    """
    box, found = keyring.box(secret, SEALED), {}
    query = select(ReportContent.report_id, ReportContent.sealed)
    sealed = dict(session.execute(query.where(ReportContent.report_id.in_([one.id for one in reports]))).all())
    for report in reports:
        if (content := sealed.get(report.id)) is not None:
            signed = box.decrypt(content).decode()
            found[report.id] = OpenedReport(report, signed, keyring.unverified(signed))
    return found


def read(session: Session, access: Access, wire_id: str, *, secret: keyring.Secret, now: datetime) -> OpenedReport:
    """Return a report that an institution had made, under the live consent; that it went out is evidence.

    Raises
    ------
    ConsentRefused
        The consent is over, or the token is not for reports.
    NotFound
        There is none under this consent, or what it says is deleted.
    Conflict
        The firm revoked it.
    """
    # The consent first: whoever has none learns nothing of what there is.
    consent = live_consent(session, access.consent_id, access=access, action=ACTION, now=now)
    wanted = (CreditReport.id == ids.internal(PREFIX, wire_id), CreditReport.consent_id == consent.id)
    found = session.scalars(select(CreditReport).where(*wanted)).one_or_none()
    if found is None:
        raise NotFound
    disclosure.read_profile(session, access, found.profile_id, action="report.read", now=now, part="report")
    if found.revoked_at is not None:
        raise Conflict("the firm revoked the report", reason="revoked")
    whole = opened(session, found, secret=secret)
    if whole is None:
        raise NotFound
    return whole


def revoke(session: Session, firm: Enterprise, wire_id: str, account: Account, now: datetime) -> CreditReport:
    """Revoke a report for good; the next look at its verify page says so. Repeated, nothing happens.

    Raises
    ------
    NotFound
    """
    report = of_firm(session, firm, wire_id)
    by = f"account:{account.id}"
    done = session.scalar(
        update(CreditReport)
        .where(CreditReport.id == report.id, CreditReport.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=by)
        .returning(CreditReport.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(report)
    if done is None:
        return report
    _note(session, report, "report.revoke", by, now, digest=report.digest)
    if not is_own(report.institution_id):
        data = {"report_id": report.wire_id, "consent_id": ids.external("cns", report.consent_id)}
        notify(session, report.institution_id, "report.revoked", data, now)
    return report


def _note(session: Session, report: CreditReport, action: str, actor: str, now: datetime, **detail: object) -> None:
    """Write a step into the firm's evidence: which report, and its digest; for whom it is stays out of it."""
    mine = is_own(report.institution_id)
    audit.record(
        session,
        action=action,
        result="done",
        actor=actor,
        now=now,
        enterprise_id=report.enterprise_id,
        institution_id=report.institution_id,
        consent_id=report.consent_id,
        purpose=OWN if mine else ACTION,
        detail={"report": report.wire_id, **detail},
    )
