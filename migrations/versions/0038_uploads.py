"""What firms upload themselves where an office's answer is missing, apart from what offices said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
FIRM = "enterprise_id = (SELECT creditlink_firm())"
OF_CONSENT = "enterprise_id = (SELECT creditlink_consent_enterprise())"
GRANTED = "category = ANY ((SELECT creditlink_consent_categories())::text[])"
SINCE = "period >= (SELECT creditlink_consent_since())"
# All that is uploaded is of the tax office's category.
FOR_TAX = "'tax' = ANY ((SELECT creditlink_consent_categories())::text[])"
TABLES = ("uploads", "uploaded_facts", "upload_checks")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("uploaded_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("layout", sa.Text),
        sa.Column("format", sa.Text),
        sa.Column("refusal", sa.Text),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("rows", "taken", "repeated", "left_out")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("serial_gaps", "wrong")),
        sa.Column("wrong_lines", JSONB, nullable=False),
        sa.Column("first_month", sa.Date),
        sa.Column("last_month", sa.Date),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("asks_review", sa.Boolean, nullable=False),
        sa.Column("uploaded_at", INSTANT, nullable=False),
        *(sa.Column(name, INSTANT) for name in ("read_at", "checked_at", "withdrawn_at")),
        sa.CheckConstraint("state IN ('received', 'taken', 'refused', 'withdrawn')", name="state"),
        sa.CheckConstraint("content IS NULL OR state = 'received'", name="content_until_read"),
        sa.CheckConstraint("(state = 'refused') <= (refusal IS NOT NULL)", name="refused_with_reason"),
        sa.CheckConstraint("verdict IN ('uploaded', 'confirmed', 'contradicted')", name="verdict"),
    )
    op.create_index(
        "uq_uploads_file", "uploads", ["enterprise_id", "sha256"], unique=True,
        postgresql_where=sa.text("state IN ('received', 'taken')"),
    )  # fmt: skip
    op.create_index("ix_uploads_enterprise_id_uploaded_at", "uploads", ["enterprise_id", "uploaded_at"])
    key = ("upload_id", "frame", "period", "subkey")
    op.create_table(
        "uploaded_facts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("upload_id", sa.Uuid, sa.ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("category", "frame")),
        sa.Column("period", sa.Date, nullable=False),
        sa.Column("subkey", sa.Text, nullable=False),
        sa.Column("values", JSONB, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("settled_at", INSTANT),
        sa.UniqueConstraint(*key),
    )
    op.create_table(
        "upload_checks",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("upload_id", sa.Uuid, sa.ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("category", "frame")),
        sa.Column("period", sa.Date, nullable=False),
        sa.Column("subkey", sa.Text, nullable=False),
        sa.Column("months", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("differences", JSONB, nullable=False),
        sa.Column("asks_review", sa.Boolean, nullable=False),
        sa.Column("checked_at", INSTANT, nullable=False),
        sa.CheckConstraint("outcome IN ('same', 'differs', 'absent')", name="outcome"),
        sa.UniqueConstraint(*key),
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO creditlink_worker")
        op.execute(f"GRANT SELECT ON {table} TO creditlink_api")
        op.execute(f"CREATE POLICY firm ON {table} FOR SELECT TO creditlink_api USING ({FIRM})")
    op.execute("GRANT INSERT ON uploads TO creditlink_api")
    op.execute("GRANT UPDATE (state, content, withdrawn_at) ON uploads TO creditlink_api")
    op.execute(f"CREATE POLICY firm_adds ON uploads FOR INSERT TO creditlink_api WITH CHECK ({FIRM})")
    op.execute(
        f"CREATE POLICY firm_withdraws ON uploads FOR UPDATE TO creditlink_api USING ({FIRM}) WITH CHECK ({FIRM})"
    )
    op.execute(f"CREATE POLICY bank ON uploads FOR SELECT TO creditlink_api USING ({OF_CONSENT} AND {FOR_TAX})")
    for table in ("uploaded_facts", "upload_checks"):
        op.execute(
            f"CREATE POLICY bank ON {table} FOR SELECT TO creditlink_api USING ({OF_CONSENT} AND {GRANTED} AND {SINCE})"
        )
    op.execute("CREATE POLICY worker ON uploads TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY worker ON upload_checks TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY worker_reads ON uploaded_facts FOR SELECT TO creditlink_worker USING (true)")
    op.execute("CREATE POLICY worker_purges ON uploaded_facts FOR DELETE TO creditlink_worker USING (true)")
    op.execute(
        "CREATE POLICY worker_settles ON uploaded_facts FOR UPDATE TO creditlink_worker USING (true) WITH CHECK (true)"
    )
    # A worker adds facts of a file that waits to be read, for the firm whose file it is, and no others.
    op.execute("""
        CREATE POLICY worker_adds ON uploaded_facts FOR INSERT TO creditlink_worker
        WITH CHECK (EXISTS (SELECT 1 FROM uploads u WHERE u.id = upload_id AND u.state = 'received'
                            AND u.enterprise_id = uploaded_facts.enterprise_id))""")


def downgrade() -> None:
    """Undo."""
    for table in reversed(TABLES):
        op.drop_table(table)
