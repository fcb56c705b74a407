"""The contract at the operator's desk, and the bank's own pages of it: set, read, refused."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.metering.contracts import Terms, terms_of
from tests import factories as make
from tests.desk.conftest import add_lender, make_bank
from tests.portal.test_risk_desk import staff
from tests.portal.test_staff import code


@pytest.fixture
def admin(app, settings):
    bank = make_bank(settings)
    person = add_lender(app, settings, bank, "l-admin", "desk_admin")
    assert person.sign_in().status_code == 303
    return person


def test_a_bank_reads_its_use_and_its_statement_on_pages_and_as_a_file(admin):
    assert "Monthly statement" in admin.get("/portal/desk/software?lang=en").text
    page = admin.get("/portal/desk/statement?lang=en")
    assert page.status_code == 200
    assert f"{day_of(utc_now()):%Y-%m}" in page.text
    csv = admin.get("/portal/desk/statement?file=csv")
    assert csv.content_type.startswith("text/csv")
    assert csv.text.splitlines()[0] == "day,client_id,unit,what,units"


@pytest.mark.parametrize("month", ["2026-13", "x", "../clients", "2026-01-01"])
def test_what_is_no_month_is_refused_on_the_page(admin, month):
    assert admin.get("/portal/desk/statement", query_string={"month": month}).status_code in (403, 404, 422)


class TestTheOperator:
    @pytest.fixture
    def ola(self, app, settings, empty_database):
        return staff(app, settings, "ola", "operator")

    @pytest.fixture
    def bank(self, empty_database):
        with empty_database.transaction("owner") as session:
            return make.make_institution(session, code="FSRCB")

    def agree(self, ola, **fields):
        ola.get("/portal/staff/operator/institutions/FSRCB?lang=en")
        return ola.post("/portal/staff/operator/institutions/FSRCB/contract", **fields)

    def test_sets_what_is_agreed_and_it_is_in_evidence(self, ola, bank, empty_database):
        told = self.agree(ola, calls_a_day="5,000", calls_a_minute="", profiles_a_month="200", weight="3", totp=code())
        assert told.status_code == 303, told.text
        with empty_database.transaction("owner") as session:
            assert terms_of(session, bank.id) == Terms(calls_a_day=5000, profiles_a_month=200, weight=3)
            actions = session.scalars(text("SELECT action FROM audit_entries")).all()
        assert actions.count("institution.contract") == 1
        assert 'value="5000"' in ola.get("/portal/staff/operator/institutions/FSRCB?lang=en").text

    @pytest.mark.parametrize("typed", ["0", "-1", "many", "1.5", "9" * 12, "１２", "5; DROP"])
    def test_what_is_no_number_is_refused_in_words(self, ola, bank, empty_database, typed):
        told = self.agree(ola, calls_a_day=typed, weight="1", totp=code())
        assert told.status_code == 422
        assert "This was not recorded" in told.text
        with empty_database.transaction("owner") as session:
            assert terms_of(session, bank.id) == Terms()


def test_the_database_asks_who_writes_a_contract(empty_database, admin):
    """The role of the API alone sets none, whatever it says of itself: an operator who is one now must be there."""
    with empty_database.transaction("owner") as session:
        institution = session.scalars(select(Institution.id).limit(1)).one()
    row = (
        "INSERT INTO usage_contracts (institution_id, weight, changed_at, changed_by)"
        " VALUES (:i, 10, now(), 'account:forged')"
    )
    for viewer in (db.Viewer(institution_id=institution), db.Viewer(actor="operator")):
        with pytest.raises(Exception, match=r"row-level security|only an operator"), db.transaction(viewer=viewer) as s:
            s.execute(text(row), {"i": institution})
    with empty_database.transaction("owner") as session:
        assert terms_of(session, institution) == Terms()
