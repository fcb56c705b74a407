"""The fact store: nothing twice, nothing lost, nothing from the future."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import select, text

from creditlink.consents.tables import Consent
from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS, as_known
from creditlink.enterprises import service
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.records import store
from creditlink.records.pulls.delivery import Delivery, Reject
from creditlink.records.tables import FactRow, RejectedRow
from tests import factories as make
from tests.factories import NOW
from tests.records import samples

TODAY = date(2026, 8, 24)
MARCH = date(2026, 3, 1)
ALL = ("registration", "tax", "social_security", "electricity", "water", "gas")


@pytest.fixture
def firm(empty_database):
    with db.transaction("owner") as session:
        began = NOW - timedelta(days=400)
        return make.make_enterprise(session, created_at=began, updated_at=began).id


def enter_consent(session, firm):
    """Work under a live consent of the firm, as a pull does: workers add records under no other."""
    with db.transaction("owner") as own:
        held = own.scalars(select(Consent).where(Consent.enterprise_id == firm)).first()
        if held is None:
            held = make.make_consent(own, enterprise=own.get_one(Enterprise, firm), wanted=ALL, now=utc_now())
    db.enter(session, db.Viewer(consent_id=held.id, institution_id=held.institution_id))


def save(firm, *facts, now=NOW):
    with db.transaction("worker") as session:
        enter_consent(session, firm)
        return store.save_facts(session, facts, enterprise_id=firm, source="test", pull_id=None, now=now)


def read(*firms, categories=ALL, since=date(2023, 8, 1), as_of=TODAY, **more):
    with db.transaction("worker") as session:
        return store.read_inputs(session, firms, categories=categories, since=since, as_of=as_of, **more)


class TestSaving:
    def test_a_repeated_delivery_adds_nothing(self, firm):
        facts = [f for group in samples.three_years().values() for f in group]
        assert save(firm, *facts) == len(facts)
        assert save(firm, *facts, now=NOW + timedelta(days=1)) == 0

    def test_a_correction_adds_a_row_and_both_stay(self, firm):
        first = samples.payroll(MARCH, 10)
        corrected = samples.payroll(MARCH, 12, known=first.known_at + timedelta(days=30), version=1)
        assert save(firm, first) == 1
        assert save(firm, first, corrected) == 1
        before = read(firm, as_of=first.known_at.date()).records.payroll_months
        after = read(firm).records.payroll_months
        assert before["headcount"].to_list() == [10]
        assert after["headcount"].to_list() == [12]

    def test_a_correction_back_to_the_first_value_is_not_lost(self, firm):
        first = samples.payroll(MARCH, 10)
        rows = [
            samples.payroll(MARCH, people, known=first.known_at + timedelta(days=10 * version), version=version)
            for version, people in enumerate((10, 12, 10))
        ]
        assert save(firm, *rows) == 3
        assert read(firm).records.payroll_months["headcount"].to_list() == [10]

    def test_an_office_cannot_know_the_future(self, firm):
        late = samples.payroll(MARCH, 10, known=NOW + timedelta(days=90))
        save(firm, late)
        assert save(firm, late, now=NOW + timedelta(days=1)) == 0
        with db.transaction("worker") as session:
            assert session.scalars(select(FactRow.known_at)).one() == NOW

    def test_an_aggregate_that_lacks_rows_never_hides_a_whole_one(self, firm):
        whole = samples.invoice_month(MARCH, amount=5_000_000)
        lacking = samples.invoice_month(MARCH, amount=4_000_000, complete=False)
        save(firm, whole)
        save(firm, lacking)
        assert read(firm).records.invoice_months["amount_fen"].to_list() == [5_000_000]

    def test_a_whole_aggregate_takes_the_place_of_one_that_lacks_rows(self, firm):
        save(firm, samples.invoice_month(MARCH, amount=4_000_000, complete=False))
        assert read(firm).records.invoice_months["amount_fen"].to_list() == [4_000_000]
        save(firm, samples.invoice_month(MARCH, amount=5_000_000))
        assert read(firm).records.invoice_months["amount_fen"].to_list() == [5_000_000]

    def test_rows_kept_aside_are_stored_with_their_place_and_reason(self, firm):
        with db.transaction("owner") as session:
            consent = make.make_consent(session, now=utc_now())
            firm = consent.enterprise_id
        from creditlink.records.pulls import pull

        with db.transaction("worker") as session:
            enter_consent(session, firm)
            pull_id = pull.open_pull(session, consent, ["tax"], trigger="operator", now=NOW)
            delivery = Delivery(
                "tax", [], [Reject.of("tax", "fapiao", "page 2 row 17", "je", "n/a" * 99, "not an amount")]
            )
            store.save_delivery(session, delivery, enterprise_id=firm, pull_id=pull_id, now=NOW)
        with db.transaction("worker") as session:
            enter_consent(session, firm)
            row = session.scalars(select(RejectedRow)).one()
        assert (row.resource, row.position, row.field, row.reason) == ("fapiao", "page 2 row 17", "je", "not an amount")
        assert len(row.excerpt) == 60


class TestReading:
    def test_frames_have_their_schemas_and_unique_keys(self, firm):
        save(firm, *(f for group in samples.three_years().values() for f in group))
        records = read(firm).records
        for name, schema in FRAME_SCHEMAS.items():
            frame = records.frame(name)
            assert dict(frame.schema) == schema, name
            assert not frame.select(FRAME_KEYS[name]).is_duplicated().any(), name
            assert as_known(frame, name, TODAY).height == frame.height
        assert records.payroll_months.height == 36

    def test_only_granted_categories_are_read(self, firm):
        save(firm, *(f for group in samples.three_years().values() for f in group))
        records = read(firm, categories=("registration", "social_security")).records
        assert records.payroll_months.height == 36
        for name in ("vat_declarations", "invoice_months", "tax_standing", "meter_months"):
            assert records.frame(name).is_empty()

    def test_the_look_back_is_kept(self, firm):
        save(firm, *(samples.payroll(m) for m in samples.months(date(2023, 8, 1), 36)))
        frame = read(firm, since=date(2025, 8, 15)).records.payroll_months
        assert frame["period"].min() == date(2025, 8, 1)

    def test_a_day_ends_at_midnight_in_shanghai(self, firm):
        # 15:59 UTC is a minute before midnight in Shanghai.
        save(firm, samples.payroll(MARCH, known=datetime(2026, 5, 1, 15, 59, tzinfo=UTC)))
        save(firm, samples.declaration(MARCH, known=datetime(2026, 5, 1, 16, 0, tzinfo=UTC)))
        records = read(firm, as_of=date(2026, 5, 1)).records
        assert records.payroll_months["known_on"].to_list() == [date(2026, 5, 1)]
        assert records.vat_declarations.is_empty()

    def test_service_points_are_summed(self, firm):
        save(
            firm,
            samples.meter(MARCH, point="P1", usage=100.0, amount_fen=500, method="cash"),
            samples.meter(MARCH, point="P2", usage=None, amount_fen=900, paid_on=None, disconnected=True),
            samples.meter(MARCH, "water", "W1", usage=None),
        )
        rows = {row["kind"]: row for row in read(firm).records.meter_months.to_dicts()}
        power = rows["electricity"]
        assert (power["usage"], power["amount_fen"], power["paid_on"]) == (100.0, 1400, None)
        assert (power["method"], power["read_quality"], power["disconnected"]) == ("direct_debit", "estimated", True)
        assert rows["water"]["usage"] is None

    def test_several_firms_keep_the_order_given(self, firm):
        with db.transaction("owner") as session:
            other = make.make_enterprise(session, region="440100").id
        save(other, samples.payroll(MARCH, 7))
        save(firm, samples.payroll(MARCH, 9))
        records = read(other, firm).records
        assert records.registration["region"].to_list() == ["440100", "440600"]
        assert dict(records.payroll_months.select("firm", "headcount").iter_rows()) == {0: 7, 1: 9}

    def test_an_unknown_firm_is_an_error(self, firm):
        with pytest.raises(KeyError):
            read(make.uuid4())


class TestInputsHash:
    def test_same_facts_same_hash_whatever_came_later(self, firm):
        save(firm, samples.payroll(MARCH, 10))
        first = read(firm)
        # An older month that was learned late: the office knew it before `as_of`, we did not.
        save(firm, samples.payroll(date(2026, 1, 1), 8))
        again = read(firm, only=first.fact_ids)
        assert read(firm).sha256 != first.sha256
        assert again.sha256 == first.sha256
        assert again.records.payroll_months.equals(first.records.payroll_months)

    def test_another_registration_is_another_hash(self, firm):
        first = read(firm).sha256
        with db.transaction("owner") as session:
            service.amend(session, session.get_one(Enterprise, firm), {"industry": "F51"}, valid_from=None, now=NOW)
        assert read(firm).sha256 != first

    def test_what_the_registry_learned_later_leaves_the_hash_of_an_earlier_day(self, firm):
        first = read(firm).sha256
        with db.transaction("owner") as session:
            later = NOW + timedelta(days=1)
            service.amend(session, session.get_one(Enterprise, firm), {"industry": "F51"}, valid_from=None, now=later)
        assert read(firm).sha256 == first


def test_facts_are_never_changed_by_worker_or_api(firm):
    save(firm, samples.payroll(MARCH))
    for role, statement in (
        ("worker", "UPDATE facts SET complete = false"),
        ("api", "INSERT INTO facts (frame) VALUES (NULL)"),
        ("api", "DELETE FROM facts"),
    ):
        with pytest.raises(Exception, match="permission denied"), db.transaction(role) as session:
            session.execute(text(statement))


def test_the_api_sees_no_facts_without_a_consent(firm):
    save(firm, samples.payroll(MARCH))
    with db.transaction("api") as session:
        assert store.read_inputs(
            session, [firm], categories=ALL, since=MARCH, as_of=TODAY
        ).records.payroll_months.is_empty()


def test_polars_frames_are_typed_even_when_all_values_are_missing(firm):
    save(firm, samples.meter(MARCH, usage=None, paid_on=None))
    frame = read(firm).records.meter_months
    assert frame.schema["usage"] == pl.Float64
    assert frame.schema["paid_on"] == pl.Date
