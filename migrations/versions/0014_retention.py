"""Certificates of deletion; what the purge may delete."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "deletion_certificates",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False, index=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", pg.JSONB, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_deletion_certificates_institution_id_issued_at",
        "deletion_certificates",
        ["institution_id", "issued_at", "id"],
    )
    op.execute("""
        CREATE TRIGGER deletion_certificates_are_final BEFORE UPDATE OR DELETE ON deletion_certificates
        FOR EACH ROW EXECUTE FUNCTION consent_events_are_final()""")
    op.execute("GRANT SELECT ON deletion_certificates TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON deletion_certificates TO creditlink_worker")
    op.execute("GRANT DELETE ON pulls, pull_parts TO creditlink_worker")
    op.execute("ALTER TABLE deletion_certificates ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY worker ON deletion_certificates TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute("""
        CREATE POLICY own ON deletion_certificates FOR SELECT TO creditlink_api
        USING (institution_id = (SELECT creditlink_setting('institution_id'))
               OR enterprise_id = (SELECT creditlink_setting('enterprise_id')))""")


def downgrade() -> None:
    """Undo."""
    op.drop_table("deletion_certificates")
    op.execute("REVOKE DELETE ON pulls, pull_parts FROM creditlink_worker")
