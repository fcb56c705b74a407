"""What was anchored outside the database, so that only heads that moved are anchored next; narrower grants."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_anchors",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heads", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit_anchored",
        sa.Column("chain_id", sa.Uuid, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.execute("GRANT SELECT, INSERT ON audit_anchors TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE ON audit_anchored TO creditlink_worker")
    # The worker reads how far each chain is, and nothing of what is in it.
    op.execute("GRANT SELECT ON audit_heads TO creditlink_worker")
    op.execute("CREATE POLICY worker ON audit_heads FOR SELECT TO creditlink_worker USING (true)")

    # Wider than they need: who an account is, a request's key, an offer and a loan are not theirs to make.
    op.execute("REVOKE INSERT, UPDATE ON accounts FROM creditlink_api")
    op.execute("GRANT UPDATE (password_hash, totp_secret, totp_last_step) ON accounts TO creditlink_api")
    op.execute("REVOKE INSERT, UPDATE ON idempotency_keys FROM creditlink_worker")
    op.execute("REVOKE INSERT ON financing_offers, loan_facts FROM creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("GRANT INSERT ON financing_offers, loan_facts TO creditlink_worker")
    op.execute("GRANT INSERT, UPDATE ON idempotency_keys TO creditlink_worker")
    op.execute("GRANT INSERT, UPDATE ON accounts TO creditlink_api")
    op.execute("DROP POLICY worker ON audit_heads")
    op.execute("REVOKE SELECT ON audit_heads FROM creditlink_worker")
    op.drop_table("audit_anchored")
    op.drop_table("audit_anchors")
