"""A database says what it is for: the sandbox's or production's."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "database_purpose",
        # One row and no more: a database is for one thing.
        sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("one", name="one_row"),
        sa.CheckConstraint("purpose IN ('sandbox', 'production')", name="purpose"),
    )
    op.execute("GRANT SELECT ON database_purpose TO creditlink_api, creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.drop_table("database_purpose")
