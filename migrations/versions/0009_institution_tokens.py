"""Tokens of an institution itself: no consent stands behind them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.alter_column("access_tokens", "consent_id", nullable=True)


def downgrade() -> None:
    """Undo; such tokens live for minutes, so dropping them loses nothing."""
    op.execute("DELETE FROM access_tokens WHERE consent_id IS NULL")
    op.alter_column("access_tokens", "consent_id", nullable=False)
