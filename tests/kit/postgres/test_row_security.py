"""Every table with a firm's data is closed: with no live consent in the transaction's settings not a row is seen.

The tables are found from the metadata, so that a new one cannot be forgotten: it needs policies, or a reason here.
"""

import importlib
import pkgutil
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import creditlink
from creditlink.consents import service as consents
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.records.tables import FactRow
from creditlink.retention.purge import PURGED
from tests import factories as make
from tests.rows import add_row, row_of

OPEN = {
    "enterprises": "the public registry: who a firm is, nothing that an office told us",
    "registrations": "the public registry as it was known, entry by entry",
    "representations": "who may act for a firm: read before anybody can be let in",
    "consents": "the permission itself: it is judged before it opens anything",
    "consent_events": "what became of a permission",
    "consent_uses": "how often a permission was used",
    "consent_signatures": "who signed a permission",
    "pushed_requests": "requests of the authorization server, kept for minutes",
    "access_tokens": "hashes of tokens, looked up before the consent is known",
    "refresh_tokens": "hashes of tokens, looked up before the consent is known",
    "authorization_codes": "hashes of codes, kept for minutes",
}
"""Tables that name a firm and are read without a live consent, and why."""

KEPT = {
    "audit_entries": "evidence outlives what it tells of",
    "deletion_requests": "what the firm asked for, and when",
    "deletion_certificates": "they prove the deletion",
    "financing_requests": "a loan's record is the firm's and the bank's own, not a consent's data",
    "financing_applications": "a loan's record",
    "financing_offers": "a loan's record",
    "financing_events": "a loan's record",
    "loan_facts": "a loan's record",
    "financing_documents": "that they were there is a loan's record; their content goes earlier (papers.documents)",
    "financing_receivables": "a loan's record: what was offered as security, sealed",
    "registry_versions": "the public register and its history: no consent brought it in",
    "registry_items": "the public register and its history",
    "uscc_clearings": "codes for the registrar to correct: the register's own matter",
    "ripening_loans": "a loan's record: what was predicted of it; it names nobody once the outcome is known",
    "shadow_scores": "gone with the profile: ON DELETE CASCADE",
    "review_items": "gone with the profile: ON DELETE CASCADE",
    "override_outcomes": "gone with the override: ON DELETE CASCADE",
    "dispute_events": "gone with the dispute: ON DELETE CASCADE",
    "dispute_files": "gone with the dispute: ON DELETE CASCADE; their content goes earlier (disputes.ending)",
    "contested_scores": "gone with the profile: ON DELETE CASCADE",
    "corrections": "gone with the dispute: ON DELETE CASCADE",
    "card_presentations": "gone with the card: ON DELETE CASCADE; their content goes when either ends",
    "card_views": "gone with the presentation: ON DELETE CASCADE",
    "firm_invitations": "who of the firm invited whom, and what for: the firm's own record",
    "person_messages": "notices say nothing of any firm; the sweep of messages deletes them after half a year",
    "message_deliveries": "that a notice was sent; deleted with it",
    "report_views": "gone with the report: ON DELETE CASCADE",
    "firm_acts": "who of the firm signed for what: the firm's own record, ids and limits only",
}
"""Closed tables that the purge leaves alone, and why."""


def _tables():
    importlib.import_module("creditlink.kit.http.idempotency")
    for module in pkgutil.walk_packages(creditlink.__path__, "creditlink."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
    return db.Base.metadata.tables


def _naming_a_firm():
    """The tables with a firm's id, and those that hang on one of them, however far."""
    tables, found = _tables(), set()
    while True:
        more = {
            name
            for name, table in tables.items()
            if name not in found
            and (
                "enterprise_id" in table.columns
                or any(key.column.table.name in found - set(OPEN) for key in table.foreign_keys)
            )
        }
        if not more:
            return found
        found |= more


CLOSED = sorted(_naming_a_firm() - set(OPEN))


def test_the_tables_are_what_they_are_thought_to_be():
    assert {"facts", "profiles", "pulls", "pull_parts", "rejected_rows", "audit_entries"} <= set(CLOSED)
    assert [name for name in KEPT if name in PURGED] == []


@pytest.mark.parametrize("table", CLOSED)
def test_a_table_with_firm_data_has_policies_and_an_end(database, table):
    with database.transaction("owner") as session:
        secured = session.scalar(text("SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass(:t)"), {"t": table})
        policies = session.execute(
            text("SELECT policyname, roles, cmd, qual, with_check FROM pg_policies WHERE tablename = :t"), {"t": table}
        ).all()
    assert secured, f"{table}: ALTER TABLE … ENABLE ROW LEVEL SECURITY, or a reason in OPEN"
    assert policies, f"{table}: no policy"
    for policy in policies:
        if "creditlink_api" in policy.roles and policy.cmd in ("SELECT", "ALL", "UPDATE", "DELETE"):
            assert policy.qual not in (None, "true"), f"{table}: policy {policy.policyname} is open to the API"
    assert table in PURGED or table in KEPT, f"{table}: retention.purge must delete it, or a reason in KEPT"


@pytest.mark.parametrize("setting", [None, "institution_id", "enterprise_id", "account_id", "consent_id"])
def test_without_a_live_consent_raw_sql_sees_not_one_row_of_any_table(database, setting):
    """One made-up row in every table, whatever the table is; then the API's role looks."""
    tables = _tables()
    with database.engine("owner").connect() as connection, connection.begin() as transaction:
        for name in CLOSED:
            for check in tables[name].constraints:
                if check.__visit_name__ in ("check_constraint", "table_or_column_check_constraint"):
                    connection.execute(text(f'ALTER TABLE {name} DROP CONSTRAINT "{check.name}"'))
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign keys, no triggers
        for name in CLOSED:
            add_row(connection, tables[name])
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        seen_by_owner = {n: connection.scalar(text(f"SELECT count(*) FROM {n}")) for n in CLOSED}
        connection.execute(text("SET LOCAL ROLE creditlink_api"))
        if setting:  # a stranger's
            connection.execute(
                text("SELECT set_config(:k, :v, true)"), {"k": f"creditlink.{setting}", "v": str(uuid4())}
            )
        may = "SELECT has_any_column_privilege(to_regclass(:t), 'SELECT')"
        readable = [name for name in CLOSED if connection.scalar(text(may), {"t": name})]
        assert set(CLOSED) - set(readable) == set()
        # Who serves requests lists decisions for staff, and has what one says through a look alone.
        assert not connection.scalar(text("SELECT has_column_privilege('decision_records', 'payload', 'SELECT')"))
        seen = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in readable}
        connection.execute(text("RESET ROLE"))
        transaction.rollback()
    assert min(seen_by_owner.values()) > 0
    assert {name: count for name, count in seen.items() if count} == {}


