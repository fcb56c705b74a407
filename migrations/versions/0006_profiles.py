"""Profiles: immutable snapshots."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "profiles",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("grade", sa.Text),
        sa.Column("points", sa.BigInteger),
        sa.Column("pd_12m", sa.Float),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.Text, nullable=False),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.Column("asked", pg.JSONB, nullable=False),
        sa.Column("registration", pg.JSONB, nullable=False),
        sa.Column("fact_ids", pg.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("inputs_sha256", sa.Text, nullable=False),
        sa.Column("summary", pg.JSONB, nullable=False),
        sa.Column("coverage", pg.JSONB, nullable=False),
        sa.Column("explanation", pg.JSONB, nullable=False),
        sa.Column("matches", pg.JSONB, nullable=False),
        sa.Column("content_sha256", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('scored', 'not_scorable')", name="state"),
        sa.CheckConstraint("(state = 'scored') = (grade IS NOT NULL)", name="scored_has_grade"),
    )
    op.create_index("ix_profiles_consent_id_created_at", "profiles", ["consent_id", "created_at", "id"])
    op.execute("GRANT SELECT, INSERT ON profiles TO creditlink_api")
    op.execute("GRANT SELECT, DELETE ON profiles TO creditlink_worker")
    op.execute("""
        CREATE FUNCTION profiles_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'profiles are immutable'; END $$""")
    op.execute("""
        CREATE TRIGGER profiles_are_final BEFORE UPDATE ON profiles
        FOR EACH ROW EXECUTE FUNCTION profiles_are_final()""")


def downgrade() -> None:
    """Undo."""
    op.drop_table("profiles")
    op.execute("DROP FUNCTION profiles_are_final")
