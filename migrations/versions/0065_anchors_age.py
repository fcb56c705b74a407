"""The pages' role reads when the evidence was last anchored and stamped: an alert needs it. Anchors name no firm."""

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None
serves = "0061"  # a right that older code does not use


def upgrade() -> None:
    """Apply."""
    op.execute("GRANT SELECT (issued_at, stamped_at) ON audit_anchors TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE SELECT (issued_at, stamped_at) ON audit_anchors FROM creditlink_api")
