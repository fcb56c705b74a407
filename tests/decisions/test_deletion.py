"""A firm withdraws with deletion: what need not stay goes at once, and the page and the certificate say what stays."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from creditlink.audit.tables import AuditEntry
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import keyring
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from creditlink.records.pulls.delivery import Fact
from creditlink.records.store import save_facts
from creditlink.records.tables import FactRow, Pull, RejectedRow
from creditlink.retention import certificates, recheck, requests
from creditlink.retention.tables import DeletionCertificate, DeletionRequest
from tests.factories import NOW
from tests.retention.conftest import DAY, SECRET, fetched, granted, profiled, run

__all__ = ["granted"]


def count(table):
    with db.transaction("owner") as session:
        return session.scalar(select(func.count()).select_from(table))


def ask(consent, now=NOW):
    with db.transaction("api") as session:
        viewer = db.Viewer(enterprise_id=consent.enterprise_id, account_id=consent.granted_by)
        db.enter(session, viewer)
        return requests.ask(session, session.get_one(Consent, consent.id), actor="account:x", now=now)


@pytest.fixture
def consent(granted):
    consent = granted()
    with db.transaction("owner") as session:
        fetched(session, consent)
        facts = session.scalars(select(FactRow.id)).all()
        profiled(session, consent, facts)
    return consent


def test_what_need_not_stay_goes_at_once(consent):
    assert run(NOW + DAY) == []
    assert ask(consent, NOW + DAY)
    (done,) = run(NOW + DAY + timedelta(minutes=1))
    assert done.rows["profiles"] == 1
    assert [count(table) for table in (Profile, FactRow, Pull, RejectedRow)] == [0, 0, 0, 0]
    with db.transaction("owner") as session:
        assert session.get_one(Consent, consent.id).state == "REVOKED"
        (certificate,) = session.scalars(select(DeletionCertificate)).all()
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.seq)).all()
    assert actions[-3:] == ["consent.revoke", "data.deletion_asked", "data.purge"]
    claims = certificates.verify(certificate.document, keyring.public_keys(SECRET)).claims
    assert claims["asked_at"] == (NOW + DAY).replace(microsecond=0).isoformat()
    assert {one["class"] for one in claims["kept"]} == {"evidence", "consents"}
    assert recheck.against_answers(claims, []) is not None  # a bank that kept nothing cannot confirm it
    assert run(NOW + 2 * DAY) == []


def test_asked_twice_it_is_one_wish(consent):
    assert ask(consent)
    assert not ask(consent, NOW + DAY)
    assert count(DeletionRequest) == 1


def test_another_consents_data_stays(consent, granted):
    with db.transaction("owner") as session:
        firm, account = session.get_one(Enterprise, consent.enterprise_id), session.get_one(Account, consent.granted_by)
    other = granted(firm, account)
    with db.transaction("owner") as session:
        fetched(session, other, months=(date(2026, 5, 1),))
        profiled(session, other, [])
    ask(consent)
    run(NOW + timedelta(minutes=1))
    with db.transaction("owner") as session:
        assert session.scalars(select(Profile.consent_id)).all() == [other.id]
        months = session.scalars(select(FactRow.period).order_by(FactRow.period)).all()
    assert months == [date(2026, 5, 1), date(2026, 6, 1)]


def test_where_nothing_was_agreed_there_is_nothing_to_ask(granted):
    requested = granted(state="REQUESTED")
    with pytest.raises(Conflict), db.transaction("owner") as session:
        requests.ask(session, requested, actor="account:x", now=NOW)


@pytest.mark.parametrize(
    ("kind", "ended_on", "goes"),
    [
        ("penalty", "2021-01-10", True),
        ("penalty", "2025-01-10", False),
        ("court_enforcement", "2020-03-01", True),
        ("red_list", "2020-03-01", False),
        ("penalty", None, False),
    ],
)
def test_negative_records_go_five_years_after_their_end_even_under_a_live_consent(granted, kind, ended_on, goes):
    consent = granted(data_life_days=30)
    with db.transaction("owner") as session:
        fact = Fact("credit_events", date(2020, 1, 1), f"{kind}/2020-01-10", {"ended_on": ended_on}, NOW)
        save_facts(session, [fact], enterprise_id=consent.enterprise_id, source="x", pull_id=None, now=NOW)
        profiled(session, consent, session.scalars(select(FactRow.id)).all())  # which holds it for its life
    run(NOW + DAY)
    assert count(FactRow) == (0 if goes else 1)
    assert count(Profile) == 1
