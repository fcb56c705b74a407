"""What a bank reads of a firm's relations, under the firm's live consent: its group and what the bank has out to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.audit import service as audit
from creditlink.consents.service import live_consent
from creditlink.enterprises.relations import reading, words
from creditlink.enterprises.relations.graph import (
    CONTROL_BPS,
    NearFirm,
    Neighbourhood,
    Way,
    group_of,
    guarantee_circles,
    steps_beside,
    ways_to_revoked,
)
from creditlink.enterprises.relations.told import GUARANTEES
from creditlink.financing.loans.exposure import outstanding_of
from creditlink.financing.loans.labels import ReportedFact
from creditlink.financing.tables import LoanFact
from creditlink.kit.clock import day_of, last_known_at
from creditlink.kit.errors import AuditUnavailable, InvalidRequest
from creditlink.records.pulls import pull


@dataclass(frozen=True)
class RelationsQuery:
    """Of which day the relations are; None: today."""

    as_of: date | None = None


def relations_for(session: Session, access: Access, query: RelationsQuery, *, now: datetime) -> dict[str, object]:
    """Return the relations of the firm that the token's consent is about, with the evidence that they went out.

    Raises
    ------
    ConsentRefused
        The consent does not open this.
    InvalidRequest
        The day lies outside what the consent opens.
    AuditUnavailable
        The evidence cannot be written.
    """
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now)
    opened = consent.terms().narrowed(access.authorization_details)
    as_of = query.as_of or day_of(now)
    since, today = pull.look_back(consent, now)
    if not since <= as_of <= today:
        raise InvalidRequest(
            errors=[{"pointer": "/as_of", "detail": f"must lie within {since} … {today}, got {as_of}"}]
        )
    assert consent.enterprise_id is not None  # noqa: S101 (a live consent names its firm; for the type checker)
    known_at = last_known_at(as_of, now)
    around = reading.around_mine(session, consent.enterprise_id, day=as_of, known_at=known_at)
    group = group_of(around)
    with_guarantees = GUARANTEES in opened.categories
    answer: dict[str, object] = {
        **relations_json(around, group, as_of=as_of),
        "exposure": _exposure(session, group, access.institution_id, as_of),
        "guarantees": guarantees_json(around) if with_guarantees else None,
    }
    try:
        audit.record(
            session,
            action="relations.read",
            result="disclosed",
            actor=f"bank:{access.client_id}",
            now=now,
            enterprise_id=consent.enterprise_id,
            institution_id=access.institution_id,
            client_id=access.client_id,
            consent_id=consent.id,
            purpose=consent.purpose,
            detail={
                "categories": ["registration", *([GUARANTEES] if with_guarantees else [])],
                "rows": {},
                "fields": ["relations"],
                "as_of": as_of.isoformat(),
                "count": len(group),
            },
        )
    except SQLAlchemyError as error:
        raise AuditUnavailable from error
    return answer


def relations_json(around: Neighbourhood, group: list[NearFirm], *, as_of: date) -> dict[str, object]:
    """Return what the register publishes of a firm's relations, as plain data; no natural shareholder is named."""
    return {
        "as_of": as_of,
        "is_cut": around.is_cut,
        "control_bps": CONTROL_BPS,
        "group": [firm_json(firm) for firm in group],
        "ties": [
            {"kind": step.kind, "through": words.through_of(step), "firm": firm_json(step.firm)}
            for step in steps_beside(around)
        ],
        "ways_to_revoked": [_way(way) for way in ways_to_revoked(around)],
    }


def firm_json(firm: NearFirm) -> dict[str, object]:
    """Return a firm as the register names it."""
    return {"uscc": firm.uscc, "name": firm.name, "status": firm.status, "is_registered": firm.is_known}


def _way(way: Way) -> dict[str, object]:
    return {
        "text_zh": words.sentence_zh(way),
        "text_en": words.sentence_en(way),
        "revoked_on": way.revoked.revoked_on,
        "steps": [
            {"kind": step.kind, "through": words.through_of(step), "firm": firm_json(step.firm)} for step in way.steps
        ],
    }


def guarantees_json(around: Neighbourhood) -> dict[str, object]:
    """Return the firm's own guarantees, and of each circle that it is in how many firms; never whose theirs are."""
    firms, start = around.firms, around.start
    return {
        "given": [
            {"firm": firm_json(firms[one.debtor]), "amount_fen": one.amount_fen}
            for one in around.guarantees
            if one.guarantor == start
        ],
        "received": [
            {"firm": firm_json(firms[one.guarantor]), "amount_fen": one.amount_fen}
            for one in around.guarantees
            if one.debtor == start
        ],
        "circles": [len(circle) for circle in guarantee_circles(around)],
    }


def _exposure(session: Session, group: list[NearFirm], institution_id: UUID, as_of: date) -> dict[str, object]:
    """Return what the institution itself has out to a group; of other lenders' loans it learns nothing."""
    ids = [UUID(firm.key) for firm in group if firm.is_known]
    facts: dict[tuple[UUID, UUID], list[ReportedFact]] = defaultdict(list)
    reported = select(LoanFact).where(LoanFact.institution_id == institution_id, LoanFact.enterprise_id.in_(ids))
    for row in session.scalars(reported):
        facts[row.enterprise_id, row.application_id].append(
            ReportedFact(row.kind, row.about_on, row.days_past_due, row.amount_fen, row.reference, row.known_at)
        )
    open_loans = {key: fen for key, one in facts.items() if (fen := outstanding_of(one, as_of))}
    return {
        "outstanding_fen": sum(open_loans.values()),
        "loans": len(open_loans),
        "firms": len({firm for firm, _ in open_loans}),
    }
