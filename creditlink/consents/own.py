"""A firm's consent to itself: a consent like any other, whose institution is no lender and has no tokens.

It is asked for, signed, paused, withdrawn, counted and outlived by its data as every consent is; what is read under it
goes through `service.live_consent`. docs/adr/0071-a-firms-own-use-is-a-consent-to-itself.md
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.consents import service
from creditlink.consents.agreement.categories import CATEGORIES, USUAL_ACTIONS
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.limits import OWN, FairUse
from creditlink.consents.agreement.statement import Statement
from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.own import own_client
from creditlink.institutions.tables import OWN_ID, Institution
from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.errors import Conflict

_SIGN_WITHIN = timedelta(days=7)
"""How long a first signature waits for the second, in a firm that wants two."""


def details_for(
    enterprise: Enterprise, served: Iterable[str], *, fair_use: FairUse, now: datetime
) -> AuthorizationDetails:
    """Return what a firm may agree to with itself today: all that is connected here, each optional.

    It ends at the beginning of a day, so that what is shown and what is signed on one day are the same text.
    """
    template, open_here = fair_use.templates[OWN], set(served) - {*PUBLIC_CATEGORIES}
    categories = tuple(name for name in CATEGORIES if name in open_here)
    return AuthorizationDetails(
        uscc=enterprise.uscc,
        categories=categories,
        optional_categories=categories,
        purpose=OWN,
        access=template.access,
        history_months=template.history_months,
        valid_until=start_of_day(day_of(now)) + timedelta(days=template.consent_days),
        data_life_days=template.data_life_days,
        pulls_per_month=template.usual_pulls,
        pulls_per_day=None,
        actions=USUAL_ACTIONS,
        fair_use_version=fair_use.version,
    )


def text_of(
    session: Session, details: AuthorizationDetails, *, fair_use: FairUse, lang: str, asked_on: date
) -> Statement:
    """Return the text that the page shows before there is a request."""
    institution, _ = own_client(session)
    return service.text_for(details, institution, fair_use=fair_use, lang=lang, asked_on=asked_on)


def request(
    session: Session, details: AuthorizationDetails, enterprise: Enterprise, account: Account, *, now: datetime
) -> Consent:
    """Record what a firm asks of itself, to be signed next.

    Raises
    ------
    Conflict
        One is in force, or waits for its second signature; of two people who ask at once, one does.
    """
    key = func.hashtextextended(f"own {enterprise.id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))
    if alive(session, enterprise.id, now) is not None or waiting(session, enterprise, now) is not None:
        raise Conflict("the firm has agreed to this already", reason="decided")
    _, client = own_client(session)
    return service.request_consent(
        session, client=client, details=details, now=now, channel=OWN, answer_until=now + _SIGN_WITHIN,
        actor=f"account:{account.id}",
    )  # fmt: skip


def alive(session: Session, enterprise_id: UUID, now: datetime) -> Consent | None:
    """Return the firm's consent to itself that is in force or paused."""
    return session.scalars(
        select(Consent)
        .where(
            Consent.enterprise_id == enterprise_id,
            Consent.institution_id == OWN_ID,
            Consent.state.in_(ALIVE),
            Consent.expires_at > now,
        )
        .order_by(Consent.requested_at.desc(), Consent.id)
        .limit(1)
    ).first()


def waiting(session: Session, enterprise: Enterprise, now: datetime) -> Consent | None:
    """Return the firm's request to itself that waits for a second signature."""
    return session.scalars(
        select(Consent).where(
            Consent.asked_uscc == enterprise.uscc,
            Consent.institution_id == OWN_ID,
            Consent.state == "REQUESTED",
            Consent.answer_until > now,
        )
    ).first()


def access_of(session: Session, consent: Consent, account: Account) -> Access:
    """Return the access of a person of the firm under its consent to itself: the consent in full, and no token."""
    institution = session.get_one(Institution, OWN_ID)
    return Access(
        client_id=consent.client_id,
        institution_id=institution.id,
        consent_id=consent.id,
        scopes=frozenset(),
        authorization_details=(consent.granted_details(institution.pairwise_salt),),
        token_id=None,
        pairwise_salt=institution.pairwise_salt,
        account_id=account.id,
    )
