"""Scripted firms act by themselves, at once and as their script says, towards developers' clients alone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents import service as consents
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises import accounts
from creditlink.enterprises.service import by_uscc
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.portal.developers.script import BY_USCC, ScriptedFirm
from creditlink.portal.site import fair_use

log = structlog.get_logger()


def answer_inbox(client_id: str, uscc: str, now: datetime) -> None:
    """Let a scripted firm answer the newest request of a developer's client in its inbox; others are left alone."""
    firm = BY_USCC.get(uscc.strip().upper())
    if firm is None or firm.answer == "silent":
        return
    newest = (
        select(Consent)
        .where(
            Consent.client_id == client_id, Consent.asked_uscc == firm.uscc, Consent.channel == "inbox",
            Consent.state == "REQUESTED",
        )
        .order_by(Consent.requested_at.desc())
        .limit(1)
    )  # fmt: skip
    with db.transaction() as session:
        person, consent = accounts.by_login(session, firm.login), session.scalar(newest)
        if person is None or consent is None:  # a sandbox that was not given the script's firms
            return
        _act(session, firm, person, consent, now)


def _act(session: Session, firm: ScriptedFirm, person: Account, consent: Consent, now: datetime) -> None:
    actor = f"account:{person.id}"
    enterprise = by_uscc(session, firm.uscc)
    if enterprise is None:
        return
    db.enter(session, db.Viewer(account_id=person.id, enterprise_id=enterprise.id))
    if firm.answer == "declines":
        consents.reject(session, consent, actor=actor, reason="declined", now=now, enterprise=enterprise)
        return
    details = consent.details()
    wanted = details.required_categories if firm.answer == "grants_part" else details.categories
    approval.approve(
        session, consent, account=person, enterprise=enterprise, categories=wanted,
        statement=consents.statement_for(session, consent, fair_use=fair_use(), lang="zh"), now=now,
    )  # fmt: skip


def act_after_profile(consent_id: UUID, now: datetime) -> None:
    """Let a scripted firm pause or withdraw the consent under which its first profile was just computed."""
    with db.transaction() as session:
        consent = session.get(Consent, consent_id)
        firm = None if consent is None or consent.asked_uscc is None else BY_USCC.get(consent.asked_uscc)
        if consent is None or firm is None or firm.after_profile == "nothing":
            return
        person = accounts.by_login(session, firm.login)
        if person is None:
            return
        db.enter(session, db.Viewer(account_id=person.id, enterprise_id=consent.enterprise_id))
        change = consents.pause if firm.after_profile == "pauses" else consents.revoke
        try:
            change(session, consent, actor=f"account:{person.id}", reason="by_the_firm", now=now)
        except Conflict:  # two profiles at once: the firm acted on the first
            log.info("script_followed_already", firm=firm.slug)
