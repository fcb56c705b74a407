"""Web sessions and sign-in throttling."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "web_sessions",
        sa.Column("id_hash", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.id"), index=True),
        sa.Column("data", pg.JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
        sa.Column("strong_at", INSTANT),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
    )
    op.create_table(
        "sign_in_tries",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("window_from", INSTANT, nullable=False),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON web_sessions, sign_in_tries TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.drop_table("sign_in_tries")
    op.drop_table("web_sessions")
