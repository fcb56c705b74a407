"""Notifications: secrets, messages and deliveries of webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OWN = "institution_id = (SELECT creditlink_setting('institution_id'))"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False, index=True),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("notification_id", sa.Uuid, sa.ForeignKey("notifications.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("replays", sa.BigInteger, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_try_at", INSTANT),
        sa.Column("next_try_at", INSTANT),
        sa.Column("last_status", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("delivered_at", INSTANT),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
    )
    op.create_index(
        "ix_webhook_deliveries_institution_id_created_at", "webhook_deliveries", ["institution_id", "created_at", "id"]
    )
    op.create_index("ix_webhook_deliveries_state_created_at", "webhook_deliveries", ["state", "created_at"])

    # The API queues what happened and lets a bank see and replay its own; it never sees a secret.
    op.execute("GRANT SELECT ON webhook_secrets TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT ON notifications, webhook_deliveries TO creditlink_api, creditlink_worker")
    op.execute("GRANT UPDATE (state, tries, replays, next_try_at) ON webhook_deliveries TO creditlink_api")
    op.execute("GRANT UPDATE ON webhook_deliveries TO creditlink_worker")
    for table in ("notifications", "webhook_deliveries"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY queued ON {table} FOR INSERT TO creditlink_api WITH CHECK (true)")
        op.execute(f"CREATE POLICY own ON {table} FOR SELECT TO creditlink_api USING ({OWN})")
    op.execute(f"CREATE POLICY replayed ON webhook_deliveries FOR UPDATE TO creditlink_api USING ({OWN})")


def downgrade() -> None:
    """Undo."""
    for table in ("webhook_deliveries", "notifications", "webhook_secrets"):
        op.drop_table(table)
