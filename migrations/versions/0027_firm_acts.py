"""What one person of a firm signed and a second must sign too, besides consents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FIRM = "enterprise_id = (SELECT creditlink_firm())"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "firm_acts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("subject", pg.JSONB, nullable=False),
        sa.Column("subject_sha256", sa.Text, nullable=False),
        sa.Column("signed_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("signed_at", INSTANT, nullable=False),
        sa.Column("open_until", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_by", sa.Uuid, sa.ForeignKey("accounts.id")),
        sa.Column("end_reason", sa.Text),
        sa.CheckConstraint("act IN ('accept', 'resume', 'appoint', 'signatures', 'count')", name="act"),
        sa.CheckConstraint("role IN ('legal_representative', 'agent')", name="role"),
        sa.CheckConstraint("end_reason IN ('done', 'declined')", name="end_reason"),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        # The rule itself: whoever signed first is not the second.
        sa.CheckConstraint("end_reason <> 'done' OR ended_by <> signed_by", name="two_people"),
    )
    op.execute("GRANT SELECT, INSERT ON firm_acts TO creditlink_api")
    op.execute("GRANT UPDATE (ended_at, ended_by, end_reason) ON firm_acts TO creditlink_api")
    op.execute("ALTER TABLE firm_acts ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY firm ON firm_acts TO creditlink_api USING ({FIRM}) WITH CHECK ({FIRM})")


def downgrade() -> None:
    """Undo."""
    op.drop_table("firm_acts")
