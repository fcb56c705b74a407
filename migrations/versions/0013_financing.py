"""Financing: requests, applications, offers, events, and what became of the loans."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
STATES = (
    "requested", "received", "reviewing", "offered", "declined", "accepted", "lapsed", "signed", "drawn",
    "repaying", "closed", "written_off", "withdrawn", "expired",
)  # fmt: skip
ACCEPTED = "state IN ('accepted', 'closed', 'drawn', 'repaying', 'signed', 'written_off')"
TABLES = ("financing_requests", "financing_applications", "financing_offers", "financing_events", "loan_facts")

FIRM = "enterprise_id = (SELECT creditlink_setting('enterprise_id'))"
BANK = "institution_id = (SELECT creditlink_setting('institution_id'))"
BANK_REQUESTS = """EXISTS (
    SELECT 1 FROM financing_applications a WHERE a.request_id = financing_requests.id
        AND a.institution_id = (SELECT creditlink_setting('institution_id')))"""
CHANNEL = "ALTER TABLE consents ADD CONSTRAINT ck_consents_channel CHECK (channel IN ({})) {}"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "financing_requests",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("asked_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("amount_fen", sa.BigInteger, nullable=False),
        sa.Column("term_months", sa.BigInteger, nullable=False),
        sa.Column("use", sa.Text, nullable=False),
        sa.Column("collateral", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("end_reason", sa.Text),
        sa.CheckConstraint("amount_fen > 0 AND term_months > 0", name="positive"),
        sa.CheckConstraint("end_reason IN ('withdrawn', 'expired', 'accepted')", name="end_reason"),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
    )
    op.create_index("ix_financing_requests_enterprise_id_made_at", "financing_requests", ["enterprise_id", "made_at"])
    op.create_table(
        "financing_applications",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("request_id", sa.Uuid, sa.ForeignKey("financing_requests.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False, unique=True),
        sa.Column("product_code", sa.Text, nullable=False),
        sa.Column("product_version", sa.BigInteger, nullable=False),
        sa.Column("referred_from", sa.Uuid, sa.ForeignKey("financing_applications.id")),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("answer_due_at", INSTANT, nullable=False),
        sa.Column("escalated_at", INSTANT),
        sa.Column("answered_at", INSTANT),
        sa.Column("decline_codes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("decline_note", sa.Text, nullable=False),
        sa.Column("decline_weighed", pg.JSONB, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("signed_at", INSTANT),
        sa.CheckConstraint(f"state IN ({', '.join(repr(s) for s in STATES)})", name="state"),
        sa.CheckConstraint("(state = 'declined') = (cardinality(decline_codes) > 0)", name="decline_has_reasons"),
        sa.UniqueConstraint("request_id", "institution_id", "product_code"),
    )
    # A request finds at most one lender, whatever the application does.
    op.create_index(
        "uq_financing_applications_accepted",
        "financing_applications",
        ["request_id"],
        unique=True,
        postgresql_where=sa.text(ACCEPTED),
    )
    op.create_index(
        "ix_financing_applications_institution_id_made_at",
        "financing_applications",
        ["institution_id", "made_at", "id"],
    )
    op.create_index(
        "ix_financing_applications_state_answer_due_at", "financing_applications", ["state", "answer_due_at"]
    )
    op.create_table(
        "financing_offers",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("application_id", sa.Uuid, sa.ForeignKey("financing_applications.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, nullable=False),
        sa.Column("institution_id", sa.Uuid, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("terms", pg.JSONB, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("valid_until", INSTANT, nullable=False),
        sa.UniqueConstraint("application_id", "revision"),
    )
    op.create_table(
        "financing_events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("request_id", sa.Uuid, sa.ForeignKey("financing_requests.id"), nullable=False),
        sa.Column("application_id", sa.Uuid, sa.ForeignKey("financing_applications.id")),
        sa.Column("enterprise_id", sa.Uuid, nullable=False),
        sa.Column("institution_id", sa.Uuid),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("from_state", sa.Text),
        sa.Column("to_state", sa.Text),
        sa.Column("detail", pg.JSONB, nullable=False),
    )
    op.create_index("ix_financing_events_application_id_id", "financing_events", ["application_id", "id"])
    op.create_index("ix_financing_events_request_id_id", "financing_events", ["request_id", "id"])
    op.create_table(
        "loan_facts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("application_id", sa.Uuid, sa.ForeignKey("financing_applications.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, nullable=False),
        sa.Column("institution_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("about_on", sa.Date, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("amount_fen", sa.BigInteger, nullable=False),
        sa.Column("days_past_due", sa.BigInteger),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("reported_by", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('draw', 'repayment', 'closure', 'write_off')", name="kind"),
        sa.CheckConstraint("(kind = 'repayment') = (days_past_due IS NOT NULL)", name="days_past_due"),
        sa.CheckConstraint("amount_fen >= 0", name="amount"),
        sa.UniqueConstraint("application_id", "kind", "about_on", "reference", "known_at"),
    )
    op.create_index("ix_loan_facts_institution_id_known_at", "loan_facts", ["institution_id", "known_at"])
    op.execute("""
        CREATE FUNCTION financing_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$""")
    for table in ("financing_offers", "financing_events", "loan_facts"):
        op.execute(f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION financing_is_append_only()""")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO creditlink_api, creditlink_worker")
    for table in ("financing_requests", "financing_applications"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO creditlink_api")
        op.execute(f"GRANT SELECT, UPDATE ON {table} TO creditlink_worker")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY firm ON {table} TO creditlink_api USING ({FIRM}) WITH CHECK ({FIRM})")
    op.execute(f"CREATE POLICY bank ON financing_requests FOR SELECT TO creditlink_api USING ({BANK_REQUESTS})")
    for table in TABLES[1:]:
        op.execute(f"CREATE POLICY bank ON {table} TO creditlink_api USING ({BANK}) WITH CHECK ({BANK})")
    op.execute("ALTER TABLE consents DROP CONSTRAINT ck_consents_channel")
    op.execute(CHANNEL.format("'redirect', 'inbox', 'financing'", ""))


def downgrade() -> None:
    """Undo."""
    op.execute("DROP POLICY bank ON financing_requests")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION financing_is_append_only")
    # Consents given while asking for financing stay; the page sent nobody anywhere, as with the inbox.
    op.execute("ALTER TABLE consents DROP CONSTRAINT ck_consents_channel")
    op.execute(CHANNEL.format("'redirect', 'inbox'", "NOT VALID"))
