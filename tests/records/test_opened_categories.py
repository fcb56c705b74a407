"""Which rows of facts the database opens: the granted supply and no other, public records with any live consent."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from creditlink.consents import service as consents
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit.clock import add_months, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.records import store
from creditlink.records.pulls.delivery import Fact
from creditlink.records.tables import FactRow
from tests import factories as make
from tests.records import samples

NOW = utc_now()
MONTH = add_months(month_start(NOW.date()), -2)
LONG_AGO = add_months(MONTH, -80)


def event(period: date, kind: str = "dishonest_debtor") -> Fact:
    values = {"occurred_on": period.isoformat(), "severity": 3, "amount_fen": 100, "ended_on": None}
    return Fact("credit_events", period, f"{kind}/{period}", values, samples.instant(period))


FACTS = (
    samples.meter(MONTH),
    samples.meter(MONTH, "gas"),
    samples.meter(MONTH, "water"),
    samples.meter(LONG_AGO),
    samples.declaration(MONTH),
    event(MONTH),
    event(LONG_AGO),
)


@pytest.fixture
def firm(empty_database):
    """A firm of which everything is known."""
    with db.transaction("owner") as session:
        made = make.make_enterprise(session)
        store.save_facts(session, FACTS, enterprise_id=made.id, source="test", pull_id=None, now=NOW)
        return made


@pytest.fixture
def granted(firm):
    """Make a consent of the firm."""

    def make_one(**values):
        with db.transaction("owner") as session:
            return make.make_consent(
                session, enterprise=firm, now=NOW - timedelta(minutes=1), **{"wanted": ("electricity",)} | values
            )

    return make_one


def seen(viewer: db.Viewer) -> list[tuple[str, date]]:
    """Return what raw SQL sees of the facts as the API's role, whatever the application would ask for."""
    with db.transaction("api", viewer=viewer) as session:
        return sorted(map(tuple, session.execute(select(FactRow.category, FactRow.period))))


def of(consent) -> db.Viewer:
    return db.Viewer(consent_id=consent.id, institution_id=consent.institution_id)


ELECTRICITY_AND_PUBLIC = sorted([("electricity", MONTH), ("public_credit", LONG_AGO), ("public_credit", MONTH)])


def test_a_consent_to_electricity_opens_no_gas_and_no_water(granted):
    assert seen(of(granted())) == ELECTRICITY_AND_PUBLIC


def test_public_records_come_with_any_live_consent_and_from_before_its_look_back(granted):
    opened = seen(of(granted(wanted=("registration",), optional_categories=())))
    assert opened == [("public_credit", LONG_AGO), ("public_credit", MONTH)]


def test_a_bank_without_a_consent_sees_no_public_record_of_the_firm(granted, firm):
    live = granted()
    with db.transaction("owner") as session:
        other = make.make_institution(session)
        elsewhere = make.make_consent(session, now=NOW - timedelta(minutes=1))  # the same bank or not, another firm's
    for viewer in (
        db.Viewer(),
        db.Viewer(institution_id=live.institution_id),
        db.Viewer(institution_id=other.id),
        db.Viewer(institution_id=other.id, consent_id=live.id),
        db.Viewer(institution_id=other.id, enterprise_id=firm.id),
        of(elsewhere),
    ):
        assert seen(viewer) == []


@pytest.mark.parametrize("state", ["REQUESTED", "PAUSED", "REVOKED", "EXPIRED", "EXHAUSTED", "REJECTED"])
def test_a_consent_that_is_not_active_opens_no_public_record_either(granted, state):
    assert seen(of(granted(state=state))) == []


def test_a_revocation_closes_them_at_once(granted):
    live = granted()
    assert seen(of(live)) == ELECTRICITY_AND_PUBLIC
    with db.transaction("owner") as session:
        consents.revoke(session, live, actor="firm", reason="test", now=utc_now())
    assert seen(of(live)) == []


@pytest.mark.parametrize("fact", [samples.meter(MONTH, "gas", "P9"), samples.declaration(add_months(MONTH, -1))])
def test_a_worker_stores_nothing_that_was_not_granted(granted, firm, fact):
    live = granted()
    with pytest.raises(ProgrammingError, match="row-level security"), db.transaction("worker", viewer=of(live)) as own:
        store.save_facts(own, [fact], enterprise_id=firm.id, source="test", pull_id=None, now=NOW)


def test_a_worker_stores_public_records_of_the_consents_firm_and_of_no_other(granted):
    live = granted()
    fact = event(add_months(MONTH, -1), "penalty")
    with db.transaction("worker", viewer=of(live)) as own:
        assert store.save_facts(own, [fact], enterprise_id=live.enterprise_id, source="t", pull_id=None, now=NOW) == 1
    with db.transaction("owner") as session:
        stranger = make.make_enterprise(session).id
    with pytest.raises(ProgrammingError, match="row-level security"), db.transaction("worker", viewer=of(live)) as own:
        store.save_facts(own, [fact], enterprise_id=stranger, source="t", pull_id=None, now=NOW)


def test_the_database_calls_public_what_the_vocabulary_does(database):
    with database.transaction("owner") as session:
        rule = session.scalar(text("SELECT qual FROM pg_policies WHERE tablename = 'facts' AND policyname = 'bank'"))
    for category in PUBLIC_CATEGORIES:
        assert f"'{category}'" in rule
    assert rule.count("'::text") == len(PUBLIC_CATEGORIES)


def test_the_application_reads_what_was_granted_and_what_is_public(granted, firm):
    live = granted()
    with db.transaction("worker", viewer=of(live)) as session:  # who sees every row
        found = store.read_inputs(session, [firm.id], categories=("electricity",), since=MONTH, as_of=NOW.date())
    assert {category: len(periods) for category, periods in found.periods.items()} == {
        "electricity": 1,
        "public_credit": 2,
    }
    assert found.records.meter_months["kind"].to_list() == ["electricity"]
    assert found.records.vat_declarations.is_empty()
