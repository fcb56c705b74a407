"""The contract at the operator's desk, and the bank's own pages of it: set, read, refused."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.metering.contracts import Terms, terms_of
from tests.desk.conftest import add_lender, make_bank


@pytest.fixture
def admin(app, settings):
    bank = make_bank(settings)
    return add_lender(app, settings, bank, "l-admin", "desk_admin")


def test_a_bank_reads_its_use_and_its_statement_on_pages_and_as_a_file(admin):
    assert "Monthly statement" in admin.get("/portal/desk/software?lang=en").text
    admin.get("/portal/desk/software?lang=en")
    page = admin.get("/portal/desk/statement?lang=en")
    assert page.status_code == 200
    assert f"{day_of(utc_now()):%Y-%m}" in page.text
    csv = admin.get("/portal/desk/statement?file=csv")
    assert csv.content_type.startswith("text/csv")
    assert csv.text.splitlines()[0] == "day,client_id,unit,what,units"


@pytest.mark.parametrize("month", ["2026-13", "x", "../clients", "2026-01-01"])
def test_what_is_no_month_is_refused_on_the_page(admin, month):
    assert admin.get("/portal/desk/statement", query_string={"month": month}).status_code in (403, 404, 422)


def test_the_database_asks_who_writes_a_contract(empty_database, admin):
    """The role of the API alone sets none, whatever it says of itself: an operator who is one now must be there."""
    with empty_database.transaction("owner") as session:
        institution = session.scalars(select(Institution.id).limit(1)).one()
    row = (
        "INSERT INTO usage_contracts (institution_id, weight, changed_at, changed_by)"
        " VALUES (:i, 10, now(), 'account:forged')"
    )
    for viewer in (db.Viewer(institution_id=institution), db.Viewer(actor="operator")):
        with pytest.raises(Exception, match="row-level security|only an operator"), db.transaction(viewer=viewer) as s:
            s.execute(text(row), {"i": institution})
    with empty_database.transaction("owner") as session:
        assert terms_of(session, institution) == Terms()
