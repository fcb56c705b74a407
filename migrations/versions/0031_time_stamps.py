"""When an authority time-stamped an anchor."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
serves = "0030"  # a column that older code neither reads nor writes


def upgrade() -> None:
    """Apply."""
    op.add_column("audit_anchors", sa.Column("stamped_at", sa.DateTime(timezone=True)))
    op.execute("GRANT UPDATE (stamped_at) ON audit_anchors TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.drop_column("audit_anchors", "stamped_at")
