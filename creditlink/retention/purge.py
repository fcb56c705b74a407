"""The purge: one transaction a firm, all of it or nothing, safe to repeat.

The deletion, the certificates, the evidence and the webhooks are one transaction, so that a crash at any moment leaves
either all of them or none. The firm's consents are locked first: a read in progress ends before its facts go.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.cards import ending as cards
from creditlink.consents import service
from creditlink.consents.life import rules as consent_rules
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.decisions import archive
from creditlink.decisions.classes import NEGATIVE_RECORDS, RetentionClasses
from creditlink.decisions.kept import shipped_classes
from creditlink.decisions.looks import notes
from creditlink.disputes import ending as disputes
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import add_months, day_of
from creditlink.kit.keyring import Secret
from creditlink.notifications.service import notify
from creditlink.objections import ending as objections
from creditlink.overlays.tables import OverlayResult
from creditlink.profiles.reliance.endings.tables import ProfileEnding
from creditlink.profiles.tables import Profile
from creditlink.records import sources
from creditlink.records.pulls import pull as pulls
from creditlink.records.tables import FactRow, Pull, PullPart, RejectedRow
from creditlink.reports import ending as reports
from creditlink.retention import certificates, requests, rules
from creditlink.retention.rules import Holder
from creditlink.retention.tables import DeletionCertificate
from creditlink.reviews import ending as reviews
from creditlink.reviews.ending import TABLES as REVIEWS
from creditlink.uploads import expiry
from creditlink.uploads.standing import CATEGORY

PURGED = (
    *("decision_notes", "decision_records", "facts", "overlay_results", "profile_endings", "profiles", "pull_parts"),
    *("pulls", "rejected_rows", *expiry.TABLES, *REVIEWS, *disputes.TABLES, *objections.TABLES, *cards.TABLES),
    *reports.TABLES,
)
"""The tables that the purge deletes from; a test wants every table with firm data here, or a reason why not."""

_CLOCK = "system"  # in evidence, of what nobody asked for

# A negative record whose time is over; takes `aged`, the last day on which such a one may have ended.
_AGED_RECORD = """f.frame IN ('credit_events', 'tax_events') AND f.values ->> 'ended_on' <= :aged
      AND split_part(f.subkey, '/', 1) IN ('penalty', 'violation', 'court_enforcement', 'dishonest_debtor')"""

_DUE = text(f"""
    SELECT p.enterprise_id FROM profiles p JOIN consents c ON c.id = p.consent_id
    WHERE p.created_at + make_interval(days => c.data_life_days::int) <= :now
    UNION
    SELECT p.enterprise_id FROM pulls p JOIN consents c ON c.id = p.consent_id
    WHERE c.expires_at <= :now OR c.state NOT IN ('REQUESTED', 'ACTIVE', 'PAUSED')
       OR coalesce(p.finished_at, p.requested_at) + make_interval(days => c.data_life_days::int) <= :now
    UNION
    SELECT DISTINCT f.enterprise_id FROM facts f
    WHERE f.pull_id IS NULL AND NOT EXISTS (
        SELECT 1 FROM consents c WHERE c.enterprise_id = f.enterprise_id AND c.state IN ('ACTIVE', 'PAUSED')
                                   AND c.expires_at > :now)
    UNION
{expiry.DUE}
    UNION
    SELECT d.enterprise_id FROM decision_records d WHERE d.keep_until <= :now AND d.expired_at IS NULL
    UNION
    SELECT r.enterprise_id FROM review_cases r WHERE r.keep_until <= :now
    UNION
    SELECT n.enterprise_id FROM adverse_notices n WHERE n.keep_until <= :now
    UNION
    {disputes.DUE}
    UNION
    SELECT o.enterprise_id FROM access_objections o WHERE o.keep_until <= :now
    UNION
    {cards.DUE}
    UNION
    SELECT r.enterprise_id FROM credit_reports r WHERE r.keep_until <= :now
    UNION
    SELECT p.enterprise_id FROM profiles p JOIN deletion_requests q ON q.consent_id = p.consent_id
    UNION
    SELECT p.enterprise_id FROM pulls p JOIN deletion_requests q ON q.consent_id = p.consent_id
    UNION
    SELECT f.enterprise_id FROM facts f
    WHERE {_AGED_RECORD}
    ORDER BY 1
""")  # noqa: S608 (made of constants)

# A negative record goes when its time is over, whoever holds it; a score that counted it keeps its indicators.
_AGED = text(f"""
    DELETE FROM facts f
    WHERE f.enterprise_id = :firm AND {_AGED_RECORD}
    RETURNING f.pull_id, encode(f.content_hash, 'hex')
""")  # noqa: S608 (made of constants)

# A fact goes unless a living consent covers it or a living profile was computed from it.
_FACTS = text("""
    DELETE FROM facts f
    WHERE f.enterprise_id = :firm
      AND NOT EXISTS (
          SELECT 1 FROM unnest(CAST(:categories AS text[]), CAST(:since AS date[])) AS held(category, since)
          WHERE held.category = f.category AND f.period >= held.since)
      AND NOT EXISTS (
          SELECT 1 FROM profiles p WHERE p.enterprise_id = :firm AND f.id = ANY(p.fact_ids))
    RETURNING f.pull_id, encode(f.content_hash, 'hex')
