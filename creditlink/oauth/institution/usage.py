"""What an institution uses: what it asked and was granted by month, uses left, quotas of its products, webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import Date, cast, func, select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent, ConsentUse
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.metering.statement import used_of_contract
from creditlink.notifications.tables import WebhookDelivery
from creditlink.oauth.institution.clients import MOST, of_institution
from creditlink.products.tables import Product, ProductCommitment

MONTHS = 12


def of_institution_now(session: Session, institution_id: UUID, now: datetime) -> dict[str, object]:
    """Return what an institution uses and how much is left; nothing of it names a firm."""
    clients = of_institution(session, institution_id)
    return {
        "months": _months(session, institution_id, now),
        "consents": _by_state(session, institution_id),
        "profiles_used": _used(session, institution_id),
        "clients": {"used": len(clients), "allowed": MOST},
        "webhooks": _webhooks(session, institution_id),
        "quotas": _quotas(session, institution_id),
        "contract": _contract(session, institution_id, now),
    }


def _contract(session: Session, institution_id: UUID, now: datetime) -> Mapping[str, object]:
    used = used_of_contract(session, institution_id, now)
    terms = asdict(used.terms)
    terms.pop("weight")  # of a busy server: the operator's own matter
    return terms | {
        "calls_today": used.calls_today,
        "calls_this_month": used.calls_this_month,
        "profiles_this_month": used.profiles_this_month,
    }


def _months(session: Session, institution_id: UUID, now: datetime) -> list[dict[str, object]]:
    since = add_months(month_start(day_of(now)), 1 - MONTHS)
    local = func.timezone("Asia/Shanghai", Consent.requested_at)
    month = cast(func.date_trunc("month", local), Date)
    rows = session.execute(
        select(month, func.count(), func.count(Consent.starts_at))
        .where(Consent.institution_id == institution_id, cast(local, Date) >= since)
        .group_by(month)
        .order_by(month.desc())
    )
    return [{"month": first.isoformat()[:7], "asked": asked, "granted": granted} for first, asked, granted in rows]


def _by_state(session: Session, institution_id: UUID) -> Mapping[str, int]:
    rows = session.execute(
        select(Consent.state, func.count()).where(Consent.institution_id == institution_id).group_by(Consent.state)
    )
    return {str(state): int(number) for state, number in rows}


def _used(session: Session, institution_id: UUID) -> int:
    """Return the profiles computed under all consents; a day's window counts what a month's or the total counts too."""
    return int(
        session.scalar(
            select(func.coalesce(func.sum(ConsentUse.used), 0))
            .join(Consent, Consent.id == ConsentUse.consent_id)
            .where(Consent.institution_id == institution_id, func.length(ConsentUse.period) < len("2026-08-24"))
        )
        or 0
    )


def _webhooks(session: Session, institution_id: UUID) -> Mapping[str, int]:
    rows = session.execute(
        select(WebhookDelivery.state, func.count())
        .where(WebhookDelivery.institution_id == institution_id)
        .group_by(WebhookDelivery.state)
    )
    return {str(state): int(number) for state, number in rows}


def _quotas(session: Session, institution_id: UUID) -> list[dict[str, object]]:
    rows = session.execute(
        select(Product.code, Product.version, Product.terms, func.coalesce(ProductCommitment.committed_fen, 0))
        .join(Institution, Institution.id == Product.institution_id)
        .outerjoin(ProductCommitment, ProductCommitment.code == Product.code)
        .where(Product.institution_id == institution_id, Product.state == "live")
        .order_by(Product.code)
    )
    return [
        {"code": code, "version": version, "quota_fen": terms.get("quota_fen"), "committed_fen": committed}
        for code, version, terms, committed in rows
    ]
