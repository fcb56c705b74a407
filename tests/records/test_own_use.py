"""A firm's consent to itself at the offices: its pull, what it leaves, and what ends with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from creditlink.audit.tables import AuditEntry
from creditlink.consents import own, service
from creditlink.consents.agreement.limits import fair_use_from
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import OWN_ID
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.records.pulls import fetching
from creditlink.records.tables import FactRow, PullPart
from creditlink.retention.purge import purge_firm
from tests import factories as make


@pytest.fixture
def fair_use(shipped):
    return fair_use_from(shipped.read_toml("purposes.toml"))


@pytest.fixture
def people(empty_database):
    """A firm and two people who act for it."""
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session)
        both = [make.make_account(session) for _ in range(2)]
        for person, role in zip(both, ("legal_representative", "agent"), strict=True):
            make.make_representation(session, firm, person, role)
    return firm, both


def agree(firm, person, fair_use, categories=("tax", "social_security")):
    now = utc_now()
    with db.transaction("api", viewer=db.Viewer(account_id=person.id, enterprise_id=firm.id)) as session:
        details = own.details_for(firm, ["tax", "social_security", "electricity"], fair_use=fair_use, now=now)
        shown = own.text_of(session, details, fair_use=fair_use, lang="zh", asked_on=day_of(now))
        asked = own.request(session, details, firm, person, now=now)
        enterprise = session.get_one(Enterprise, firm.id)
        approval.approve(
            session, asked, account=person, enterprise=enterprise, categories=categories, statement=shown, now=now
        )
        return asked.id


def test_of_two_people_who_agree_at_once_one_does(people, fair_use):
    firm, both = people

    def run(person):
        try:
            return agree(firm, person, fair_use) is not None
        except Conflict:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(run, both)) == [False, True]
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(Consent)) == 1


def test_the_worker_asks_what_was_agreed_and_no_more_and_all_of_it_goes_with_the_consent(people, fair_use, offices):
    firm, (leader, _) = people
    consent_id = agree(firm, leader, fair_use)
    fetching.run_pull(consent_id, offices, utc_now)
    with db.transaction("owner") as session:
        assert {row.source for row in session.scalars(select(PullPart))} == {"tax", "social_security"}
        assert set(session.scalars(select(FactRow.category).distinct())) == {"tax", "social_security"}
        pulled = session.scalars(select(AuditEntry).where(AuditEntry.action == "records.pull")).all()
        assert {entry.institution_id for entry in pulled} == {OWN_ID}
        service.revoke(
            session, session.get_one(Consent, consent_id), actor=f"account:{leader.id}", reason="by_the_firm",
            now=utc_now(),
        )  # fmt: skip
    with db.transaction("worker") as session:
        purge_firm(session, firm.id, now=utc_now() + timedelta(seconds=1), secret="k" * 40, issuer="http://localhost")
    with db.transaction("owner") as session:
        assert session.scalars(select(FactRow.id)).all() == []


def test_a_bank_with_a_consent_of_its_own_reads_its_own_categories_alone(people, fair_use, offices):
    """What the firm's pull fetched is in the store; a bank's live consent opens what it covers, and nothing else."""
    firm, (leader, _) = people
    fetching.run_pull(agree(firm, leader, fair_use), offices, utc_now)
    with db.transaction("owner") as session:
        theirs = make.make_consent(
            session, enterprise=session.get_one(Enterprise, firm.id), account=leader, wanted=("social_security",),
            now=utc_now(),
        )  # fmt: skip
        viewer = db.Viewer(institution_id=theirs.institution_id, consent_id=theirs.id)
        own_id = session.scalars(select(Consent.id).where(Consent.institution_id == OWN_ID)).one()
    with db.transaction("api", viewer=viewer) as session:
        assert set(session.scalars(select(FactRow.category).distinct())) == {"social_security"}
    stranger = db.Viewer(institution_id=theirs.institution_id, consent_id=own_id)
    with db.transaction("api", viewer=stranger) as session:
        assert session.scalars(select(FactRow.id)).all() == []
