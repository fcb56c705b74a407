"""The applications of the funnel, read row by row from what happened; and the figures of them that the public sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, insert, select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Enterprise
from creditlink.financing.funnel.funnel import Case, during, funnels
from creditlink.financing.tables import Application, FinancingRequest, FunnelRow, LoanFact, Offer
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, start_of_day

BAD_DAYS = 90
_PUBLISHING = 0x66756E6E  # "funn": the lock's number
_SETTLES = timedelta(hours=1)
"""From a month's end until it is published: what was stamped in its last moment has long been committed by then, and
what a publication did not see would belong to a month published already."""


def cases_of(session: Session, *, known_at: datetime | None = None) -> list[Case]:
    """Return every application as a case, as far as it was known at an instant (default: now)."""
    query = (
        select(Application, FinancingRequest.amount_fen, Institution.code, Enterprise.industry, Enterprise.region)
        .join(FinancingRequest, FinancingRequest.id == Application.request_id)
        .join(Institution, Institution.id == Application.institution_id)
        .join(Enterprise, Enterprise.id == Application.enterprise_id)
        .order_by(Application.made_at, Application.id)
    )
    if known_at is not None:
        query = query.where(Application.made_at <= known_at)
    rows = session.execute(query).all()
    offered = _offered(session, known_at)
    facts = _facts(session, known_at)
    return [
        _case(
            application,
            asked_fen,
            code,
            industry,
            region,
            offered.get(application.id),
            facts.get(application.id, ()),
            known_at,
        )
        for application, asked_fen, code, industry, region in rows
    ]


def _offered(session: Session, known_at: datetime | None) -> dict[UUID, int]:
    """Return application -> the amount of its last offer."""
    # Fen above 21 million yuan do not fit an INTEGER.
    amount = cast(Offer.terms["amount_fen"].astext, BigInteger)
    query = select(Offer.application_id, amount).order_by(Offer.revision)
    if known_at is not None:
        query = query.where(Offer.made_at <= known_at)
    return dict(session.execute(query).all())


def _facts(session: Session, known_at: datetime | None) -> dict[UUID, list[LoanFact]]:
    """Return application -> the facts of its loan: of each key the row known last."""
    query = select(LoanFact).order_by(LoanFact.known_at, LoanFact.id)
    if known_at is not None:
        query = query.where(LoanFact.known_at <= known_at)
    last: dict[tuple[object, ...], LoanFact] = {}
    for fact in session.scalars(query):
        last[fact.application_id, fact.kind, fact.about_on, fact.reference] = fact
    found: dict[UUID, list[LoanFact]] = {}
    for fact in last.values():
        found.setdefault(fact.application_id, []).append(fact)
    return found


def _case(
    application: Application,
    asked_fen: int,
    institution: str,
    industry: str,
    region: str,
    offered_fen: int | None,
    facts: Sequence[LoanFact],
    known_at: datetime | None,
) -> Case:
    answered = application.answered_at
    if answered is not None and known_at is not None and answered > known_at:
        answered = None
    return Case(
        application=application.id,
        firm=application.enterprise_id,
        institution=institution,
        product=application.product_code,
        industry=industry[:1],
        region=f"{region[:4]}00",
        month=f"{day_of(application.made_at):%Y-%m}",
        asked_fen=asked_fen,
        approved=offered_fen is not None,
        approved_fen=offered_fen or 0,
        declined=application.state == "declined" and answered is not None,
        drawn_fen=sum(fact.amount_fen for fact in facts if fact.kind == "draw"),
        repaid=any(fact.kind == "closure" for fact in facts),
        written_off=any(fact.kind == "write_off" for fact in facts),
        overdue_90=any((fact.days_past_due or 0) >= BAD_DAYS for fact in facts),
        answer_hours=None if answered is None else (answered - application.made_at).total_seconds() / 3600,
        first_loan=application.first_loan,
    )


def publish(session: Session, now: datetime) -> int:
    """Publish the months that are over and not published yet, once; return how many rows.

    Figures recomputed as things happen would reveal one firm's sums by the difference between two of them.
    What cannot be published of a period, because fewer than ten firms did anything in it, waits for the next.
    """
    until = start_of_day(day_of(now - _SETTLES).replace(day=1))
    # One publisher at a time, or two would publish the same months.
    session.execute(select(func.pg_advisory_xact_lock(_PUBLISHING)))
    since = session.scalar(select(func.max(FunnelRow.period_until)))
    if since is not None and since >= until:
        return 0
    before = [] if since is None else cases_of(session, known_at=since)
    published = funnels(during(before, cases_of(session, known_at=until)))
    rows = [row.to_dict() for group in published.values() for row in group]
    if rows:
        period = {"period_from": since, "period_until": until, "computed_at": now}
        session.execute(insert(FunnelRow), [row | period for row in rows])
    return len(rows)
