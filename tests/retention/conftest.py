"""Firms with facts, pulls, rows kept aside and profiles under several consents."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import pytest

from creditlink.kit.clock import day_of
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from creditlink.records.pulls.delivery import Fact
from creditlink.records.store import save_facts
from creditlink.records.tables import Pull, PullPart, RejectedRow
from creditlink.retention import purge
from tests import factories as make
from tests.factories import NOW
from tests.oauth.conftest import approve, authorized, bank, firm, http, make_bank
from tests.rows import add_row

__all__ = ["approve", "authorized", "bank", "firm", "http", "make_bank"]

SECRET, ISSUER = "test-" + "k" * 40, "http://127.0.0.1:8000"
DAY = timedelta(days=1)


def fetched(session, consent, *, categories=("tax",), months=(date(2026, 6, 1),), at=NOW):
    """Leave what a finished pull leaves: facts, one row kept aside, the pull with a part per source."""
    pull = Pull(
        id=uuid4(), consent_id=consent.id, enterprise_id=consent.enterprise_id, trigger="consent", status="DONE",
        since=day_of(at), until=day_of(at), requested_at=at, finished_at=at,
    )  # fmt: skip
    session.add(pull)
    session.flush()
    for source in categories:
        session.add(
            PullPart(
                pull_id=pull.id, source=source, status="DELIVERED", attempt=1, rows=1, total=1, new_rows=1, rejected=1,
                resources={}, error=None, digest=f"digest-{source}", began_at=at, finished_at=at,
            )
        )  # fmt: skip
        frame = {"tax": "vat_declarations", "electricity": "meter_months", "social_security": "payroll_months"}[source]
        facts = [
            Fact(frame, month, "electricity/E" if source == "electricity" else "", {"n": str(month)}, at)
            for month in months
        ]
        save_facts(session, facts, enterprise_id=consent.enterprise_id, source=source, pull_id=pull.id, now=at)
    session.add(
        RejectedRow(
            enterprise_id=consent.enterprise_id, pull_id=pull.id, source="tax", resource="x", position="1", field="f",
            excerpt="e", reason="r", fingerprint=pull.id.bytes, state="open", times=1, recorded_at=at, seen_at=at,
            changed_at=at, changed_by="system",
        )
    )  # fmt: skip
    session.flush()
    return pull


def profiled(session, consent, fact_ids, *, at=NOW) -> None:
    """Store a profile that was computed from these facts."""
    add_row(
        session, Profile.__table__, id=uuid4(), consent_id=consent.id, enterprise_id=consent.enterprise_id,
        institution_id=consent.institution_id, client_id=consent.client_id, created_at=at, state="not_scorable",
        fact_ids=list(fact_ids), content_sha256=f"content-{uuid4().hex}",
    )  # fmt: skip


def run(now, *, role="worker") -> list[purge.Purged]:
    """Do what the periodic job does."""
    with db.transaction(role) as session:
        firms = purge.firms_due(session, now)
    done = []
    for enterprise_id in firms:
        with db.transaction(role) as session:
            done.append(purge.purge_firm(session, enterprise_id, issuer=ISSUER, secret=SECRET, now=now))
    return [d for d in done if d.certificates]


@pytest.fixture
def granted(empty_database):
    """Store a live consent of ten days' data life for a firm (a new one unless given)."""

    def store(firm=None, account=None, **values):
        with db.transaction("owner") as session:
            return make.make_consent(
                session,
                enterprise=session.merge(firm) if firm else None,
                account=session.merge(account) if account else None,
                **{"data_life_days": 10, "history_months": 24} | values,
            )

    return store