class TestTheFirmsOwnView:
    @pytest.fixture
    def consent(self, empty_database):
        with db.transaction("owner") as session:
            consent = make.make_consent(session, now=utc_now())
            add_row(
                session, FactRow.__table__, enterprise_id=consent.enterprise_id, category="tax", frame="x",
                period=day_of(utc_now()), pull_id=None,
            )  # fmt: skip
        return consent

    def seen(self, **settings):
        with db.transaction("api") as session:
            db.enter(session, db.Viewer(**settings))
            return session.scalar(text("SELECT count(*) FROM facts")) + session.scalar(
                text("SELECT count(*) FROM audit_entries WHERE enterprise_id IS NOT NULL")
            )

    def test_needs_an_account_that_acts_for_it_now(self, consent):
        with db.transaction("owner") as session:
            stranger = make.make_account(session)
        assert self.seen(enterprise_id=consent.enterprise_id, account_id=consent.granted_by) > 1
        assert self.seen(enterprise_id=consent.enterprise_id) == 0
        assert self.seen(enterprise_id=consent.enterprise_id, account_id=stranger.id) == 0
        with db.transaction("owner") as session:
            session.execute(text("UPDATE representations SET ended_at = now()"))
        assert self.seen(enterprise_id=consent.enterprise_id, account_id=consent.granted_by) == 0

    def test_a_bank_sees_of_the_evidence_what_is_its_own(self, consent):
        with db.transaction("api") as session:
            db.enter(session, db.Viewer(institution_id=consent.institution_id))
            assert set(session.scalars(text("SELECT institution_id FROM audit_entries"))) == {consent.institution_id}


class TestTheWorker:
    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT password_hash FROM accounts",
            "SELECT * FROM web_sessions",
            "SELECT * FROM audit_entries",
            "UPDATE audit_entries SET result = 'x'",
            "DELETE FROM audit_entries",
            "UPDATE facts SET values = '{}'",
            "INSERT INTO profiles (id) VALUES (gen_random_uuid())",
            "UPDATE profiles SET grade = 'A'",
            "DELETE FROM consents",
            "UPDATE consents SET expires_at = now()",
            "UPDATE institutions SET status = 'active'",
            "UPDATE clients SET webhook_url = 'x'",
            "INSERT INTO webhook_secrets (id) VALUES (gen_random_uuid())",
            "UPDATE deletion_certificates SET document = 'x'",
            "DELETE FROM deletion_certificates",
            "TRUNCATE facts",
        ],
    )
    def test_has_no_more_rights_than_its_work_needs(self, empty_database, statement):
        with pytest.raises(DBAPIError, match="permission denied"), db.transaction("worker") as session:
            session.execute(text(statement))

    @pytest.mark.parametrize(
        ("category", "mine", "allowed"), [("tax", True, True), ("logistics", True, False), ("tax", False, False)]
    )
    def test_adds_records_of_its_consents_firm_and_categories_only(self, empty_database, category, mine, allowed):
        now = utc_now()
        with db.transaction("owner") as session:
            consent, other = make.make_consent(session, now=now), make.make_enterprise(session)
        firm = consent.enterprise_id if mine else other.id
        row = row_of(FactRow.__table__, enterprise_id=firm, category=category, pull_id=None)

        def add():
            with db.transaction("worker") as session:
                consents.live_for_work(session, consent.id, now=now)
                session.execute(FactRow.__table__.insert().values(row).inline())

        if allowed:
            add()
        else:
            with pytest.raises(DBAPIError, match="row-level security"):
                add()

    def test_adds_nothing_once_the_consent_is_dead(self, empty_database):
        now = utc_now()
        with db.transaction("owner") as session:
            consent = make.make_consent(session, now=now, state="REVOKED")
        row = row_of(FactRow.__table__, enterprise_id=consent.enterprise_id, category="tax", pull_id=None)

        def add():
            with db.transaction("worker") as session:
                db.enter(session, db.Viewer(consent_id=consent.id, institution_id=consent.institution_id))
                session.execute(FactRow.__table__.insert().values(row).inline())

        with pytest.raises(DBAPIError, match="row-level security"):
            add()
