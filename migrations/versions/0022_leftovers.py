"""The worker deletes webhooks that were told long ago."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("GRANT DELETE ON notifications, webhook_deliveries TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE DELETE ON notifications, webhook_deliveries FROM creditlink_worker")
