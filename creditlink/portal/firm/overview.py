"""What the firm's pages show of consents and accesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from creditlink.audit.accesses import IS_ACCESS
from creditlink.audit.tables import AuditEntry
from creditlink.consents.agreement.categories import is_known, label_of
from creditlink.consents.agreement.limits import FairUse, Template
from creditlink.consents.life import approval, counters, rules
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.decisions.classes import LOOKS
from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.engine.facts.frames import FRAME_CATEGORY
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, evidence_of, missing_words
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution


@dataclass(frozen=True)
class ConsentRow:
    """A consent as the firm sees it."""

    consent: Consent
    state: str  # by the clock: an expired one says so even before the sweep
    institution: str
    purpose: str
    categories: list[str]
    used: int
    allowed: int
    window: str  # total | month
    readable_until: datetime | None  # every use is spent: until when the profiles can be read
    last_access_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Return whether nothing can follow."""
        return not rules.TRANSITIONS[self.state]


@dataclass(frozen=True)
class AccessRow:
    """One access to the firm's data, or one that was refused."""

    seq: int
    at: datetime
    institution: str | None
    action: str
    result: str
    purpose: str | None
    categories: list[tuple[str, int | None]]  # what went out or came in, and how many rows where that is known
    missing: list[tuple[str, str]]  # what did not, and why
    by_law: list[str]  # public records among them, read without a grant
    fields: list[str]  # of a pull: which items were fetched
    reason: str | None
    consent_id: UUID | None
    digest: str


def consents_of(session: Session, firm: Enterprise, now: datetime, *, lang: str, fair_use: FairUse) -> list[ConsentRow]:
    """Return every consent that the firm ever decided on, the latest first; none disappears (C7)."""
    query = select(Consent).where(Consent.enterprise_id == firm.id).order_by(Consent.requested_at.desc(), Consent.id)
    found = session.scalars(query).all()
    # Held until the rows are made: the session then asks once for the lenders, not for each row.
    lenders = session.scalars(
        select(Institution).where(Institution.id.in_({one.institution_id for one in found}))
    ).all()
    last = _last_accesses(session, found)
    rows = [_row(session, one, now, lang=lang, fair_use=fair_use, last_access_at=last.get(one.id)) for one in found]
    del lenders
    return rows


def row_of(session: Session, consent: Consent, now: datetime, *, lang: str, fair_use: FairUse) -> ConsentRow:
    """Return what the pages show of one consent."""
    last = _last_accesses(session, [consent]).get(consent.id)
    return _row(session, consent, now, lang=lang, fair_use=fair_use, last_access_at=last)


def _last_accesses(session: Session, found: Sequence[Consent]) -> dict[UUID, datetime]:
    """Return when each consent was last used to see something; those that never were are not in it."""
    query = (
        select(AuditEntry.consent_id, func.max(AuditEntry.at))
        .where(
            AuditEntry.enterprise_id.in_({one.enterprise_id for one in found}),
            AuditEntry.consent_id.in_([one.id for one in found]),
            AuditEntry.result == "disclosed",
        )
        .group_by(AuditEntry.consent_id)
    )
    return {consent_id: at for consent_id, at in session.execute(query) if consent_id is not None}


def _row(
    session: Session,
    consent: Consent,
    now: datetime,
    *,
    lang: str,
    fair_use: FairUse,
    last_access_at: datetime | None,
) -> ConsentRow:
    institution = session.get_one(Institution, consent.institution_id)
    template = fair_use.templates.get(consent.purpose)
    labels = (template.label_zh, template.label_en) if template else (consent.purpose, consent.purpose)
    used = counters.uses(session, consent, now)
    window = "total" if "total" in used else "month"
    return ConsentRow(
        consent=consent,
        state=consent.state_at(now),
        institution=_name(institution, lang),
        purpose=labels[0] if lang == "zh" else labels[1],
        categories=[label_of(c, lang) for c in consent.categories or consent.categories_asked],
        used=used[window][0],
        allowed=used[window][1],
        window=window,
        readable_until=counters.readable_until(session, consent),
        last_access_at=last_access_at,
    )


