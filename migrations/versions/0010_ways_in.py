"""Backchannel requests say something; firms may want two signatures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("pushed_requests", sa.Column("binding_message", sa.Text))
    op.add_column("enterprises", sa.Column("two_signatures", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "consent_signatures",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False, index=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("categories", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("text_version", sa.Text, nullable=False),
        sa.Column("text_lang", sa.Text, nullable=False),
        sa.Column("text_sha256", sa.Text, nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('legal_representative', 'agent')", name="role"),
    )
    op.execute("""
        CREATE TRIGGER consent_signatures_are_final BEFORE UPDATE OR DELETE ON consent_signatures
        FOR EACH ROW EXECUTE FUNCTION consent_events_are_final()""")
    op.execute("GRANT SELECT, INSERT ON consent_signatures TO creditlink_api")
    op.execute("GRANT SELECT ON consent_signatures TO creditlink_worker")
    # The legal representative switches this on a page; everything else of the registry is the operator's.
    op.execute("GRANT UPDATE (two_signatures, updated_at) ON enterprises TO creditlink_api")
    # Absent is SQL's null, not JSON's: what was stored before told the two apart by chance.
    op.execute("UPDATE representations SET limits = NULL WHERE limits = 'null'::jsonb")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE UPDATE (two_signatures, updated_at) ON enterprises FROM creditlink_api")
    op.drop_table("consent_signatures")
    op.drop_column("enterprises", "two_signatures")
    op.drop_column("pushed_requests", "binding_message")
