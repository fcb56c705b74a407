"""Whoever sees a report sees whether the profile that it repeats ended early: its verify page says so."""

from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(
        "CREATE POLICY reported ON profile_endings FOR SELECT TO creditlink_api"
        " USING (profile_id IN (SELECT profile_id FROM credit_reports))"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP POLICY reported ON profile_endings")
