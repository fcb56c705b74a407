"""What a firm is told when a lender declines or offers less than it asked for; and who may decline after a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.financing.applications.declines import DeclineReason
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.kit.errors import Conflict
from creditlink.products.tables import Product
from creditlink.profiles.reliance.reviews.service import stored_reasons
from creditlink.profiles.tables import Profile
from creditlink.reviews import queue
from creditlink.reviews.notices import service as notices
from creditlink.reviews.notices.service import AdverseEvent
from creditlink.reviews.notices.wording import NoticeReason


def must_be_a_persons(
    session: Session, application: Application, *, by_a_person: bool, actor: str, now: datetime
) -> None:
    """Refuse a decline by automated means alone where the sole trader refused such decisions (PIPL art. 24).

    A lender that says a person decided is taken at its word, which goes into the firm's evidence.

    Raises
    ------
    Conflict
        The sole trader refused, and the lender does not say that a person decided.
    """
    if not queue.refusal_stands(session, application.consent_id):
        return
    if not by_a_person:
        raise Conflict(
            "the sole trader refuses a decision by automated means alone: have a person decide, and say so in "
            "decided_by_person",
            reason="automated_decision_refused",
        )
    audit.record(
        session, action="review.person_decided", result="done", actor=actor, now=now,
        enterprise_id=application.enterprise_id, institution_id=application.institution_id,
        client_id=application.client_id, consent_id=application.consent_id,
        detail={"application": application.wire_id},
    )  # fmt: skip


def tell_declined(
    session: Session, application: Application, profile: Profile | None, reasons: Sequence[DeclineReason], now: datetime
) -> None:
    """Put the notice of a decline onto the firm's page: the lender's reasons, and those stored with the profile."""
    said: list[NoticeReason] = [
        {"by": "lender", "code": one.code, "zh": one.label_zh, "en": one.label_en} for one in reasons
    ]
    _tell(session, application, "declined", profile, said, now)


def tell_worse(
    session: Session, application: Application, profile: Profile | None, terms: OfferTerms, now: datetime
) -> None:
    """Put a notice onto the firm's page where an offer is worse than asked for; once for an application.

    Worse: a smaller amount, a shorter term, or a rate above the best that the product is published with. The last
    follows the notice of risk-based pricing in 12 CFR 1022.72, which is no law here.
    """
    said = worse_than_asked(session, application, terms)
    if said:
        _tell(session, application, "worse_terms", profile, said, now)


def worse_than_asked(session: Session, application: Application, terms: OfferTerms) -> list[NoticeReason]:
    """Return in which respects an offer is worse than what was asked for."""
    request = session.get_one(FinancingRequest, application.request_id)
    product = session.scalar(
        select(Product).where(Product.code == application.product_code, Product.version == application.product_version)
    )
    best = None if product is None else product.to_terms().rate_bps_min
    found: list[NoticeReason] = []
    if terms.amount_fen < request.amount_fen:
        found.append({"by": "lender", "code": "amount", "zh": "金额低于申请金额", "en": "A smaller amount"})
    if terms.term_months < request.term_months:
        found.append({"by": "lender", "code": "term", "zh": "期限短于申请期限", "en": "A shorter term"})
    if best is not None and terms.rate_bps > best:
        found.append(
            {
                "by": "lender",
                "code": "rate",
                "zh": f"年利率{terms.rate_bps / 100:.2f}%，高于该产品公布的最低利率{best / 100:.2f}%",
                "en": f"A rate of {terms.rate_bps / 100:.2f}%, above the product's lowest of {best / 100:.2f}%",
            }
        )
    return found


def _tell(
    session: Session,
    application: Application,
    event: str,
    profile: Profile | None,
    said: Sequence[NoticeReason],
    now: datetime,
) -> None:
    told = AdverseEvent(
        event,
        application.wire_id,
        application.enterprise_id,
        application.institution_id,
        application.consent_id,
        None if profile is None else profile.id,
        [*said, *stored_reasons(profile)],
    )
    notices.write(session, told, settings=queue.settings_in_use(), now=now)