""")


@dataclass(frozen=True)
class Purged:
    """What was deleted of one firm: certificates, one a consent."""

    enterprise_id: UUID
    certificates: list[DeletionCertificate]

    @property
    def rows(self) -> dict[str, int]:
        """Return rows per table."""
        counts: dict[str, int] = defaultdict(int)
        for certificate in self.certificates:
            for table, counted in certificate.deleted.items():
                counts[table] += counted["rows"]
        return dict(counts)


def firms_due(session: Session, now: datetime) -> list[UUID]:
    """Return the firms of which something may be over."""
    return list(session.scalars(_DUE, {"now": now, "aged": _aged(shipped_classes(), now), **expiry.bounds(now)}))


def purge_firm(
    session: Session,
    enterprise_id: UUID,
    *,
    issuer: str,
    secret: Secret,
    now: datetime,
    classes: RetentionClasses | None = None,
    actor: str = _CLOCK,
) -> Purged:
    """Delete what is over of one firm, certify and record it, and notify the banks; nothing over, nothing done.

    Parameters
    ----------
    actor : who had it done, as the evidence names them.
    """
    classes = classes or shipped_classes()
    query = select(Consent).where(Consent.enterprise_id == enterprise_id, Consent.starts_at.is_not(None))
    rows = session.scalars(query.order_by(Consent.id)).all()
    consents = [service.lock_consent(session, consent.id) for consent in rows]
    gone: dict[UUID, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    asked = requests.asked_of(session, enterprise_id)
    for table, consent_id, row_hash in _delete(session, enterprise_id, consents, asked, classes, actor, now):
        gone[consent_id][table].append(row_hash)
    issued = []
    for consent in consents:
        if consent.id not in gone:
            continue
        certificate = certificates.issue(
            session, consent, gone[consent.id], issuer=issuer, secret=secret, now=now, classes=classes,
            asked_at=asked.get(consent.id),
        )  # fmt: skip
        _notify(session, consent, certificate, actor, now)
        issued.append(certificate)
    return Purged(enterprise_id, issued)


def _delete(
    session: Session,
    enterprise_id: UUID,
    consents: list[Consent],
    asked: Mapping[UUID, datetime],
    classes: RetentionClasses,
    actor: str,
    now: datetime,
) -> Iterator[tuple[str, UUID, str]]:
    """Delete; yield table, consent and hash of every row that went. Profiles go first: they hold facts."""
    yield from notes.delete_over(session, enterprise_id, now)
    for consent_id, record in archive.expire(session, enterprise_id, now=now):
        yield "decision_records", consent_id, record
    yield from reviews.delete_over(session, enterprise_id, now)
    yield from objections.delete_over(session, enterprise_id, now)
    yield from cards.delete_over(session, enterprise_id, now)
    yield from reports.delete_over(session, enterprise_id, now)
    for consent in consents:
        until = now - (timedelta(0) if consent.id in asked else _life(consent))
        is_over = (Profile.consent_id == consent.id, Profile.created_at <= until)
        going = select(Profile.id).where(*is_over)
        yield from reports.delete_contents(session, consent.id, going)
        for ended, event in session.execute(
            delete(ProfileEnding)
            .where(ProfileEnding.profile_id.in_(going))
            .returning(ProfileEnding.profile_id, ProfileEnding.event)
        ):
            yield "profile_endings", consent.id, hashlib.sha256(f"{ended} {event}".encode()).hexdigest()
        overlays = delete(OverlayResult).where(OverlayResult.profile_id.in_(going))
        for content in session.scalars(overlays.returning(OverlayResult.result_sha256)):
            yield "overlay_results", consent.id, content
        profiles = delete(Profile).where(*is_over)
        for content in session.scalars(profiles.returning(Profile.content_sha256)):
            yield "profiles", consent.id, content
    holders = [_holder(session, consent, now) for consent in consents]
    owners = dict(session.execute(select(Pull.id, Pull.consent_id).where(Pull.enterprise_id == enterprise_id)).all())
    holds = rules.holds(holders, now)
    facts = session.execute(
        _FACTS, {"firm": enterprise_id, "categories": [h.category for h in holds], "since": [h.since for h in holds]}
    )
    aged = session.execute(_AGED, {"firm": enterprise_id, "aged": _aged(classes, now)}).all()
    # Facts that came in without a pull belong to the consent that changed last.
    others = max(consents, key=lambda c: c.changed_at).id if consents else None
    for pull_id, content in (*facts, *aged):
        owner = owners.get(pull_id, others)
        if owner is not None:
            yield "facts", owner, content
    if over := disputes.delete_over(session, enterprise_id, now):
        # No consent brought them in: the firm's evidence alone tells of it.
        audit.record(
            session, action="dispute.purge", result="done", actor=actor, now=now, enterprise_id=enterprise_id,
            detail={"deleted": {"disputes": over}},
        )  # fmt: skip
    yield from _delete_uploads(session, enterprise_id, consents, actor, now)
    for consent, holder in zip(consents, holders, strict=True):
        is_over_now = _over(consent, holder, now, asked=consent.id in asked)
        yield from _delete_rejected(session, consent, holder, is_over_now)
        for pull_id in session.scalars(select(Pull.id).where(Pull.consent_id == consent.id, is_over_now)).all():
            if session.scalar(select(FactRow.id).where(FactRow.pull_id == pull_id).limit(1)) is not None:
                continue  # another consent keeps facts that came with it
            parts = delete(PullPart).where(PullPart.pull_id == pull_id).returning(PullPart.digest)
            for digest in session.scalars(parts):
                yield "pull_parts", consent.id, digest or "-"
            session.execute(delete(Pull).where(Pull.id == pull_id))
            yield "pulls", consent.id, pull_id.hex


def _delete_uploads(
    session: Session, enterprise_id: UUID, consents: list[Consent], actor: str, now: datetime
) -> Iterator[tuple[str, UUID, str]]:
    """Delete uploads that are over: no consent brought them, so the one that changed last of those for tax counts them.

    Where there is none, the firm's evidence alone tells of it.
    """
    gone = list(expiry.delete_over(session, enterprise_id, now))
    if not gone:
        return
    owners = [consent for consent in consents if CATEGORY in consent.categories]
    if owners:
        owner = max(owners, key=lambda consent: consent.changed_at).id
        for table, row_hash in gone:
            yield table, owner, row_hash
    else:
        audit.record(
            session, action="upload.purge", result="done", actor=actor, now=now, enterprise_id=enterprise_id,
            detail={"deleted": dict(Counter(table for table, _ in gone))},
        )  # fmt: skip


def _delete_rejected(
    session: Session, consent: Consent, holder: Holder, over: ColumnElement[bool]
) -> Iterator[tuple[str, UUID, str]]:
    """Delete rows that could not be read: they wait for their source's correction only while the consent lives."""
    of_pulls = select(Pull.id).where(Pull.consent_id == consent.id)
    if holder.is_live:
        of_pulls = of_pulls.where(over)
    row = RejectedRow
    content = func.encode(
        func.sha256(
            func.convert_to(
                func.concat_ws("\n", row.source, row.resource, row.position, row.field, row.reason, row.excerpt), "UTF8"
            )
        ),
        "hex",
    )
    for row_hash in session.scalars(delete(row).where(row.pull_id.in_(of_pulls)).returning(content)):
        yield "rejected_rows", consent.id, row_hash


