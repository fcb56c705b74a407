"""Who a lender is, how the consent page was read; papers and receivables of financing requests, and warnings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None
serves = "0058"  # tables that older code does not know, columns that it leaves at their defaults

INSTANT = sa.DateTime(timezone=True)
FIRM = "enterprise_id = (SELECT creditlink_firm())"
ITS_REQUEST = f"request_id IN (SELECT r.id FROM financing_requests r WHERE r.{FIRM})"  # noqa: S608 (constants)
TABLES = ("financing_documents", "financing_receivables")
# A lender that the request is before, as long as the consent that came with it lives: the same that opens the records.
ADDRESSED = """removed_at IS NULL AND EXISTS (
    SELECT FROM financing_applications a
    JOIN consents c ON c.id = a.consent_id JOIN institutions i ON i.id = a.institution_id
    WHERE a.request_id = {table}.request_id
      AND a.institution_id = (SELECT creditlink_setting('institution_id'))
      AND c.state = 'ACTIVE' AND clock_timestamp() < c.expires_at AND i.status = 'active')"""
# Which receivables of one request another live request names too. It answers whoever the request is open to, and
# nobody else; a firm hears of its own requests only, a lender never which request, which firm or which lender it is.
ELSEWHERE = """
CREATE FUNCTION creditlink_receivables_elsewhere(request uuid) RETURNS TABLE (receivable uuid, own boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH asked AS (
        SELECT r.id, r.enterprise_id,
               r.enterprise_id = (SELECT {p}creditlink_firm()) AS by_firm,
               EXISTS (SELECT FROM {p}financing_applications a
                       JOIN {p}consents c ON c.id = a.consent_id JOIN {p}institutions i ON i.id = a.institution_id
                       WHERE a.request_id = r.id AND c.state = 'ACTIVE' AND clock_timestamp() < c.expires_at
                         AND i.status = 'active'
                         AND a.institution_id = (SELECT {p}creditlink_setting('institution_id'))) AS by_lender
        FROM {p}financing_requests r WHERE r.id = request)
    SELECT mine.id, bool_or(other.enterprise_id = asked.enterprise_id)
    FROM asked
    JOIN {p}financing_receivables mine ON mine.request_id = asked.id AND mine.removed_at IS NULL
    JOIN {p}financing_receivables other ON other.digest = mine.digest AND other.request_id <> mine.request_id
        AND other.removed_at IS NULL
    JOIN {p}financing_requests held ON held.id = other.request_id
    WHERE (asked.by_lender OR (asked.by_firm AND other.enterprise_id = asked.enterprise_id))
      AND (held.ended_at IS NULL AND clock_timestamp() < held.expires_at OR held.end_reason = 'accepted')
      AND (other.enterprise_id = asked.enterprise_id AND held.ended_at IS NULL
           OR EXISTS (SELECT FROM {p}financing_applications b WHERE b.request_id = held.id
                      AND b.state IN ('requested', 'received', 'reviewing', 'offered', 'accepted', 'signed', 'drawn',
                                      'repaying')))
    GROUP BY mine.id $$"""


def upgrade() -> None:
    """Apply."""
    op.add_column("institutions", sa.Column("uscc", sa.Text))
    op.add_column("institutions", sa.Column("licence_no", sa.Text))
    op.create_check_constraint(op.f("ck_institutions_uscc"), "institutions", "uscc ~ '^[0-9A-Z]{18}$'")
    op.create_check_constraint(
        op.f("ck_institutions_licence_no"), "institutions", "length(licence_no) BETWEEN 1 AND 60"
    )
    op.execute("GRANT UPDATE (uscc, licence_no) ON institutions TO creditlink_api")
    op.create_table(
        "consent_readings",
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), primary_key=True),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("question", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.CheckConstraint("decision IN ('agreed', 'declined')", name="decision"),
        sa.CheckConstraint("seconds >= 0", name="seconds"),
        sa.CheckConstraint("answer IN ('right', 'wrong', 'unsure', 'skipped')", name="answer"),
        sa.CheckConstraint("(question IS NULL) = (answer IS NULL)", name="asked"),
    )
    op.execute("GRANT SELECT, INSERT ON consent_readings TO creditlink_api")
    _papers()
    for name, kind, unset in (("warnings", JSONB, "'[]'"), ("first_loan", sa.Boolean, "false")):
        op.add_column("financing_applications", sa.Column(name, kind, nullable=False, server_default=sa.text(unset)))


def _papers() -> None:
    op.create_table(
        "financing_documents",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("request_id", sa.Uuid, sa.ForeignKey("financing_requests.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "kind")),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("scan", sa.Text, nullable=False),
        sa.Column("scan_said", sa.Text),
        sa.Column("scanned_at", INSTANT),
        sa.Column("added_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("removed_at", INSTANT),
        sa.CheckConstraint("about IN ('invoice', 'contract', 'statement', 'licence', 'other')", name="about"),
        sa.CheckConstraint("scan IN ('waiting', 'clean', 'infected', 'unscanned')", name="scan"),
        sa.CheckConstraint("scan <> 'infected' OR sealed IS NULL", name="infected_is_gone"),
        sa.CheckConstraint("removed_at IS NULL OR sealed IS NULL", name="removed_is_gone"),
    )
    op.create_table(
        "financing_receivables",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("request_id", sa.Uuid, sa.ForeignKey("financing_requests.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.Text, nullable=False, index=True),
        sa.Column("added_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("removed_at", INSTANT),
        sa.CheckConstraint("kind IN ('invoice', 'contract')", name="kind"),
    )
    for table, column in zip(TABLES, ("sha256", "digest"), strict=True):
        op.create_index(
            f"uq_{table}_held", table, ["request_id", column], unique=True,
            postgresql_where=sa.text("removed_at IS NULL"),
        )  # fmt: skip
    op.create_index(
        "ix_financing_documents_waiting", "financing_documents", ["added_at"],
        postgresql_where=sa.text("scan = 'waiting'"),
    )  # fmt: skip
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO creditlink_api")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY firm ON {table} FOR SELECT TO creditlink_api USING ({FIRM})")
        op.execute(
            f"CREATE POLICY firm_adds ON {table} FOR INSERT TO creditlink_api"
            f" WITH CHECK ({FIRM} AND removed_at IS NULL AND {ITS_REQUEST})"
        )
        # What a firm takes back stays taken back.
        op.execute(
            f"CREATE POLICY firm_removes ON {table} FOR UPDATE TO creditlink_api"
            f" USING ({FIRM} AND removed_at IS NULL) WITH CHECK ({FIRM} AND removed_at IS NOT NULL)"
        )
        op.execute(
            f"CREATE POLICY lender ON {table} FOR SELECT TO creditlink_api USING ({ADDRESSED.format(table=table)})"
        )
    op.execute("GRANT UPDATE (sealed, removed_at) ON financing_documents TO creditlink_api")
    op.execute("GRANT UPDATE (removed_at) ON financing_receivables TO creditlink_api")
    op.execute("GRANT SELECT ON financing_documents TO creditlink_worker")
    op.execute("GRANT UPDATE (sealed, scan, scan_said, scanned_at) ON financing_documents TO creditlink_worker")
    op.get_bind().exec_driver_sql(ELSEWHERE.format(p="public."))
    op.execute("REVOKE ALL ON FUNCTION creditlink_receivables_elsewhere(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION creditlink_receivables_elsewhere(uuid) TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    for name in ("first_loan", "warnings"):
        op.drop_column("financing_applications", name)
    op.execute("DROP FUNCTION creditlink_receivables_elsewhere(uuid)")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_table("consent_readings")
    op.execute("REVOKE UPDATE (uscc, licence_no) ON institutions FROM creditlink_api")
    for name in ("licence_no", "uscc"):
        op.drop_column("institutions", name)
