"""Credit reports: made by a firm or under its consent, looked at by whoever holds the paper, revoked by the firm."""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FIRM = "enterprise_id = (SELECT creditlink_firm())"
# A bank sees a report only while the consent that it was made under opens something.
BANK = "consent_id = (SELECT creditlink_consent_id())"
HELD = "token_hash = (SELECT current_setting('creditlink.report', true))"
# Whoever sees the report sees what hangs on it: its own policies are asked.
SEEN = "EXISTS (SELECT FROM credit_reports r WHERE r.id = report_id)"
LOOKED = "EXISTS (SELECT FROM credit_reports r WHERE r.id = report_id AND r.{held})"


def _report() -> sa.Column:
    return sa.Column("report_id", sa.Uuid, sa.ForeignKey("credit_reports.id", ondelete="CASCADE"), primary_key=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "credit_reports",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False, index=True),
        sa.Column("profile_id", sa.Uuid, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("valid_until", INSTANT, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("revoked_by", sa.Text),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.CheckConstraint("language IN ('zh', 'en')", name="language"),
        sa.CheckConstraint("made_at < valid_until", name="validity"),
        sa.CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked"),
    )
    op.create_index("ix_credit_reports_enterprise_id_made_at", "credit_reports", ["enterprise_id", "made_at", "id"])
    op.create_table(
        "report_contents",
        _report(),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "report_views",
        _report(),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("visitor", sa.Text, primary_key=True),
        sa.Column("looks", sa.BigInteger, nullable=False),
    )
    for table in ("credit_reports", "report_contents", "report_views"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, DELETE ON {table} TO creditlink_worker")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT ON credit_reports, report_contents TO creditlink_api")
    op.execute("GRANT UPDATE (revoked_at, revoked_by) ON credit_reports TO creditlink_api")
    for name, whose in (("firm", FIRM), ("bank", BANK), ("held", HELD)):
        op.execute(f"CREATE POLICY {name} ON credit_reports FOR SELECT TO creditlink_api USING ({whose})")
    op.execute(f"CREATE POLICY made ON credit_reports FOR INSERT TO creditlink_api WITH CHECK ({BANK})")
    op.execute(
        "CREATE POLICY revoked ON credit_reports FOR UPDATE TO creditlink_api"
        f" USING ({FIRM} AND revoked_at IS NULL) WITH CHECK ({FIRM} AND revoked_at IS NOT NULL)"
    )
    op.execute(f"CREATE POLICY seen ON report_contents FOR SELECT TO creditlink_api USING ({SEEN})")
    op.execute(f"CREATE POLICY made ON report_contents FOR INSERT TO creditlink_api WITH CHECK ({SEEN})")
    op.execute("GRANT SELECT, INSERT ON report_views TO creditlink_api")
    op.execute("GRANT UPDATE (looks) ON report_views TO creditlink_api")
    op.execute(f"CREATE POLICY seen ON report_views FOR SELECT TO creditlink_api USING ({SEEN})")
    looked = LOOKED.format(held=HELD)
    op.execute(f"CREATE POLICY counted ON report_views FOR INSERT TO creditlink_api WITH CHECK ({looked})")
    op.execute(
        f"CREATE POLICY again ON report_views FOR UPDATE TO creditlink_api USING ({looked}) WITH CHECK ({looked})"
    )


def downgrade() -> None:
    """Undo."""
    for table in ("report_views", "report_contents", "credit_reports"):
        op.drop_table(table)