def events_of(session: Session, consent: Consent) -> list[ConsentEvent]:
    """Return every change of a consent, the latest first."""
    query = select(ConsentEvent).where(ConsentEvent.consent_id == consent.id).order_by(ConsentEvent.id.desc())
    return list(session.scalars(query))


@dataclass(frozen=True)
class SignatureRow:
    """Who signed a consent, by what right, when."""

    name: str
    role: str
    at: datetime


def signatures_of(session: Session, consent: Consent) -> list[SignatureRow]:
    """Return who signed a consent, the first one first."""
    return [
        SignatureRow(session.get_one(Account, s.account_id).display_name, s.role, s.signed_at)
        for s in approval.signatures_of(session, consent.id)
    ]


def accesses_query(firm: Enterprise) -> Select[AuditEntry, Institution]:
    """Return the query of the firm's own chain of evidence, in no order: accesses, refusals and pulls."""
    return (
        select(AuditEntry, Institution)
        .outerjoin(Institution, Institution.id == AuditEntry.institution_id)
        .where(AuditEntry.chain_id == firm.id, IS_ACCESS)
    )


def line_query(firm: Enterprise, line: int) -> Select[AuditEntry, Institution]:
    """Return the query of one access in the firm's own chain."""
    return accesses_query(firm).where(AuditEntry.seq == line)


def accesses_of(
    session: Session, firm: Enterprise, *, lang: str, fair_use: FairUse, consent_id: UUID, limit: int
) -> list[AccessRow]:
    """Return accesses under one consent, the latest first."""
    query = accesses_query(firm).where(AuditEntry.consent_id == consent_id)
    found = session.execute(query.order_by(AuditEntry.seq.desc()).limit(limit))
    return [access_row(entry, institution, lang=lang, fair_use=fair_use) for entry, institution in found]


def access_row(entry: AuditEntry, institution: Institution | None, *, lang: str, fair_use: FairUse) -> AccessRow:
    """Return what the pages show of one entry."""
    detail, template = entry.detail, fair_use.templates.get(entry.purpose or "")
    missing = detail.get("missing", {}) | detail.get("incomplete", {})
    return AccessRow(
        seq=entry.seq,
        at=entry.at,
        institution=_name(institution, lang) if institution else None,
        action=entry.action,
        result=entry.result,
        purpose=_purpose(template, entry.purpose, lang),
        categories=[(label_of(c, lang), rows_of(detail, c)) for c in detail.get("categories", []) if is_known(c)],
        missing=[
            (label_of(c, lang), missing_words(cause)[0 if lang == "zh" else 1])
            for c, cause in missing.items()
            if is_known(c)
        ],
        by_law=[label_of(c, lang) for c in PUBLIC_CATEGORIES if c in detail.get("by_law", {})],
        fields=items_of(detail, lang),
        reason=detail.get("reason"),
        consent_id=entry.consent_id,
        digest=entry.digest,
    )


def _purpose(template: Template | None, purpose: str | None, lang: str) -> str | None:
    """Return a consent's purpose in words, or that for which our own staff looked."""
    if template is not None:
        return template.label_zh if lang == "zh" else template.label_en
    return LOOKS[purpose][0 if lang == "zh" else 1] if purpose in LOOKS else purpose


def rows_of(detail: Mapping[str, object], category: str) -> int | None:
    """Return how many rows of a category an entry is about: those disclosed, or those a pull brought."""
    facts, rows = detail.get("facts"), detail.get("rows")
    if isinstance(facts, dict):
        return sum(int(count) for frame, count in facts.items() if FRAME_CATEGORY.get(frame) == evidence_of(category))
    return int(rows[category]) if isinstance(rows, dict) and category in rows else None


def items_of(detail: Mapping[str, object], lang: str) -> list[str]:
    """Return the names of the items that a pull fetched, as its evidence lists them."""
    fetched = detail.get("fields")
    if not isinstance(fetched, dict):
        return []
    known = {(i.frame, i.name): i.label_zh if lang == "zh" else i.label_en for rows in ITEMS.values() for i in rows}
    return [known.get((frame, name), name) for frame, names in fetched.items() for name in names]


def _name(institution: Institution, lang: str) -> str:
    return institution.name_zh if lang == "zh" else institution.name_en
