"""Status: answers by step and minute; stages of the consent funnel."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "step_counts",
        sa.Column("minute_at", INSTANT, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, primary_key=True),
        sa.Column("bucket", sa.BigInteger, primary_key=True),
        sa.Column("answers", sa.BigInteger, nullable=False),
        sa.CheckConstraint("outcome IN ('ok', 'failed')", name="outcome"),
    )
    op.create_table(
        "consent_stages",
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("reached_at", INSTANT, nullable=False),
        sa.CheckConstraint("stage IN ('shown', 'signed_in')", name="stage"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE (answers) ON step_counts TO creditlink_api")
    op.execute("GRANT SELECT, DELETE ON step_counts TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT ON consent_stages TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.drop_table("consent_stages")
    op.drop_table("step_counts")
