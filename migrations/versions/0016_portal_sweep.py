"""The worker sweeps sessions and counters that are over."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("GRANT SELECT, DELETE ON web_sessions, sign_in_tries TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE SELECT, DELETE ON web_sessions, sign_in_tries FROM creditlink_worker")