def _holder(session: Session, consent: Consent, now: datetime) -> Holder:
    answered_at: dict[str, datetime] = {}
    config = sources.current().config
    for name, answer in pulls.last_answers(session, consent.id).items():
        if answer.usable_at is not None and name in config.sources:
            answered_at |= dict.fromkeys(config.sources[name].categories, answer.usable_at)
    return Holder(
        consent_id=consent.id,
        # A paused consent may be resumed: what it fetched stays, and is not served.
        is_live=consent.state_at(now) in ALIVE,
        since=pulls.look_back(consent, now)[0],
        life=_life(consent),
        # Public records came in under the consent too, though no firm grants them.
        answered_at={c: at for c, at in answered_at.items() if c in (*consent.categories, *PUBLIC_CATEGORIES)},
    )


def _life(consent: Consent) -> timedelta:
    return timedelta(days=consent.data_life_days)


def _aged(classes: RetentionClasses, now: datetime) -> str:
    """Return the last day, in ISO 8601, on which a negative record that is too old by now can have ended."""
    years = classes.of(NEGATIVE_RECORDS).years or 0
    return add_months(day_of(now), -12 * years).isoformat()


def _over(consent: Consent, holder: Holder, now: datetime, *, asked: bool) -> ColumnElement[bool]:
    """Return the condition of a consent's pulls whose data life is over; an open one is over with its consent."""
    life = timedelta(0) if asked else _life(consent)
    ended = func.coalesce(Pull.finished_at, Pull.requested_at) <= now - life
    return ended & (Pull.status != "OPEN") if holder.is_live else ended


def _notify(session: Session, consent: Consent, certificate: DeletionCertificate, actor: str, now: datetime) -> None:
    assert consent.enterprise_id is not None  # noqa: S101 (a constraint of the table, for the type checker)
    salt = session.get_one(Institution, consent.institution_id).pairwise_salt
    data = {
        "consent_id": consent.wire_id,
        "enterprise_id": ids.pairwise(salt, consent.enterprise_id),
        "state": consent.state,
        "reason": "data_life_over" if consent_rules.TRANSITIONS[consent.state] else "consent_over",
        "certificate_id": certificate.wire_id,
    }
    notify(session, consent.institution_id, "consent.data_deleted", data, now)
    audit.record(
        session,
        action="data.purge",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=consent.enterprise_id,
        institution_id=consent.institution_id,
        client_id=consent.client_id,
        consent_id=consent.id,
        purpose=consent.purpose,
        detail={"certificate": certificate.wire_id, "deleted": certificate.deleted},
    )
