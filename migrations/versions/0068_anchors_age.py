"""The pages' role reads when the evidence was last anchored and stamped: an alert needs it. Anchors name no firm."""

from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("GRANT SELECT (issued_at, stamped_at) ON audit_anchors TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE SELECT (issued_at, stamped_at) ON audit_anchors FROM creditlink_api")
